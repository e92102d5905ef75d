//! The bare copy from a socket to a file, synced at the end.

use crate::failure::{During, Failure, Outcome};
use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// Bytes in one write to the socket, and in one read from it: what worker and server use.
pub(crate) const CHUNK_BYTES: usize = 256 * 1024;

/// Sends so many bytes.
pub(crate) fn send_bulk(stream: &mut TcpStream, length: u64) -> Outcome<()> {
    let chunk: Vec<u8> = (0..CHUNK_BYTES).map(|place| (place % 251) as u8).collect();
    let mut left = length;
    while left > 0 {
        let count = left.min(CHUNK_BYTES as u64);
        stream.write_all(chunk.get(..count as usize).unwrap_or_default()).during("send an artifact")?;
        left -= count;
    }
    Ok(())
}

/// Copies so many bytes through a connection into a file; gives the time until the sender learns that they are durable.
pub(crate) fn copy_time(path: &Path, length: u64) -> Outcome<Duration> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).during("listen")?;
    let address: SocketAddr = listener.local_addr()?;
    let mut file = File::create(path).during("create a file to copy to")?;
    let receiver = thread::spawn(move || -> Outcome<()> {
        let (mut stream, _) = listener.accept().during("accept a connection")?;
        let mut buffer = vec![0; CHUNK_BYTES];
        let mut left = length;
        while left > 0 {
            let bytes = stream.read(&mut buffer).during("receive")?;
            if bytes == 0 {
                return Err(Failure::new("the sender stopped early"));
            }
            file.write_all(buffer.get(..bytes).unwrap_or_default()).during("write")?;
            left -= bytes as u64;
        }
        file.sync_all().during("sync")
    });
    let mut stream = TcpStream::connect(address).during("connect")?;
    let start = Instant::now();
    send_bulk(&mut stream, length)?;
    // The end of the stream says that the file is durable.
    let _ = stream.read(&mut [0]).during("wait for the receiver")?;
    let time = start.elapsed();
    receiver.join().map_err(|_| Failure::new("the receiver panicked"))??;
    std::fs::remove_file(path).during("remove the copy")?;
    Ok(time)
}
