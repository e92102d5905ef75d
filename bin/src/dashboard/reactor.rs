//! The loop: bytes between sockets and the machine that decides.

use super::questions::{Questions, Reading, Remote};
use crate::clock::Clock;
use crate::listener::Listener;
use crate::socket::NonBlockingSocket;
use builder_engine::dashboard::http::HostName;
use builder_engine::dashboard::site::Site;
use builder_engine::dashboard::{Action, Dashboard, Input, Place};
use mio::event::{Event, Source};
use mio::{Events, Interest, Poll, Token};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook_mio::v1_0::Signals;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind, Read, Write};
use std::time::{Duration, Instant};

const SIGNALS: Token = Token(0);
/// The first listener has the next token.
const LISTENERS: usize = 1;
/// From this one on, tokens are those of connections: even ones of browsers, odd ones of questions.
const CONNECTIONS: usize = 1000;
/// Events taken in one turn.
const EVENTS: usize = 1024;
/// Connections accepted in one turn, so that those who are there are not kept waiting.
const ACCEPTED_AT_ONCE: usize = 64;
/// Bytes that are read at once.
const READ_BYTES: usize = 64 * 1024;
/// Pause after a connection could not be accepted, as when the system has no descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);
/// A longer wait than mio can express would be cut to something random.
const LONGEST_WAIT: Duration = Duration::from_secs(60 * 60);

/// A dashboard with everything it touches.
pub(super) struct Reactor<S: Site> {
    dashboard: Dashboard<S>,
    poll: Poll,
    signals: Signals,
    listeners: Vec<Listener>,
    /// Listeners where somebody may wait.
    pending: BTreeSet<usize>,
    /// When they are looked at again after a failure.
    accept_after: Option<Instant>,
    browsers: BTreeMap<u64, Browser>,
    questions: Questions,
    last: u64,
    clock: Clock,
    buffer: Vec<u8>,
    /// What was logged of the server's silence.
    logged: Option<String>,
}

/// The connection of a browser.
struct Browser {
    socket: NonBlockingSocket,
    is_readable: bool,
    /// Whether it was told that nothing more will come.
    is_told: bool,
}

impl<S: Site> Reactor<S> {
    /// Takes over the signals of the process, so there can be only one.
    pub(super) fn new(
        site: S,
        listeners: Vec<Listener>,
        remote: Remote,
        most_connections: usize,
        names: Vec<HostName>,
    ) -> io::Result<Reactor<S>> {
        let poll = Poll::new()?;
        let mut signals = Signals::new([SIGTERM, SIGINT])?;
        signals.register(poll.registry(), SIGNALS, Interest::READABLE)?;
        let questions = Questions::new(poll.registry().try_clone()?, remote);
        let clock = Clock::start();
        let mut reactor = Reactor {
            dashboard: Dashboard::new(clock.now(), site, most_connections, names),
            poll,
            signals,
            listeners,
            pending: BTreeSet::new(),
            accept_after: None,
            browsers: BTreeMap::new(),
            questions,
            last: 0,
            clock,
            buffer: vec![0; READ_BYTES],
            logged: None,
        };
        for (number, listener) in reactor.listeners.iter_mut().enumerate() {
            listener.register(reactor.poll.registry(), Token(LISTENERS + number), Interest::READABLE)?;
        }
        Ok(reactor)
    }

