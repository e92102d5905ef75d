//! A small HTTP server that answers as a test wants, well or badly.

use crate::unused_port::UnusedPort;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

/// What a client sent.
#[derive(Clone, Debug)]
pub struct Request {
    /// `POST /path HTTP/1.1`.
    pub line: String,
    /// `name: value`, names in small letters.
    pub headers: Vec<String>,
    /// What follows the head.
    pub body: Vec<u8>,
}

/// What the server does about a request.
#[derive(Clone, Debug)]
pub enum Answer {
    /// A status and an empty body.
    Status(&'static str),
    /// Any bytes, and the end of the connection.
    Bytes(Vec<u8>),
    /// Nothing, for as long as the client waits.
    Stall,
}

/// What the server does when it has read the head of a request.
#[derive(Clone, Debug, Default)]
pub enum Early {
    /// It reads the body, and then answers.
    #[default]
    Nothing,
    /// It sends these bytes, reads the body, and then answers.
    Interim(Vec<u8>),
    /// It reads so many bytes of the body, sends this answer, and closes the connection with the rest unread.
    Close(usize, Vec<u8>),
    /// The same, but it keeps the connection open without reading any more.
    Stay(usize, Vec<u8>),
}

/// What the server does about a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manners {
    /// It reads the request and answers.
    Answer,
    /// It reads nothing, and waits until the client is gone.
    Stall,
    /// It reads the head, and cuts the connection with the body unread.
    Cut,
}

/// A server; it stops when dropped.
pub struct HttpServer {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
    heads: Arc<Mutex<usize>>,
    /// Kept to end them with the server; none when only the client may keep one open.
    connections: Arc<Mutex<Vec<Option<TcpStream>>>>,
    stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

type Answers = dyn Fn(usize, &Request) -> Answer + Send + Sync;
type EarlyAnswers = dyn Fn(&Request) -> Early + Send + Sync;

/// How a server converses.
struct Conduct {
    manners: Manners,
    early: Box<EarlyAnswers>,
    answers: Box<Answers>,
    /// The requests that were received whole, and the number of heads that were.
    seen: Arc<Mutex<Vec<Request>>>,
    heads: Arc<Mutex<usize>>,
}

impl HttpServer {
    /// Answers every request in the same way.
    pub fn answering(status: &'static str) -> HttpServer {
        HttpServer::start(move |_, _| Answer::Status(status))
    }

    /// Answers by the number of the request, from 0, and by what it says.
    pub fn start(answers: impl Fn(usize, &Request) -> Answer + Send + Sync + 'static) -> HttpServer {
        HttpServer::behind(UnusedPort::new(), answers)
    }

    /// The same where nobody has listened so far.
    pub fn behind(
        port: UnusedPort,
        answers: impl Fn(usize, &Request) -> Answer + Send + Sync + 'static,
    ) -> HttpServer {
        HttpServer::serve(port, Manners::Answer, Box::new(|_| Early::Nothing), Box::new(answers))
    }

    /// Treats every connection badly.
    pub fn with_manners(manners: Manners) -> HttpServer {
        let early = Box::new(|_: &Request| Early::Nothing);
        HttpServer::serve(UnusedPort::new(), manners, early, Box::new(|_, _| Answer::Stall))
    }

    /// Says something before it has read a body, by what the head says, and answers as the others do when it has.
    pub fn with_early(
        early: impl Fn(&Request) -> Early + Send + Sync + 'static,
        answers: impl Fn(usize, &Request) -> Answer + Send + Sync + 'static,
    ) -> HttpServer {
        HttpServer::serve(UnusedPort::new(), Manners::Answer, Box::new(early), Box::new(answers))
    }

    fn serve(
        port: UnusedPort,
        manners: Manners,
        early: Box<EarlyAnswers>,
        answers: Box<Answers>,
    ) -> HttpServer {
        let address = port.address();
        let listener = port.listen();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let connections = Arc::new(Mutex::new(Vec::new()));
        let stopped = Arc::new(AtomicBool::new(false));
        let heads = Arc::default();
        let (open, stop) = (Arc::clone(&connections), Arc::clone(&stopped));
        let conduct =
            Conduct { manners, early, answers, seen: Arc::clone(&requests), heads: Arc::clone(&heads) };
        let conduct = Arc::new(conduct);
        let thread = thread::spawn(move || {
            for stream in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let stream = stream.unwrap();
                open.lock().unwrap().push(Some(stream.try_clone().unwrap()));
                let number = open.lock().unwrap().len() - 1;
                let (conduct, open) = (Arc::clone(&conduct), Arc::clone(&open));
                thread::spawn(move || {
                    // What ends the conversation closes the connection, and what is unread then resets it.
                    if let Some(stream) = conduct.converse(stream) {
                        open.lock().unwrap()[number] = None;
                        drop(stream);
                    }
                });
            }
        });
        HttpServer { address, requests, heads, connections, stopped, thread: Some(thread) }
    }

