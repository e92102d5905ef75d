//! What happens next in builder-dashboard: browsers ask for pages, and the server is asked for what is on them.
//!
//! The dashboard is a client of the server, a viewer: it asks, and changes nothing. Each question is a connection of its own, as
//! for every client. Browsers speak [`http`]. What stands between them is the [`Dashboard`], a machine without sockets and
//! without a clock; what pages look like is none of its business, but that of a [`Site`](site::Site).
//!
//! | module | holds |
//! |---|---|
//! | [`http`] | requests and answers of browsers |
//! | [`site`] | what a page needs to know, and who makes it |
//! | [`snapshot`] | how all is, as of one moment; `snapshots` finds that out |
//! | `input` | what it is told |
//! | `machine` | the [`Dashboard`]: browsers, and what is done for each of them |
//! | `visits`, `streams`, `downloads` | pages; consoles that are followed; what passes by |
//! | `desk` | what pages need, asked once for all of them |
//! | `feeds`, `feed` | consoles that are followed, and by whom |
//! | `talks`, `question`, `hearing`, `collect` | questions to the server: what for, how, and what comes back |
//! | [`colours`] | console lines with the colours of a terminal, as text and as HTML |
//! | [`metrics`] | figures for Prometheus |
//! | `limits` | how much of everything there may be |

mod collect;
pub mod colours;
mod desk;
mod downloads;
mod feed;
mod feeds;
mod hearing;
pub mod http;
mod input;
mod limits;
mod machine;
pub mod metrics;
mod question;
pub mod site;
pub mod snapshot;
mod snapshots;
mod streams;
mod talks;
#[cfg(test)]
mod tests;
mod visits;

pub use input::{Input, Place};
pub use limits::CONNECTIONS;
pub use machine::Dashboard;
pub use talks::Action;
