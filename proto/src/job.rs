//! Jobs and their place in the schedule.

use crate::error::EncodeError;
use crate::header;
use crate::text::Text;
use crate::time::{Period, Time};
use crate::wire::read_bytes;
use der::{
    Decode, DecodeValue, Encode, EncodeValue, Error, ErrorKind, FixedTag, Header, Length, Reader, Tag, Writer,
};
use der_derive::{Choice, Sequence};

/// A script that runs on one platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptJob {
    /// Unique among all jobs of a server.
    pub name: Text,
    /// What the worker runs.
    pub script: Text,
    /// The platform whose workers may run it.
    pub platform: Text,
}

impl ScriptJob {
    /// The platform of a job that names none: such jobs come from before jobs had platforms.
    pub const NO_PLATFORM: &'static str = "no-platform";

    /// Reads the fields in the order in which they are written.
    pub(crate) fn read<F: ScriptJobFields>(fields: &mut F) -> Result<ScriptJob, F::Error> {
        let name = fields.text("name")?;
        let script = fields.script()?;
        fields.skip_files()?;
        let platform = fields.last_text("platform")?.unwrap_or_else(|| ScriptJob::NO_PLATFORM.into());
        Ok(ScriptJob { name, script, platform })
    }

    /// Bytes of the encoded job. Many times cheaper than asking the encoder.
    #[must_use]
    pub fn encoded_length(&self) -> u64 {
        value_length(self.content_length())
    }

    /// Appends the encoded job as far as the bytes of its script, which may be many. They come next, and then what
    /// [`ScriptJob::append_after_script`] appends.
    pub fn append_until_script(&self, output: &mut Vec<u8>) {
        header::Header { tag: header::SEQUENCE, length: self.content_length() }.append_to(output);
        append_text(&self.name, output);
        header::Header { tag: header::UTF8_STRING, length: self.script.as_bytes().len() as u64 }
            .append_to(output);
    }

    /// Appends what follows the bytes of the script.
    pub fn append_after_script(&self, output: &mut Vec<u8>) {
        header::Header { tag: header::SEQUENCE, length: 0 }.append_to(output);
        append_text(&self.platform, output);
    }

    fn content_length(&self) -> u64 {
        text_length(&self.name) + text_length(&self.script) + value_length(0) + text_length(&self.platform)
    }
}

/// An opam package that is built on every platform with a template.
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
pub struct OrbBuildJob {
    /// Unique among all jobs of a server.
    pub name: Text,
    /// What the template's `%%OPAM_PACKAGE%%` stands for.
    pub opam_package: Text,
}

/// A job of either kind.
///
/// ```
/// use builder_proto::job::{Job, OrbBuildJob, ScriptJob};
/// use der::Encode;
///
/// let script = ScriptJob { name: "hello".into(), script: "echo hello".into(), platform: "debian-12".into() };
/// let package = OrbBuildJob { name: "mirage".into(), opam_package: "mirage".into() };
/// for (job, name) in [(Job::Script(script), "hello"), (Job::OrbBuild(package), "mirage")] {
///     assert_eq!(job.name(), &name.into());
///     assert_eq!(job.encoded_length(), job.to_der()?.len() as u64, "in bytes, without encoding it");
/// }
/// # Ok::<(), der::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Choice)]
pub enum Job {
    /// A script for one platform.
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", constructed = "true")]
    Script(ScriptJob),
    /// A package for every platform with a template.
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT", constructed = "true")]
    OrbBuild(OrbBuildJob),
}

impl Job {
    /// The name, unique among all jobs of a server.
    #[must_use]
    pub fn name(&self) -> &Text {
        match self {
            Job::Script(job) => &job.name,
            Job::OrbBuild(job) => &job.name,
        }
    }

    /// The bytes of a script; an orb-build job has none.
    #[must_use]
    pub fn script(&self) -> &[u8] {
        match self {
            Job::Script(job) => job.script.as_bytes(),
            Job::OrbBuild(_) => &[],
        }
    }

    /// Bytes of the encoded job. Many times cheaper than asking the encoder, and an answer to `info` takes the length of
    /// every job before the first can be sent.
    #[must_use]
    pub fn encoded_length(&self) -> u64 {
        value_length(match self {
            Job::Script(job) => job.encoded_length(),
            Job::OrbBuild(job) => value_length(text_length(&job.name) + text_length(&job.opam_package)),
        })
    }

