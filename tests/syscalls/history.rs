//! What one server did: its system calls as events on files, names and connections, and what can be asked about them.

use crate::layout::{Layout, Place};
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
    first_files: BTreeMap<Place, FileId>,
}

/// Follows descriptors, names and connections through the calls.
struct Follower<'a> {
    layout: &'a Layout,
    files: BTreeMap<Place, FileId>,
    first_files: BTreeMap<Place, FileId>,
    next_file: FileId,
    opened: BTreeMap<i32, Line>,
    /// By what strace calls the socket, which is never the same for two.
    connections: BTreeMap<String, ConnectionId>,
    next_connection: ConnectionId,
}

impl History {
    pub(crate) fn new(calls: Vec<Call>, layout: &Layout) -> History {
        let mut follower = Follower {
            layout,
            files: BTreeMap::new(),
            first_files: BTreeMap::new(),
            next_file: 0,
            opened: BTreeMap::new(),
            connections: BTreeMap::new(),
            next_connection: 0,
        };
        follower.file(&Place::log());
        // What a call is about is known when it begins, and what it changes when it ends.
        let mut marks: Vec<(Line, bool, usize)> = Vec::new();
        for (index, call) in calls.iter().enumerate() {
            marks.push((call.begin, false, index));
            marks.push((call.end, true, index));
        }
        marks.sort_unstable();
        let mut events = Vec::new();
        for (line, is_end, index) in marks {
            let call = &calls[index];
            match is_end {
                false => events.extend(follower.begin(call).map(|what| (index, what))),
                true if line != NEVER => follower.end(call),
                true => {}
            }
        }
        let events = events.into_iter().map(|(call, what)| {
            let (begin, end) = (calls[call].begin, calls[call].end);
            Event { call, begin, end, what }
        });
        let mut events: Vec<Event> = events.collect();
        events.sort_by_key(|event| event.begin);
        History { calls, events, first_files: follower.first_files }
    }

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

impl Follower<'_> {
    fn file(&mut self, place: &Place) -> FileId {
        if let Some(file) = self.files.get(place) {
            return *file;
        }
        let file = self.next_file;
        self.next_file += 1;
        self.files.insert(place.clone(), file);
        self.first_files.entry(place.clone()).or_insert(file);
        file
    }

    /// What a call is, by what is known when it begins. None for calls that change nothing here.
    fn begin(&mut self, call: &Call) -> Option<What> {
        let is_done = call.result.is_some();
        match call.name.as_str() {
            "openat" | "open" | "creat" => {
                let place = self.layout.place(&call.path(usize::from(call.name == "openat"))?)?;
                let flags = 1 + usize::from(call.name == "openat");
                let creates = call.says(flags, "O_CREAT") || call.name == "creat";
                // A lock or a log may have been there before, and then this is not its beginning; but it is no harm to take it so.
                (is_done && creates).then_some(What::Create(place))
            }
            "mkdir" | "mkdirat" => {
                let place = self.layout.place(&call.path(usize::from(call.name == "mkdirat"))?)?;
                is_done.then_some(What::Create(place))
            }
            "write" | "pwrite64" | "writev" | "pwritev" | "pwritev2" | "sendto" | "sendmsg" | "sendfile"
            | "splice" | "copy_file_range" | "fallocate" => self.begin_write(call),
            "ftruncate" => {
                let (_, file) = self.file_behind(call)?;
                is_done.then_some(What::SetLength(file))
            }
            "fsync" | "fdatasync" | "syncfs" => {
                let (descriptor, label) = call.descriptor(0)?;
                let place = self.layout.place(label)?;
                let target = match call.name.as_str() {
                    "syncfs" => Target::FileSystem,
                    _ if place.is_directory() => Target::Names(place),
                    _ => Target::File(self.file(&place)),
                };
                let opened = self.opened.get(&descriptor).copied().unwrap_or(0);
                match (call.result, call.end) {
                    (Some(_), _) => Some(What::Sync { target, opened, has_length: call.name != "fdatasync" }),
                    (None, NEVER) => None,
                    (None, _) => Some(What::FailedSync(target)),
                }
            }
            "rename" | "renameat" | "renameat2" => {
                let (from, to) = if call.name == "rename" { (0, 1) } else { (1, 3) };
                let from = self.layout.place(&call.path(from)?)?;
                let to = self.layout.place(&call.path(to)?)?;
                let file = self.file(&from);
                is_done.then_some(What::Rename { file, from, to })
            }
            "unlink" | "unlinkat" | "rmdir" => {
                let place = self.layout.place(&call.path(usize::from(call.name == "unlinkat"))?)?;
                is_done.then_some(What::Remove(place))
            }
            "listen" => is_done.then_some(What::Listen),
            "rt_sigaction" => {
                let (signal, action) = (call.arguments.first()?, call.arguments.get(1)?);
                let is_caught = !["NULL", "{sa_handler=SIG_DFL", "{sa_handler=SIG_IGN"]
                    .iter()
                    .any(|other| action.starts_with(other));
                (is_done && is_caught).then(|| What::Catch(signal.clone()))
            }
            "recvfrom" | "read" | "readv" | "recvmsg" => {
                let connection = self.connection_behind(call)?;
                Some(What::Receive { connection, bytes: transferred(call)? })
            }
            "shutdown" => self.connection_behind(call).map(What::Shutdown),
            "execve" => {
                let program = call.path(0)?;
                let (arguments, environment) = (call.arguments.get(1)?, call.arguments.get(2)?);
                let named =
                    arguments.split(['/', '"']).filter_map(|word| Uuid::parse_str(word).ok()).next_back();
                let told = || {
                    let (_, rest) = environment.split_once("\"BUILDER_UUID=")?;
                    Uuid::parse_str(rest.split('"').next()?).ok()
                };
                Some(What::Execute { program, build: named.or_else(told) })
            }
            _ => None,
        }
    }

