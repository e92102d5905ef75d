//! What the driver runs on in the simulation.

use super::log_directory::LogDirectory;
use super::tasks::Tasks;
use crate::environment::{Environment, say};
use crate::network::{Reading, Writing};
use crate::queue::Event;
use builder_engine::Now;
use builder_engine::driver::{
    self, FreeSpace, Listener, ListenerId, Look, Notice, NoticeEnd, Platform, Task, TemplateReading,
    UploadEnd,
};
use builder_engine::limits::NOTICE_PROGRAMS;
use builder_engine::log::Salt;
use builder_engine::server::record::Record;
use builder_engine::server::{ConnectionId, Origin, Recovered};
use builder_proto::Uuid;
use builder_proto::text::Text;
use builder_tests::world::{DataDirectory, Lie, PRIVATE, Random, result_path};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::rc::Rc;
use std::time::Duration;

/// The number of a connection in the network, which outlives the server.
type NetworkId = u64;

pub(super) struct System {
    environment: Rc<Environment>,
    life: u64,
    random: Random,
    tasks: Rc<RefCell<Tasks>>,
    connections: BTreeMap<ConnectionId, Connection>,
    /// The connections by their number in the network.
    numbers: BTreeMap<NetworkId, ConnectionId>,
    /// The upload whose process has not been reaped, and what it sends.
    uploading: Option<Upload>,
    /// The programs that were told of builds and have not been reaped.
    noticing: BTreeMap<Uuid, Program>,
    /// How many processes there have been.
    processes: u64,
    templates: SeenTemplates,
    /// From whom was read last, until the clock was looked at.
    read_from: Cell<Option<NetworkId>>,
    /// From whom that came of which the server makes something now.
    heard_from: Cell<Option<NetworkId>>,
}

/// What the templates looked like when they were read.
#[derive(Default)]
struct SeenTemplates {
    names: u64,
    contents: u64,
    /// Whether one could not be read.
    has_failed: bool,
}

/// A process that uploads a result.
#[derive(Clone)]
struct Upload {
    process: u64,
    uuid: Uuid,
    contents: Vec<u8>,
}

/// A program that is told of a build.
struct Program {
    process: u64,
    job: String,
}

struct Connection {
    id: NetworkId,
    is_watched: bool,
    /// Whether it is told when more can be sent.
    is_watched_for_room: bool,
}

impl System {
    pub(super) fn new(
        environment: Rc<Environment>,
        life: u64,
        random: Random,
        tasks: Rc<RefCell<Tasks>>,
    ) -> System {
        System {
            environment,
            life,
            random,
            tasks,
            connections: BTreeMap::new(),
            numbers: BTreeMap::new(),
            uploading: None,
            noticing: BTreeMap::new(),
            processes: 0,
            templates: SeenTemplates::default(),
            read_from: Cell::new(None),
            heard_from: Cell::new(None),
        }
    }

    /// What happened on the network since the last turn.
    pub(super) fn network_events(&mut self) -> Vec<driver::Event<DataDirectory>> {
        let mut network = self.environment.network.borrow_mut();
        let mut events: Vec<driver::Event<DataDirectory>> =
            std::mem::take(&mut network.pending).into_iter().map(driver::Event::Pending).collect();
        let known = |id: &NetworkId| {
            let connection = *self.numbers.get(id)?;
            Some((connection, self.connections.get(&connection)?))
        };
        for id in std::mem::take(&mut network.readable) {
            if let Some((connection, _)) = known(&id).filter(|(_, known)| known.is_watched) {
                events.push(driver::Event::Readable { connection, is_end: network.has_ended(id) });
            }
        }
        for id in std::mem::take(&mut network.writable) {
            if let Some((connection, _)) = known(&id).filter(|(_, known)| known.is_watched_for_room) {
                events.push(driver::Event::Writable(connection));
            }
        }
        events
    }

    /// Takes note that the process that uploads has ended, if there is one.
    pub(super) fn reap_upload(&mut self, process: u64) -> bool {
        // One that was killed while it ended by itself ends once.
        self.uploading.take_if(|upload| upload.process == process).is_some()
    }

