//! An `infoReply` in pieces, for servers with more jobs than should be copied at once.

use super::table::Kind;
use crate::error::EncodeError;
use crate::header::{Header, SEQUENCE, context};
use crate::text::Text;
use der::Encode;
use std::collections::VecDeque;
use std::vec;

/// Values in a piece at most: small ones take their time, too, and a piece of bytes alone could hold thousands.
const PARTS_PER_PIECE: usize = 128;

/// One value of an `infoReply` that can say how long it is before it is encoded, and is encoded in three steps, so that no
/// more of it need be copied at once than is read.
pub trait InfoPart {
    /// Bytes of the encoded value.
    ///
    /// # Errors
    ///
    /// When the value has no encoding.
    fn length(&self) -> Result<u64, EncodeError>;

    /// Appends the encoded value as far as the bytes of [`InfoPart::script`].
    ///
    /// # Errors
    ///
    /// When the value has no encoding.
    fn append_until_script(&self, output: &mut Vec<u8>) -> Result<(), EncodeError>;

    /// The part of the encoded value that may be long.
    fn script(&self) -> &[u8];

    /// Appends what follows those bytes.
    fn append_after_script(&self, output: &mut Vec<u8>);
}

/// An `infoReply` as a frame, encoded a piece at a time.
///
/// ```
/// use builder_proto::command::{Command, InfoPart, InfoStream};
/// use builder_proto::error::EncodeError;
/// use builder_proto::text::Text;
///
/// /// A value that is encoded already.
/// struct Encoded(Vec<u8>);
///
/// impl InfoPart for Encoded {
///     fn length(&self) -> Result<u64, EncodeError> {
///         Ok(self.0.len() as u64)
///     }
///     fn append_until_script(&self, _: &mut Vec<u8>) -> Result<(), EncodeError> {
///         Ok(())
///     }
///     fn script(&self) -> &[u8] {
///         &self.0
///     }
///     fn append_after_script(&self, _: &mut Vec<u8>) {}
/// }
///
/// let platform = Text::from("linux");
/// let mut stream = InfoStream::<Encoded>::new(vec![], [(&platform, vec![])], vec![], [])?;
/// let mut frame = Vec::new();
/// while !stream.is_finished() {
///     // Whoever reads slowly gets a few bytes at a time.
///     let enough = frame.len() + 4;
///     stream.encode_next(&mut frame, enough)?;
/// }
/// let Command::InfoReply(reply) = Command::decode(&frame[8..])? else { panic!("another message") };
/// assert_eq!(reply.queues[0].platform, platform);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct InfoStream<P> {
    pieces: VecDeque<Piece<P>>,
    /// A value of which a part has been encoded.
    begun: Option<Begun<P>>,
}

#[derive(Debug)]
struct Begun<P> {
    part: P,
    /// Bytes of the script that were encoded.
    encoded: usize,
}

#[derive(Debug)]
enum Piece<P> {
    Bytes(Vec<u8>),
    Parts(vec::IntoIter<P>),
}

/// Some pieces in a row and the bytes they take.
#[derive(Debug)]
struct Row<P> {
    pieces: VecDeque<Piece<P>>,
    length: u64,
}

impl<P: InfoPart> InfoStream<P> {
    /// Lays out an `infoReply`: the schedule, the queues as platforms with their jobs, what runs, and the names of
    /// dropped platforms.
    ///
    /// # Errors
    ///
    /// When a value has no encoding.
    pub fn new<'a>(
        schedule: Vec<P>,
        queues: impl IntoIterator<Item = (&'a Text, Vec<P>)>,
        running: Vec<P>,
        dropped_platforms: impl IntoIterator<Item = &'a Text>,
    ) -> Result<InfoStream<P>, EncodeError> {
        let mut rows = Row::of_parts(schedule)?.within(SEQUENCE);
        let mut all_queues = Row::empty();
        for (platform, jobs) in queues {
            let mut queue = Row::of_value(platform)?;
            queue.append(Row::of_parts(jobs)?.within(SEQUENCE));
            all_queues.append(queue.within(SEQUENCE));
        }
        rows.append(all_queues.within(SEQUENCE));
        rows.append(Row::of_parts(running)?.within(SEQUENCE));
        let mut dropped = Row::empty();
        for platform in dropped_platforms {
            dropped.append(Row::of_value(platform)?);
        }
        rows.append(dropped.within(SEQUENCE));
        let mut message = rows.within(SEQUENCE).within(context(Kind::InfoReply.number()));
        message.pieces.push_front(Piece::Bytes(message.length.to_be_bytes().to_vec()));
        Ok(InfoStream { pieces: message.pieces, begun: None })
    }