    /// Runs until a signal says to stop.
    pub(super) fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS);
        loop {
            self.handle(Input::Tick);
            self.carry_out();
            self.log_trouble();
            match self.poll.poll(&mut events, self.patience()) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                outcome => outcome?,
            }
            for event in &events {
                match event.token() {
                    SIGNALS => {
                        if let Some(signal) = self.signals.pending().next() {
                            log::info!("stopped by {}", if signal == SIGTERM { "SIGTERM" } else { "SIGINT" });
                            self.listeners.iter().for_each(Listener::remove);
                            return Ok(());
                        }
                    }
                    Token(number) if number < CONNECTIONS => {
                        self.pending.insert(number - LISTENERS);
                    }
                    Token(number) => self.note(number - CONNECTIONS, event),
                }
            }
            self.accept();
            self.read_questions();
            self.read_browsers();
        }
    }

    fn handle(&mut self, input: Input<'_>) {
        self.dashboard.handle(self.clock.now(), input);
    }

    /// How long nothing needs to be done unless something happens.
    fn patience(&self) -> Option<Duration> {
        let dashboard = &self.dashboard;
        let has_answer = self.questions.readable().any(|id| dashboard.wants_answer(id));
        let has_request =
            |(id, browser): (&u64, &Browser)| browser.is_readable && dashboard.wants_to_read(*id);
        let has_pending = !self.pending.is_empty() && self.accept_after.is_none();
        if has_pending || has_answer || self.browsers.iter().any(has_request) {
            return Some(Duration::ZERO);
        }
        let of_dashboard = dashboard.deadline().map(|deadline| self.clock.until(deadline));
        let of_listeners = self.accept_after.map(|at| at.saturating_duration_since(Instant::now()));
        let patience = of_dashboard.into_iter().chain(of_listeners).min()?;
        // A wait that is cut to whole milliseconds would end too early, again and again.
        Some((patience + Duration::from_millis(1)).min(LONGEST_WAIT))
    }

    /// Something happened on a connection.
    fn note(&mut self, number: usize, event: &Event) {
        let id = (number / 2) as u64;
        let is_readable = event.is_readable() || event.is_read_closed() || event.is_error();
        if number.is_multiple_of(2) {
            if let Some(browser) = self.browsers.get_mut(&id) {
                browser.is_readable |= is_readable;
            }
            if event.is_writable() {
                self.write_browser(id);
            }
        } else {
            if let Err(reason) = self.questions.note(id, is_readable) {
                self.handle(Input::Broken { question: id, reason });
            }
        }
    }

    fn accept(&mut self) {
        if self.accept_after.is_some_and(|at| Instant::now() < at) {
            return;
        }
        self.accept_after = None;
        for _ in 0..ACCEPTED_AT_ONCE {
            let Some(number) = self.pending.first().copied() else { return };
            if !self.dashboard.has_room() {
                // Whoever leaves makes room, and that is an event.
                self.accept_after = Some(Instant::now() + ACCEPT_PAUSE);
                return;
            }
            let Some(listener) = self.listeners.get(number) else { return };
            match listener.accept() {
                Ok((socket, _)) => {
                    let place = place(listener);
                    self.welcome(socket, place);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.pending.remove(&number);
                }
                Err(error) if is_of_peer(&error) => {}
                Err(error) => {
                    log::warn!("{}: cannot accept a connection: {error}; trying again", listener.name());
                    self.accept_after = Some(Instant::now() + ACCEPT_PAUSE);
                    return;
                }
            }
        }
    }

    fn welcome(&mut self, mut socket: NonBlockingSocket, place: Place) {
        self.last += 1;
        let (id, interests) = (self.last, Interest::READABLE | Interest::WRITABLE);
        if let Err(error) = self.poll.registry().register(&mut socket, token_of_browser(id), interests) {
            log::warn!("cannot watch a connection: {error}");
            return;
        }
        self.browsers.insert(id, Browser { socket, is_readable: true, is_told: false });
        self.handle(Input::Connected { connection: id, place });
    }

    fn read_browsers(&mut self) {
        let ready = self.browsers.iter().filter(|(_, browser)| browser.is_readable);
        for id in ready.map(|(id, _)| *id).collect::<Vec<u64>>() {
            self.read_browser(id);
        }
    }

    fn read_browser(&mut self, id: u64) {
        if !self.dashboard.wants_to_read(id) {
            return;
        }
        let Some(browser) = self.browsers.get_mut(&id) else { return };
        match browser.socket.read(&mut self.buffer) {
            Ok(0) => {
                browser.is_readable = false;
                self.handle(Input::Ended { connection: id });
            }
            Ok(length) => {
                let bytes = self.buffer.get(..length).unwrap_or_default();
                let input = Input::Received { connection: id, bytes };
                self.dashboard.handle(self.clock.now(), input);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => browser.is_readable = false,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => {
                log::debug!("a browser is gone: {error}");
                self.close_browser(id);
            }
        }
    }

    /// Gives a browser what waits for it, as far as its socket takes it.
    fn write_browser(&mut self, id: u64) {
        loop {
            let Some(browser) = self.browsers.get_mut(&id) else { return };
            let Some(bytes) = self.dashboard.next_write(id) else { break };
            match browser.socket.write(bytes) {
                Ok(count) => self.handle(Input::Written { connection: id, count }),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    log::debug!("a browser is gone: {error}");
                    return self.close_browser(id);
                }
            }
        }
        if self.dashboard.is_over(id) {
            return self.close_browser(id);
        }
        if self.dashboard.is_output_over(id)
            && let Some(browser) = self.browsers.get_mut(&id).filter(|browser| !browser.is_told)
        {
            browser.is_told = true;
            // One that has gone already is found out when it is read from.
            let _ = browser.socket.shutdown_write();
        }
    }

    fn close_browser(&mut self, id: u64) {
        if let Some(mut browser) = self.browsers.remove(&id) {
            // The descriptor is closed right after, which ends that in any case.
            let _ = browser.socket.deregister(self.poll.registry());
        }
        self.handle(Input::Gone { connection: id });
    }

    /// Does what the dashboard wants to have done.
    fn carry_out(&mut self) {
        loop {
            if let Some(action) = self.dashboard.next_action() {
                self.act(action);
            } else if let Some(id) = self.dashboard.next_concerned() {
                self.write_browser(id);
            } else {
                return;
            }
        }
    }

    fn act(&mut self, action: Action) {
        let (question, outcome) = match action {
            Action::Dial { question, bytes } => {
                (question, self.questions.dial(question, token_of_question(question), bytes))
            }
            Action::Tell { question, bytes } => (question, self.questions.tell(question, &bytes)),
            Action::Hang { question } => return self.questions.hang(question),
        };
        if let Err(reason) = outcome {
            self.handle(Input::Broken { question, reason });
        }
    }

    fn read_questions(&mut self) {
        for id in self.questions.readable().collect::<Vec<u64>>() {
            if !self.dashboard.wants_answer(id) {
                continue;
            }
            match self.questions.read(id, &mut self.buffer) {
                Ok(Reading::Bytes(length)) => {
                    let bytes = self.buffer.get(..length).unwrap_or_default();
                    let input = Input::Answered { question: id, bytes };
                    self.dashboard.handle(self.clock.now(), input);
                }
                Ok(Reading::Nothing) => {}
                Err(reason) => self.handle(Input::Broken { question: id, reason }),
            }
        }
    }

    /// Says once that the server does not answer, and once that it does again.
    fn log_trouble(&mut self) {
        let trouble = self.dashboard.trouble();
        if trouble == self.logged.as_deref() {
            return;
        }
        match trouble {
            Some(reason) => {
                log::warn!("the server does not answer: {reason}; trying again when somebody looks")
            }
            None => log::info!("the server answers again"),
        }
        self.logged = trouble.map(str::to_owned);
    }
}

/// Whether the failure to accept concerns the one connection only.
fn is_of_peer(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted
            | ErrorKind::ConnectionReset
            | ErrorKind::Interrupted
            | ErrorKind::TimedOut
    )
}

/// Who reaches a listener.
fn place(listener: &Listener) -> Place {
    match listener.ip() {
        None => Place::File,
        Some(ip) if ip.to_canonical().is_loopback() => Place::Loopback,
        Some(_) => Place::Network,
    }
}

fn token_of_browser(id: u64) -> Token {
    Token(CONNECTIONS + 2 * usize::try_from(id).unwrap_or(usize::MAX / 4))
}

fn token_of_question(id: u64) -> Token {
    Token(CONNECTIONS + 2 * usize::try_from(id).unwrap_or(usize::MAX / 4) + 1)
}
