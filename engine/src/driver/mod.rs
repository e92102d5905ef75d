//! The driver of the server: it carries out what the [`Server`](crate::server::Server) wants, in the order in which that has
//! to take effect, on whatever [`Platform`] there is.
//!
//! The programs have a platform of sockets, files, threads and processes; the tests have one in memory, whose disk and network
//! are simulated and whose power fails. Both run what is here, so what the simulation crashes is what ships.
//!
//! | module | decides |
//! |---|---|
//! | `start` | the way from what is on the disk to a server that listens |
//! | `turn` | the order of the steps of a turn |
//! | `stopping` | the way down |
//! | `perform` | what is done at once, and what after the commit |
//! | `release` | what waits for which commit, and for which files |
//! | `budget` | how many connections, builds and observers the descriptors allow |
//! | `listeners`, `connections`, `peer` | whose connection is accepted, read from, sent to, closed |
//! | `spools`, `consoles`, `observers` | consoles, and what those who follow them are sent |
//! | `fetching` | artifacts, piece by piece on their way to clients |
//! | `staged`, `digest`, `result_files`, `result_steps`, `tasks` | results on their way to their files, one operation at a time |
//! | `history`, `history_file`, `history_tasks`, `history_turn`, `listing` | how the log's word about builds gets into the history, and what clients are told of it |
//! | `retention`, `retaining` | which results are removed, and when |
//! | `overview`, `overview_turn` | what clients are told of all that goes on |
//! | `space`, `rotation` | when the log is written anew, and when the reserve is filled again |
//! | `upload_slot`, `uploading` | when an upload starts, how long it may take, and what its end means |
//! | `metrics_file`, `reporting` | when the file of metrics is written, and how |
//! | `notice_slots`, `notifying` | programs that are told of builds: when they start, how long they may take, and what their ends mean |
//! | `platform`, `files` | what all of this runs on |
//! | `settings` | what it is told at its start |
//! | `reasons` | why the server does not start, or stops |

mod budget;
mod connections;
mod consoles;
mod digest;
mod fetching;
mod files;
mod history;
mod history_file;
mod history_tasks;
mod history_turn;
mod listeners;
mod listing;
mod metrics_file;
mod notice_slots;
mod notifying;
mod observers;
mod overview;
mod overview_turn;
mod peer;
mod perform;
mod platform;
mod reasons;
mod release;
mod reporting;
mod result_files;
mod result_steps;
mod retaining;
mod retention;
mod rotation;
mod settings;
mod space;
mod spools;
mod staged;
mod start;
mod stopping;
mod tasks;
mod turn;
mod upload_slot;
mod uploading;

pub use budget::DescriptorBudget;
pub use connections::ConnectionLimits;
pub use files::{DirectoryName, FileName, Files};
pub use platform::{
    FreeSpace, Listener, ListenerId, Look, Notice, NoticeEnd, Platform, TemplateReading, UploadEnd,
};
pub use reasons::{StartError, StopReason};
pub use result_steps::sync_result;
pub use rotation::RotationLimits;
pub use settings::{Limits, Settings, Uploads};
pub use start::import_old_state;
pub use tasks::{Outcome, Step, Task, TaskKind};
pub use turn::{Driver, Event, Next};
pub use upload_slot::upload_time;
