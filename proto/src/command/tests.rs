mod samples;

use super::*;
use crate::Uuid;
use crate::build_result::BuildResult;
use crate::environment::Variable;
use crate::error::EncodeError;
use crate::history::{Artifact, HistoryQuery};
use crate::job::{OrbBuildJob, ScriptJob};
use crate::job_settings::JobSettings;
use crate::time::Period;
use crate::wire::Integer;
use proptest::prelude::*;
use samples::{command, number, text, uuid};

proptest! {
    #[test]
    fn every_message_survives_the_wire(command in command()) {
        let payload = command.encode().unwrap();
        prop_assert_eq!(Command::decode(&payload).unwrap(), command.clone());
        let frame = command.to_frame().unwrap();
        prop_assert_eq!(&frame[..8], (payload.len() as u64).to_be_bytes());
        prop_assert_eq!(&frame[8..], payload);
    }

    #[test]
    fn a_cut_message_is_refused(command in command(), cut in any::<prop::sample::Index>()) {
        let payload = command.encode().unwrap();
        prop_assert!(Command::decode(&payload[..cut.index(payload.len())]).is_err());
    }

    #[test]
    fn a_damaged_message_never_panics(
        command in command(), position in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        let mut payload = command.encode().unwrap();
        let position = position.index(payload.len());
        payload[position] = byte;
        if let Ok(command) = Command::decode(&payload) {
            prop_assert!(command.encode().is_ok());
        }
        let _ = OutputRef::decode(&payload);
        let _ = DataRef::decode(&payload);
    }

    #[test]
    fn both_ways_of_handling_output_agree(uuid in uuid(), line in text(), timestamp in prop::option::of(number())) {
        let mut frame = Vec::new();
        append_output_frame(&mut frame, uuid, line.as_bytes(), timestamp);
        let output = OutputRef { uuid, line: line.as_bytes(), timestamp };
        prop_assert_eq!(OutputRef::decode(&frame[8..]), Ok(Some(output)));
        let command = Command::Output { uuid, line: line.clone(), timestamp };
        prop_assert_eq!(command.to_frame().unwrap(), frame);
    }

    #[test]
    fn both_ways_of_handling_data_agree(bytes in text()) {
        let mut frame = Vec::new();
        append_data_frame(&mut frame, bytes.as_bytes());
        prop_assert_eq!(DataRef::decode(&frame[8..]), Ok(Some(DataRef { bytes: bytes.as_bytes() })));
        prop_assert_eq!(Command::Data(bytes).to_frame().unwrap(), frame);
    }
}

fn refusal(payload: &[u8]) -> String {
    Command::decode(payload).unwrap_err().to_string()
}

#[test]
fn refusals_say_what_is_wrong() {
    assert_eq!(refusal(b""), "message: there is nothing in it");
    assert_eq!(refusal(b"\x30\x00"), "message: begins with 0x30, as no message does");
    assert_eq!(refusal(b"\x86\x00"), "message: begins with 0x86, as no message does");
    assert_eq!(
        refusal(b"\xbf\x7f\x00"),
        "message: tag [127] is unknown; the sender may be of a later version"
    );
    // A number that fits into the first byte, one that takes a third, and none at all.
    for bytes in [&b"\xbf\x05\x00"[..], b"\xbf\x81\x00\x00", b"\xbf"] {
        assert_eq!(refusal(bytes), "message: begins with 0xbf, as no message does");
    }
    assert_eq!(refusal(b"\xa8\x02\x05\x00"), "message: tag [8] is reserved");
    assert_eq!(refusal(b"\xa6\x02\x05\x00\x00"), "info: bytes left over: 1, at byte 4");
    assert_eq!(refusal(b"\xa6\x04\x05\x00\x05\x00"), "info: bytes left over: 2, at byte 4");
    assert_eq!(refusal(b"\xaa\x03\x0c\x01u"), "observe: a uuid is not 16 bytes long at byte 5");
    assert!(refusal(b"\xa9\x88\x7f\xff\xff\xff\xff\xff\xff\xff").starts_with("unschedule: "));
}

#[test]
fn lengths_beyond_the_message_are_refused() {
    for length in [u32::MAX, u32::MAX - 1, u32::MAX - 6, 1 << 31] {
        let mut payload = vec![0xa9, 0x84];
        payload.extend_from_slice(&length.to_be_bytes());
        payload.extend_from_slice(b"\x0c\x01x");
        assert!(refusal(&payload).starts_with("unschedule: "));
        let mut payload = b"\xa9\x07\x0c\x84".to_vec();
        payload.extend_from_slice(&length.to_be_bytes());
        payload.push(b'x');
        assert!(refusal(&payload).starts_with("unschedule: "));
    }
}

