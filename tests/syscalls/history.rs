//! What one server did: its system calls as events on files, names and connections, and what can be asked about them.

use crate::layout::Place;
use crate::trace::Call;
use builder_proto::Uuid;
use std::collections::BTreeMap;

/// A file, whatever name it has.
pub(crate) type FileId = usize;
/// A connection, by the order in which they were accepted.
pub(crate) type ConnectionId = usize;
/// A line of the trace. What happened before is at line 0, and what never happened at [`NEVER`].
pub(crate) type Line = usize;

pub(crate) const NEVER: Line = usize::MAX;

/// Something that a system call did.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    /// Which call did it.
    pub(crate) call: usize,
    pub(crate) begin: Line,
    pub(crate) end: Line,
    pub(crate) what: What,
}

#[derive(Clone, Debug)]
pub(crate) enum What {
    /// A name that was not there before, or a file that lost its contents.
    Create(Place),
    /// `until` is where it ends in the file, if that is known.
    Write {
        file: FileId,
        bytes: Vec<u8>,
        until: Option<u64>,
    },
    SetLength(FileId),
    /// Made durable; the descriptor is open since `opened`. Without `has_length`, only as far as the length was durable.
    Sync {
        target: Target,
        opened: Line,
        has_length: bool,
    },
    /// A sync that failed.
    FailedSync(Target),
    Rename {
        file: FileId,
        from: Place,
        to: Place,
    },
    Remove(Place),
    Listen,
    /// A signal is received from then on.
    Catch(String),
    Receive {
        connection: ConnectionId,
        bytes: Vec<u8>,
    },
    Send {
        connection: ConnectionId,
        bytes: Vec<u8>,
    },
    /// The end of what is sent.
    Shutdown(ConnectionId),
    /// Another program is started.
    Execute {
        program: String,
        /// The build that it is told of, by its arguments or in its environment.
        build: Option<Uuid>,
    },
}

/// What is synced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    File(FileId),
    Names(Place),
    FileSystem,
}

/// The life of one server.
#[derive(Debug)]
pub(crate) struct History {
    pub(crate) calls: Vec<Call>,
    /// In the order in which they began.
    pub(crate) events: Vec<Event>,
    /// The files that had names when the server started, if there were any.
    pub(crate) first_files: BTreeMap<Place, FileId>,
}

impl History {
    /// The file that had a name when the server started, if one had.
    pub(crate) fn first_file(&self, place: &Place) -> Option<FileId> {
        self.first_files.get(place).copied()
    }

    /// When the contents and the length of a file that it had at a line were durable.
    pub(crate) fn contents_durable(&self, file: FileId, since: Line) -> Line {
        self.synced(since, true, |target| *target == Target::File(file))
    }

    /// When the names that a directory had at a line were durable.
    pub(crate) fn names_durable(&self, directory: &Place, since: Line) -> Line {
        self.synced(since, true, |target| matches!(target, Target::Names(synced) if synced == directory))
    }

    /// When a write to a file was durable. If it did not make the file longer, its contents are enough. Linux does not leave the
    /// length behind, but UFS does.
    pub(crate) fn write_durable(&self, write: &Event) -> Line {
        let What::Write { file, until, .. } = &write.what else { return NEVER };
        let is_within = until.is_some_and(|until| until <= self.durable_length(*file, write.begin));
        match write.end {
            NEVER => NEVER,
            end => self.synced(end, !is_within, |target| *target == Target::File(*file)),
        }
    }

    /// The length of a file that was durable at a line. Of a log that was there before it may be anything.
    fn durable_length(&self, file: FileId, line: Line) -> u64 {
        let whole = |what: &What| matches!(what, What::Sync { target: Target::File(of), has_length: true, .. } if *of == file);
        let sync = self.events.iter().rev().find(|event| event.end < line && whole(&event.what));
        let Some(sync) = sync else {
            return if self.first_file(&Place::log()) == Some(file) { u64::MAX } else { 0 };
        };
        let ends = self.events.iter().filter(|event| event.end < sync.begin).map(|event| match &event.what {
            What::Write { file: of, until: Some(until), .. } if *of == file => *until,
            _ => 0,
        });
        ends.max().unwrap_or(0)
    }

    /// When what is covered by syncs that began after a line was durable: the first of them that ended. After one that failed the
    /// system takes for durable what may be lost, and no later one proves anything.
    fn synced(&self, since: Line, with_length: bool, is_right: impl Fn(&Target) -> bool) -> Line {
        let covers = |target: &Target| *target == Target::FileSystem || is_right(target);
        let later = self.events.iter().filter(|event| event.begin > since);
        let has_not_failed =
            |event: &&Event| !matches!(&event.what, What::FailedSync(target) if covers(target));
        let ends = later.take_while(has_not_failed).filter_map(|event| match &event.what {
            What::Sync { target, has_length, .. } => {
                (covers(target) && (*has_length || !with_length)).then_some(event.end)
            }
            _ => None,
        });
        ends.min().unwrap_or(NEVER)
    }

    /// The last write to a file that began before a line; none if the server had not written to it.
    pub(crate) fn last_write(&self, file: FileId, before: Line) -> Option<&Event> {
        let earlier = self.events.iter().rev().filter(|event| event.begin < before);
        earlier.into_iter().find(|event| matches!(&event.what, What::Write { file: of, .. } if *of == file))
    }

    /// What was put in a place, the last time before a line.
    pub(crate) fn put_in_place(&self, place: &Place, before: Line) -> Option<&Event> {
        let earlier = self.events.iter().rev().filter(|event| event.begin < before);
        earlier.into_iter().find(|event| matches!(&event.what, What::Rename { to, .. } if to == place))
    }

    /// All renames to names of a kind.
    pub(crate) fn renames<'a>(
        &'a self,
        is_right: impl Fn(&Place, &Place) -> bool + 'a,
    ) -> impl Iterator<Item = (&'a Event, FileId, &'a Place)> + 'a {
        self.events.iter().filter_map(move |event| match &event.what {
            What::Rename { file, from, to } if is_right(from, to) => Some((event, *file, to)),
            _ => None,
        })
    }

    /// What a call was, for people.
    pub(crate) fn show(&self, call: usize) -> String {
        let call = &self.calls[call];
        let text: String = call.text.chars().take(220).collect();
        let end = match call.end {
            NEVER => ", never ended".to_owned(),
            end if end != call.begin => format!(", ended in line {end}"),
            _ => String::new(),
        };
        format!("  line {}{end}: {} {text}", call.begin, call.thread)
    }
}

#[test]
fn what_several_syncs_cover_is_durable_with_the_first_that_ends_unless_one_has_failed() {
    let layout = crate::layout::Layout::new(std::path::Path::new("/"));
    let trace = |failure: &str| {
        format!(
            "1 openat(AT_FDCWD, \"/job\", O_RDONLY) = 7</job>\n\
             2 syncfs(6</> <unfinished ...>\n\
             1 fsync(7</job>) = {failure}\n\
             1 fsync(7</job>) = 0\n\
             2 <... syncfs resumed>) = 0\n"
        )
    };
    for (result, durable) in [("0", 3), ("-1 EINTR (Interrupted system call)", 5), ("?", 4)] {
        let history = crate::follower::follow(crate::trace::read(&trace(result)), &layout);
        assert_eq!(history.names_durable(&Place::Job("job".to_owned()), 1), durable, "{result}");
    }
}