    /// Takes note that a program has ended that was told of a build, if there is one.
    pub(super) fn reap_notice(&mut self, process: u64, uuid: Uuid) -> bool {
        let ends = self.noticing.get(&uuid).is_some_and(|program| program.process == process);
        if ends {
            self.noticing.remove(&uuid);
        }
        ends
    }

    /// True in so many of a thousand cases, until the faults have stopped.
    fn fails(&mut self, cases: u64) -> bool {
        !self.environment.is_calm.get() && self.random.per_mille(cases)
    }

    fn id(&self, connection: ConnectionId) -> io::Result<NetworkId> {
        Ok(self.connections.get(&connection).ok_or(ErrorKind::NotConnected)?.id)
    }

    /// A machine that is gone neither hears nor says anything; the next operation on the disk says so.
    fn is_gone(&self) -> bool {
        self.environment.host.crashed().is_some()
    }

    /// What leaves the machine must not depend on what is not durable.
    fn check_order(&self, id: NetworkId) {
        let mut model = self.environment.model.borrow_mut();
        if model.checks_order() {
            let log = format!("{PRIVATE}/log");
            let disk = self.environment.disk.borrow();
            model.check_order(id, disk.is_durable(&log));
        }
    }
}

impl Platform for System {
    type Files = DataDirectory;
    type Storage = LogDirectory;

    fn now(&self) -> Now {
        self.heard_from.set(self.read_from.take());
        self.environment.host.now()
    }

    fn files(&self) -> DataDirectory {
        self.environment.files.clone()
    }

    fn storage(&mut self) -> io::Result<LogDirectory> {
        let (environment, tasks) = (self.environment.clone(), self.tasks.clone());
        Ok(LogDirectory { storage: environment.files.log(), environment, tasks })
    }

    fn salt(&mut self) -> io::Result<Salt> {
        Ok(Salt(*self.random.bytes(16).first_chunk().unwrap()))
    }

    fn uuids(&mut self) -> Box<dyn Iterator<Item = Uuid>> {
        let mut random = match self.environment.files.lie {
            Lie::UuidsRepeated => Random::new(0),
            _ => self.random.fork(),
        };
        let (environment, mut weather) = (self.environment.clone(), self.random.fork());
        Box::new(std::iter::from_fn(move || {
            if !environment.is_calm.get() && weather.per_mille(3) {
                // There is no randomness just now.
                return None;
            }
            let bytes = random.bytes(16);
            Some(uuid::Builder::from_random_bytes(*bytes.first_chunk()?).into_uuid())
        }))
    }

    fn free_space(&mut self) -> io::Result<FreeSpace> {
        if self.fails(1) {
            return Err(io::Error::other("nobody knows"));
        }
        Ok(FreeSpace { free: self.environment.disk.borrow().free(), longest_file: u64::MAX })
    }

    fn templates(&mut self, look: Look) -> Option<TemplateReading> {
        let site = self.environment.templates.borrow();
        let seen = &self.templates;
        let is_same = match look {
            Look::Anew => false,
            Look::Quick => seen.names == site.names,
            Look::Thorough => seen.contents == site.contents && !seen.has_failed,
        };
        if is_same {
            return None;
        }
        let (mut templates, names, contents) = (site.templates(), site.names, site.contents);
        drop(site);
        // One may just be written.
        let has_failed = !templates.is_empty() && self.fails(200);
        if has_failed {
            templates.pop_first();
        }
        self.templates = SeenTemplates { names, contents, has_failed };
        Some(TemplateReading { templates, has_failed })
    }

    fn listen(&mut self) -> io::Result<Vec<Listener>> {
        self.environment.network.borrow_mut().listen();
        let roles = self.environment.plan.listeners.iter();
        Ok(roles.map(|role| Listener { role: *role, name: format!("{role:?}") }).collect())
    }

    fn stop_listening(&mut self) {
        self.environment.network.borrow_mut().stop_listening(&self.environment);
    }