    /// Appends what comes next, until `output` holds `enough` bytes or a little more, many values were encoded, or nothing
    /// is left. A little is what stands around a script: names, and the package of an orb-build job.
    ///
    /// # Errors
    ///
    /// When a value has no encoding; the message cannot be completed then.
    pub fn encode_next(&mut self, output: &mut Vec<u8>, enough: usize) -> Result<(), EncodeError> {
        let mut parts_left = PARTS_PER_PIECE;
        while output.len() < enough {
            if let Some(begun) = &mut self.begun {
                if begun.encode_next(output, enough) {
                    self.begun = None;
                }
                continue;
            }
            if parts_left == 0 {
                break;
            }
            match self.pieces.front_mut() {
                None => break,
                Some(Piece::Bytes(bytes)) => output.append(bytes),
                Some(Piece::Parts(parts)) => {
                    if let Some(part) = parts.next() {
                        part.append_until_script(output)?;
                        self.begun = Some(Begun { part, encoded: 0 });
                        parts_left -= 1;
                        continue;
                    }
                }
            }
            self.pieces.pop_front();
        }
        Ok(())
    }

    /// Whether everything was encoded.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.begun.is_none()
            && self.pieces.iter().all(|piece| matches!(piece, Piece::Parts(parts) if parts.len() == 0))
    }
}

impl<P: InfoPart> Begun<P> {
    /// Appends more of the script; true when the value is complete with it.
    fn encode_next(&mut self, output: &mut Vec<u8>, enough: usize) -> bool {
        let rest = self.part.script().get(self.encoded..).unwrap_or_default();
        let room = enough.saturating_sub(output.len());
        let next = rest.get(..room).unwrap_or(rest);
        output.extend_from_slice(next);
        self.encoded += next.len();
        let is_complete = next.len() == rest.len();
        if is_complete {
            self.part.append_after_script(output);
        }
        is_complete
    }
}

impl<P: InfoPart> Row<P> {
    fn empty() -> Row<P> {
        Row { pieces: VecDeque::new(), length: 0 }
    }

    fn of_value(value: &impl Encode) -> Result<Row<P>, EncodeError> {
        let bytes = value.to_der()?;
        let length = bytes.len() as u64;
        Ok(Row { pieces: [Piece::Bytes(bytes)].into(), length })
    }

    fn of_parts(parts: Vec<P>) -> Result<Row<P>, EncodeError> {
        let mut length = 0;
        for part in &parts {
            length += part.length()?;
        }
        Ok(Row { pieces: [Piece::Parts(parts.into_iter())].into(), length })
    }

    fn append(&mut self, mut other: Row<P>) {
        self.pieces.append(&mut other.pieces);
        self.length += other.length;
    }

