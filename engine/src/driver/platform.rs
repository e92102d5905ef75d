//! Everything outside that the driver needs besides [files](super::Files): clocks, sockets, threads, processes.

use super::files::Files;
use super::tasks::Task;
use crate::Now;
use crate::log::{Salt, Storage};
use crate::server::record::Record;
use crate::server::{ConnectionId, Origin, Recovered, Role, Templates};
use builder_proto::Uuid;
use builder_proto::text::Text;
use std::io;

/// A listener, numbered from 0 in the order of [`Platform::listen`].
pub type ListenerId = usize;

/// What the driver runs on. Its methods do what they are told, at once and without waiting; they decide nothing, repeat
/// nothing and keep no order of their own.
///
/// What happens outside reaches the driver as an [`Event`](super::Event).
pub trait Platform {
    /// The data directory.
    type Files: Files;
    /// Where the log is.
    type Storage: Storage;

    /// Both clocks.
    fn now(&self) -> Now;

    /// Another handle on the data directory.
    fn files(&self) -> Self::Files;

    /// The directory of the log; asked for once.
    ///
    /// # Errors
    ///
    /// What the disk says.
    fn storage(&mut self) -> io::Result<Self::Storage>;

    /// Randomness for a log file that is begun.
    ///
    /// # Errors
    ///
    /// When the system has none to give.
    fn salt(&mut self) -> io::Result<Salt>;

    /// Random names of builds; it ends while the system has no randomness to give, and jobs wait. Asked for once.
    fn uuids(&mut self) -> Box<dyn Iterator<Item = Uuid>>;

    /// How much more can be written.
    ///
    /// # Errors
    ///
    /// What the system says.
    fn free_space(&mut self) -> io::Result<FreeSpace>;

    /// Looks at the templates; none when they are as they were last time, as far as `look` shows it.
    fn templates(&mut self, look: Look) -> Option<TemplateReading>;

    /// Listens. From here on connections may wait to be accepted.
    ///
    /// # Errors
    ///
    /// A whole message for people: it names the address and what to do.
    fn listen(&mut self) -> io::Result<Vec<Listener>>;

    /// Listens no longer, and takes away what others would find of the listeners.
    fn stop_listening(&mut self);

    /// Accepts a connection, to be known by this number. Nothing is told of it before it is [watched](Platform::watch).
    ///
    /// # Errors
    ///
    /// `WouldBlock` when nobody waits; `ConnectionAborted` and `Interrupted` when somebody else may.
    fn accept(&mut self, listener: ListenerId, connection: ConnectionId) -> io::Result<()>;

    /// Where an accepted connection comes from.
    fn origin(&self, connection: ConnectionId) -> Origin;

    /// Has [`Event::Readable`](super::Event::Readable) told whenever there is more to read, and, if `writable`, also
    /// [`Event::Writable`](super::Event::Writable) when the connection takes more. Both tell what is so already, too.
    ///
    /// # Errors
    ///
    /// What the system says.
    fn watch(&mut self, connection: ConnectionId, writable: bool) -> io::Result<()>;

    /// Reads what has arrived; 0 at the end.
    ///
    /// # Errors
    ///
    /// `WouldBlock` when nothing has; `Interrupted`; anything else when the connection is over.
    fn read(&mut self, connection: ConnectionId, buffer: &mut [u8]) -> io::Result<usize>;

    /// Sends as many bytes as the connection takes. With `is_last` nothing follows these but the end, which may leave with
    /// them.
    ///
    /// # Errors
    ///
    /// As for [`Platform::read`].
    fn write(&mut self, connection: ConnectionId, bytes: &[u8], is_last: bool) -> io::Result<usize>;

    /// Says that nothing more will be sent.
    ///
    /// # Errors
    ///
    /// What the system says.
    fn shut_down(&mut self, connection: ConnectionId) -> io::Result<()>;

    /// Closes a connection. Nothing is told of it any more.
    fn close(&mut self, connection: ConnectionId, reason: &str);

    /// Has a thread do what waits for the disk: [`Task::step`] until it is done, then [`Event::TaskDone`](super::Event::TaskDone).
    /// Tasks of one [kind](Task::kind) begin in order; there are as many threads for each as [`TaskKind::threads`] says.
    ///
    /// [`TaskKind::threads`]: super::TaskKind::threads
    fn submit(&mut self, task: Task<Self::Files>);

    /// Starts the process that uploads a result; its end is told with [`Event::UploadEnded`](super::Event::UploadEnded).
    ///
    /// # Errors
    ///
    /// A whole message for people.
    fn start_upload(&mut self, job: &Text, uuid: Uuid) -> io::Result<()>;

    /// Kills the process that uploads; its end is told like any other.
    fn kill_upload(&mut self);

    /// Starts the program that is told of a build, with nothing but these variables and what a program needs in its environment,
    /// as the leader of a process group; its end is told with [`Event::NoticeEnded`](super::Event::NoticeEnded). What is left of
    /// its process group then is killed.
    ///
    /// # Errors
    ///
    /// A whole message for people.
    fn start_notice(&mut self, notice: Notice<'_>) -> io::Result<()>;

    /// Kills the program that is told of a build, and its process group; its end is told like any other.
    fn kill_notice(&mut self, uuid: Uuid);

    /// Told what the log held, before anything is made of it. For those who watch.
    fn recovered(&mut self, _recovered: &Recovered) {}

    /// Told of each record when it is appended to the log. For those who watch.
    fn recorded(&mut self, _record: &Record) {}
}

/// Where connections come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Who may speak there.
    pub role: Role,
    /// Its address, for people.
    pub name: String,
}

/// What more can be written to the disk, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FreeSpace {
    /// Free in the file system of the data directory.
    pub free: u64,
    /// Of the longest file that this process may write.
    pub longest_file: u64,
}

/// How to look at the templates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Read all of them, whatever they looked like before.
    Anew,
    /// See whether one came or went.
    Quick,
    /// See whether one came, went or changed.
    Thorough,
}

/// Templates as they were read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateReading {
    /// Those that could be read.
    pub templates: Templates,
    /// Whether one could not be read: it may just be written, or soon be put right.
    pub has_failed: bool,
}

/// What a program is to be told of a build that has finished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice<'a> {
    /// The build.
    pub uuid: Uuid,
    /// The job whose result it is, if that is in its place; the platform knows the path.
    pub result_of: Option<&'a Text>,
    /// Variables for the environment: names and values, which hold no NUL.
    pub variables: Vec<(&'static str, String)>,
}

/// How a program has ended that was told of a build.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NoticeEnd {
    /// It has taken note.
    Done,
    /// It has not, for this reason, for people; a clause that begins with what the program did.
    Failed(String),
}

/// How a process that uploads has ended, with a reason for people.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum UploadEnd {
    /// The upload server has the result.
    Done,
    /// It takes nothing at present.
    Unavailable(String),
    /// It did not take this result.
    Refused(String),
    /// It did not let this user upload this result.
    Forbidden(String),
    /// It refused the credentials.
    Unauthorized(String),
}
