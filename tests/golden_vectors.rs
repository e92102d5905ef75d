//! Messages and state files as builder 0.4.0 knows them.

#![allow(clippy::panic, clippy::unwrap_used, reason = "all of this is test code")]

use builder_proto::command::{
    Command, InfoReply, OutputRef, PeerType, QueueInfo, RunningInfo, append_output_frame,
};
use builder_proto::frame::HEADER_LENGTH;
use builder_proto::job::{Job, OrbBuildJob, ScheduleItem};
use builder_proto::state_file::{StateFile, StateItem};
use builder_proto::text::Text;
use builder_proto::time::Period;
use builder_tests::vectors;
use serde_json::Value;

/// The only member of an object: its name says which alternative its value is.
fn alternative(value: &Value) -> (&str, &Value) {
    let object = value.as_object().unwrap_or_else(|| panic!("{value} is no alternative"));
    assert_eq!(object.len(), 1, "{value}");
    let (name, value) = object.iter().next().unwrap();
    (name, value)
}

fn list<T>(value: &Value, item: impl Fn(&Value) -> T) -> Vec<T> {
    value.as_array().unwrap().iter().map(item).collect()
}

fn optional<T>(value: &Value, present: impl Fn(&Value) -> T) -> Option<T> {
    Some(value).filter(|value| !value.is_null()).map(present)
}

fn period(value: &Value) -> Period {
    value.as_str().unwrap().parse().unwrap()
}

fn orb_build_job(value: &Value) -> OrbBuildJob {
    OrbBuildJob {
        name: vectors::text(&value["name_hex"]),
        opam_package: vectors::text(&value["opam_package_hex"]),
    }
}

fn job(value: &Value) -> Job {
    match alternative(value) {
        ("script_job", job) => Job::Script(vectors::script_job(job)),
        ("orb_build_job", job) => Job::OrbBuild(orb_build_job(job)),
        (other, _) => panic!("{other} is no job"),
    }
}

fn schedule_item(value: &Value) -> ScheduleItem {
    ScheduleItem {
        next: vectors::time(&value["next"]),
        period: period(&value["period"]),
        job: job(&value["job"]),
    }
}

fn queue_info(value: &Value) -> QueueInfo {
    QueueInfo { platform: vectors::text(&value["platform_hex"]), jobs: list(&value["jobs"], job) }
}

fn running_info(value: &Value) -> RunningInfo {
    RunningInfo {
        started: vectors::time(&value["started"]),
        uuid: vectors::uuid(&value["uuid"]),
        job: vectors::script_job(&value["job"]),
    }
}

fn info_reply(value: &Value) -> InfoReply {
    InfoReply {
        schedule: list(&value["schedule"], schedule_item),
        queues: list(&value["queues"], queue_info),
        running: list(&value["running"], running_info),
        dropped_platforms: list(&value["dropped_platforms_hex"], vectors::text),
    }
}

fn peer(value: &Value) -> PeerType {
    match value.as_str().unwrap() {
        "client" => PeerType::Client,
        "worker" => PeerType::Worker,
        other => panic!("{other} is no peer"),
    }
}

fn command(value: &Value) -> Command {
    let (name, body) = alternative(value);
    let text = |member: &str| vectors::text(&body[member]);
    let uuid = || vectors::uuid(&body["uuid"]);
    match name {
        "job_schedule" => Command::JobSchedule { uuid: uuid(), job: vectors::script_job(&body["job"]) },
        "job_finished" => Command::JobFinished {
            uuid: uuid(),
            result: vectors::build_result(&body["result"]),
            data: vectors::files(&body["data"]),
        },
        "output" | "output_timestamped" => Command::Output {
            uuid: uuid(),
            line: text("output_hex"),
            timestamp: optional(&body["timestamp_ns"], |timestamp| timestamp.as_i64().unwrap()),
        },
        "schedule" => {
            Command::Schedule { period: period(&body["period"]), job: vectors::script_job(&body["job"]) }
        }
        "schedule_orb_build" => {
            Command::ScheduleOrbBuild { period: period(&body["period"]), job: orb_build_job(&body["job"]) }
        }
        "reschedule" => Command::Reschedule {
            name: text("name_hex"),
            next: vectors::time(&body["next"]),
            period: optional(&body["period"], period),
        },
        "execute" => Command::Execute {
            name: text("name_hex"),
            platform: optional(&body["platform_hex"], vectors::text),
        },
        "client_hello" => {
            Command::ClientHello { peer: peer(&body["type"]), version: body["version"].as_i64().unwrap() }
        }
        "info" => Command::Info,
        "info_reply" => Command::InfoReply(info_reply(body)),
        "unschedule" => Command::Unschedule(text("name_hex")),
        "observe" => Command::Observe(uuid()),
        "server_hello" => Command::ServerHello,
        "job_requested" => Command::JobRequested(text("platform_hex")),
        "drop_platform" => Command::DropPlatform(text("platform_hex")),
        "undrop_platform" => Command::UndropPlatform(text("platform_hex")),
        "success" => Command::Success,
        "failure" => Command::Failure(text("message_hex")),
        other => panic!("{other} is no message"),
    }
}

