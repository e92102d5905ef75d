//! The loop that carries out what the engine decides.

use super::artifacts::{ArtifactList, ArtifactStream};
use super::directory::JobDirectory;
use super::lister::Lister;
use super::processes::{Processes, StartError, start_script};
use super::sources::{
    ConnectError, Console, ConsoleRead, Hangup, READ_BYTES, Server, Signal, SignalSource, connect,
};
use crate::command_line::Address;
use crate::socket::NonBlockingSocket;
use crate::terminal::StatusLine;
use builder_engine::worker::{Action, Ending, Input, JobInput, Worker};
use builder_proto::Uuid;
use mio::{Events, Interest, Poll, Token};
use std::io::{self, Read};
use std::path::PathBuf;
use std::time::{Duration, Instant};

const SOCKET: Token = Token(0);
const CONSOLE: Token = Token(1);
const SIGNALS: Token = Token(2);

/// Writes of artifacts in one turn, before signals and the server's words are looked at again.
const WRITES_PER_TURN: usize = 16;

/// Time after which they are looked at again whatever there is to list or to write.
const TURN_TIME: Duration = Duration::from_millis(50);

/// Why there is no connection when the system says so while it is made.
const RESET: &str = "connection reset by peer";

/// A longer wait than mio can express would be cut to something random.
const LONGEST_WAIT: Duration = Duration::from_secs(60 * 60);

/// The worker with everything it touches.
pub(super) struct Reactor {
    engine: Worker,
    start: Instant,
    poll: Poll,
    signals: SignalSource,
    remote: Address,
    server: Server,
    console: Option<Console>,
    processes: Processes,
    /// Where job directories are made.
    parent: PathBuf,
    directory: Option<JobDirectory>,
    build: Option<Uuid>,
    lister: Option<Lister>,
    list: Option<ArtifactList>,
    stream: Option<ArtifactStream>,
    buffer: Vec<u8>,
    /// Says on a terminal that there is no job yet.
    waiting: StatusLine,
    /// Whether SIGHUP has come, of which the engine has not been told.
    is_asked_to_leave: bool,
    outcome: Option<Result<Ending, String>>,
}

impl Reactor {
    /// Takes over the signals of the process, so there can be only one. Without a socket the connection was reset.
    ///
    /// # Errors
    ///
    /// What the system says when it has no descriptors left.
    pub(super) fn new(
        engine: Worker,
        remote: Address,
        mut socket: Option<NonBlockingSocket>,
        parent: PathBuf,
        waiting: StatusLine,
        hangup: Hangup,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        if let Some(socket) = &mut socket {
            poll.registry().register(socket, SOCKET, Interest::READABLE | Interest::WRITABLE)?;
        }
        let signals = SignalSource::new(poll.registry(), SIGNALS, hangup)?;
        Ok(Self {
            engine,
            start: Instant::now(),
            poll,
            signals,
            remote,
            server: Server::new(socket),
            console: None,
            processes: Processes::default(),
            parent,
            directory: None,
            build: None,
            lister: None,
            list: None,
            stream: None,
            buffer: vec![0; READ_BYTES],
            waiting,
            is_asked_to_leave: false,
            outcome: None,
        })
    }

    /// Runs until the engine says how it ended.
    ///
    /// # Errors
    ///
    /// What went wrong, as a sentence for people.
    pub(super) fn run(mut self) -> Result<Ending, String> {
        match self.server.socket {
            Some(_) => self.handle(Input::Connected),
            None => self.handle(Input::Disconnected(Some(RESET.to_owned()))),
        }
        let mut events = Events::with_capacity(8);
        loop {
            self.carry_out();
            self.write_socket();
            // Writing makes room for more console, and may have failed.
            self.carry_out();
            if let Some(outcome) = self.outcome.take() {
                return outcome;
            }
            self.wait(&mut events).map_err(|error| format!("cannot wait for events: {error}"))?;
            self.read_socket();
            self.leave_if_asked();
            self.read_console();
            self.list_artifacts();
            self.handle(Input::Tick);
        }
    }

    fn handle(&mut self, input: Input<'_>) {
        self.engine.handle(self.start.elapsed(), input);
    }

