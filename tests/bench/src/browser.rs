//! A browser that asks for one page after the other.

use crate::failure::{During, Failure, Outcome};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

/// Bytes that are read at once.
const READ_BYTES: usize = 64 * 1024;
/// What ends the head of an answer.
const END_OF_HEAD: &[u8] = b"\r\n\r\n";

/// A connection to a dashboard that stays open.
#[derive(Debug)]
pub(crate) struct Browser {
    stream: TcpStream,
}

impl Browser {
    pub(crate) fn connect(address: SocketAddr) -> Outcome<Browser> {
        let stream = TcpStream::connect(address).during("connect to the dashboard")?;
        stream.set_nodelay(true)?;
        Ok(Browser { stream })
    }

    /// The page at this path, of a host of this name. Anything else is a failure.
    pub(crate) fn get(&mut self, path: &str, host: &str) -> Outcome<Vec<u8>> {
        let (head, mut body) = self.ask(path, host)?;
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
        let length: usize = length.and_then(|length| length.parse().ok()).ok_or_else(|| {
            Failure::new(format_args!("the answer for {path} does not say its length: {head}"))
        })?;
        while body.len() < length {
            self.read(&mut body)?;
        }
        match body.len() == length {
            true => Ok(body),
            false => Err(Failure::new(format_args!("the answer for {path} is longer than it says"))),
        }
    }

    /// Begins to follow what is at this path. Gives the connection, and what has come after the head.
    pub(crate) fn follow(mut self, path: &str) -> Outcome<(TcpStream, Vec<u8>)> {
        let (_, rest) = self.ask(path, "localhost")?;
        Ok((self.stream, rest))
    }

    /// Asks, and gives the head of the answer with what has come of the body.
    fn ask(&mut self, path: &str, host: &str) -> Outcome<(String, Vec<u8>)> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        self.stream.write_all(request.as_bytes()).during("ask for a page")?;
        let mut answer = Vec::new();
        loop {
            self.read(&mut answer)?;
            let end = answer.windows(END_OF_HEAD.len()).position(|window| window == END_OF_HEAD);
            if let Some(end) = end {
                let rest = answer.split_off(end + END_OF_HEAD.len());
                let head = String::from_utf8_lossy(&answer).into_owned();
                return match head.starts_with("HTTP/1.1 200 ") {
                    true => Ok((head, rest)),
                    false => Err(Failure::new(format_args!("{path} is not there: {}", head.trim_end()))),
                };
            }
        }
    }

    fn read(&mut self, answer: &mut Vec<u8>) -> Outcome<()> {
        let mut buffer = [0; READ_BYTES];
        match self.stream.read(&mut buffer).during("read a page")? {
            0 => Err(Failure::new("the dashboard closed the connection too early")),
            bytes => {
                answer.extend_from_slice(buffer.get(..bytes).unwrap_or_default());
                Ok(())
            }
        }
    }
}