    /// Appends the encoded job as far as the bytes of [`Job::script`]. They come next, and then what
    /// [`Job::append_after_script`] appends.
    ///
    /// # Errors
    ///
    /// When an orb-build job takes 4 GiB or more.
    pub fn append_until_script(&self, output: &mut Vec<u8>) -> Result<(), EncodeError> {
        match self {
            Job::Script(job) => {
                let length = job.encoded_length();
                header::Header { tag: header::context(Job::SCRIPT), length }.append_to(output);
                job.append_until_script(output);
            }
            Job::OrbBuild(_) => drop(self.encode_to_vec(output)?),
        }
        Ok(())
    }

    /// Appends what follows the bytes of the script.
    pub fn append_after_script(&self, output: &mut Vec<u8>) {
        if let Job::Script(job) = self {
            job.append_after_script(output);
        }
    }

    /// The number of the alternative for a script.
    const SCRIPT: u8 = 0;
}

/// Bytes of a value with so many bytes of content.
fn value_length(length: u64) -> u64 {
    length + header::Header { tag: header::SEQUENCE, length }.encoded_length()
}

fn text_length(text: &Text) -> u64 {
    value_length(text.as_bytes().len() as u64)
}

fn append_text(text: &Text, output: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    header::Header { tag: header::UTF8_STRING, length: bytes.len() as u64 }.append_to(output);
    output.extend_from_slice(bytes);
}

/// A job that runs again and again.
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
pub struct ScheduleItem {
    /// When the job is queued next; [`Time::NEVER`] when its period is [`Period::Never`].
    pub next: Time,
    /// The time between two runs.
    pub period: Period,
    /// The job.
    pub job: Job,
}

/// An artifact of a build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Where the job left it, relative to its directory. Never empty, without NUL; nothing else is certain, as
    /// it comes from a worker.
    pub path: Text,
    /// Its content.
    pub data: Text,
}

impl FixedTag for ScriptJob {
    const TAG: Tag = Tag::Sequence;
}

impl<'a> DecodeValue<'a> for ScriptJob {
    type Error = Error;

    fn decode_value<R: Reader<'a>>(reader: &mut R, _header: Header) -> der::Result<Self> {
        ScriptJob::read(&mut Whole(reader))
    }
}

/// The fields of a script job, in whatever way they are read.
pub(crate) trait ScriptJobFields {
    type Error;

    /// Reads a text that is needed.
    fn text(&mut self, part: &'static str) -> Result<Text, Self::Error>;

    /// Reads the script, or leaves it out and gives an empty one.
    fn script(&mut self) -> Result<Text, Self::Error>;

    /// Leaves out files.
    fn skip_files(&mut self) -> Result<(), Self::Error>;

    /// Reads a text that ends the fields, if it is there.
    fn last_text(&mut self, part: &'static str) -> Result<Option<Text>, Self::Error>;
}

/// Reads a job that is in memory as a whole.
struct Whole<'r, R>(&'r mut R);

impl<'a, R: Reader<'a>> ScriptJobFields for Whole<'_, R> {
    type Error = Error;

    fn text(&mut self, _part: &'static str) -> der::Result<Text> {
        Text::decode(self.0)
    }

    fn script(&mut self) -> der::Result<Text> {
        Text::decode(self.0)
    }

    fn skip_files(&mut self) -> der::Result<()> {
        self.0.sequence(skip_files)
    }

    fn last_text(&mut self, _part: &'static str) -> der::Result<Option<Text>> {
        Option::<Text>::decode(self.0)
    }
}

impl EncodeValue for ScriptJob {
    fn value_len(&self) -> der::Result<Length> {
        self.name.encoded_len()?
            + self.script.encoded_len()?
            + NO_FILES.encoded_len()?
            + self.platform.encoded_len()?
    }

    fn encode_value(&self, writer: &mut impl Writer) -> der::Result<()> {
        self.name.encode(writer)?;
        self.script.encode(writer)?;
        NO_FILES.encode(writer)?;
        self.platform.encode(writer)
    }
}

/// Jobs could once bring files along; the place for them is still on the wire.
const NO_FILES: [File; 0] = [];

/// Checks files and keeps none of them.
fn skip_files<'a, R: Reader<'a>>(reader: &mut R) -> der::Result<()> {
    while !reader.is_finished() {
        reader.sequence(|file| {
            let path = read_bytes(file)?;
            read_bytes(file)?;
            if is_path(path) { Ok(()) } else { Err(file.error(BAD_PATH)) }
        })?;
    }
    Ok(())
}

