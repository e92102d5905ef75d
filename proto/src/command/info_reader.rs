//! Reading an `infoReply` while it arrives, without the scripts in it.
//!
//! A server repeats the script of a job wherever the job is: in the schedule, in its queue, and while it runs. A hundred
//! jobs may so have an answer of gigabytes, of which nobody wants to see a script.

use super::info::{InfoReply, QueueInfo, RunningInfo};
use super::table::Kind;
use crate::header::{Header, SEQUENCE, UTF8_STRING, context};
use crate::job::{Job, OrbBuildJob, ScheduleItem, ScriptJob, ScriptJobFields};
use crate::malformed::{Fit, Malformed, Problem, check_header};
use crate::text::Text;
use crate::wire::RawUuid;
use der::Decode;

/// The first byte of the payload of an `infoReply`, by which a frame decoder can tell it from other messages.
pub const INFO_REPLY_TAG: u8 = context(Kind::InfoReply.number());

/// Bytes of the longest value that is held: a name, or an opam package.
const VALUE_BYTES: u64 = 1024 * 1024;

/// Bytes of all that is held together, so that no server can fill the memory of its client.
const HELD_BYTES: u64 = 256 * 1024 * 1024;

/// Bytes of memory that a job takes besides its texts.
const JOB_BYTES: u64 = size_of::<ScheduleItem>() as u64;

/// The bytes of a message, one after the other.
///
/// ```
/// use builder_proto::command::{Command, InfoReply, InfoSource, read_info_reply};
/// use builder_proto::malformed::Malformed;
///
/// struct Memory<'a>(&'a [u8]);
///
/// impl InfoSource for Memory<'_> {
///     type Error = String;
///
///     fn read(&mut self, buffer: &mut [u8]) -> Result<(), String> {
///         let (next, rest) = self.0.split_at_checked(buffer.len()).ok_or("the message is cut off")?;
///         buffer.copy_from_slice(next);
///         self.0 = rest;
///         Ok(())
///     }
///
///     fn skip(&mut self, count: u64) -> Result<(), String> {
///         let count = usize::try_from(count).map_err(|error| error.to_string())?;
///         self.0 = self.0.get(count..).ok_or("the message is cut off")?;
///         Ok(())
///     }
///
///     fn malformed(&self, malformed: Malformed) -> String {
///         malformed.to_string()
///     }
/// }
///
/// let sent = InfoReply { dropped_platforms: vec!["freebsd-13".into()], ..InfoReply::default() };
/// let payload = Command::InfoReply(sent.clone()).encode()?;
/// assert_eq!(read_info_reply(&mut Memory(&payload), payload.len() as u64)?, sent);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait InfoSource {
    /// Why there is no answer.
    type Error;

    /// Fills the buffer with the next bytes.
    ///
    /// # Errors
    ///
    /// When fewer are to be had.
    fn read(&mut self, buffer: &mut [u8]) -> Result<(), Self::Error>;

    /// Leaves out the next bytes.
    ///
    /// # Errors
    ///
    /// When fewer are to be had.
    fn skip(&mut self, count: u64) -> Result<(), Self::Error>;

    /// The error for bytes that are no `infoReply`.
    fn malformed(&self, malformed: Malformed) -> Self::Error;
}

/// Reads an `infoReply` whose payload has `length` bytes; every script in it is empty afterwards. What an error leaves of
/// the payload is not read.
///
/// # Errors
///
/// Those of the source, and what it makes of bytes that are no `infoReply` or of too much of them.
pub fn read_info_reply<S: InfoSource>(source: &mut S, length: u64) -> Result<InfoReply, S::Error> {
    let mut walk = Walk { source, offset: 0, held: 0 };
    let message = walk.enter("infoReply", INFO_REPLY_TAG, length, Fit::Exactly)?;
    let fields = walk.enter("infoReply", SEQUENCE, message, Fit::Exactly)?;
    let reply = InfoReply {
        schedule: walk.list("schedule", fields, Fit::Within, Walk::schedule_item)?,
        queues: walk.list("queues", fields, Fit::Within, Walk::queue)?,
        running: walk.list("running builds", fields, Fit::Within, Walk::running)?,
        dropped_platforms: walk
            .list("dropped platforms", fields, Fit::Exactly, |walk, end| walk.value("platform", end))?,
    };
    Ok(reply)
}