    fn wait(&mut self, events: &mut Events) -> io::Result<()> {
        match self.poll.poll(events, self.patience()) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            outcome => outcome?,
        }
        for event in events.iter() {
            match event.token() {
                SOCKET => {
                    self.server.is_readable = true;
                    self.server.is_writable = true;
                }
                CONSOLE => {
                    if let Some(console) = &mut self.console {
                        console.note_ready();
                    }
                }
                _ => self.read_signals(),
            }
        }
        Ok(())
    }

    /// How long nothing needs to be done unless something happens.
    fn patience(&self) -> Option<Duration> {
        let console = self.engine.wants_console() && self.console.as_ref().is_some_and(Console::is_ready);
        let writing = self.server.is_writable && (self.stream.is_some() || !self.server.outbox.is_empty());
        if console || self.lister.is_some() || (writing && self.server.socket.is_some()) {
            return Some(Duration::ZERO);
        }
        let deadline = self.engine.next_deadline()?;
        Some(deadline.saturating_sub(self.start.elapsed()).min(LONGEST_WAIT))
    }

    fn read_signals(&mut self) {
        for signal in self.signals.pending() {
            match signal {
                Signal::ChildEnded => {
                    let events = self.processes.children_ended();
                    self.handle_all(events);
                }
                Signal::Terminate(name) => self.handle(Input::Terminated(name)),
                Signal::Leave => {
                    // A job may have come that the system has not announced yet.
                    self.server.is_readable = true;
                    self.is_asked_to_leave = true;
                }
            }
        }
    }

    /// After everything that the socket had was read: a job that is here already is run.
    fn leave_if_asked(&mut self) {
        if core::mem::take(&mut self.is_asked_to_leave) {
            self.handle(Input::AskedToLeave);
        }
    }

    fn handle_all(&mut self, events: Vec<JobInput<'static>>) {
        for event in events {
            self.handle(Input::Job(event));
        }
    }

    fn read_socket(&mut self) {
        while self.server.is_readable {
            let Some(socket) = &mut self.server.socket else { return };
            let now = self.start.elapsed();
            match socket.read(&mut self.buffer) {
                Ok(0) => {
                    let reason = self.server.broken.take();
                    self.disconnect(reason);
                }
                Ok(count) => {
                    let bytes = self.buffer.get(..count).unwrap_or_default();
                    self.engine.handle(now, Input::Received(bytes));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.server.is_readable = false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => self.disconnect(Some(error.to_string())),
            }
        }
    }

    fn disconnect(&mut self, reason: Option<String>) {
        self.server.socket = None;
        self.server.broken = None;
        self.handle(Input::Disconnected(reason));
    }

    fn read_console(&mut self) {
        while self.engine.wants_console() {
            let Some(console) = self.console.as_mut().filter(|console| console.is_ready()) else { return };
            let now = self.start.elapsed();
            let is_draining = console.is_draining();
            match console.read(&mut self.buffer) {
                Ok(ConsoleRead::Bytes(count)) => {
                    let bytes = self.buffer.get(..count).unwrap_or_default();
                    self.engine.handle(now, Input::Job(JobInput::Console(bytes)));
                    continue;
                }
                Ok(ConsoleRead::Empty) => {}
                Ok(ConsoleRead::End) => self.console = None,
                Err(error) => {
                    log::error!("cannot read the console of the job: {error}");
                    self.console = None;
                }
            }
            if is_draining {
                self.handle(Input::Job(JobInput::ConsoleDrained));
            }
        }
    }

    fn carry_out(&mut self) {
        while let Some(action) = self.engine.poll_action() {
            match action {
                Action::Connect => self.connect_again(),
                Action::Send(bytes) => self.server.outbox.push(bytes),
                Action::StartJob { uuid, job } => {
                    self.waiting.clear();
                    log::info!("running job {} as build {uuid}", job.name);
                    self.build = Some(uuid);
                    self.start(job.script.as_bytes());
                }
                Action::Rehearse { script } => self.start(script),
                Action::TerminateJob => self.processes.terminate(),
                Action::KillDescendants => {
                    let events = self.processes.kill();
                    self.handle_all(events);
                }
                Action::DrainConsole => match &mut self.console {
                    Some(console) => console.begin_draining(),
                    None => self.handle(Input::Job(JobInput::ConsoleDrained)),
                },
                Action::ListArtifacts => self.lister = Some(Lister::new()),
                Action::SendArtifacts => self.stream = self.list.take().map(ArtifactStream::new),
                Action::CleanUp => self.clean_up(),
                Action::Exit(outcome) => {
                    self.waiting.clear();
                    self.note_kept(&outcome);
                    self.outcome = Some(outcome);
                }
            }
        }
    }

    /// Takes as long as the server's system needs to answer; signals are looked at afterwards.
    fn connect_again(&mut self) {
        log::info!("connecting to {} again, because the connection broke before its hello", self.remote);
        self.server = Server::new(None);
        let socket = connect(&self.remote).and_then(|mut socket| {
            let interests = Interest::READABLE | Interest::WRITABLE;
            let registered = self.poll.registry().register(&mut socket, SOCKET, interests);
            registered.map(|()| socket).map_err(|error| ConnectError::new(&self.remote, error))
        });
        match socket {
            Ok(socket) => {
                self.server.socket = Some(socket);
                self.handle(Input::Connected);
            }
            Err(error) if error.is_reset() => self.handle(Input::Disconnected(Some(RESET.to_owned()))),
            Err(error) => self.handle(Input::NotConnected(error.to_string())),
        }
    }

    fn start(&mut self, script: &[u8]) {
        let Err(error) = self.try_to_start(script) else { return };
        let reason = error.to_string();
        self.handle(Input::Job(match error.is_of_the_script() {
            true => JobInput::NotStarted(reason),
            false => JobInput::Unable(reason),
        }));
    }

    fn try_to_start(&mut self, script: &[u8]) -> Result<(), StartError> {
        let directory = JobDirectory::create(&self.parent).map_err(StartError::Directory)?;
        let directory = self.directory.insert(directory);
        let path = directory.write_script(script).map_err(StartError::Directory)?;
        let (console, writer) = Console::open(self.poll.registry(), CONSOLE).map_err(StartError::Console)?;
        self.processes.watch(start_script(directory, &path, script, writer)?);
        self.console = Some(console);
        Ok(())
    }

    /// Lists more artifacts, if that is to be done.
    fn list_artifacts(&mut self) {
        let (Some(mut lister), Some(directory)) = (self.lister.take(), &self.directory) else { return };
        let event = match lister.step(directory.tree(), Instant::now() + TURN_TIME) {
            Ok(true) => {
                self.lister = Some(lister);
                return;
            }
            Ok(false) => {
                let (list, remarks) = lister.finish();
                log::info!("artifacts to send: {}", list.len());
                let length = list.encoded_length();
                self.list = Some(list);
                JobInput::ArtifactsListed { length, remarks }
            }
            Err(error) => JobInput::ArtifactsRefused(error.to_string()),
        };
        self.handle(Input::Job(event));
    }

    /// Writes what waits, then artifacts, until the socket is full or others deserve a turn.
    fn write_socket(&mut self) {
        let until = Instant::now() + TURN_TIME;
        for _ in 0..WRITES_PER_TURN {
            if Instant::now() >= until {
                return;
            }
            if self.server.outbox.is_empty() && !self.fill_from_artifacts() {
                return;
            }
            let Some(socket) = self.server.socket.as_mut().filter(|_| self.server.is_writable) else {
                return;
            };
            match self.server.outbox.write_to(socket) {
                Ok(0) => self.server.is_writable = false,
                Ok(count) => self.handle(Input::Sent(count)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    // The server may have said why before it closed.
                    self.server.broken = Some(error.to_string());
                    self.server.is_readable = true;
                    self.read_socket();
                    if let Some(reason) = self.server.broken.take() {
                        self.disconnect(Some(reason));
                    }
                }
            }
        }
    }

    /// Puts the next piece of the artifacts into the empty outbox; says whether there was one.
    fn fill_from_artifacts(&mut self) -> bool {
        let (Some(stream), Some(directory)) = (&mut self.stream, &self.directory) else { return false };
        let output = self.server.outbox.refill();
        let event = match stream.fill(directory.tree(), output) {
            Ok(_) if !output.is_empty() => return true,
            Ok(_) => JobInput::ArtifactsSent,
            Err(error) => JobInput::ArtifactsBroken(error.to_string()),
        };
        self.stream = None;
        self.handle(Input::Job(event));
        false
    }

    fn note_kept(&self, outcome: &Result<Ending, String>) {
        if let (Ok(Ending::Kept), Some(uuid), Some(directory)) = (outcome, self.build, &self.directory) {
            log::warn!("build {uuid} failed; its directory {} is kept", directory.path().display());
        }
    }

    /// Takes as long as it takes, for nothing else is left to do: the server has the result, or will not get it.
    fn clean_up(&mut self) {
        self.lister = None;
        self.stream = None;
        self.console = None;
        if let Some(directory) = self.directory.take() {
            directory.discard();
        }
    }
}
