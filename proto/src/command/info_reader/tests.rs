use super::*;
use crate::Uuid;
use crate::command::Command;
use crate::time::{Period, Time};
use proptest::prelude::*;

/// Bytes that are there, followed by any number of zeros.
struct Bytes<'a> {
    bytes: &'a [u8],
    zeros: u64,
    skipped: u64,
}

impl<'a> Bytes<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, zeros: 0, skipped: 0 }
    }
}

impl InfoSource for Bytes<'_> {
    type Error = String;

    fn read(&mut self, buffer: &mut [u8]) -> Result<(), String> {
        let (taken, rest) = self.bytes.split_at_checked(buffer.len()).ok_or("the end")?;
        buffer.copy_from_slice(taken);
        self.bytes = rest;
        Ok(())
    }

    fn skip(&mut self, count: u64) -> Result<(), String> {
        let there = count.min(self.bytes.len() as u64);
        self.bytes = &self.bytes[there as usize..];
        self.zeros = self.zeros.checked_sub(count - there).ok_or("the end")?;
        self.skipped += count;
        Ok(())
    }

    fn malformed(&self, malformed: Malformed) -> String {
        malformed.to_string()
    }
}

fn script(name: &str, script: &str) -> ScriptJob {
    ScriptJob { name: name.into(), script: script.into(), platform: "p".into() }
}

fn reply(text: &str) -> InfoReply {
    let jobs = [
        Job::Script(script("a", text)),
        Job::OrbBuild(OrbBuildJob { name: "b".into(), opam_package: "c".into() }),
    ];
    let item = |job: &Job| ScheduleItem { next: Time::NEVER, period: Period::Daily, job: job.clone() };
    InfoReply {
        schedule: jobs.iter().map(item).collect(),
        queues: vec![
            QueueInfo { platform: "p".into(), jobs: jobs.to_vec() },
            QueueInfo { platform: "q".into(), jobs: vec![] },
        ],
        running: vec![RunningInfo {
            started: Time::UNIX_EPOCH,
            uuid: Uuid::from_bytes([7; 16]),
            job: script("a", text),
        }],
        dropped_platforms: vec!["x".into(), "y".into()],
    }
}

fn payload(reply: InfoReply) -> Vec<u8> {
    Command::InfoReply(reply).encode().unwrap()
}

fn read(payload: &[u8]) -> Result<InfoReply, String> {
    read_info_reply(&mut Bytes::new(payload), payload.len() as u64)
}

#[test]
fn everything_is_read_but_the_scripts() {
    for text in ["", "#!/bin/sh\n", &"x".repeat(100_000)] {
        assert_eq!(read(&payload(reply(text))), Ok(reply("")));
    }
    assert_eq!(read(&payload(InfoReply::default())), Ok(InfoReply::default()));
}

#[test]
fn a_script_is_never_held() {
    const SCRIPT: u64 = 1 << 40;
    let mut name_and_script = b"\x0c\x01a".to_vec();
    Header { tag: UTF8_STRING, length: SCRIPT }.append_to(&mut name_and_script);
    let mut fields = Vec::new();
    let length = name_and_script.len() as u64 + SCRIPT + b"\x30\x00\x0c\x01p".len() as u64;
    Header { tag: SEQUENCE, length }.append_to(&mut fields);
    fields.extend(name_and_script);

    let mut source = Bytes { bytes: &fields, zeros: SCRIPT, skipped: 0 };
    let mut walk = Walk { source: &mut source, offset: 0, held: 0 };
    // The source ends with the script.
    assert_eq!(walk.script_job(u64::MAX, Fit::Within).unwrap_err(), "the end");
    assert!(walk.held < 1000, "{}", walk.held);
    assert_eq!(source.skipped, SCRIPT);
}

#[test]
fn more_than_is_held_is_refused() {
    let long = "x".repeat(VALUE_BYTES as usize + 1);
    let reply = InfoReply { dropped_platforms: vec![long.as_str().into()], ..InfoReply::default() };
    let error = read(&payload(reply)).unwrap_err();
    assert!(error.starts_with("platform at byte ") && error.contains("at most 1048576"), "{error}");

    let mut source = Bytes::new(b"");
    let mut walk = Walk { source: &mut source, offset: 0, held: HELD_BYTES };
    assert!(walk.hold("job", 1).unwrap_err().contains("at most 268435456"));
}

#[test]
fn a_message_that_ends_early_or_late_is_refused() {
    let payload = payload(reply("script"));
    for end in 0..payload.len() {
        assert!(read_info_reply(&mut Bytes::new(&payload[..end]), payload.len() as u64).is_err(), "{end}");
        assert!(read(&payload[..end]).is_err(), "{end}");
    }
    let mut longer = payload;
    longer.push(0);
    assert!(read(&longer).is_err());
}

proptest! {
    /// What is read of damaged bytes is what decoding them whole gives, or refused.
    #[test]
    fn damage_is_not_read_as_something_else(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut payload = payload(reply("script"));
        let at = at.index(payload.len());
        payload[at] = byte;
        if let (Ok(read), Ok(Command::InfoReply(decoded))) = (read(&payload), Command::decode(&payload)) {
            prop_assert_eq!(read.queues.len(), decoded.queues.len());
            prop_assert_eq!(read.dropped_platforms, decoded.dropped_platforms);
            let names = |items: &[ScheduleItem]| items.iter().map(|item| item.job.name().clone()).collect::<Vec<_>>();
            prop_assert_eq!(names(&read.schedule), names(&decoded.schedule));
        }
    }
}
