//! From settings to a running loop.

use crate::directory::{self, DirectoryLock};
use crate::durable::sync_directory;
use crate::log_file::{Disk as LogDisk, LogFile, fresh_salt};
use crate::server::clock::Clock;
use crate::server::disk::Disk;
use crate::server::network::Network;
use crate::server::options::Settings;
use crate::server::paths::Paths;
use crate::server::places::Places;
use crate::server::reactor::{self, Reactor};
use crate::server::result::SyncMethod;
use crate::server::spool::Spools;
use crate::server::stop::{StartError, StopReason, file_error};
use crate::server::template::TemplateDirectory;
use crate::server::uploader::Uploader;
use crate::server::{backlog, export, migration, readiness, result, uuids};
use builder_engine::driver::{ReleaseQueue, Rotation, RotationLimits};
use builder_engine::log;
use builder_engine::server::record::Record;
use builder_engine::server::{self, Recovered, Recovery, Role, Server, Settling, Start, State};
use builder_proto::Uuid;
use mio::{Interest, Poll, Waker};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook_mio::v1_0::Signals;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

pub(crate) fn run(settings: Settings) -> Result<(), StartError> {
    if let Some(file) = &settings.export_state {
        return export::run(&settings, file);
    }
    let places = Places::secure()?;
    let private = directory::prepare(&settings.directory)?;
    let _lock = DirectoryLock::acquire(&private)?;
    let paths = Paths::new(&settings.directory, private);
    let (log, recovered) = open_log(&settings, &paths)?;
    let mut reactor = assemble(&settings, places, paths, log, recovered)?;
    readiness::announce();
    reactor.run().map_err(StartError::Stopped)
}

/// Opens the log, reads what it holds, and takes over from builder 0.4.0 when it holds nothing.
fn open_log(settings: &Settings, paths: &Paths) -> Result<(LogFile, Recovered), StartError> {
    let salt = fresh_salt().map_err(StopReason::Randomness)?;
    // A server listens only after it has made this directory, durably.
    let unused = !is_there(&paths.spools())?;
    let log_settings = log::Settings { salvage: settings.salvage, unused, ..log::Settings::new(salt) };
    let mut recovery = Recovery::new(settings.salvage);
    let disk = LogDisk::open(paths.private()).map_err(file_error("open", paths.private().to_owned()))?;
    let (mut log, report) = LogFile::open(disk, log_settings, |batch| recovery.apply_batch(batch))?;
    let mut recovered = recovery.finish();
    if report.is_unusual() {
        ::log::warn!("{report}");
    } else {
        ::log::info!("{report}");
    }
    if recovered.skipped > 0 {
        ::log::warn!("left out {} records that contradict the salvaged ones", recovered.skipped);
        // Or the next start, without a salvage, would find them again.
        let unsettled = recovered.unsettled.iter().cloned().map(Record::from);
        begin_log(&mut log, recovered.state.snapshot().chain(unsettled))?;
    }
    if recovered.records == 0 {
        // A log from which records are missing was in use: the old state would bring back what was removed since.
        if report.salvaged.is_none()
            && let Some(state) = migration::import(paths)?
        {
            ::log::warn!(
                "took over the state of builder 0.4.0 from {}: {}; the file stays as it is",
                paths.old_state().display(),
                state.summary()
            );
            recovered.state = state;
        }
        begin_log(&mut log, recovered.state.snapshot())?;
    }
    Ok((log, recovered))
}

/// Puts a log in place that begins with these records; nothing else is in it.
fn begin_log(log: &mut LogFile, snapshot: impl Iterator<Item = Record>) -> Result<(), StopReason> {
    let salt = fresh_salt().map_err(StopReason::Randomness)?;
    log.rotate(salt, reactor::encode_all(snapshot)).map_err(StopReason::Log)
}

