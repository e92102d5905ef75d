//! The platform: clocks that a test sets, connections that it fills and empties, tasks that wait until it has them done.

use builder_engine::Now;
use builder_engine::driver::{
    FreeSpace, Listener, ListenerId, Look, Notice, Platform, Task, TemplateReading,
};
use builder_engine::log::Salt;
use builder_engine::server::{ConnectionId, Origin, Role};
use builder_proto::Uuid;
use builder_proto::text::Text;
use builder_proto::time::Time;
use builder_tests::world::{DataDirectory, LogStorage};
use std::collections::{BTreeMap, VecDeque};
use std::io::{self, ErrorKind};
use std::time::Duration;

/// What the driver runs on, open to the test.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) time: Duration,
    pub(crate) files: DataDirectory,
    pub(crate) log: LogStorage,
    /// How often randomness for a new log was asked for.
    pub(crate) salts: u8,
    pub(crate) free_space: FreeSpace,
    /// Whether the system does not say how much that is.
    pub(crate) hides_space: bool,
    /// What a thorough look at the templates shows, and how often there was one.
    pub(crate) templates: TemplateReading,
    pub(crate) thorough_looks: usize,
    /// Who waits to be accepted.
    pub(crate) waiting: VecDeque<Line>,
    pub(crate) lines: BTreeMap<ConnectionId, Line>,
    /// Whether there is no descriptor for another connection.
    pub(crate) accepts_nobody: bool,
    pub(crate) tasks: VecDeque<Task<DataDirectory>>,
    pub(crate) uploads: Vec<Uuid>,
    pub(crate) kills: usize,
    /// The programs that were told of builds, and those that were killed.
    pub(crate) notices: Vec<Told>,
    pub(crate) killed_notices: Vec<Uuid>,
    /// Whether no program can be started.
    pub(crate) starts_nothing: bool,
}

/// What a program was told of a build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) uuid: Uuid,
    pub(crate) has_result: bool,
    pub(crate) variables: BTreeMap<&'static str, String>,
}

/// A connection, from the side of the system.
#[derive(Debug)]
pub(crate) struct Line {
    /// What has arrived and was not read.
    pub(crate) arrived: Vec<u8>,
    /// What was sent.
    pub(crate) sent: Vec<u8>,
    /// How many more bytes it takes.
    pub(crate) room: usize,
    pub(crate) is_broken: bool,
    /// Whether it was told that nothing more comes.
    pub(crate) is_shut_down: bool,
    /// Whether nothing more will arrive.
    pub(crate) has_ended: bool,
    /// Whether something is told of it, and whether also that it can be sent more.
    pub(crate) watched: Option<bool>,
}

impl Machine {
    pub(crate) fn new(time: Duration, files: DataDirectory, log: LogStorage) -> Machine {
        Machine {
            time,
            files,
            log,
            salts: 0,
            free_space: FreeSpace { free: u64::MAX, longest_file: u64::MAX },
            hides_space: false,
            templates: TemplateReading { templates: BTreeMap::new(), has_failed: false },
            thorough_looks: 0,
            waiting: VecDeque::new(),
            lines: BTreeMap::new(),
            accepts_nobody: false,
            tasks: VecDeque::new(),
            uploads: Vec::new(),
            kills: 0,
            notices: Vec::new(),
            killed_notices: Vec::new(),
            starts_nothing: false,
        }
    }

    fn line(&mut self, connection: ConnectionId) -> io::Result<&mut Line> {
        let line = self.lines.get_mut(&connection).ok_or(ErrorKind::NotConnected)?;
        if line.is_broken { Err(ErrorKind::ConnectionReset.into()) } else { Ok(line) }
    }
}

impl Line {
    pub(crate) fn new(arrived: Vec<u8>) -> Line {
        Line {
            arrived,
            sent: Vec::new(),
            room: usize::MAX,
            is_broken: false,
            is_shut_down: false,
            has_ended: false,
            watched: None,
        }
    }
}

impl Platform for Machine {
    type Files = DataDirectory;
    type Storage = LogStorage;

