//! `--export-state`: what the server knows, as the state file from which builder 0.4.0 goes on. Changes nothing in the
//! data directory, so whoever only has a look, and as whatever user, leaves no trace.

use crate::directory::{self, DirectoryLock};
use crate::durable::{sync_directory, sync_file};
use crate::log_file::Disk;
use crate::server::data_directory::DataDirectory;
use crate::server::options::Settings;
use crate::server::paths::Paths;
use crate::server::reasons::{StartError, file_error};
use builder_engine::driver::{import_old_state, sync_result};
use builder_engine::log;
use builder_engine::server::{PendingResult, Recovered, Recovery, State, migration};
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::Path;

pub(crate) fn run(settings: &Settings, file: &Path) -> Result<(), StartError> {
    let paths = Paths::new(&settings.directory, directory::private(&settings.directory)?);
    let lock = DirectoryLock::acquire_to_read(paths.private())?;
    let directory =
        DataDirectory::open(paths.clone(), lock).map_err(file_error("open", paths.root().to_owned()))?;
    let state = match read_log(settings, &paths)? {
        Some(recovered) => {
            recovered.pending.iter().for_each(|result| look_after(&directory, result));
            recovered.state
        }
        None => {
            ::log::warn!(
                "no server of this version has run in {}; exporting what builder 0.4.0 left there",
                paths.root().display()
            );
            import_old_state(&directory)?.unwrap_or_default()
        }
    };
    ::log::info!("exporting: {}", state.summary());
    write(&state, file)
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
    if reading.bad_bytes > 0 || recovered.skipped > 0 {
        ::log::warn!(
            "left out {} bytes of the log that cannot be read, and {} records that contradict the others",
            reading.bad_bytes,
            recovered.skipped
        );
    }
    Ok(Some(recovered))
}

/// Makes sure of a result that the log holds as well, and says so when only the log has it: builder 0.4.0 does not look
/// there.
fn look_after(directory: &DataDirectory, result: &PendingResult) {
    let path = directory.paths().result(&result.name, result.uuid);
    let is_in_place = fs::read(&path).is_ok_and(|bytes| bytes == *result.contents.0);
    if !is_in_place || sync_result(directory, &result.name, result.uuid).is_err() {
        ::log::warn!(
            "{} is not on the disk, only in the log; start this server once, then export again",
            path.display()
        );
    }
}

/// Writes the state file from which builder 0.4.0 goes on, complete or not at all.
fn write(state: &State, path: &Path) -> Result<(), StartError> {
    if state.waiting_uploads() > 0 {
        ::log::warn!("results not uploaded: {}; builder 0.4.0 will not upload them", state.waiting_uploads());
    }
    let bytes = migration::export(state)
        .encode()
        .map_err(|error| StartError::Export { path: path.to_owned(), problem: error.to_string() })?;
    let mut draft = path.as_os_str().to_owned();
    draft.push(".new");
    let draft = Path::new(&draft);
    let mut file = File::create(draft).map_err(file_error("create", draft.to_owned()))?;
    file.write_all(&bytes).and_then(|()| sync_file(&file)).map_err(file_error("write", draft.to_owned()))?;
    fs::rename(draft, path).map_err(file_error("create", path.to_owned()))?;
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    sync_directory(directory).map_err(file_error("sync", directory.to_owned()))
}
