//! From what is on the disk to a running server: read the log, write back what only the log holds, find what is in place,
//! take up the consoles, listen.

use super::connections::Connections;
use super::files::{DirectoryName, FileName, Files, exists, read_whole};
use super::history::History;
use super::history_turn;
use super::metrics_file::MetricsFile;
use super::notice_slots::NoticeSlots;
use super::observers::Observers;
use super::platform::{Look, Platform, TemplateReading};
use super::reasons::{StartError, StopReason};
use super::release::ReleaseQueue;
use super::result_steps::{sync_result, write_now};
use super::retention::Retention;
use super::rotation::Rotation;
use super::settings::Settings;
use super::spools::{Spools, prepare_directories};
use super::tasks::sync_now;
use super::turn::{Driver, TemplateWatch};
use super::upload_slot::UploadSlot;
use crate::log::{self, LogFile};
use crate::server::record::Record;
use crate::server::{Recovered, Recovery, Server, Start, State, WriteBack, migration};
use builder_proto::Uuid;
use builder_proto::state_file::StateFile;
use core::fmt::Display;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{self, ErrorKind};

impl<P: Platform> Driver<P> {
    /// Starts the server, up to where its first turn is over and what that recorded is durable.
    ///
    /// # Errors
    ///
    /// Nothing was listened on, or nobody was accepted; the next start finds everything as this one did, or further on the
    /// same way.
    pub fn start(mut platform: P, settings: Settings) -> Result<Self, StartError> {
        let files = platform.files();
        let (log, recovered) = open_log(&mut platform, &files, &settings)?;
        platform.recovered(&recovered);
        prepare_directories(&files)
            .map_err(|(what, name, error)| directory_error(&files, what, name, error))?;
        let mut write_back = WriteBack::default();
        let written_back = write_pending(&platform, &files, &mut write_back, &recovered)?;
        let stored = stored_builds(&files, &recovered.state)?;
        let spools = recover_spools(&files, &recovered.state)?;
        // Jobs do not have to wait for what is remembered of others.
        let history = history_turn::open(&mut platform, &files, &recovered.state)?
            .unwrap_or_else(|| History::without_file(platform.now().monotonic, &recovered.state));
        let TemplateReading { templates, has_failed } = platform
            .templates(Look::Anew)
            .unwrap_or(TemplateReading { templates: BTreeMap::new(), has_failed: false });
        let listeners = platform.listen().map_err(StartError::Listen)?;
        let now = platform.now();
        let start = Start {
            settings: settings.server,
            state: recovered.state,
            uuids: platform.uuids(),
            templates,
            uploads: settings.uploads.as_ref().map(|uploads| uploads.settings.clone()),
            notices: settings.notices.is_some(),
            stored,
            written_back,
        };
        let server = Server::start(now, start);
        ::log::info!("recovered: {}", server.state().summary());
        let limits = settings.limits;
        let mut driver = Driver {
            files: files.clone(),
            server,
            log,
            rotation: Rotation::new(limits.rotation),
            connections: Connections::new(listeners, settings.connections, limits.connections),
            spools,
            staged: BTreeMap::new(),
            begun: 0,
            write_back,
            uploads: settings.uploads.map(|uploads| UploadSlot::new(uploads.time_limit)),
            notices: settings.notices.map(NoticeSlots::new),
            observers: Observers::new(limits.observer_outbox),
            history,
            metrics: settings.metrics.then(|| MetricsFile::new(now)),
            retention: Retention::new(),
            release_queue: ReleaseQueue::default(),
            limits,
            outcomes: VecDeque::new(),
            templates: TemplateWatch { looked_at: now.monotonic, has_failed },
            wish: None,
            record: Vec::new(),
            buffer: vec![0; limits.read],
            platform,
        };
        driver.drain(&[])?;
        driver.finish_turn()?;
        Ok(driver)
    }
}

/// Opens the log, reads what it holds, and takes over from builder 0.4.0 when it holds nothing.
fn open_log<P: Platform>(
    platform: &mut P,
    files: &P::Files,
    settings: &Settings,
) -> Result<(LogFile<P::Storage>, Recovered), StartError> {
    let salt = platform.salt().map_err(StopReason::Randomness)?;
    let limits = settings.limits;
    let log_settings = log::Settings {
        salt,
        salvage: settings.salvage,
        unused: is_unused(files)?,
        reserve_bytes: limits.rotation.reserve_bytes,
        rotation_bytes: limits.log_rotation,
        preallocated_bytes: limits.log_preallocated,
    };
    let mut recovery = Recovery::new(settings.salvage);
    let private = DirectoryName::Private;
    let storage = platform.storage().map_err(|error| directory_error(files, "open", private, error))?;
    let (mut log, report) = LogFile::open(storage, log_settings, |batch| recovery.apply_batch(batch))?;
    let mut recovered = recovery.finish();
    if report.is_unusual() {
        ::log::warn!("{report}");
    } else {
        ::log::info!("{report}");
    }
    if recovered.skipped > 0 {
        ::log::warn!("left out {} records that contradict the salvaged ones", recovered.skipped);
        // Or the next start, without a salvage, would find them again.
        let pending = recovered.pending.iter().cloned().map(Record::from);
        begin_log(platform, &mut log, recovered.state.snapshot().chain(pending))?;
    }
    if recovered.records == 0 {
        // A log from which records are missing was in use: the old state would bring back what was removed since.
        if report.salvaged.is_none()
            && let Some(state) = import_old_state(files)?
        {
            ::log::warn!(
                "took over the state of builder 0.4.0 from {}: {}; the file stays as it is",
                files.describe(FileName::OldState),
                state.summary()
            );
            recovered.state = state;
        }
        begin_log(platform, &mut log, recovered.state.snapshot())?;
    }
    Ok((log, recovered))
}