    fn begin_write(&mut self, call: &Call) -> Option<What> {
        if let Some(connection) = self.connection_behind(call) {
            return Some(What::Send { connection, bytes: transferred(call)? });
        }
        let (_, file) = match call.name.as_str() {
            "sendfile" | "splice" | "copy_file_range" => {
                let argument = if call.name == "sendfile" { 0 } else { 2 };
                self.file_at(call, argument)?
            }
            _ => self.file_behind(call)?,
        };
        // One that failed or never ended may have written something.
        let bytes = call.string(1).unwrap_or_default();
        let until = call.number(3).filter(|_| call.name == "pwrite64").map(|from| from + bytes.len() as u64);
        Some(What::Write { file, bytes, until })
    }

    fn file_behind(&mut self, call: &Call) -> Option<(Place, FileId)> {
        self.file_at(call, 0)
    }

    fn file_at(&mut self, call: &Call, argument: usize) -> Option<(Place, FileId)> {
        let place = self.layout.place(call.descriptor(argument)?.1)?;
        let file = self.file(&place);
        Some((place, file))
    }

    fn connection_behind(&self, call: &Call) -> Option<ConnectionId> {
        self.connections.get(call.descriptor(0)?.1).copied()
    }

    /// What a call has changed.
    fn end(&mut self, call: &Call) {
        if call.result.is_none() {
            return;
        }
        match call.name.as_str() {
            "openat" | "open" | "creat" => {
                self.opened.extend(call.opened_as().map(|(descriptor, _)| (descriptor, call.end)));
            }
            "accept4" | "accept" => {
                if let Some((_, label)) = call.opened_as() {
                    self.connections.insert(label.to_owned(), self.next_connection);
                    self.next_connection += 1;
                }
            }
            "rename" | "renameat" | "renameat2" => {
                let (from, to) = if call.name == "rename" { (0, 1) } else { (1, 3) };
                let place = |argument| self.layout.place(&call.path(argument)?);
                if let (Some(from), Some(to)) = (place(from), place(to)) {
                    let file = self.file(&from);
                    self.files.remove(&from);
                    self.files.insert(to, file);
                }
            }
            "unlink" | "unlinkat" => {
                let path = call.path(usize::from(call.name == "unlinkat"));
                if let Some(place) = path.and_then(|path| self.layout.place(&path)) {
                    self.files.remove(&place);
                }
            }
            _ => {}
        }
    }
}

/// What was sent or received. There are other calls for that, and if one is used these tests have to learn to read it.
fn transferred(call: &Call) -> Option<Vec<u8>> {
    let length = usize::try_from(call.result?).unwrap();
    let mut bytes = call.string(1).unwrap_or_else(|| panic!("not understood: {}", call.text));
    bytes.truncate(length);
    Some(bytes)
}

#[test]
fn what_several_syncs_cover_is_durable_with_the_first_that_ends_unless_one_has_failed() {
    let layout = Layout::new(std::path::Path::new("/"));
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
        let history = History::new(crate::trace::read(&trace(result)), &layout);
        assert_eq!(history.names_durable(&Place::Job("job".to_owned()), 1), durable, "{result}");
    }
}