/// What a message from before means in today's terms, as the vectors put it.
fn modernise(command: Command) -> Command {
    match command {
        Command::ExecuteOld(name) => Command::Execute { name, platform: None },
        Command::InfoReplyOld { schedule, queues, running } => {
            Command::InfoReply(InfoReply { schedule, queues, running, dropped_platforms: Vec::new() })
        }
        other => other,
    }
}

fn state_item(value: &Value) -> StateItem {
    match alternative(value) {
        ("schedule", item) => StateItem::Schedule(schedule_item(item)),
        ("queue", queue) => {
            let QueueInfo { platform, jobs } = queue_info(queue);
            StateItem::Queue { platform, jobs }
        }
        ("dropped_platform", item) => StateItem::Dropped { platform: vectors::text(&item["platform_hex"]) },
        (other, _) => panic!("{other} is no item of a state"),
    }
}

#[test]
fn every_message_means_what_it_meant_to_0_4_0() {
    for vector in vectors::load("command.json") {
        let decoded = Command::decode(&vector.bytes);
        match vector.decoded {
            Some(meaning) => assert_eq!(modernise(decoded.unwrap()), command(&meaning), "{}", vector.name),
            None => assert!(!decoded.unwrap_err().to_string().is_empty(), "{}", vector.name),
        }
    }
}

#[test]
fn every_message_is_written_as_0_4_0_writes_it() {
    for vector in vectors::load("command.json").iter().filter(|vector| vector.canonical) {
        let command = command(vector.decoded.as_ref().unwrap());
        assert_eq!(command.encode().unwrap(), vector.bytes, "{}", vector.name);
        assert_eq!(command.to_frame().unwrap()[HEADER_LENGTH..], vector.bytes, "{}", vector.name);
    }
}

#[test]
fn console_lines_are_the_same_when_borrowed() {
    for vector in vectors::load("command.json") {
        let borrowed = OutputRef::decode(&vector.bytes);
        match vector.decoded.as_ref().map(command) {
            Some(Command::Output { uuid, line, timestamp }) => {
                let output = OutputRef { uuid, line: line.as_bytes(), timestamp };
                assert_eq!(borrowed, Ok(Some(output)), "{}", vector.name);
                let mut frame = Vec::new();
                append_output_frame(&mut frame, uuid, line.as_bytes(), timestamp);
                assert_eq!(frame[HEADER_LENGTH..], vector.bytes, "{}", vector.name);
            }
            _ => assert_eq!(borrowed, Ok(None), "{}", vector.name),
        }
    }
}

#[test]
fn a_message_cut_anywhere_is_refused() {
    for vector in vectors::load("command.json").iter().filter(|vector| vector.decoded.is_some()) {
        // Every position of a short message, and every 97th of the few long ones.
        let step = if vector.bytes.len() > 2000 { 97 } else { 1 };
        for end in (0..vector.bytes.len()).step_by(step) {
            let cut = &vector.bytes[..end];
            assert!(Command::decode(cut).is_err(), "{} cut at {end}", vector.name);
            assert!(!matches!(OutputRef::decode(cut), Ok(Some(_))), "{} cut at {end}", vector.name);
        }
    }
}

#[test]
fn every_state_means_what_it_meant_to_0_4_0() {
    for vector in vectors::load("state.json") {
        let decoded = StateFile::decode(&vector.bytes);
        let Some(meaning) = vector.decoded else {
            assert!(decoded.is_err(), "{}", vector.name);
            continue;
        };
        let (state, warnings) = decoded.unwrap_or_else(|error| panic!("{}: {error}", vector.name));
        assert_eq!(state.items, list(&meaning["items"], state_item), "{}", vector.name);
        assert!(warnings.is_empty() || !vector.canonical, "{}", vector.name);
        if vector.canonical {
            assert_eq!(state.encode().unwrap(), vector.bytes, "{}", vector.name);
        }
    }
}

#[test]
fn a_state_cut_anywhere_is_refused() {
    for vector in vectors::load("state.json").iter().filter(|vector| vector.decoded.is_some()) {
        for end in 0..vector.bytes.len() {
            assert!(StateFile::decode(&vector.bytes[..end]).is_err(), "{} cut at {end}", vector.name);
        }
    }
}

#[test]
fn the_state_file_of_0_4_0_is_read_and_written_back_unchanged() {
    let file = std::fs::read(vectors::path("state-0.4.0.der")).unwrap();
    let (state, warnings) = StateFile::decode(&file).unwrap();
    assert_eq!(warnings, Vec::<String>::new());
    assert_eq!(state.encode().unwrap(), file);

    let scheduled = state.items.iter().filter_map(|item| match item {
        StateItem::Schedule(item) => Some((item.period, item.job.name().clone())),
        _ => None,
    });
    let expected = [(Period::Weekly, Text::from("orb1")), (Period::Daily, Text::from("job1"))];
    assert!(scheduled.eq(expected));
}