    /// Where results are uploaded to.
    pub fn url(&self) -> String {
        upload_url(self.address)
    }

    /// The requests that were received whole.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// How many requests began, whether or not they were received whole.
    pub fn heads(&self) -> usize {
        *self.heads.lock().unwrap()
    }

    /// How many connections there were.
    pub fn connections(&self) -> usize {
        self.connections.lock().unwrap().len()
    }
}

/// Where results are uploaded to at an address.
pub fn upload_url(address: SocketAddr) -> String {
    format!("http://{address}/upload")
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        for stream in self.connections.lock().unwrap().iter().flatten() {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
        // Wakes the thread, which then gives up the port.
        let _ = TcpStream::connect(self.address);
        let _ = self.thread.take().unwrap().join();
    }
}

impl Request {
    /// The value of a header; its name in small letters.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find_map(|header| header.strip_prefix(name)?.strip_prefix(": "))
    }
}

impl Conduct {
    /// Gives the connection back if it is to be closed with what is unread.
    fn converse(&self, stream: TcpStream) -> Option<BufReader<TcpStream>> {
        let mut reader = BufReader::with_capacity(1024, stream);
        if self.manners == Manners::Stall {
            wait_for_end(reader.get_mut());
            return None;
        }
        let (line, headers) = read_head(&mut reader)?;
        *self.heads.lock().unwrap() += 1;
        if self.manners == Manners::Cut {
            return Some(reader);
        }
        let request = Request { line, headers, body: Vec::new() };
        match (self.early)(&request) {
            Early::Nothing => {}
            // The client may be gone by now, as some tests want it.
            Early::Interim(bytes) => drop(reader.get_mut().write_all(&bytes)),
            Early::Close(count, bytes) => {
                answer_early(&mut reader, count, &bytes)?;
                return Some(reader);
            }
            Early::Stay(count, bytes) => {
                answer_early(&mut reader, count, &bytes)?;
                wait_for_end(reader.get_mut());
                return None;
            }
        }
        self.answer(reader, request)
    }

    fn answer(&self, mut reader: BufReader<TcpStream>, mut request: Request) -> Option<BufReader<TcpStream>> {
        let length = request.header("content-length").map_or(0, |length| length.parse().unwrap());
        request.body = vec![0; length];
        reader.read_exact(&mut request.body).ok()?;
        let number = {
            let mut seen = self.seen.lock().unwrap();
            seen.push(request.clone());
            seen.len() - 1
        };
        let stream = reader.get_mut();
        match (self.answers)(number, &request) {
            Answer::Status(status) => {
                let _ = write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
            }
            Answer::Bytes(bytes) => {
                let _ = stream.write_all(&bytes);
            }
            Answer::Stall => wait_for_end(stream),
        }
        let _ = stream.shutdown(std::net::Shutdown::Both);
        None
    }
}

fn answer_early(reader: &mut BufReader<TcpStream>, count: usize, bytes: &[u8]) -> Option<()> {
    reader.read_exact(&mut vec![0; count]).ok()?;
    reader.get_mut().write_all(bytes).ok()
}

fn read_head(reader: &mut impl BufRead) -> Option<(String, Vec<String>)> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let mut lines = lines.into_iter();
    let line = lines.next()?;
    let small = |header: String| match header.split_once(':') {
        Some((name, value)) => format!("{}: {}", name.to_ascii_lowercase(), value.trim()),
        None => header,
    };
    Some((line, lines.map(small).collect()))
}

/// Waits until the client is gone, or the server is stopped, without reading what it sends.
fn wait_for_end(stream: &mut TcpStream) {
    let mut byte = [0];
    while stream.peek(&mut byte).is_ok_and(|bytes| bytes > 0) {
        thread::sleep(std::time::Duration::from_millis(10));
    }
}
