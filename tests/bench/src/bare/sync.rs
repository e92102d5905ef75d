//! The bare rate at which small writes become durable.

use crate::failure::{During, Outcome};
use crate::statistics::rate;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

/// Bytes of each write: about what one command takes in the server's log.
const WRITE_BYTES: usize = 200;

/// Appends to a file and syncs it, again and again for so long; gives the rate a second.
pub(crate) fn sync_rate(path: &Path, time: Duration) -> Outcome<f64> {
    let mut file = File::create(path).during("create a file to sync")?;
    let bytes = [b'x'; WRITE_BYTES];
    let start = Instant::now();
    let mut count = 0;
    while start.elapsed() < time {
        file.write_all(&bytes).and_then(|()| file.sync_data()).during("write and sync")?;
        count += 1;
    }
    Ok(rate(count, start.elapsed()))
}
