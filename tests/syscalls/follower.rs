//! Follows descriptors, names and connections through system calls.

use crate::history::{ConnectionId, Event, FileId, History, Line, NEVER, Target, What};
use crate::layout::{Layout, Place};
use crate::trace::Call;
use builder_proto::Uuid;
use std::collections::BTreeMap;

/// What is known of them so far.
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

/// What a server did, by its system calls.
pub(crate) fn follow(calls: Vec<Call>, layout: &Layout) -> History {
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