#[test]
fn more_values_than_the_budget_are_refused_before_they_are_decoded() {
    // A scheduleOrbBuild that is nothing but a million empty texts.
    let mut payload = b"\xac\x83\x1e\x84\x85\x30\x83\x1e\x84\x80".to_vec();
    payload.extend_from_slice(&[0x0c, 0x00].repeat(1_000_000));
    assert_eq!(refusal(&payload), "scheduleOrbBuild: more than 1000000 values in it");
}

#[test]
fn what_a_message_claims_to_be_is_known_without_decoding_it() {
    assert_eq!(Command::peek_kind(b"\xa6 whatever"), Some(Kind::Info));
    assert_eq!(Command::peek_kind(b"\xa8\x02\x05\x00"), None);
    assert_eq!(Command::peek_kind(b""), None);
}

#[test]
fn deep_nesting_is_refused_without_recursion() {
    let mut payload = vec![0xa9, 0x83, 0x0f, 0xff, 0xfb];
    payload.extend_from_slice(&[0x30, 0x80 | 3, 0x0f, 0xff, 0xf0].repeat(200_000));
    assert!(refusal(&payload).starts_with("unschedule: "));
}

#[test]
fn numbers_beyond_63_bits_are_neither_written_nor_read() {
    let hello = |version| Command::ClientHello { peer: PeerType::Client, version };
    assert_eq!(hello(i64::MAX).encode(), Err(EncodeError::IntegerRange));
    let payload = b"\xae\x10\x30\x0e\xa0\x02\x05\x00\x02\x08\x40\x00\x00\x00\x00\x00\x00\x00";
    assert_eq!(refusal(payload), "clientHello: an integer has more than 63 bits at byte 18");
}

#[test]
fn a_timestamp_beyond_63_bits_is_cut() {
    let mut frame = Vec::new();
    append_output_frame(&mut frame, Uuid::nil(), b"x", Some(i64::MAX));
    let output = OutputRef::decode(&frame[8..]).unwrap().unwrap();
    assert_eq!(output.timestamp, Some(Integer::MAX.0));
}

#[test]
fn only_output_messages_are_output() {
    assert_eq!(OutputRef::decode(b""), Ok(None));
    assert_eq!(OutputRef::decode(b"\xa6\x02\x05\x00"), Ok(None));
    assert!(OutputRef::decode(b"\xa4\x02\x05\x00").is_err());
}

#[test]
fn every_message_has_a_name_and_a_tag() {
    assert_eq!(Command::Info.name(), "info");
    assert_eq!(Command::Observe(Uuid::nil()).name(), "observe");
    let finished =
        Command::JobFinished { uuid: Uuid::nil(), result: BuildResult::Exited(0), data: Vec::new() };
    assert_eq!(finished.name(), "jobFinished");
    assert_eq!(finished.encode().unwrap()[0], crate::finished::FINISHED_TAG);
}

#[test]
fn the_rows_of_the_table_are_in_order_and_none_has_a_reserved_number() {
    let numbers: Vec<u8> = Kind::ALL.iter().map(|kind| kind.number()).collect();
    assert!(numbers.is_sorted_by(|before, after| before < after));
    assert!(!numbers.iter().any(|number| table::RESERVED.contains(&u32::from(*number))));
    // Tags are two bytes long at most below 128.
    assert!(numbers.iter().all(|number| *number < 128));
}

#[test]
fn clients_that_look_can_change_nothing() {
    let looks: Vec<Kind> =
        Kind::ALL.iter().copied().filter(|kind| kind.sender() == Sender::ClientLooks).collect();
    let expected =
        [Kind::Info, Kind::Observe, Kind::History, Kind::Details, Kind::Console, Kind::Fetch, Kind::Overview];
    assert_eq!(looks, expected);
}

#[test]
fn peers_of_version_13_know_what_0_4_0_knows() {
    let known = |kind: &Kind| kind.client_version() == crate::CLIENT_VERSION;
    assert!(Kind::ALL.iter().all(|kind| known(kind) == (kind.number() <= 22)));
}

