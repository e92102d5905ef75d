//! `builder-dashboard`: the build host in a browser.
//!
//! What happens is decided in [`builder_engine::dashboard`]; here are the sockets, and what pages look like. In the order in
//! which to read:
//!
//! | module | holds |
//! |---|---|
//! | `options` | what the command line says |
//! | `reactor` | the loop: bytes between sockets and the machine that decides |
//! | `questions` | connections to the server, and where it is |
//! | `pages` | the pages themselves |
//! | `atom` | changes from good to bad and back, as a feed |
//! | `badge` | how a job is, as a picture for other pages |
//! | `describe` | what pages say, for programs |
//! | `outcome` | what a result means, and how pages show it |
//!
//! In the engine are [`colours`](builder_engine::dashboard::colours), which makes lines of consoles fit for a page, as everything is
//! there that has a fuzz target; and [`metrics`](builder_engine::dashboard::metrics), which says in the words of the server what that
//! says, too.

mod atom;
mod badge;
mod describe;
mod options;
mod outcome;
mod pages;
mod questions;
mod reactor;

use crate::command_line::{Address, Logging, Program};
use crate::listener::Listener;
use crate::socket::raise_descriptor_limit;
use options::Settings;
use pages::Pages;
use questions::Remote;
use reactor::Reactor;
use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

/// Descriptors that are not those of browsers: listeners, questions to the server, what the event loop needs.
const OTHER_DESCRIPTORS: u64 = 128;

/// What may be typed after its name.
pub const PROGRAM: Program = Program {
    name: "builder-dashboard",
    about: "Shows jobs, builds and consoles of a server in a browser; changes nothing.",
    notes: "",
    logging: Logging::Dashboard,
    words: &[],
    flags: options::FLAGS,
    commands: &[],
};

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    PROGRAM.main(options::resolve, run)
}

/// Why a dashboard does not start, or stops.
#[derive(Debug)]
enum DashboardError {
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

/// From settings to a loop that runs.
fn run(settings: Settings) -> Result<(), DashboardError> {
    let descriptors = raise_descriptor_limit();
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
    let reactor =
        Reactor::new(pages, listeners, Remote::new(settings.remote), most_connections, settings.names);
    reactor.and_then(Reactor::run).map_err(DashboardError::System)
}
