//! The event loop: tells the driver what happened, and has it take its turns.

use crate::server::system::{System, Tokens};
use builder_engine::driver::{self, Driver, Event, Next};
use mio::{Events, Poll};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM};
use signal_hook_mio::v1_0::Signals;
use std::fmt;
use std::io;
use std::time::Duration;

/// Events taken in one turn.
const EVENTS: usize = 1024;

/// Why the server stops by itself.
#[derive(Debug)]
pub(crate) enum StopReason {
    /// The system does not deliver events.
    Poll(io::Error),
    /// The driver says so.
    Driver(driver::StopReason),
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StopReason::Poll(error) => write!(f, "cannot wait for events: {error}"),
            StopReason::Driver(reason) => write!(f, "{reason}"),
        }
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
        while let Some((uuid, end)) = driver.platform().next_notice_end() {
            driver.notice(Event::NoticeEnded { uuid, end });
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
            None => driver.notice(Event::Pending(Tokens::to_listener(token))),
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
            driver.platform().reap_notices();
        }
        // SIGXFSZ: the write that caused it fails with an error of its own.
        _ => {}
    }
}
