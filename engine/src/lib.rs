//! What happens next in builder's server, worker and dashboard.
//!
//! Every decision of the programs is made here, by machines that never touch a socket, a file, a process
//! or a clock. Whoever drives one hands in what happened and the time, then carries out the actions in the
//! order in which they come out. The same inputs give the same actions, always; `clippy.toml` of this crate
//! forbids what would break that.
//!
//! # In which order to read
//!
//! 1. [`server`] decides what happens to jobs, builds and connections.
//! 2. [`driver`] decides in which order that takes effect, and has all of it done by a [`Platform`](driver::Platform).
//! 3. [`log`] makes it durable.
//! 4. [`worker`] is the other end.
//! 5. [`dashboard`] stands beside them: it asks the server what browsers want to see.
//!
//! They share [`history`], what is remembered of builds; [`manifest`], what artifacts a build left; [`spool`], the format of
//! consoles; [`names`], what a job may be called; [`job_settings`], what is wanted of it; [`environment`], what one run of it finds
//! there in addition; [`reconnecting`] and [`wording`].
//!
//! # Errors
//!
//! A machine has none: what peers do wrong is answered, and what fails outside goes in like everything else that happens. Before it
//! starts and when it has to stop, a driver gives a [`StartError`](driver::StartError) or a [`StopReason`](driver::StopReason), and a
//! log an [`OpenError`](log::OpenError) or a [`WriteError`](log::WriteError). Each is a sentence for people, which names the file and
//! says what to do if there is something.
//!
//! # Units and numbers
//!
//! Lengths count bytes. Wall time is milliseconds since 1970 in UTC, and all other time is a
//! [`Duration`] since some start; [`Now`] has both. [`limits`] has nearly all numbers that bound something, each with its unit and
//! the reason for it; a dashboard's own stand in `dashboard/limits.rs`, and those that depend on descriptors in
//! [`DescriptorBudget`](driver::DescriptorBudget).
//!
//! # The loop
//!
//! This is what the [`Driver`](driver::Driver) does in each of its turns, without files, sockets and time: a client schedules a
//! job, and is told so only when a crash could not undo it any more.
//!
//! ```
//! use builder_engine::server::{Action, Deferred, Input, Origin, Recovery, Role, Server, Settings, Start, State};
//! use builder_engine::{Now, limits};
//! use builder_proto::command::{Command, PeerType};
//! use builder_proto::job::ScriptJob;
//! use builder_proto::job_settings::JobSettings;
//! use builder_proto::time::{Period, Time};
//! use builder_proto::{CLIENT_VERSION, Uuid};
//! use core::time::Duration;
//! use std::collections::{BTreeMap, BTreeSet};
//!
//! let settings = Settings {
//!     job_time: limits::JOB_TIME,
//!     defaults: JobSettings::NONE,
//!     artifact_bytes: limits::ARTIFACT_BYTES,
//!     console_bytes: limits::CONSOLE_BYTES,
//!     builds: 100,
//!     observers: 100,
//! };
//! let start = Start {
//!     settings,
//!     state: State::default(), // what the log holds: nothing so far
//!     uuids: Box::new((1..).map(Uuid::from_u128)),
//!     templates: BTreeMap::new(),
//!     uploads: None,
//!     notices: false,
//!     stored: BTreeSet::new(),
//!     written_back: Vec::new(),
//! };
//! let now = Now { wall: Time::from_unix_milliseconds(1_767_225_600_000), monotonic: Duration::ZERO };
//! let mut server = Server::start(now, start);
//!
//! // What happened: somebody connected and said something.
//! let job = ScriptJob { name: "hello".into(), script: "echo hello".into(), platform: "debian-12".into() };
//! let mut bytes = Command::ClientHello { peer: PeerType::Client, version: CLIENT_VERSION }.to_frame()?;
//! bytes.extend(Command::Schedule { period: Period::Daily, job }.to_frame()?);
//! server.handle(now, Input::Connected { connection: 1, role: Role::Any, origin: Origin::default() });
//! server.handle(now, Input::Received { connection: 1, bytes: &bytes });
//! server.handle(now, Input::Tick);
//!
//! // What it led to.
//! let (mut records, mut results, mut waiting) = (Vec::new(), Vec::new(), Vec::new());
//! while let Some(action) = server.poll_action() {
//!     match action {
//!         Action::Append(record) => record.append_to(&mut records)?,
//!         Action::Now(immediate) => panic!("no build runs that could lead to {immediate:?}"),
//!         Action::Publish(result) => results.push(result),
//!         Action::AfterCommit(deferred) => waiting.push(deferred),
//!     }
//! }
//!
//! // The commit: from here on a crash leaves the records. A log has them read again at the next start.
//! let mut recovery = Recovery::new(false);
//! recovery.apply_batch(&records)?;
//! assert_eq!(recovery.finish().state.summary(), "1 scheduled, 1 queued, 0 running");
//!
//! // Only now are files put in place, and only then does anybody hear of it.
//! assert!(results.is_empty());
//! let mut sent = Vec::new();
//! for action in waiting {
//!     if let Deferred::Send { connection: 1, bytes } = action {
//!         sent.extend(bytes);
//!     }
//! }
//! assert_eq!(sent, [Command::ServerHello.to_frame()?, Command::Success.to_frame()?].concat());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

pub mod dashboard;
pub mod driver;
pub mod environment;
pub mod history;
pub mod job_settings;
pub mod limits;
pub mod log;
pub mod manifest;
mod metrics;
pub mod names;
pub mod reconnecting;
pub mod server;
pub mod spool;
pub mod wording;
pub mod worker;

use builder_proto::time::Time;
use core::time::Duration;

/// The two clocks, read once before each call into a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Wall time, for schedules and for what is shown to people. It may jump in either direction.
    pub wall: Time,
    /// Time since an arbitrary start, for everything that is measured. It never goes back.
    pub monotonic: Duration,
}
