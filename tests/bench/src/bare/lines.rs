//! The bare line reader: takes frames from a socket and counts them, and keeps nothing.

use crate::bare::copy::CHUNK_BYTES;
use crate::failure::{During, Failure, Outcome};
use crate::rows::console::LineSource;
use builder_proto::Uuid;
use builder_proto::frame::{FrameDecoder, FrameEvent};
use std::io::Read;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

/// Sends so many lines through a connection; gives the time until the last one was counted.
pub(crate) fn read_time(lines: u64) -> Outcome<Duration> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).during("listen")?;
    let address = listener.local_addr()?;
    let reader = thread::spawn(move || -> Outcome<Instant> {
        let (mut stream, _) = listener.accept().during("accept a connection")?;
        let mut buffer = vec![0; CHUNK_BYTES];
        let mut decoder = FrameDecoder::new(CHUNK_BYTES as u64);
        let mut count = 0;
        while count < lines {
            let bytes = stream.read(&mut buffer).during("receive lines")?;
            if bytes == 0 {
                return Err(Failure::new("the sender stopped early"));
            }
            let mut input = buffer.get(..bytes).unwrap_or_default();
            while let Some(event) = decoder.next(&mut input).map_err(Failure::new)? {
                count += u64::from(matches!(event, FrameEvent::Frame(_)));
            }
        }
        Ok(Instant::now())
    });
    let mut stream = TcpStream::connect(address).during("connect")?;
    let start = Instant::now();
    LineSource::new(Uuid::nil()).send(&mut stream, lines)?;
    let end = reader.join().map_err(|_| Failure::new("the reader panicked"))??;
    Ok(end - start)
}
