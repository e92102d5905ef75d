use super::*;
use crate::Uuid;
use crate::build_result::BuildResult;
use crate::environment::Variable;
use crate::error::EncodeError;
use crate::history::{Artifact, Build, BuildEnd, Cause, HistoryQuery, Sha256};
use crate::job::{File, Job, OrbBuildJob, ScheduleItem, ScriptJob};
use crate::job_settings::JobSettings;
use crate::overview::{
    JobStatus, LastBuild, Pace, PlatformStatus, QueueStatus, Reason, Results, ServerStatus, UploadsStatus,
    WaitingUpload,
};
use crate::text::Text;
use crate::time::{Period, Time};
use crate::wire::{Integer, RawUuid};
use der::asn1::Null;
use proptest::prelude::*;

fn text() -> impl Strategy<Value = Text> {
    prop::collection::vec(any::<u8>(), 0..200).prop_map(Text::from)
}

fn number() -> impl Strategy<Value = i64> {
    prop_oneof![-300i64..300, Integer::MIN.0..=Integer::MAX.0]
}

fn uuid() -> impl Strategy<Value = Uuid> {
    any::<u128>().prop_map(Uuid::from_u128)
}

fn time() -> impl Strategy<Value = Time> {
    (Time::MIN.unix_milliseconds()..=Time::NEVER.unix_milliseconds()).prop_map(Time::from_unix_milliseconds)
}

fn period() -> impl Strategy<Value = Period> {
    prop::sample::select(vec![Period::Hourly, Period::Daily, Period::Weekly, Period::Never])
}

fn script_job() -> impl Strategy<Value = ScriptJob> {
    (text(), text(), text()).prop_map(|(name, script, platform)| ScriptJob { name, script, platform })
}

fn orb_build_job() -> impl Strategy<Value = OrbBuildJob> {
    (text(), text()).prop_map(|(name, opam_package)| OrbBuildJob { name, opam_package })
}

fn job() -> impl Strategy<Value = Job> {
    prop_oneof![script_job().prop_map(Job::Script), orb_build_job().prop_map(Job::OrbBuild)]
}

fn list<T: core::fmt::Debug>(item: impl Strategy<Value = T>) -> impl Strategy<Value = Vec<T>> {
    prop::collection::vec(item, 0..4)
}

fn schedule() -> impl Strategy<Value = Vec<ScheduleItem>> {
    list((time(), period(), job()).prop_map(|(next, period, job)| ScheduleItem { next, period, job }))
}

fn queues() -> impl Strategy<Value = Vec<QueueInfo>> {
    list((text(), list(job())).prop_map(|(platform, jobs)| QueueInfo { platform, jobs }))
}

fn running() -> impl Strategy<Value = Vec<RunningInfo>> {
    list((time(), uuid(), script_job()).prop_map(|(started, uuid, job)| RunningInfo { started, uuid, job }))
}

fn result() -> impl Strategy<Value = BuildResult> {
    prop_oneof![
        number().prop_map(BuildResult::Exited),
        number().prop_map(BuildResult::Signalled),
        number().prop_map(BuildResult::Stopped),
        text().prop_map(BuildResult::Message),
    ]
}

fn file() -> impl Strategy<Value = File> {
    (prop::collection::vec(1..=255u8, 1..50), text())
        .prop_map(|(path, data)| File { path: path.into(), data })
}

/// Messages that consist of a text.
fn text_command() -> impl Strategy<Value = Command> {
    let constructors: Vec<fn(Text) -> Command> = vec![
        Command::Unschedule,
        Command::ExecuteOld,
        Command::JobRequested,
        Command::DropPlatform,
        Command::Failure,
        Command::UndropPlatform,
    ];
    (prop::sample::select(constructors), text()).prop_map(|(constructor, text)| constructor(text))
}

fn build_command() -> impl Strategy<Value = Command> {
    prop_oneof![
        (uuid(), script_job()).prop_map(|(uuid, job)| Command::JobSchedule { uuid, job }),
        (uuid(), result(), list(file())).prop_map(|(uuid, result, data)| Command::JobFinished {
            uuid,
            result,
            data
        }),
        (uuid(), text(), prop::option::of(number())).prop_map(|(uuid, line, timestamp)| Command::Output {
            uuid,
            line,
            timestamp
        }),
        uuid().prop_map(Command::Observe),
    ]
}

