//! The event loop: tells the driver what happened, and has it take its turns.

use crate::server::stop::StopReason;
use crate::server::system::System;
use builder_engine::driver::{Driver, Event, ListenerId, Next};
use builder_engine::server::ConnectionId;
use mio::{Events, Poll, Token};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM};
use signal_hook_mio::v1_0::Signals;
use std::io;
use std::time::Duration;

/// Events taken in one turn.
const EVENTS: usize = 1024;

/// What a token of mio stands for.
pub(crate) struct Tokens;

impl Tokens {
    pub(crate) const SIGNALS: Token = Token(0);
    pub(crate) const WAKER: Token = Token(1);
    /// Listeners have the tokens from here on.
    const FIRST_LISTENER: usize = 2;
    /// Connections have the tokens from here on.
    const FIRST_CONNECTION: usize = 1024;

    pub(crate) fn of_listener(listener: ListenerId) -> Token {
        Token(Tokens::FIRST_LISTENER + listener)
    }

    pub(crate) fn of_connection(connection: ConnectionId) -> io::Result<Token> {
        Ok(Token(Tokens::FIRST_CONNECTION + usize::try_from(connection).map_err(io::Error::other)?))
    }

    fn to_connection(token: Token) -> Option<ConnectionId> {
        token.0.checked_sub(Tokens::FIRST_CONNECTION).map(|number| number as ConnectionId)
    }
}

/// Runs until a signal says to stop.
pub(crate) fn run(
    poll: &mut Poll,
    signals: &mut Signals,
    driver: &mut Driver<System>,
) -> Result<(), StopReason> {
    let mut events = Events::with_capacity(EVENTS);
    let mut next = Next::Turn(Some(Duration::ZERO));
    while let Next::Turn(deadline) = next {
        let clock = driver.platform().clock;
        match poll.poll(&mut events, deadline.map(|at| clock.until(at))) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            outcome => outcome.map_err(StopReason::Poll)?,
        }
        for event in &events {
            tell(driver, signals, event);
        }
        while let Some(outcome) = driver.platform().next_outcome() {
            driver.notice(Event::TaskDone(outcome));
        }
        next = driver.turn().map_err(StopReason::Driver)?;
    }
    Ok(())
}

fn tell(driver: &mut Driver<System>, signals: &mut Signals, event: &mio::event::Event) {
    match event.token() {
        Tokens::SIGNALS => signals.pending().for_each(|signal| tell_signal(driver, signal)),
        // A thread is done; what it did is taken in after the events.
        Tokens::WAKER => {}
        token => match Tokens::to_connection(token) {
            Some(connection) => {
                let is_end = event.is_read_closed() || event.is_error();
                if event.is_readable() || is_end {
                    driver.notice(Event::Readable { connection, is_end });
                }
                if event.is_writable() || event.is_write_closed() {
                    driver.notice(Event::Writable(connection));
                }
            }
            None => driver.notice(Event::Pending(token.0 - Tokens::FIRST_LISTENER)),
        },
    }
}

fn tell_signal(driver: &mut Driver<System>, signal: i32) {
    match signal {
        SIGTERM | SIGINT => {
            log::info!("stopped by {}", if signal == SIGTERM { "SIGTERM" } else { "SIGINT" });
            driver.notice(Event::Stop);
        }
        SIGHUP => driver.notice(Event::Reload),
        SIGCHLD => {
            if let Some(end) = driver.platform().reap_upload() {
                driver.notice(Event::UploadEnded(end));
            }
        }
        // SIGXFSZ: the write that caused it fails with an error of its own.
        _ => {}
    }
}
