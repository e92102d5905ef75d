//! The worker: asks for one job, has it run, reports, ends.
//!
//! [`Worker`] decides; whoever drives it owns the socket, the processes and the directory. In a loop, wait for them or for
//! [`Worker::next_deadline`], hand in each thing that happened and then [`Input::Tick`], and carry out the actions:
//!
//! ```
//! use builder_engine::worker::{Action, Input, Settings, Worker};
//! use builder_proto::WORKER_VERSION;
//! use builder_proto::command::{Command, PeerType};
//! use core::time::Duration;
//!
//! let settings = Settings {
//!     platform: "debian-12".into(),
//!     timeout: Duration::from_secs(3600),
//!     timeout_text: "1h".to_owned(),
//!     keep_failed: false,
//!     spread: 4711, // random
//! };
//! let mut worker = Worker::new(settings);
//!
//! // What happened, and what time it is.
//! let now = Duration::ZERO;
//! worker.handle(now, Input::Connected);
//! worker.handle(now, Input::Tick);
//!
//! // What to do about it.
//! let mut socket = Vec::new();
//! while let Some(action) = worker.poll_action() {
//!     match action {
//!         Action::Send(bytes) => socket.extend(bytes),
//!         other => panic!("nothing else to do before the server has said hello: {other:?}"),
//!     }
//! }
//! worker.handle(now, Input::Sent(socket.len()));
//! assert_eq!(socket, Command::ClientHello { peer: PeerType::Worker, version: WORKER_VERSION }.to_frame()?);
//! assert!(worker.next_deadline().is_some(), "a server that says nothing is left");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The console is read only while [`Worker::wants_console`]; that is how a slow server slows the job down instead of
//! filling memory. Artifacts never pass through here: the driver lists them, reports their length and
//! streams them.
//!
//! Before it asks for a job, the worker runs a script that does nothing: one that cannot run scripts asks for none. What
//! keeps a job from its start after that, on the worker's side, ends the worker without a result, so that the server puts the
//! job back.
//!
//! A worker may be asked to leave when it is idle ([`Input::AskedToLeave`]), so that its sandbox can be replaced. One that has a
//! job, or a part of the message that brings one, runs it and ends as usual; any other ends at once. Between the two there is
//! a moment in which the server has chosen the worker and the job has not arrived. The worker cannot know that, and there is
//! no message by which it could ask: it closes the connection, and the server puts the job back into its queue, as after
//! any loss.
//!
//! A build goes through these stages:
//!
//! ```text
//! script runs ──ended──► its descendants may end ──too late──► they are killed
//!      │ timeout: TERM            │ all gone                      │ all gone
//!      └──────────────────────────┴───────────────┬──────────────┘
//!                                                 ▼
//!        console is read to its end ──► artifacts are listed ──► result and artifacts are sent
//! ```

mod build;
mod conversation;
mod interface;
mod kill;
mod lines;
mod queue;
mod rehearsal;
mod remarks;
#[cfg(test)]
mod tests;

pub use conversation::Worker;
pub use interface::{Action, Ending, Input, JobInput, Leftover, Settings};
pub use lines::LineSplitter;
pub use remarks::Remarks;
