//! The bare way of a file to another: read, sent through a socket of the system, written.

use super::copy::CHUNK_BYTES;
use crate::failure::{During, Failure, Outcome};
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// Sends a file through a socket to a thread that writes another; gives the time until all is written.
pub(crate) fn relay_time(from: &Path, to: &Path) -> Outcome<Duration> {
    let start = Instant::now();
    let (sender, receiver) = UnixStream::pair().during("make a pair of sockets")?;
    let target = File::create(to).during("create a file to copy to")?;
    let written = thread::spawn(move || pass_on(receiver, target));
    pass_on(File::open(from).during("open a file to copy")?, sender)?;
    written.join().map_err(|_| Failure::new("the receiver panicked"))??;
    let time = start.elapsed();
    std::fs::remove_file(to).during("remove the copy")?;
    Ok(time)
}

/// Writes all that can be read.
fn pass_on(mut from: impl Read, mut to: impl Write) -> Outcome<()> {
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        let bytes = from.read(&mut buffer).during("read")?;
        if bytes == 0 {
            return Ok(());
        }
        to.write_all(buffer.get(..bytes).unwrap_or_default()).during("write")?;
    }
}