/// The way through the message. Ends are offsets in it.
struct Walk<'a, S> {
    source: &'a mut S,
    offset: u64,
    held: u64,
}

/// The fields of a script job that ends at `end`; its script is left out.
struct WithoutScript<'w, 's, S> {
    walk: &'w mut Walk<'s, S>,
    end: u64,
}

impl<S: InfoSource> ScriptJobFields for WithoutScript<'_, '_, S> {
    type Error = S::Error;

    fn text(&mut self, part: &'static str) -> Result<Text, S::Error> {
        self.walk.value(part, self.end)
    }

    fn script(&mut self) -> Result<Text, S::Error> {
        let script = self.walk.enter("script", UTF8_STRING, self.end, Fit::Within)?;
        self.walk.skip_to(script)?;
        Ok(Text::default())
    }

    fn skip_files(&mut self) -> Result<(), S::Error> {
        let files = self.walk.enter("files of a job", SEQUENCE, self.end, Fit::Within)?;
        self.walk.skip_to(files)
    }

    fn last_text(&mut self, part: &'static str) -> Result<Option<Text>, S::Error> {
        if self.walk.offset < self.end { self.walk.value(part, self.end).map(Some) } else { Ok(None) }
    }
}

impl<S: InfoSource> Walk<'_, S> {
    fn schedule_item(&mut self, end: u64) -> Result<ScheduleItem, S::Error> {
        let end = self.enter("schedule item", SEQUENCE, end, Fit::Within)?;
        let next = self.value("time of the next run", end)?;
        let period = self.value("period", end)?;
        let job = self.job(end)?;
        self.leave("schedule item", end)?;
        Ok(ScheduleItem { next, period, job })
    }

    fn queue(&mut self, end: u64) -> Result<QueueInfo, S::Error> {
        let end = self.enter("queue", SEQUENCE, end, Fit::Within)?;
        let platform = self.value("platform", end)?;
        let jobs = self.list("jobs", end, Fit::Exactly, Walk::job)?;
        Ok(QueueInfo { platform, jobs })
    }

    fn running(&mut self, end: u64) -> Result<RunningInfo, S::Error> {
        let end = self.enter("running build", SEQUENCE, end, Fit::Within)?;
        let started = self.value("time of the start", end)?;
        let RawUuid(uuid) = self.value("uuid", end)?;
        let job = self.script_job(end, Fit::Exactly)?;
        Ok(RunningInfo { started, uuid, job })
    }

    fn job(&mut self, end: u64) -> Result<Job, S::Error> {
        const SCRIPT: u8 = context(0);
        const ORB_BUILD: u8 = context(1);
        self.hold("job", JOB_BYTES)?;
        let start = self.offset;
        let (header, _) = self.header("job")?;
        let end = self.check("job", start, header, header.tag, end, Fit::Within)?;
        match header.tag {
            SCRIPT => self.script_job(end, Fit::Exactly).map(Job::Script),
            ORB_BUILD => {
                let fields = self.enter("orb-build job", SEQUENCE, end, Fit::Exactly)?;
                let name = self.value("name", fields)?;
                let opam_package = self.value("opam package", fields)?;
                self.leave("orb-build job", fields)?;
                Ok(Job::OrbBuild(OrbBuildJob { name, opam_package }))
            }
            tag => Err(self.malformed(start, "job", Problem::UnexpectedTag(tag))),
        }
    }

    fn script_job(&mut self, end: u64, fit: Fit) -> Result<ScriptJob, S::Error> {
        let end = self.enter("job", SEQUENCE, end, fit)?;
        let job = ScriptJob::read(&mut WithoutScript { walk: self, end })?;
        self.leave("job", end)?;
        Ok(job)
    }

    /// Reads the values of a list.
    fn list<T>(
        &mut self,
        part: &'static str,
        end: u64,
        fit: Fit,
        item: impl Fn(&mut Self, u64) -> Result<T, S::Error>,
    ) -> Result<Vec<T>, S::Error> {
        let end = self.enter(part, SEQUENCE, end, fit)?;
        let mut items = Vec::new();
        while self.offset < end {
            self.hold(part, size_of::<T>() as u64)?;
            items.push(item(self, end)?);
        }
        Ok(items)
    }

    /// Reads a value that is short enough to be held.
    fn value<T: for<'a> Decode<'a, Error = der::Error>>(
        &mut self,
        part: &'static str,
        end: u64,
    ) -> Result<T, S::Error> {
        let start = self.offset;
        let (header, mut bytes) = self.header(part)?;
        self.check(part, start, header, header.tag, end, Fit::Within)?;
        let length = header.length;
        if length > VALUE_BYTES {
            return Err(self.malformed(start, part, Problem::TooLong { length, limit: VALUE_BYTES }));
        }
        self.hold(part, length)?;
        let content = bytes.len();
        bytes.resize(content + length as usize, 0);
        self.read(bytes.get_mut(content..).unwrap_or_default())?;
        T::from_der(&bytes).map_err(|error| self.malformed(start, part, Problem::Value(error)))
    }

    /// Reads the header of what contains other values, and gives the end of it.
    fn enter(&mut self, part: &'static str, tag: u8, end: u64, fit: Fit) -> Result<u64, S::Error> {
        let start = self.offset;
        let (header, _) = self.header(part)?;
        self.check(part, start, header, tag, end, fit)
    }

    /// The end of a value whose header began at `start`.
    fn check(
        &self,
        part: &'static str,
        start: u64,
        header: Header,
        tag: u8,
        end: u64,
        fit: Fit,
    ) -> Result<u64, S::Error> {
        check_header(header, tag, end.saturating_sub(start), fit)
            .map_err(|problem| self.malformed(start, part, problem))?;
        Ok(self.offset.saturating_add(header.length))
    }

    /// What was entered must have been read to its end.
    fn leave(&self, part: &'static str, end: u64) -> Result<(), S::Error> {
        if self.offset == end {
            return Ok(());
        }
        Err(self.malformed(self.offset, part, Problem::ShorterThanParent))
    }

    /// The next header and its bytes. It is read with care, as the message may end with it.
    fn header(&mut self, part: &'static str) -> Result<(Header, Vec<u8>), S::Error> {
        let start = self.offset;
        let mut bytes = vec![0; 2];
        self.read(&mut bytes)?;
        loop {
            match Header::parse(&bytes) {
                Ok(Some((header, _))) => return Ok((header, bytes)),
                Ok(None) => {
                    let mut next = [0];
                    self.read(&mut next)?;
                    bytes.extend(next);
                }
                Err(error) => return Err(self.malformed(start, part, Problem::Header(error))),
            }
        }
    }

    fn hold(&mut self, part: &'static str, bytes: u64) -> Result<(), S::Error> {
        self.held = self.held.saturating_add(bytes);
        if self.held <= HELD_BYTES {
            return Ok(());
        }
        let problem = Problem::TooLong { length: self.held, limit: HELD_BYTES };
        Err(self.malformed(self.offset, part, problem))
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<(), S::Error> {
        self.source.read(buffer)?;
        self.offset = self.offset.saturating_add(buffer.len() as u64);
        Ok(())
    }

    fn skip_to(&mut self, end: u64) -> Result<(), S::Error> {
        self.source.skip(end.saturating_sub(self.offset))?;
        self.offset = end;
        Ok(())
    }

    fn malformed(&self, offset: u64, part: &'static str, problem: Problem) -> S::Error {
        self.source.malformed(Malformed::new(offset, part, problem))
    }
}

#[cfg(test)]
mod tests;