fn assemble(
    settings: &Settings,
    places: Places,
    paths: Paths,
    log: LogFile,
    recovered: Recovered,
) -> Result<Reactor, StartError> {
    let uploader =
        settings.uploads.clone().map(|options| Uploader::new(options, paths.clone())).transpose()?;
    let clock = Clock::start();
    let poll = Poll::new().map_err(system("watch for events"))?;
    let mut signals =
        Signals::new([SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGXFSZ]).map_err(system("receive signals"))?;
    poll.registry()
        .register(&mut signals, reactor::SIGNALS, Interest::READABLE)
        .map_err(system("watch for signals"))?;
    let waker = Waker::new(poll.registry(), reactor::WAKER).map_err(system("watch for threads"))?;
    prepare_directories(&paths)?;
    let sync_method = SyncMethod::choose(&paths).map_err(file_error("open", paths.root().to_owned()))?;
    let mut settling = Settling::default();
    let settled = settle(&paths, &sync_method, &mut settling, &recovered)?;
    let stored = stored_builds(&paths, &recovered.state)?;
    let spools = recover_spools(&paths, &recovered.state)?;
    let network = listen(settings, &poll, places.connections)?;
    let disk = Disk::start(&paths, sync_method, waker).map_err(system("start threads"))?;
    let mut templates = TemplateDirectory::new(&settings.config_directory);

    let now = clock.now();
    let machine_settings =
        server::Settings { builds: places.builds, observers: places.observers, ..settings.machine };
    let machine = Server::start(
        now,
        Start {
            settings: machine_settings,
            state: recovered.state,
            uuids: Box::new(uuids::random_uuids()),
            templates: templates.read(),
            uploads: uploader.as_ref().map(Uploader::settings),
            stored,
            settled,
        },
    );
    ::log::info!("recovered: {}", machine.state().summary());
    Ok(Reactor {
        poll,
        signals,
        clock,
        machine,
        log,
        rotation: Rotation::new(RotationLimits::default()),
        network,
        spools,
        staged: BTreeMap::new(),
        settling,
        disk,
        uploader,
        child_ended: false,
        templates,
        templates_checked: Duration::ZERO,
        observers: BTreeMap::new(),
        active_observers: BTreeSet::new(),
        followers: BTreeMap::new(),
        release_queue: ReleaseQueue::default(),
        record: Vec::new(),
        block: Vec::new(),
        paths,
    })
}

/// Makes the private directories, without what an earlier server was writing. Where they are, a server may have answered.
fn prepare_directories(paths: &Paths) -> Result<(), StartError> {
    let staging = paths.stagings();
    match fs::remove_dir_all(&staging) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(file_error("clear", staging)(error));
        }
        _ => {}
    }
    for directory in [staging, paths.spools()] {
        fs::create_dir_all(&directory).map_err(file_error("create", directory))?;
    }
    sync_directory(paths.private()).map_err(file_error("sync", paths.private().to_owned()))
}

/// Writes the results that the log holds, whatever is in their places: it may look right and yet not be on disk. Gives those
/// that the log may forget.
fn settle(
    paths: &Paths,
    sync_method: &SyncMethod,
    settling: &mut Settling,
    recovered: &Recovered,
) -> Result<Vec<Uuid>, StartError> {
    let outcomes = recovered.unsettled.iter().map(|result| {
        settling.publish(result.clone());
        (result.uuid, result::write(paths, result))
    });
    let outcomes: Vec<_> = outcomes.collect();
    settling.written(Duration::ZERO, outcomes);
    let builds = settling.sync_all();
    sync_method.sync(paths, &builds).map_err(StopReason::Results)?;
    Ok(settling.synced(Duration::ZERO))
}

/// Builds that the log knows as unfinished, but whose result is in place. It is made sure that it stays there.
fn stored_builds(paths: &Paths, state: &State) -> Result<BTreeSet<Uuid>, StartError> {
    let mut stored = BTreeSet::new();
    for (uuid, name) in state.unfinished() {
        let path = paths.result(name, uuid);
        if is_there(&path)? {
            result::sync(paths, name, uuid).map_err(file_error("sync", path))?;
            stored.insert(uuid);
        }
    }
    Ok(stored)
}

/// Whether a result is in place. One that cannot be looked at is not taken for absent: its build would run again.
fn is_there(path: &Path) -> Result<bool, StartError> {
    match path.try_exists() {
        // Something else has the place of a directory that leads to it.
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Ok(false),
        Err(error) => Err(file_error("look at", path.to_owned())(error)),
        Ok(exists) => Ok(exists),
    }
}

fn recover_spools(paths: &Paths, state: &State) -> Result<Spools, StartError> {
    let mut spools = Spools::new(paths.clone());
    let unfinished: BTreeSet<Uuid> = state.unfinished().map(|(uuid, _)| uuid).collect();
    for uuid in &unfinished {
        spools.recover(*uuid);
    }
    spools.remove_strays(&unfinished).map_err(file_error("clear", paths.spools()))?;
    Ok(spools)
}

fn listen(settings: &Settings, poll: &Poll, connections: usize) -> Result<Network, StartError> {
    let mut network = Network::new(connections);
    for (address, role) in &settings.listening.addresses {
        let failed = |error| StartError::Listen { address: address.to_string(), error };
        for listener in settings.listening.bind(address).map_err(failed)? {
            let name = listener.name();
            let whom = match role {
                Role::Any => "",
                Role::Workers => " for workers",
                Role::Clients => " for clients",
            };
            if *role == Role::Workers {
                listener.limit_unacknowledged().map_err(failed)?;
            }
            network.listen(poll.registry(), listener, *role).map_err(failed)?;
            // For people and scripts that asked for any free port; a closed stdout is fine.
            let _ = writeln!(io::stdout(), "listening on {name}{whom}");
        }
    }
    backlog::check();
    Ok(network)
}

fn system(what: &'static str) -> impl FnOnce(io::Error) -> StartError {
    move |error| StartError::System { what, error }
}
