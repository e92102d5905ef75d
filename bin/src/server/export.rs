//! `--export-state`: what the server knows, as the state file from which builder 0.4.0 goes on. Changes nothing in the
//! data directory, so whoever only has a look, and as whatever user, leaves no trace.

use crate::directory::{self, DirectoryLock};
use crate::log_file::Disk;
use crate::server::migration;
use crate::server::options::Settings;
use crate::server::paths::Paths;
use crate::server::result;
use crate::server::stop::{StartError, file_error};
use builder_engine::log;
use builder_engine::server::{Recovered, Recovery, UnsettledResult};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

pub(crate) fn run(settings: &Settings, file: &Path) -> Result<(), StartError> {
    let paths = Paths::new(&settings.directory, directory::private(&settings.directory)?);
    let _lock = DirectoryLock::acquire_to_read(paths.private())?;
    let state = match read_log(settings, &paths)? {
        Some(recovered) => {
            recovered.unsettled.iter().for_each(|result| look_after(&paths, result));
            recovered.state
        }
        None => {
            ::log::warn!(
                "no server of this version has run in {}; exporting what builder 0.4.0 left there",
                paths.root().display()
            );
            migration::import(&paths)?.unwrap_or_default()
        }
    };
    ::log::info!("exporting: {}", state.summary());
    migration::export(&state, file)
}

/// What the log holds; none when there is no log.
fn read_log(settings: &Settings, paths: &Paths) -> Result<Option<Recovered>, StartError> {
    let disk = match Disk::open(paths.private()) {
        Ok(disk) => disk,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(file_error("open", paths.private().to_owned())(error)),
    };
    let mut recovery = Recovery::new(settings.salvage);
    let reading = log::read(disk, settings.salvage, |batch| recovery.apply_batch(batch))?;
    let recovered = recovery.finish();
    let Some(reading) = reading else { return Ok(None) };
    if reading.bad_octets > 0 || recovered.skipped > 0 {
        ::log::warn!(
            "left out {} bytes of the log that cannot be read, and {} records that contradict the others",
            reading.bad_octets,
            recovered.skipped
        );
    }
    Ok(Some(recovered))
}

/// Makes sure of a result that the log holds as well, and says so when only the log has it: builder 0.4.0 does not look
/// there.
fn look_after(paths: &Paths, result: &UnsettledResult) {
    let path = paths.result(&result.name, result.uuid);
    let is_in_place = fs::read(&path).is_ok_and(|octets| octets == *result.contents.0);
    if !is_in_place || result::sync(paths, &result.name, result.uuid).is_err() {
        ::log::warn!(
            "{} is not on the disk, only in the log; start this server once, then export again",
            path.display()
        );
    }
}