/// Whether no server ever listened here: each has made this directory first, durably.
fn is_unused<F: Files>(files: &F) -> Result<bool, StartError> {
    match files.open_directory(DirectoryName::Spools) {
        Ok(_) => Ok(false),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
        Err(error) => Err(directory_error(files, "look at", DirectoryName::Spools, error)),
    }
}

/// Puts a log in place that begins with these records; nothing else is in it.
fn begin_log<P: Platform>(
    platform: &mut P,
    log: &mut LogFile<P::Storage>,
    snapshot: impl Iterator<Item = Record>,
) -> Result<(), StopReason> {
    let salt = platform.salt().map_err(StopReason::Randomness)?;
    log.rotate(salt, encode_all(snapshot)).map_err(StopReason::Log)
}

/// The state of builder 0.4.0 in this directory; none when it never ran here.
///
/// # Errors
///
/// When the file cannot be read, or is something else.
pub fn import_old_state<F: Files>(files: &F) -> Result<Option<State>, StartError> {
    let name = FileName::OldState;
    let read = read_whole(files, name).map_err(|error| file_error(files, "read", name, error))?;
    let Some(bytes) = read else { return Ok(None) };
    let path = files.describe(name);
    let (file, skipped) = StateFile::decode(&bytes)
        .map_err(|error| StartError::State { path: path.clone(), problem: error.to_string() })?;
    let (state, warnings) = migration::import(file);
    for warning in skipped.iter().chain(&warnings) {
        ::log::warn!("{path}: {warning}");
    }
    Ok(Some(state))
}

/// Writes the results that the log holds, whatever is in their places: it may look right and yet not be on disk. Gives those
/// that the log may forget.
fn write_pending<P: Platform>(
    platform: &P,
    files: &P::Files,
    write_back: &mut WriteBack,
    recovered: &Recovered,
) -> Result<Vec<Uuid>, StartError> {
    let outcomes = recovered.pending.iter().map(|result| {
        write_back.publish(result.clone());
        (result.uuid, write_now(files, result))
    });
    let outcomes: Vec<_> = outcomes.collect();
    let now = platform.now().monotonic;
    write_back.written(now, outcomes);
    sync_now(files, write_back.sync_all()).map_err(StopReason::Results)?;
    Ok(write_back.synced(now))
}

/// Builds that the log knows as unfinished, but whose result is in place. It is made sure that it stays there.
fn stored_builds<F: Files>(files: &F, state: &State) -> Result<BTreeSet<Uuid>, StartError> {
    let mut stored = BTreeSet::new();
    for (uuid, job) in state.unfinished() {
        let name = FileName::Result { job, uuid };
        // One that cannot be looked at is not taken for absent: its build would run again.
        if exists(files, name).map_err(|error| file_error(files, "look at", name, error))? {
            sync_result(files, job, uuid).map_err(|error| file_error(files, "sync", name, error))?;
            stored.insert(uuid);
        }
    }
    Ok(stored)
}

fn recover_spools<F: Files>(files: &F, state: &State) -> Result<Spools<F>, StartError> {
    let mut spools = Spools::new(files.clone());
    let unfinished: BTreeSet<Uuid> = state.unfinished().map(|(uuid, _)| uuid).collect();
    for uuid in &unfinished {
        spools.recover(*uuid);
    }
    let cleared = spools.remove_strays(&unfinished);
    cleared.map_err(|error| directory_error(files, "clear", DirectoryName::Spools, error))?;
    Ok(spools)
}

/// Records as the log takes them.
pub(super) fn encode_all(
    records: impl Iterator<Item = Record>,
) -> impl Iterator<Item = Result<Vec<u8>, impl Display>> {
    records.map(|record| {
        let mut bytes = Vec::new();
        record.append_to(&mut bytes).map(|()| bytes)
    })
}

fn file_error<F: Files>(files: &F, what: &'static str, name: FileName<'_>, error: io::Error) -> StartError {
    StartError::File { what, path: files.describe(name), error }
}

fn directory_error<F: Files>(
    files: &F,
    what: &'static str,
    name: DirectoryName<'_>,
    error: io::Error,
) -> StartError {
    StartError::File { what, path: files.describe_directory(name), error }
}