fn is_path(bytes: &[u8]) -> bool {
    !bytes.is_empty() && !bytes.contains(&0)
}

const BAD_PATH: ErrorKind = ErrorKind::Value { tag: Text::TAG };

impl FixedTag for File {
    const TAG: Tag = Tag::Sequence;
}

impl<'a> DecodeValue<'a> for File {
    type Error = Error;

    fn decode_value<R: Reader<'a>>(reader: &mut R, _header: Header) -> der::Result<Self> {
        let path = Text::decode(reader)?;
        if !is_path(path.as_bytes()) {
            return Err(reader.error(BAD_PATH));
        }
        Ok(File { path, data: Text::decode(reader)? })
    }
}

impl EncodeValue for File {
    fn value_len(&self) -> der::Result<Length> {
        self.path.encoded_len()? + self.data.encoded_len()?
    }

    fn encode_value(&self, writer: &mut impl Writer) -> der::Result<()> {
        self.path.encode(writer)?;
        self.data.encode(writer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script_job() -> ScriptJob {
        ScriptJob { name: "n".into(), script: "s".into(), platform: "p".into() }
    }

    #[test]
    fn a_script_job_is_written_with_no_files() {
        let bytes = script_job().to_der().unwrap();
        assert_eq!(bytes, b"\x30\x0b\x0c\x01n\x0c\x01s\x30\x00\x0c\x01p");
        assert_eq!(ScriptJob::from_der(&bytes), Ok(script_job()));
    }

    #[test]
    fn a_missing_platform_has_a_name() {
        let job = ScriptJob::from_der(b"\x30\x08\x0c\x01n\x0c\x01s\x30\x00").unwrap();
        assert_eq!(job.platform, Text::from("no-platform"));
    }

    #[test]
    fn files_of_a_job_are_checked_and_ignored() {
        let with_files = |file: &[u8]| {
            let mut bytes = vec![0x30, 11 + file.len() as u8];
            bytes.extend_from_slice(b"\x0c\x01n\x0c\x01s\x30");
            bytes.push(file.len() as u8);
            bytes.extend_from_slice(file);
            bytes.extend_from_slice(b"\x0c\x01p");
            ScriptJob::from_der(&bytes)
        };
        assert_eq!(with_files(b"\x30\x06\x0c\x01a\x0c\x01x"), Ok(script_job()));
        assert!(with_files(b"\x30\x05\x0c\x00\x0c\x01x").is_err());
        assert!(with_files(b"\x30\x06\x0c\x01\0\x0c\x01x").is_err());
        assert!(with_files(b"\x30\x03\x0c\x01a").is_err());
        assert!(with_files(b"\x0c\x01a").is_err());
    }

    #[test]
    fn both_kinds_of_job_survive_the_wire() {
        let package = OrbBuildJob { name: "o".into(), opam_package: "k".into() };
        for (job, tag) in [(Job::Script(script_job()), 0xa0), (Job::OrbBuild(package), 0xa1)] {
            let bytes = job.to_der().unwrap();
            assert_eq!(bytes[0], tag);
            assert_eq!(Job::from_der(&bytes), Ok(job));
        }
    }

    #[test]
    fn the_length_of_a_job_is_that_of_its_bytes() {
        for length in [0, 1, 90, 110, 120, 127, 128, 240, 255, 256, 65_500, 65_535, 65_536, 1 << 24] {
            let text = Text::from("x".repeat(length));
            let script = ScriptJob { script: text.clone(), ..script_job() };
            let package = OrbBuildJob { name: "o".into(), opam_package: text };
            for job in [Job::Script(script), Job::OrbBuild(package)] {
                let encoded = job.to_der().unwrap();
                assert_eq!(job.encoded_length(), encoded.len() as u64, "{length}");
                let mut parts = Vec::new();
                job.append_until_script(&mut parts).unwrap();
                parts.extend_from_slice(job.script());
                job.append_after_script(&mut parts);
                assert!(parts == encoded, "{length}: the parts are the whole");
            }
        }
    }

    #[test]
    fn paths_must_not_be_empty_or_hold_nul() {
        let file = |path: &str| File { path: path.into(), data: "x".into() };
        for path in ["a", "../up", "/abs", "a\nb"] {
            assert_eq!(File::from_der(&file(path).to_der().unwrap()), Ok(file(path)), "{path}");
        }
        for path in ["", "a\0b"] {
            assert!(File::from_der(&file(path).to_der().unwrap()).is_err(), "{path}");
        }
    }
}
