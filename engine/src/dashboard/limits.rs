//! The limits of a dashboard, by name. Those of HTTP stand with all others in [`limits`](crate::limits).
//!
//! With a server of ours, and scripts and lines of a usual length, they keep it below 64 MiB, however many browsers there are;
//! `tests/bench` measures that.

use crate::limits::COMMAND_FRAME_BYTES;
use core::time::Duration;

/// Browsers that are connected at the same time. When there are as many, one that asks for nothing makes room for the next.
pub const CONNECTIONS: usize = 2000;
/// Bytes of a message of the server, such as a line of a console. A server of ours sends no longer ones.
pub(super) const MESSAGE_BYTES: u64 = COMMAND_FRAME_BYTES + 64 * 1024;
/// Questions for pages that the server is asked at the same time. Others wait for their turn.
pub(super) const QUESTIONS: usize = 8;
/// Downloads at the same time. Others wait for their turn.
pub(super) const DOWNLOADS: usize = 16;
/// Consoles that are followed at the same time. Whoever wants to see another one is told that it is busy.
pub(super) const FEEDS: usize = 32;
/// Time in which the server has to take a connection, and to say something more of an answer.
pub(super) const ANSWER_TIME: Duration = Duration::from_secs(20);
/// How long an answer counts: two who look at the same time see the same.
pub(super) const FRESH_TIME: Duration = Duration::from_millis(900);
/// Time between two looks at the server while somebody has a live page of it open.
pub(super) const LOOK_TIME: Duration = Duration::from_secs(2);
/// Answers that are kept for that time, by number.
pub(super) const KEPT_ANSWERS: usize = 64;
/// The same, by bytes, about.
pub(super) const KEPT_BYTES: usize = 8 * 1024 * 1024;
/// Bytes of an answer all of which is held: how all is, a history, all that is known of a build. The longest script fits, and the
/// longest list of artifacts.
pub(super) const ANSWER_BYTES: usize = 32 * 1024 * 1024;
/// Bytes of a script that are kept. Nobody reads more of it in a page.
pub(super) const SCRIPT_BYTES: usize = 1024 * 1024;
/// Bytes of the lines in an answer at most. Those that are left out are at its far end.
pub(super) const WINDOW_BYTES: usize = 4 * 1024 * 1024;
/// Bytes of a line of a console that are kept. Nobody reads more of a line in a page; the plain text has all of it.
pub(super) const LINE_BYTES: usize = 64 * 1024;
/// Bytes of lines that feeds hold together, for those who do not read as fast as others.
pub(super) const FEEDS_BYTES: usize = 16 * 1024 * 1024;
/// Bytes of lines that a feed may hold, however many there are.
pub(super) const FEED_LEAST_BYTES: usize = 256 * 1024;
/// The same, however few there are.
pub(super) const FEED_MOST_BYTES: usize = 4 * 1024 * 1024;
/// Bytes of an event with lines from which on it is sent, though more lines are there.
pub(super) const EVENT_BYTES: usize = 32 * 1024;
/// Time from a line to the event with it, so that lines that come close after each other travel together.
pub(super) const EVENT_TIME: Duration = Duration::from_millis(50);
/// How long a line that may tell the result is kept back: a server sends the end right after the result.
pub(super) const RESULT_TIME: Duration = Duration::from_secs(1);
/// How long a feed goes on that nobody follows, for those who come back.
pub(super) const FEED_LINGER_TIME: Duration = Duration::from_secs(5);
/// Time between two signs of life on a stream that has nothing to say, so that proxies and systems keep it open.
pub(super) const BEAT_TIME: Duration = Duration::from_secs(15);
/// Bytes of a download that wait for the browser, from which on the server has to wait.
pub(super) const DOWNLOAD_BYTES: usize = 256 * 1024;
/// Pause after a look at the server that failed.
pub(super) const RETRY_TIME: Duration = Duration::from_secs(2);
