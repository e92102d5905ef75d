//! From what is on the disk to a running server, as in `bin/src/server/startup.rs`.

use super::space::rotation_limits;
use super::spools::{SPOOLS, Spools};
use super::tasks::Tasks;
use super::turn::encode_all;
use super::{Order, Server, Sockets, Stop, Uploader, results};
use crate::environment::{Environment, say};
use crate::variant::Variant;
use builder_engine::driver::{ReleaseQueue, ResultWork, Rotation};
use builder_engine::log::{LogFile, Salt, Settings};
use builder_engine::server::record::Record;
use builder_engine::server::{
    Recovered, Recovery, Server as Machine, Settling, Start, State, UnsettledResult, UploadSettings,
};
use builder_proto::Uuid;
use builder_tests::world::{Disk, Lie, LogStorage, Random};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{ErrorKind, Result as IoResult};
use std::rc::Rc;
use std::time::Duration;

/// The server's own directory.
pub(crate) const PRIVATE: &str = ".builder";

impl Server {
    /// Starts, up to where the first turn is over.
    pub(crate) fn start(environment: Rc<Environment>, life: u64, mut random: Random) -> Result<Server, Stop> {
        let (log, recovered) = open_log(&environment, &mut random)?;
        environment.model.borrow_mut().log_read(&recovered);
        prepare_directories(&mut environment.disk.borrow_mut()).map_err(Stop::Start)?;
        let mut settling = Settling::default();
        let settled = settle(&environment, &mut settling, &recovered.unsettled)?;
        let stored = stored_builds(&environment, &recovered.state).map_err(Stop::Start)?;
        let spools = recover_spools(&environment, &recovered.state).map_err(Stop::Start)?;
        environment.model.borrow_mut().results_settled(&environment, &recovered.unsettled);

        let now = environment.host.now();
        let uploader = environment.uploads().then(Uploader::default);
        let uploads = uploader.is_some().then(|| UploadSettings {
            destination: "https://builds.example".to_owned(),
            keep_local: environment.plan.keeps_uploaded,
        });
        let state = match environment.variant {
            Variant::RunningForgotten => without_builds(&recovered.state),
            _ => recovered.state,
        };
        let start = Start {
            settings: environment.plan.settings,
            state,
            uuids: uuids(&environment, &mut random),
            templates: environment.templates(),
            uploads,
            stored,
            settled,
        };
        let machine = Machine::start(now, start);
        let mut server = Server {
            life,
            machine,
            log,
            rotation: Rotation::new(rotation_limits(environment.plan.reserve_octets)),
            sockets: Sockets::default(),
            spools,
            staged: BTreeMap::new(),
            settling,
            tasks: Tasks::default(),
            uploader,
            observers: BTreeMap::new(),
            active_observers: BTreeSet::new(),
            followers: BTreeMap::new(),
            release_queue: ReleaseQueue::default(),
            record: Vec::new(),
            order: Order::default(),
            random,
            environment,
        };
        server.drain(&[])?;
        server.finish_turn()?;
        say!(server.environment, "started, {}", server.machine.state().summary());
        Ok(server)
    }
}

/// The state as a server would have it that looks only at the schedule and the queues.
fn without_builds(state: &State) -> State {
    let mut forgetful = State::default();
    for record in state.snapshot() {
        if !matches!(record, Record::Started(_) | Record::Unstored(_)) {
            forgetful.apply(&record).expect("a snapshot");
        }
    }
    forgetful
}

fn open_log(
    environment: &Rc<Environment>,
    random: &mut Random,
) -> Result<(LogFile<LogStorage>, Recovered), Stop> {
    let storage = LogStorage {
        host: environment.host.clone(),
        disk: environment.disk.clone(),
        directory: PRIVATE,
        lie: lie(environment.variant),
    };
    let settings = Settings {
        salt: salt(random),
        salvage: false,
        unused: !environment.disk.borrow().exists(SPOOLS),
        reserve_octets: environment.plan.reserve_octets,
        rotation_octets: environment.plan.rotation_octets,
        room_octets: environment.plan.room_octets,
    };
    let mut recovery = Recovery::new(false);
    let (mut log, report) =
        LogFile::open(storage, settings, |batch| recovery.apply_batch(batch)).map_err(Stop::Open)?;
    say!(environment, "{report}");
    let recovered = recovery.finish();
    if recovered.records == 0 {
        log.rotate(salt(random), encode_all(recovered.state.snapshot())).map_err(Stop::Log)?;
    }
    Ok((log, recovered))
}

/// How the disk under the log of a wrong server deceives it.
fn lie(variant: Variant) -> Lie {
    match variant {
        Variant::LogNotSynced => Lie::FileNotSynced,
        Variant::LogLengthNotSynced => Lie::LengthNotSynced,
        Variant::LogNamesNotSynced => Lie::NamesNotSynced,
        _ => Lie::None,
    }
}

fn prepare_directories(disk: &mut Disk) -> IoResult<()> {
    match disk.remove_tree(results::STAGINGS) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    for directory in [results::STAGINGS, SPOOLS] {
        match disk.create_directory(directory) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
    }
    disk.sync_directory(PRIVATE)
}

fn settle(
    environment: &Environment,
    settling: &mut Settling,
    unsettled: &[UnsettledResult],
) -> Result<Vec<Uuid>, Stop> {
    let outcomes = unsettled.iter().map(|result| {
        settling.publish(result.clone());
        (result.uuid, results::write(&mut environment.disk.borrow_mut(), result, environment.variant))
    });
    let outcomes: Vec<_> = outcomes.collect();
    settling.written(Duration::ZERO, outcomes);
    let builds = settling.sync_all();
    Server::sync_results(environment, &builds).map_err(Stop::Results)?;
    Ok(settling.synced(Duration::ZERO))
}

fn stored_builds(environment: &Environment, state: &State) -> IoResult<BTreeSet<Uuid>> {
    let mut disk = environment.disk.borrow_mut();
    let mut stored = BTreeSet::new();
    for (uuid, name) in state.unfinished() {
        if disk.exists(&results::result_path(name, uuid)) {
            if environment.variant != Variant::FoundNotSynced {
                results::sync(&mut disk, ResultWork::sync(), name, uuid, environment.variant)?;
            }
            stored.insert(uuid);
        }
    }
    Ok(stored)
}

fn recover_spools(environment: &Environment, state: &State) -> IoResult<Spools> {
    let mut disk = environment.disk.borrow_mut();
    let mut spools = Spools::new(environment.variant);
    for (uuid, _) in state.unfinished() {
        spools.recover(&mut disk, uuid)?;
    }
    spools.remove_strays(&mut disk)?;
    Ok(spools)
}

fn uuids(environment: &Environment, random: &mut Random) -> Box<dyn Iterator<Item = Uuid>> {
    let mut random = match environment.variant {
        Variant::UuidsRepeated => Random::new(0),
        _ => random.fork(),
    };
    Box::new(std::iter::from_fn(move || {
        let octets = random.bytes(16);
        Some(uuid::Builder::from_random_bytes(*octets.first_chunk()?).into_uuid())
    }))
}

fn salt(random: &mut Random) -> Salt {
    Salt(*random.bytes(16).first_chunk().unwrap())
}
