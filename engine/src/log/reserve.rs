//! Space held back on the disk, for the log alone: when the disk is full it is given up, so that jobs can still
//! be unscheduled and builds still finish.

use super::format::{SALT_LENGTH, Salt};
use super::storage::{Files, RESERVE, Storage, StorageError};

const DRAFT: &str = "reserve.new";
const CHUNK_BYTES: usize = 64 * 1024;

/// Whether there is a reserve to give up.
pub(super) fn exists<S: Storage>(files: &Files<S>) -> Result<bool, StorageError> {
    Ok(files.open(RESERVE)?.is_some())
}

/// Whether there is a reserve of at least `bytes`. It gets its name only once all of it is durable, but it may be one that an
/// earlier version made, or that was made smaller by hand.
pub(super) fn is_whole<S: Storage>(files: &Files<S>, bytes: u64) -> Result<bool, StorageError> {
    let Some(file) = files.open(RESERVE)? else { return Ok(false) };
    let last_byte = bytes.checked_sub(1);
    Ok(last_byte.map_or(Ok(1), |offset| files.read_at(&file, offset, &mut [0]))? > 0)
}

/// Writes a reserve of `bytes`. Leaves nothing behind when there is no room for it.
pub(super) fn fill<S: Storage>(files: &Files<S>, bytes: u64, salt: Salt) -> Result<(), StorageError> {
    let filled = write_draft(files, bytes, salt);
    if filled.is_err() {
        files.remove(DRAFT)?;
    }
    filled
}

/// Removes the reserve. Removals free space on some file systems only once they are durable.
pub(super) fn give_up<S: Storage>(files: &Files<S>) -> Result<(), StorageError> {
    files.remove(RESERVE)?;
    files.sync_names()
}

fn write_draft<S: Storage>(files: &Files<S>, bytes: u64, salt: Salt) -> Result<(), StorageError> {
    let file = files.create(DRAFT)?;
    let mut noise = Noise::new(salt);
    let mut chunk = Vec::with_capacity(CHUNK_BYTES);
    let mut offset = 0;
    while offset < bytes {
        let length = (bytes - offset).min(CHUNK_BYTES as u64);
        noise.refill(&mut chunk, length as usize);
        files.write_all_at(&file, offset, &chunk)?;
        offset += length;
    }
    files.publish(file, RESERVE)?;
    Ok(())
}

/// Bytes that no file system can compress away (xorshift64*, from Vigna's paper of 2016).
struct Noise(u64);

impl Noise {
    fn new(Salt(salt): Salt) -> Noise {
        const { assert!(SALT_LENGTH == 16) };
        let seed = u128::from_be_bytes(salt);
        // Zero is the one state from which this generator never leaves.
        Noise((seed as u64 ^ (seed >> 64) as u64).max(1))
    }

    fn refill(&mut self, chunk: &mut Vec<u8>, length: usize) {
        chunk.clear();
        while chunk.len() < length {
            self.0 ^= self.0 >> 12;
            self.0 ^= self.0 << 25;
            self.0 ^= self.0 >> 27;
            chunk.extend_from_slice(&self.0.wrapping_mul(0x2545_f491_4f6c_dd1d).to_be_bytes());
        }
        chunk.truncate(length);
    }
}