    fn now(&self) -> Now {
        let milliseconds = 1_767_225_600_000 + i64::try_from(self.time.as_millis()).unwrap();
        Now { wall: Time::from_unix_milliseconds(milliseconds), monotonic: self.time }
    }

    fn files(&self) -> DataDirectory {
        self.files.clone()
    }

    fn storage(&mut self) -> io::Result<LogStorage> {
        Ok(self.log.clone())
    }

    fn salt(&mut self) -> io::Result<Salt> {
        self.salts += 1;
        Ok(Salt([self.salts; 16]))
    }

    fn uuids(&mut self) -> Box<dyn Iterator<Item = Uuid>> {
        // No two starts of a server give the same.
        let first = self.time.as_nanos() << 32;
        Box::new((first + 1..).map(Uuid::from_u128))
    }

    fn free_space(&mut self) -> io::Result<FreeSpace> {
        if self.hides_space { Err(ErrorKind::Other.into()) } else { Ok(self.free_space) }
    }

    fn templates(&mut self, look: Look) -> Option<TemplateReading> {
        let is_thorough = look != Look::Quick;
        self.thorough_looks += usize::from(is_thorough);
        is_thorough.then(|| self.templates.clone())
    }

    fn listen(&mut self) -> io::Result<Vec<Listener>> {
        Ok(vec![Listener { role: Role::Any, name: "the listener".to_owned() }])
    }

    fn stop_listening(&mut self) {
        self.waiting.clear();
    }

    fn accept(&mut self, _: ListenerId, connection: ConnectionId) -> io::Result<()> {
        if self.accepts_nobody && !self.waiting.is_empty() {
            return Err(io::Error::other("too many open files"));
        }
        let line = self.waiting.pop_front().ok_or(ErrorKind::WouldBlock)?;
        self.lines.insert(connection, line);
        Ok(())
    }

    fn origin(&self, _: ConnectionId) -> Origin {
        Origin::default()
    }

    fn watch(&mut self, connection: ConnectionId, writable: bool) -> io::Result<()> {
        self.line(connection)?.watched = Some(writable);
        Ok(())
    }

    fn read(&mut self, connection: ConnectionId, buffer: &mut [u8]) -> io::Result<usize> {
        let line = self.line(connection)?;
        let length = line.arrived.len().min(buffer.len());
        buffer[..length].copy_from_slice(&line.arrived[..length]);
        line.arrived.drain(..length);
        if length > 0 || line.has_ended { Ok(length) } else { Err(ErrorKind::WouldBlock.into()) }
    }

    fn write(&mut self, connection: ConnectionId, bytes: &[u8], _: bool) -> io::Result<usize> {
        let line = self.line(connection)?;
        let length = bytes.len().min(line.room);
        if length == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        line.room -= length;
        line.sent.extend_from_slice(&bytes[..length]);
        Ok(length)
    }

    fn shut_down(&mut self, connection: ConnectionId) -> io::Result<()> {
        self.line(connection)?.is_shut_down = true;
        Ok(())
    }

    fn close(&mut self, connection: ConnectionId, _: &str) {
        self.lines.remove(&connection);
    }

    fn submit(&mut self, task: Task<DataDirectory>) {
        self.tasks.push_back(task);
    }

    fn start_upload(&mut self, _: &Text, uuid: Uuid) -> io::Result<()> {
        self.uploads.push(uuid);
        Ok(())
    }

    fn kill_upload(&mut self) {
        self.kills += 1;
    }

    fn start_notice(&mut self, notice: Notice<'_>) -> io::Result<()> {
        if self.starts_nothing {
            return Err(io::Error::other("hook could not be run: too many processes"));
        }
        let Notice { uuid, result_of, variables } = notice;
        let variables = variables.into_iter().collect();
        self.notices.push(Told { uuid, has_result: result_of.is_some(), variables });
        Ok(())
    }

    fn kill_notice(&mut self, uuid: Uuid) {
        self.killed_notices.push(uuid);
    }
}
