//! The state file of builder 0.4.0: read at the first start, written by an export.

use crate::durable::{sync_directory, sync_file};
use crate::server::paths::Paths;
use crate::server::stop::{StartError, file_error};
use builder_engine::server::{State, migration};
use builder_proto::state_file::StateFile;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::Path;

/// The state of builder 0.4.0 in this directory; none when it never ran here.
pub(crate) fn import(paths: &Paths) -> Result<Option<State>, StartError> {
    let path = paths.old_state();
    let octets = match fs::read(&path) {
        Ok(octets) => octets,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(file_error("read", path)(error)),
    };
    let (file, skipped) = StateFile::decode(&octets)
        .map_err(|error| StartError::State { path: path.clone(), problem: error.to_string() })?;
    let (state, warnings) = migration::import(file);
    for warning in skipped.iter().chain(&warnings) {
        log::warn!("{}: {warning}", path.display());
    }
    Ok(Some(state))
}

/// Writes the state file from which builder 0.4.0 goes on, complete or not at all.
pub(crate) fn export(state: &State, path: &Path) -> Result<(), StartError> {
    if state.waiting_uploads() > 0 {
        log::warn!("results not uploaded: {}; builder 0.4.0 will not upload them", state.waiting_uploads());
    }
    let octets = migration::export(state)
        .encode()
        .map_err(|error| StartError::State { path: path.to_owned(), problem: error.to_string() })?;
    let mut draft = path.as_os_str().to_owned();
    draft.push(".new");
    let draft = Path::new(&draft);
    let mut file = File::create(draft).map_err(file_error("create", draft.to_owned()))?;
    file.write_all(&octets).and_then(|()| sync_file(&file)).map_err(file_error("write", draft.to_owned()))?;
    fs::rename(draft, path).map_err(file_error("create", path.to_owned()))?;
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    sync_directory(directory).map_err(file_error("sync", directory.to_owned()))
}