fn schedule_command() -> impl Strategy<Value = Command> {
    prop_oneof![
        (period(), script_job()).prop_map(|(period, job)| Command::Schedule { period, job }),
        (period(), orb_build_job()).prop_map(|(period, job)| Command::ScheduleOrbBuild { period, job }),
        (text(), time(), prop::option::of(period())).prop_map(|(name, next, period)| Command::Reschedule {
            name,
            next,
            period
        }),
        (text(), prop::option::of(text())).prop_map(|(name, platform)| Command::Execute { name, platform }),
    ]
}

fn settings() -> impl Strategy<Value = JobSettings> {
    let number = || prop::option::of(any::<u64>());
    let numbers = (number(), number(), number(), number(), number());
    (numbers, prop::option::of(any::<bool>())).prop_map(|(numbers, skip_missed)| {
        let (timeout, silence, every, keep_builds, keep_seconds) = numbers;
        JobSettings { timeout, silence, every, skip_missed, keep_builds, keep_seconds }
    })
}

fn enter_command() -> impl Strategy<Value = Command> {
    let rest = || (settings(), any::<bool>(), prop::option::of(number()));
    prop_oneof![
        (period(), script_job(), rest()).prop_map(|(period, job, (settings, replaces, at))| Command::Enter {
            period,
            job,
            settings,
            replaces,
            at
        }),
        (period(), orb_build_job(), rest()).prop_map(|(period, job, (settings, replaces, at))| {
            Command::EnterOrbBuild { period, job, settings, replaces, at }
        }),
    ]
}

fn other_command() -> impl Strategy<Value = Command> {
    let peer = prop::sample::select(vec![PeerType::Client, PeerType::Worker]);
    prop_oneof![
        prop::sample::select(vec![Command::Info, Command::Overview, Command::ServerHello, Command::Success,]),
        (peer, number()).prop_map(|(peer, version)| Command::ClientHello { peer, version }),
        (schedule(), queues(), running()).prop_map(|(schedule, queues, running)| Command::InfoReplyOld {
            schedule,
            queues,
            running
        }),
        (schedule(), queues(), running(), list(text())).prop_map(
            |(schedule, queues, running, dropped_platforms)| {
                Command::InfoReply(InfoReply { schedule, queues, running, dropped_platforms })
            }
        ),
    ]
}

fn build() -> impl Strategy<Value = Build> {
    let cause = result().prop_map(|result| Cause::from(&result));
    let numbers = (any::<u64>(), any::<u64>(), any::<u64>(), any::<u64>(), prop::option::of(time()));
    let end =
        (time(), cause, numbers).prop_map(
            |(finished, cause, (console_lines, console_bytes, artifacts, artifact_bytes, removed))| {
                BuildEnd { finished, cause, console_lines, console_bytes, artifacts, artifact_bytes, removed }
            },
        );
    let options = (prop::option::of(time()), prop::option::of(text()), prop::option::of(end));
    (uuid(), text(), text(), time(), options).prop_map(
        |(uuid, job, platform, started, (queued, host, end))| Build {
            uuid: RawUuid(uuid),
            job,
            platform,
            started,
            queued,
            host,
            end,
        },
    )
}

fn history_command() -> impl Strategy<Value = Command> {
    let texts = (prop::option::of(text()), prop::option::of(text()), prop::option::of(text()));
    let query = (any::<bool>(), texts, prop::option::of(time()), prop::option::of(any::<u64>())).prop_map(
        |(failed, (job, platform, uuid), since, limit)| HistoryQuery {
            failed,
            job,
            platform,
            uuid,
            since,
            limit,
        },
    );
    let artifact = (text(), any::<u64>(), prop::option::of(any::<[u8; 32]>()))
        .prop_map(|(path, size, digest)| Artifact { path, size, sha256: digest.map(Sha256) });
    prop_oneof![
        query.prop_map(Command::History),
        build().prop_map(Command::Build),
        prop::sample::select(vec![Command::Details as fn(Uuid) -> Command, Command::Console])
            .prop_flat_map(|command| uuid().prop_map(command)),
        artifact.prop_map(Command::Artifact),
        (uuid(), prop::option::of(text()), number(), number())
            .prop_map(|(uuid, path, skip, offset)| Command::Fetch { uuid, path, skip, offset }),
        text().prop_map(Command::Data),
    ]
}