#[test]
fn messages_of_version_14_are_spelled_as_the_page_says() {
    let uuid = Uuid::from_bytes([7; 16]);
    let number = "0c10".to_owned() + &"07".repeat(16);
    let fetch = |path, skip, offset| Command::Fetch { uuid, path, skip, offset };
    let artifact = Artifact { path: "a".into(), size: 1, sha256: None };
    let variable = Variable { name: "A".into(), value: "1".into() };
    let run = |platform, environment, waits, joins| Command::Run {
        name: "a".into(),
        platform,
        environment,
        waits,
        joins,
    };
    for (command, bytes) in [
        (Command::History(HistoryQuery::default()), "b7053003010100".to_owned()),
        (Command::Details(uuid), format!("b912{number}")),
        (Command::Artifact(artifact), "ba0830060c0161020101".to_owned()),
        (Command::Console(uuid), format!("bb12{number}")),
        (fetch(None, 0, 256), format!("bc1b3019{number}02010002020100")),
        (fetch(Some("d".into()), 1, 0), format!("bc1d301b{number}0c0164020101020100")),
        (Command::Data("x".into()), "bd030c0178".to_owned()),
        (Command::Cancel(uuid), format!("be12{number}")),
        (Command::CancelJob("a".into()), "bf1f030c0161".to_owned()),
        (Command::Pause("p".into()), "bf20030c0170".to_owned()),
        (Command::Resume { platform: None }, "bf21023000".to_owned()),
        (Command::Resume { platform: Some("p".into()) }, "bf210530030c0170".to_owned()),
        (Command::Drain { wait: false }, "bf22053003010100".to_owned()),
        (Command::Drain { wait: true }, "bf220530030101ff".to_owned()),
        (Command::Remark("done".into()), "bf23060c04646f6e65".to_owned()),
        (
            Command::Enter {
                period: Period::Daily,
                job: ScriptJob { name: "n".into(), script: "s".into(), platform: "p".into() },
                settings: JobSettings::default(),
                replaces: false,
                at: None,
            },
            "bf24183016a1020500300b0c016e0c017330000c01703000010100".to_owned(),
        ),
        (
            Command::EnterOrbBuild {
                period: Period::Daily,
                job: OrbBuildJob { name: "o".into(), opam_package: "k".into() },
                settings: JobSettings { every: Some(60), ..JobSettings::default() },
                replaces: true,
                at: Some(180),
            },
            "bf251c301aa102050030060c016f0c016b3005a20302013c0101ff020200b4".to_owned(),
        ),
        (Command::Overview, "bf28020500".to_owned()),
        (run(None, Vec::new(), true, false), "bf260d300b0c016130000101ff010100".to_owned()),
        (
            run(Some("p".into()), vec![variable], false, true),
            "bf261830160c01610c0170300830060c01410c01310101000101ff".to_owned(),
        ),
        (Command::Waiting("x".into()), "bf27030c0178".to_owned()),
    ] {
        let payload = command.encode().unwrap();
        assert_eq!(payload.iter().map(|byte| format!("{byte:02x}")).collect::<String>(), bytes);
        assert_eq!(Command::decode(&payload).unwrap(), command);
    }
}

/// The rows of `PROTOCOL.md` as the table in code has them: number, name, fields, and the first word of the sender.
fn rows_of_the_page() -> Vec<[String; 4]> {
    let page = include_str!("../../PROTOCOL.md");
    let (_, messages) = page.split_once("\n## Messages\n").unwrap();
    let (messages, _) = messages.split_once("\n## ").unwrap();
    let rows = messages.lines().filter(|line| line.starts_with("| ")).skip(1);
    let row = |line: &str| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [number, name, fields, sender, answer] = cells[..] else { panic!("{line}: five cells") };
        assert!(!answer.is_empty(), "{line}: what is the answer?");
        let sender = sender.split([' ', ',', ';']).next().unwrap().trim_end_matches('s');
        [number.to_owned(), name.trim_matches('`').to_owned(), fields.to_owned(), sender.to_owned()]
    };
    rows.map(row).collect()
}

#[test]
fn the_page_has_the_messages_of_the_table() {
    let row = |kind: &Kind| {
        let fields: Vec<String> =
            kind.fields().iter().map(|(name, field_type)| format!("{name} `{field_type}`")).collect();
        let sender = match kind.sender() {
            Sender::Peer | Sender::ClientLooks | Sender::ClientChanges => "client",
            Sender::Worker | Sender::WorkerAndServer => "worker",
            Sender::Server => "server",
        };
        [kind.number().to_string(), kind.name().to_owned(), fields.join(", "), sender.to_owned()]
    };
    let page = rows_of_the_page();
    assert_eq!(page, Kind::ALL.iter().map(row).collect::<Vec<_>>());
}