    fn within(mut self, tag: u8) -> Row<P> {
        let header = Header { tag, length: self.length };
        let mut bytes = Vec::new();
        header.append_to(&mut bytes);
        self.length += header.encoded_length();
        self.pieces.push_front(Piece::Bytes(bytes));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Uuid;
    use crate::command::{Command, InfoReply, QueueInfo, RunningInfo};
    use crate::job::{Job, OrbBuildJob, ScheduleItem, ScriptJob};
    use crate::time::{Period, Time};

    /// A part that holds its bytes already, all but the first and the last as if they were a script.
    struct Encoded(Vec<u8>);

    impl InfoPart for Encoded {
        fn length(&self) -> Result<u64, EncodeError> {
            Ok(self.0.len() as u64)
        }

        fn append_until_script(&self, output: &mut Vec<u8>) -> Result<(), EncodeError> {
            output.push(self.0[0]);
            Ok(())
        }

        fn script(&self) -> &[u8] {
            &self.0[1..self.0.len() - 1]
        }

        fn append_after_script(&self, output: &mut Vec<u8>) {
            output.push(self.0[self.0.len() - 1]);
        }
    }

    fn encoded(value: &impl Encode) -> Encoded {
        Encoded(value.to_der().unwrap())
    }

    fn reply() -> InfoReply {
        let script = ScriptJob { name: "a".into(), script: vec![b'#'; 300].into(), platform: "p".into() };
        let orb_build = Job::OrbBuild(OrbBuildJob { name: "b".into(), opam_package: "c".into() });
        let item = |job: &Job| ScheduleItem { next: Time::NEVER, period: Period::Daily, job: job.clone() };
        let jobs = [Job::Script(script.clone()), orb_build];
        InfoReply {
            schedule: jobs.iter().map(item).collect(),
            queues: vec![
                QueueInfo { platform: "p".into(), jobs: jobs.to_vec() },
                QueueInfo { platform: "q".into(), jobs: vec![] },
            ],
            running: vec![RunningInfo {
                started: Time::UNIX_EPOCH,
                uuid: Uuid::from_bytes([7; 16]),
                job: script,
            }],
            dropped_platforms: vec!["x".into(), "y".into()],
        }
    }

    fn stream(reply: &InfoReply) -> InfoStream<Encoded> {
        let queues =
            reply.queues.iter().map(|queue| (&queue.platform, queue.jobs.iter().map(encoded).collect()));
        let running = reply.running.iter().map(encoded).collect();
        let schedule = reply.schedule.iter().map(encoded).collect();
        InfoStream::new(schedule, queues, running, &reply.dropped_platforms).unwrap()
    }

    #[test]
    fn the_pieces_are_the_message() {
        for reply in [reply(), InfoReply::default()] {
            let frame = Command::InfoReply(reply.clone()).to_frame().unwrap();
            for enough in [1, 100, usize::MAX] {
                let (mut stream, mut bytes) = (stream(&reply), Vec::new());
                while !stream.is_finished() {
                    let mut piece = Vec::new();
                    stream.encode_next(&mut piece, enough).unwrap();
                    assert!(!piece.is_empty());
                    bytes.append(&mut piece);
                }
                assert_eq!(bytes, frame);
            }
        }
    }

    #[test]
    fn a_piece_of_a_long_value_is_not_all_of_it() {
        const LONG: usize = 100_000;
        let value = Encoded(LONG.to_string().repeat(LONG).into_bytes());
        let length = value.0.len();
        let mut stream = InfoStream::new(vec![value], [], vec![], []).unwrap();
        let (mut pieces, mut sum) = (0, 0);
        while !stream.is_finished() {
            let mut piece = Vec::new();
            stream.encode_next(&mut piece, LONG).unwrap();
            assert!(piece.len() <= LONG + 64, "{}", piece.len());
            sum += piece.len();
            pieces += 1;
        }
        assert_eq!(pieces, length.div_ceil(LONG) + 1, "headers and trailers take another one");
        assert!((length..length + 64).contains(&sum), "{sum}");
    }

    #[test]
    fn a_piece_of_small_values_is_not_all_of_them() {
        let values = PARTS_PER_PIECE * 2 + 1;
        let schedule = (0..values).map(|_| Encoded(vec![5, 0])).collect();
        let mut stream = InfoStream::new(schedule, [], vec![], []).unwrap();
        let mut pieces = 0;
        while !stream.is_finished() {
            let mut piece = Vec::new();
            stream.encode_next(&mut piece, usize::MAX).unwrap();
            assert!(piece.len() <= PARTS_PER_PIECE * 2 + 64);
            pieces += 1;
        }
        assert_eq!(pieces, 3);
    }
}