    fn accept(&mut self, listener: ListenerId, connection: ConnectionId) -> io::Result<()> {
        let environment = self.environment.clone();
        if !environment.network.borrow().has_waiting(listener) {
            return Err(ErrorKind::WouldBlock.into());
        }
        if self.fails(environment.plan.failing_accepts) {
            return Err(io::Error::other("too many open files"));
        }
        let accepted = environment.network.borrow_mut().accept(listener);
        let id = accepted.ok_or(ErrorKind::WouldBlock)?;
        if environment.network.borrow().has_ended(id) && self.random.coin() {
            environment.network.borrow_mut().close_by_server(&environment, id);
            environment.model.borrow_mut().connection_over(id);
            return Err(ErrorKind::ConnectionAborted.into());
        }
        self.connections.insert(connection, Connection { id, is_watched: false, is_watched_for_room: false });
        self.numbers.insert(id, connection);
        Ok(())
    }

    fn origin(&self, connection: ConnectionId) -> Origin {
        Origin { host: Some(format!("10.0.0.{}", connection % 250).into()), user: None }
    }

    fn watch(&mut self, connection: ConnectionId, writable: bool) -> io::Result<()> {
        let known = self.connections.get_mut(&connection).ok_or(ErrorKind::NotConnected)?;
        known.is_watched = true;
        known.is_watched_for_room = writable;
        self.environment.network.borrow_mut().watch(known.id, writable);
        Ok(())
    }

    fn read(&mut self, connection: ConnectionId, buffer: &mut [u8]) -> io::Result<usize> {
        let id = self.id(connection)?;
        if self.is_gone() {
            return Err(ErrorKind::WouldBlock.into());
        }
        if self.random.per_mille(3) {
            return Err(ErrorKind::Interrupted.into());
        }
        let environment = &self.environment;
        match environment.network.borrow_mut().read(id, buffer.len()) {
            Reading::Bytes(bytes) => {
                environment.trace.note(b'r', &[id], &bytes);
                environment.model.borrow_mut().server_read(id, bytes.len());
                self.read_from.set(Some(id));
                buffer[..bytes.len()].copy_from_slice(&bytes);
                Ok(bytes.len())
            }
            Reading::WouldBlock => Err(ErrorKind::WouldBlock.into()),
            Reading::Over("the peer closed the connection") => Ok(0),
            Reading::Over(reason) => Err(io::Error::other(reason)),
        }
    }

    fn write(&mut self, connection: ConnectionId, bytes: &[u8], _is_last: bool) -> io::Result<usize> {
        let id = self.id(connection)?;
        if self.is_gone() {
            return Err(ErrorKind::WouldBlock.into());
        }
        if self.random.per_mille(3) {
            return Err(ErrorKind::Interrupted.into());
        }
        self.check_order(id);
        let environment = &self.environment;
        let writing = environment.network.borrow_mut().write(environment, id, bytes);
        match writing {
            Ok(Writing::Taken(taken)) => {
                environment.trace.note(b'w', &[id], &bytes[..taken]);
                environment.model.borrow_mut().server_sent(id, &bytes[..taken]);
                Ok(taken)
            }
            Ok(Writing::WouldBlock) | Err(_) => Err(ErrorKind::WouldBlock.into()),
            Ok(Writing::Broken) => Err(io::Error::other("broken")),
        }
    }

    fn shut_down(&mut self, connection: ConnectionId) -> io::Result<()> {
        let id = self.id(connection)?;
        if self.is_gone() {
            return Ok(());
        }
        self.check_order(id);
        let environment = &self.environment;
        if environment.network.borrow_mut().finish_by_server(environment, id).is_ok() {
            environment.model.borrow_mut().server_finished(id);
        }
        Ok(())
    }

    fn close(&mut self, connection: ConnectionId, reason: &str) {
        let Some(Connection { id, .. }) = self.connections.remove(&connection) else { return };
        self.numbers.remove(&id);
        if self.is_gone() {
            return;
        }
        say!(self.environment, "connection {id}: {reason}");
        self.environment.network.borrow_mut().close_by_server(&self.environment, id);
        self.environment.model.borrow_mut().connection_over(id);
    }

