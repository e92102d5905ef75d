//! A running `builder-dashboard`, and browsers that speak HTTP byte by byte.

use crate::process::{Site, patience};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};

/// A running dashboard; killed when dropped.
#[derive(Debug)]
pub struct Dashboard {
    child: Child,
    /// What it says that it listens on.
    said: String,
    log: PathBuf,
}

/// What a browser was answered.
#[derive(Debug)]
pub struct Page {
    /// The status, such as 200.
    pub status: u16,
    /// The lines above the body.
    pub head: String,
    /// The body, as it is meant.
    pub body: Vec<u8>,
}

impl Dashboard {
    /// Starts the program with these options; its log is on this site.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub fn start(site: &Site, program: &str, options: &[&str]) -> Dashboard {
        let log = site.file("dashboard.log", "");
        let mut command = Command::new(program);
        command.args(options).env_remove("RUST_LOG").env_remove("BUILDER_REMOTE").stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(File::create(&log).unwrap());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let said = line.trim().strip_prefix("listening on ").map(str::to_owned);
        let said = said.unwrap_or_else(|| panic!("{line}{}", fs::read_to_string(&log).unwrap()));
        Dashboard { child, said, log }
    }

    /// Where it listens, as it says.
    pub fn said(&self) -> &str {
        &self.said
    }

    /// A connection to it.
    ///
    /// # Panics
    ///
    /// When it does not take one.
    pub fn connect(&self) -> TcpStream {
        let address = self.said.strip_prefix("http://").unwrap().split('/').next().unwrap();
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(patience())).unwrap();
        stream.set_write_timeout(Some(patience())).unwrap();
        stream
    }

    /// Gets a page on a connection of its own.
    ///
    /// # Panics
    ///
    /// When what comes back is no page.
    pub fn get(&self, path: &str) -> Page {
        let mut stream = self.connect();
        stream.write_all(request(path).as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        Page::parse(&answer)
    }

    /// Sends a signal.
    pub fn signal(&self, name: &str) {
        crate::process::signal(self.child.id(), name);
    }

    /// Waits for its end.
    ///
    /// # Panics
    ///
    /// When the system does not know it.
    pub fn wait(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    /// What it has logged.
    ///
    /// # Panics
    ///
    /// When that is not there.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }
}

impl Drop for Dashboard {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a browser sends that wants a page, and nothing else after it.
pub fn request(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
}

impl Page {
    /// Takes an answer apart.
    ///
    /// # Panics
    ///
    /// When it is none.
    pub fn parse(answer: &[u8]) -> Page {
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n");
        let end = end.unwrap_or_else(|| panic!("no answer: {}", String::from_utf8_lossy(answer)));
        let head = String::from_utf8(answer[..end].to_vec()).unwrap();
        let status = head.strip_prefix("HTTP/1.1 ").unwrap().get(..3).unwrap().parse().unwrap();
        let mut body = answer[end + 4..].to_vec();
        if head.contains("\r\nTransfer-Encoding: chunked") {
            body = without_chunks(&body);
        }
        Page { status, head, body }
    }

    /// The body, which is text.
    ///
    /// # Panics
    ///
    /// When it is not.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

/// The body without what stands around its pieces; the last one has to be there.
fn without_chunks(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|window| window == b"\r\n").unwrap();
        let length = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
        rest = &rest[end + 2..];
        if length == 0 {
            assert_eq!(rest, b"\r\n");
            return body;
        }
        body.extend_from_slice(&rest[..length]);
        assert_eq!(&rest[length..length + 2], b"\r\n");
        rest = &rest[length + 2..];
    }
}
