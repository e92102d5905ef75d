//! From settings to a dashboard that runs.

use super::options::Settings;
use super::pages::Pages;
use super::reactor::Reactor;
use super::remote::Remote;
use crate::command_line::Address;
use crate::descriptors;
use crate::listener::Listener;
use std::fmt;
use std::io::{self, ErrorKind, Write};

/// Descriptors that are not those of browsers: listeners, questions to the server, what the event loop needs.
const OTHER_DESCRIPTORS: u64 = 128;

/// Why a dashboard does not start, or stops.
#[derive(Debug)]
pub(super) enum DashboardError {
    /// Nobody could reach it.
    Listen { address: Address, error: io::Error },
    /// The system does not give what an event loop needs.
    System(io::Error),
    /// It may have too few files open at the same time.
    Descriptors(u64),
}

impl fmt::Display for DashboardError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DashboardError::Listen { address, error } if error.kind() == ErrorKind::AddrInUse => write!(
                f,
                "cannot listen on {address}: {error}; stop the program that does, or choose another address with --listen"
            ),
            DashboardError::Listen { address, error } => {
                write!(f, "cannot listen on {address}: {error}; choose another address with --listen")
            }
            DashboardError::System(error) => write!(f, "cannot watch for events: {error}"),
            DashboardError::Descriptors(limit) => write!(
                f,
                "the system allows {limit} open files; a dashboard needs {} at least: \
                 ulimit -n 1024 in a shell, LimitNOFILE= in a unit of systemd, openfiles in login.conf(5)",
                2 * OTHER_DESCRIPTORS
            ),
        }
    }
}

pub(super) fn run(settings: Settings) -> Result<(), DashboardError> {
    let descriptors = descriptors::raise();
    if descriptors < 2 * OTHER_DESCRIPTORS {
        return Err(DashboardError::Descriptors(descriptors));
    }
    let most_connections = usize::try_from(descriptors - OTHER_DESCRIPTORS).unwrap_or(usize::MAX);
    let mut listeners = Vec::new();
    for address in &settings.addresses {
        let bound = Listener::bind(address, &settings.access);
        listeners.extend(bound.map_err(|error| DashboardError::Listen { address: address.clone(), error })?);
    }
    let base = settings.base_path.0.clone();
    for listener in &listeners {
        let at = match listener.name() {
            unix if unix.starts_with("unix:") => unix,
            tcp => format!("http://{tcp}{}", base.strip_suffix('/').unwrap_or(&base)) + "/",
        };
        // Nobody may listen to that.
        let _ = writeln!(io::stdout(), "listening on {at}");
    }
    let pages = Pages::new(&base, settings.title);
    let reactor = Reactor::new(pages, listeners, Remote::new(settings.remote), most_connections);
    reactor.and_then(Reactor::run).map_err(DashboardError::System)
}