    fn submit(&mut self, task: Task<DataDirectory>) {
        self.tasks.borrow_mut().submit(&self.environment, task);
    }

    fn start_upload(&mut self, job: &Text, uuid: Uuid) -> io::Result<()> {
        assert!(self.uploading.is_none(), "one upload at a time");
        if self.fails(20) {
            return Err(io::Error::other("too many processes"));
        }
        let environment = &self.environment;
        let contents = environment.disk.borrow().read(&result_path(job, uuid)).map(<[u8]>::to_vec);
        let contents = contents.ok_or(ErrorKind::NotFound)?;
        self.processes += 1;
        let process = self.processes;
        self.uploading = Some(Upload { process, uuid, contents: contents.clone() });
        let upload = environment.begin_upload(contents);
        say!(environment, "upload {uuid}: {:?}", upload.end);
        if let Some(duration) = upload.duration {
            let at = environment.host.time() + duration;
            let (life, end, contents) = (self.life, upload.end, upload.contents);
            environment.enter(at, Event::Uploaded { life, process, uuid, end, contents });
        }
        Ok(())
    }

    /// What it was sending may have arrived all the same.
    fn kill_upload(&mut self) {
        let Some(Upload { process, uuid, contents }) = self.uploading.clone() else { return };
        let at = self.environment.host.time() + Duration::from_millis(1);
        let end = UploadEnd::Refused("it was killed".to_owned());
        let contents = self.random.coin().then_some(contents);
        self.environment.enter(at, Event::Uploaded { life: self.life, process, uuid, end, contents });
    }

    fn start_notice(&mut self, notice: Notice<'_>) -> io::Result<()> {
        let value = |name| notice.variables.iter().find(|(known, _)| *known == name).unwrap().1.clone();
        let (uuid, job) = (notice.uuid, value("BUILDER_JOB"));
        assert!(self.noticing.values().all(|program| program.job != job), "one notice of a job at a time");
        assert!(self.noticing.len() < NOTICE_PROGRAMS, "a few notices at a time");
        if self.fails(20) {
            return Err(io::Error::other("too many processes"));
        }
        let environment = &self.environment;
        let has_result = notice.result_of.is_some();
        environment.model.borrow_mut().notice_begun(uuid, &value("BUILDER_REASON"));
        if has_result {
            environment.check_notice_result(&job, uuid);
        }
        self.processes += 1;
        let process = self.processes;
        self.noticing.insert(uuid, Program { process, job: job.clone() });
        let begun = environment.begin_notice();
        say!(environment, "notice of {uuid}: {:?}", begun.end);
        if let Some(duration) = begun.duration {
            let at = environment.host.time() + duration;
            let is_noted = begun.end == NoticeEnd::Done;
            let (life, end) = (self.life, begun.end);
            let result_of = has_result.then_some(job);
            environment.enter(at, Event::Noticed { life, process, uuid, end, is_noted, result_of });
        }
        Ok(())
    }

    /// What it was told it may have noted all the same.
    fn kill_notice(&mut self, uuid: Uuid) {
        let Some(Program { process, .. }) = self.noticing.get(&uuid) else { return };
        let (process, is_noted) = (*process, self.random.coin());
        let at = self.environment.host.time() + Duration::from_millis(1);
        let end = NoticeEnd::Failed("signal 9 ended it".to_owned());
        let event = Event::Noticed { life: self.life, process, uuid, end, is_noted, result_of: None };
        self.environment.enter(at, event);
    }

    fn recovered(&mut self, recovered: &Recovered) {
        self.environment.model.borrow_mut().log_read(recovered);
    }

    fn recorded(&mut self, record: &Record) {
        say!(self.environment, "append {record:?}");
        let mut model = self.environment.model.borrow_mut();
        model.recorded(self.environment.host.time(), record, self.heard_from.get());
    }
}
