//! What a server knows by name, for shells that complete words.

use super::error::ClientError;
use super::{builds, info, info_filter, overview};
use crate::command_line::{Address, UsageError};
use builder_proto::command::InfoReply;
use builder_proto::history::HistoryQuery;
use builder_proto::text::Text;
use std::collections::BTreeSet;
use std::io::{self, Write};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// How long somebody who has pressed Tab is kept waiting at most.
const TIME: Duration = Duration::from_millis(500);
/// Of so many builds the uuids are offered.
const BUILDS: usize = 100;

/// What has names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    Jobs,
    Platforms,
    /// Those that started last.
    Builds,
}

impl Named {
    pub(super) fn all_of(words: &[String]) -> Result<Vec<Named>, UsageError> {
        words.iter().map(|word| Named::find(word)).collect()
    }

    fn find(word: &str) -> Result<Named, UsageError> {
        Ok(match word {
            "jobs" => Named::Jobs,
            "platforms" => Named::Platforms,
            "builds" => Named::Builds,
            _ => {
                let text = format_args!("names {word}: there are names of jobs, platforms and builds");
                return Err(UsageError::new(text));
            }
        })
    }
}

/// Prints the names, each on a line.
pub(super) fn print(remote: &Address, kinds: Vec<Named>) -> Result<(), ClientError> {
    let (sender, receiver) = mpsc::channel();
    let peer = remote.clone();
    // Connecting can take minutes, and cannot be interrupted; the thread ends with the program.
    thread::spawn(move || sender.send(ask(&peer, &kinds)));
    let slow = |_| ClientError::NoAnswer { peer: remote.clone(), time: TIME };
    let names = receiver.recv_timeout(TIME).map_err(slow)??;
    let lines: String = names.iter().map(|name| format!("{name}\n")).collect();
    io::stdout().lock().write_all(lines.as_bytes()).map_err(ClientError::Print)
}

fn ask(remote: &Address, kinds: &[Named]) -> Result<Vec<String>, ClientError> {
    let mut names = Vec::new();
    for kind in kinds {
        names.extend(match kind {
            // An overview has no scripts in it, which `info` has.
            Named::Jobs | Named::Platforms => names_in(&overview::ask_in_short(remote)?, *kind),
            Named::Builds => ask_builds(remote)?,
        });
    }
    Ok(names)
}

fn ask_builds(remote: &Address) -> Result<Vec<String>, ClientError> {
    match builds::ask(remote, HistoryQuery::default(), BUILDS) {
        // A server of an earlier version knows those that run.
        Err(ClientError::TooOld { .. }) => Ok(names_in(&info::ask(remote)?, Named::Builds)),
        builds => Ok(builds?.iter().map(|build| build.uuid().to_string()).collect()),
    }
}

/// The names in order.
fn names_in(reply: &InfoReply, kind: Named) -> Vec<String> {
    let names: BTreeSet<String> = match kind {
        Named::Jobs => reply.schedule.iter().map(|item| item.job.name().to_string()).collect(),
        Named::Platforms => {
            info_filter::platforms(reply).chain(&reply.dropped_platforms).map(Text::to_string).collect()
        }
        Named::Builds => reply.running.iter().map(|build| build.uuid.to_string()).collect(),
    };
    names.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::info_filter::samples::info_reply;

    #[test]
    fn names_of_each_kind_are_in_order() {
        let reply = info_reply();
        assert_eq!(names_in(&reply, Named::Jobs), ["hello", "web"]);
        assert_eq!(names_in(&reply, Named::Platforms), ["debian-12", "freebsd-13", "gone"]);
        let running = ["01010101-0101-0101-0101-010101010101", "02020202-0202-0202-0202-020202020202"];
        assert_eq!(names_in(&reply, Named::Builds), running);
    }
}
