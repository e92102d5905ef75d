//! The bare responder: greets, appends whatever comes next to a file, syncs it once a turn, answers `success`, closes.
//!
//! It checks nothing, knows nothing and forgets everything: the least that a durable answer can cost.

use crate::failure::{During, Outcome};
use builder_proto::command::Command;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

const LISTENER: Token = Token(0);
const BACKLOG: i32 = 1024;

/// A running responder; ends when dropped.
#[derive(Debug)]
pub(crate) struct Responder {
    address: SocketAddr,
    stopped: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<io::Result<()>>>,
}

impl Responder {
    /// Starts one that appends to `log`.
    pub(crate) fn start(log: &Path) -> Outcome<Responder> {
        let file = File::create(log).during("create the responder's log")?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0).into()).during("listen")?;
        rustix::net::listen(&listener, BACKLOG).during("listen")?;
        let address = listener.local_addr()?;
        let stopped = Arc::new(AtomicBool::new(false));
        let is_stopped = Arc::clone(&stopped);
        let thread = thread::spawn(move || respond(listener, file, &is_stopped));
        Ok(Responder { address, stopped, thread: Some(thread) })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        // A connection wakes it up.
        let _ = std::net::TcpStream::connect(self.address);
        if let Some(Ok(Err(error))) = self.thread.take().map(thread::JoinHandle::join) {
            eprintln!("the bare responder failed: {error}");
        }
    }
}

fn respond(mut listener: TcpListener, mut file: File, stopped: &AtomicBool) -> io::Result<()> {
    let greeting = Command::ServerHello.to_frame().map_err(io::Error::other)?;
    let success = Command::Success.to_frame().map_err(io::Error::other)?;
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(1024);
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut peers: BTreeMap<Token, (TcpStream, bool)> = BTreeMap::new();
    let mut next = LISTENER;
    let mut buffer = vec![0; 64 * 1024];
    let (mut batch, mut unanswered) = (Vec::new(), Vec::new());
    while !stopped.load(Ordering::Relaxed) {
        poll.poll(&mut events, None)?;
        for event in &events {
            if event.token() == LISTENER {
                while let Ok((mut stream, _)) = listener.accept() {
                    next = Token(next.0 + 1);
                    stream.set_nodelay(true)?;
                    poll.registry().register(&mut stream, next, Interest::READABLE)?;
                    peers.insert(next, (stream, false));
                }
                continue;
            }
            let Some((stream, is_greeted)) = peers.get_mut(&event.token()) else { continue };
            let Ok(bytes @ 1..) = stream.read(&mut buffer) else { continue };
            if *is_greeted {
                batch.extend_from_slice(buffer.get(..bytes).unwrap_or_default());
                unanswered.extend(peers.remove(&event.token()).map(|(stream, _)| stream));
            } else {
                stream.write_all(&greeting)?;
                *is_greeted = true;
            }
        }
        if !batch.is_empty() {
            file.write_all(&batch)?;
            file.sync_data()?;
            batch.clear();
        }
        for mut stream in unanswered.drain(..) {
            stream.write_all(&success)?;
        }
    }
    Ok(())
}