fn charge_command() -> impl Strategy<Value = Command> {
    prop_oneof![
        uuid().prop_map(Command::Cancel),
        prop::sample::select(vec![
            Command::CancelJob as fn(Text) -> Command,
            Command::Pause,
            Command::Remark
        ])
        .prop_flat_map(|command| text().prop_map(command)),
        prop::option::of(text()).prop_map(|platform| Command::Resume { platform }),
        any::<bool>().prop_map(|wait| Command::Drain { wait }),
    ]
}

fn results() -> impl Strategy<Value = Results> {
    let last = (uuid(), time(), time(), result()).prop_map(|(uuid, started, finished, result)| LastBuild {
        uuid: RawUuid(uuid),
        started,
        finished,
        cause: Cause::from(&result),
    });
    (last, any::<u64>(), time(), prop::option::of(any::<u64>()))
        .prop_map(|(last, count, since, usual)| Results { last, count, since, usual })
}

fn job_status() -> impl Strategy<Value = Command> {
    let options = (prop::option::of(text()), prop::option::of(text()), prop::option::of(results()));
    (text(), period(), time(), options).prop_map(|(job, period, next, (platform, package, results))| {
        let settings = None;
        Command::JobStatus(JobStatus { job, period, next, platform, package, results, settings })
    })
}

fn overview_command() -> impl Strategy<Value = Command> {
    let pace = || (any::<u64>(), time()).prop_map(|(losses, next)| Pace { losses, next });
    let reason = prop_oneof![
        prop::sample::select(vec![Reason::NoTemplate(Null), Reason::Paused(Null), Reason::Next(Null)]),
        pace().prop_map(Reason::Losses),
        any::<u64>().prop_map(Reason::Busy),
    ];
    let numbers = (any::<u64>(), any::<u64>(), any::<u64>());
    let platform = (text(), numbers, any::<[bool; 3]>(), prop::option::of(pace())).prop_map(
        |(platform, (idle, busy, queued), [has_template, is_dropped, is_paused], pace)| {
            Command::PlatformStatus(PlatformStatus {
                platform,
                idle,
                busy,
                queued,
                has_template,
                is_dropped,
                is_paused,
                pace,
            })
        },
    );
    let entry = (text(), text(), reason, any::<u64>(), prop::option::of(time())).prop_map(
        |(platform, job, reason, losses, since)| {
            Command::QueueStatus(QueueStatus { platform, job, reason, losses, since })
        },
    );
    let first = list((uuid(), text()).prop_map(|(uuid, job)| WaitingUpload { uuid: RawUuid(uuid), job }));
    let uploads = (text(), any::<u64>(), first, prop::option::of(text())).prop_map(
        |(destination, waiting, first, trouble)| UploadsStatus { destination, waiting, first, trouble },
    );
    let options = (prop::option::of(any::<u64>()), prop::option::of(uploads), prop::option::of(any::<u64>()));
    let numbers = (any::<u64>(), any::<u64>(), any::<u64>());
    let server = (text(), time(), numbers, any::<[bool; 3]>(), options).prop_map(
        |(
            version,
            started,
            (under_way, limit, log_bytes),
            [is_full, is_draining, has_history],
            (free_bytes, uploads, notices),
        )| {
            Command::ServerStatus(ServerStatus {
                version,
                started,
                under_way,
                limit,
                log_bytes,
                is_full,
                is_draining,
                has_history,
                free_bytes,
                uploads,
                notices,
            })
        },
    );
    prop_oneof![job_status(), platform, entry, server]
}

fn run_command() -> impl Strategy<Value = Command> {
    let variable = (text(), text()).prop_map(|(name, value)| Variable { name, value });
    prop_oneof![
        (text(), prop::option::of(text()), list(variable), any::<bool>(), any::<bool>()).prop_map(
            |(name, platform, environment, waits, joins)| Command::Run {
                name,
                platform,
                environment,
                waits,
                joins
            }
        ),
        text().prop_map(Command::Waiting),
    ]
}

fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        text_command(),
        build_command(),
        schedule_command(),
        enter_command(),
        other_command(),
        history_command(),
        charge_command(),
        overview_command(),
        run_command()
    ]
}

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
