//! Commands out of a small vocabulary, so that they meet.

use super::super::choices::Choices;
use builder_proto::build_result::BuildResult;
use builder_proto::command::{Command, PeerType};
use builder_proto::job::{File, OrbBuildJob, ScriptJob};
use builder_proto::job_settings::JobSettings;
use builder_proto::text::Text;
use builder_proto::time::{Period, Time};
use builder_proto::{CLIENT_VERSION, Uuid, WORKER_VERSION};

const NAMES: [&str; 4] = ["a", "b", "c", "d"];
pub(super) const PLATFORMS: [&str; 3] = ["p", "q", "r"];
/// What settings say in numbers.
const SECONDS: [u64; 8] = [0, 1, 20, 60, 90, 3600, 100_000, u64::MAX];
const PERIODS: [Period; 4] = [Period::Hourly, Period::Daily, Period::Weekly, Period::Never];

/// Any message, those of clients more often.
pub(super) fn take_command(choices: &mut Choices<'_>) -> Command {
    match choices.byte() % 24 {
        0..=3 => Command::Schedule { period: take_period(choices), job: take_script_job(choices) },
        4 => Command::Enter {
            period: take_period(choices),
            job: take_script_job(choices),
            settings: take_settings(choices),
            replaces: choices.flag(),
            at: take_time_of_day(choices),
        },
        5 | 6 => Command::ScheduleOrbBuild { period: take_period(choices), job: take_orb_build(choices) },
        7 => Command::EnterOrbBuild {
            period: take_period(choices),
            job: take_orb_build(choices),
            settings: take_settings(choices),
            replaces: choices.flag(),
            at: take_time_of_day(choices),
        },
        8 => Command::Unschedule(take_name(choices, &NAMES)),
        9 | 10 => Command::Execute {
            name: take_name(choices, &NAMES),
            platform: choices.flag().then(|| take_name(choices, &PLATFORMS)),
        },
        11 => Command::ExecuteOld(take_name(choices, &NAMES)),
        12 | 13 => Command::Reschedule {
            name: take_name(choices, &NAMES),
            next: take_time(choices),
            period: choices.flag().then(|| take_period(choices)),
        },
        14 => Command::DropPlatform(take_name(choices, &PLATFORMS)),
        15 => Command::UndropPlatform(take_name(choices, &PLATFORMS)),
        16 => Command::Info,
        17 | 18 => Command::Observe(take_uuid(choices)),
        19 => Command::JobRequested(take_name(choices, &PLATFORMS)),
        20 => take_output(take_uuid(choices), choices),
        21 => take_finished(take_uuid(choices), choices),
        22 if choices.flag() => Command::ClientHello { peer: PeerType::Client, version: CLIENT_VERSION },
        22 => Command::ClientHello { peer: PeerType::Worker, version: WORKER_VERSION },
        _ => {
            [Command::ServerHello, Command::Success, Command::Failure("no".into())][choices.below(3)].clone()
        }
    }
}

/// A line of the console, sometimes a long one.
pub(super) fn take_output(uuid: Uuid, choices: &mut Choices<'_>) -> Command {
    let length = choices.byte();
    let line = match length {
        0x80.. => vec![b'.'; usize::from(length) * 2],
        _ => choices.part(usize::from(length % 8)).to_vec(),
    };
    Command::Output { uuid, line: line.into(), timestamp: choices.rarely(8).then_some(1) }
}

/// A result, sometimes with too many artifacts.
pub(super) fn take_finished(uuid: Uuid, choices: &mut Choices<'_>) -> Command {
    let result = match choices.byte() % 4 {
        0 => BuildResult::Exited(i64::from(choices.byte())),
        1 => BuildResult::Signalled(9),
        2 => BuildResult::Stopped(-7),
        _ => BuildResult::Message("timeout".into()),
    };
    let files = 0..choices.byte() % 4;
    let file = |number| File {
        path: format!("bin/{number}").into(),
        data: vec![b'x'; usize::from(choices.byte())].into(),
    };
    Command::JobFinished { uuid, result, data: files.map(file).collect() }
}

fn take_name(choices: &mut Choices<'_>, names: &[&str]) -> Text {
    let number = choices.byte();
    match names.get(usize::from(number >> 2) % (names.len() + 1)) {
        Some(name) => (*name).into(),
        None => choices.part(usize::from(number % 4)).into(),
    }
}

fn take_script_job(choices: &mut Choices<'_>) -> ScriptJob {
    ScriptJob {
        name: take_name(choices, &NAMES),
        script: "true".into(),
        platform: take_name(choices, &PLATFORMS),
    }
}

fn take_orb_build(choices: &mut Choices<'_>) -> OrbBuildJob {
    OrbBuildJob { name: take_name(choices, &NAMES), opam_package: "package".into() }
}

/// Settings, some of which make no sense.
fn take_settings(choices: &mut Choices<'_>) -> JobSettings {
    let given = choices.byte();
    let mut seconds = |bit: u8| (given >> bit & 1 == 1).then(|| SECONDS[choices.below(SECONDS.len())]);
    JobSettings {
        timeout: seconds(0),
        silence: seconds(1),
        every: seconds(2),
        keep_builds: seconds(3),
        keep_seconds: seconds(4),
        skip_missed: (given >> 5 & 1 == 1).then_some(given >> 6 & 1 == 1),
    }
}

/// Minutes after midnight, now and then of no day.
fn take_time_of_day(choices: &mut Choices<'_>) -> Option<i64> {
    choices.flag().then(|| i64::from(choices.byte()) * 6 - 6)
}

fn take_period(choices: &mut Choices<'_>) -> Period {
    PERIODS[choices.below(PERIODS.len())]
}

/// Around the time when the world begins, or far off.
fn take_time(choices: &mut Choices<'_>) -> Time {
    match choices.byte() {
        0 => Time::MIN,
        1 => Time::NEVER,
        number => Time::from_unix_milliseconds(1_767_225_600_000 + (i64::from(number) - 64) * 600_000),
    }
}

/// Builds are numbered from 1.
fn take_uuid(choices: &mut Choices<'_>) -> Uuid {
    Uuid::from_u128(u128::from(choices.byte() % 16))
}

/// What is said when it is said in so many bytes: see [`super::Run::step`] for the steps.
pub(super) fn seeds() -> Vec<Vec<u8>> {
    // A job that is scheduled, built and observed; then what may come between.
    let schedule = [0_u8, 0, 1, 0, 0];
    let enter = [0_u8, 4, 1, 0, 0];
    let worker = [5_u8, 0, 24];
    let output = [9_u8, 0, 5, b'h', b'e', b'l', b'l', b'o', 0];
    let finished = [12_u8, 0, 0, 3, 2, 10, 20];
    let observe = [0_u8, 17, 1];
    let stories: Vec<Vec<&[u8]>> = vec![
        vec![&schedule, &worker, &output, &finished, &[24], &observe, &[24]],
        vec![&schedule, &worker, &observe, &output, &[27, 1], &output, &[24], &finished, &[24]],
        vec![&schedule, &worker, &[15, 0, 24], &worker, &[15, 0, 24], &worker, &[15, 0, 24], &[0, 16, 24]],
        vec![&schedule, &worker, &[27, 11], &worker, &[27, 10]],
        vec![&[29, 1, 3], &[0, 5, 0, 4], &worker, &[5, 1, 24], &[0, 16, 24], &finished, &[31, 0]],
        vec![&schedule, &[31, 1], &worker, &[31, 0], &worker, &output, &[31, 3]],
        vec![&[30, 9], &schedule, &worker, &finished, &[24], &[30, 12], &[30, 15], &[31, 0]],
        vec![&[30, 10], &schedule, &worker, &finished, &[24], &[30, 7], &[27, 3]],
        vec![&[30, 11], &schedule, &worker, &finished, &[24], &[30, 8], &[27, 3], &[30, 14, 9]],
        vec![&schedule, &worker, &[30, 6], &output, &finished, &[24], &observe, &[24]],
        vec![&[30, 0], &schedule, &[24], &[30, 1], &schedule, &[30, 3], &worker, &[30, 4], &[27, 3]],
        vec![&schedule, &[0, 9, 0, 0], &[0, 12, 0, 80, 1, 1], &[28, 12, 2], &[27, 11], &[0, 8, 0]],
        vec![&schedule, &worker, &[0, 14, 0], &[24], &[0, 15, 0], &worker, &[15, 0]],
        vec![&[16, 1], &[18, 0, 22, 1], &[27, 2], &[17, 0, 1, 2], &[27, 9], &[16, 0, 27, 3, 27, 5]],
        vec![&[16, 0], b"\x15\0\x15\0\0\0\0\0\0\0\x0d\xae\x0b\x30\x09\xa0\x02\x05\0\x02\x01\x0d", &[24]],
        vec![&schedule, &worker, &[20, 0, 20, 1, 3, b'a', b'b', b'c', 0, 40, 0, 9], &[24], &[23, 0]],
        vec![&schedule, &worker, &[9, 0, 0xff, 0], &[9, 0, 0xff, 0], &[24]],
        vec![&schedule, &worker, &finished, &[24], &[29, 0, 5], &[24]],
        vec![&schedule, &worker, &finished, &[24], &[29, 0, 0], &[27, 8], &[29, 0, 5], &[24], &[31, 0]],
        vec![&schedule, &worker, &finished, &[24], &[29, 0, 2], &[29, 0, 4], &[24], &[29, 0, 3]],
        // Jobs with settings: one is silent for too long, one takes too long, one moves while it waits, one has its time of day.
        vec![&enter, &[2, 2, 0, 0], &worker, &[24, 27, 1], &output, &[27, 4], &[24, 27, 4]],
        vec![&enter, &[1, 3, 0, 0], &worker, &output, &[27, 3, 24, 27, 7, 24], &[0, 16, 24]],
        vec![&enter, &[1, 3, 0, 0], &worker, &[27, 7, 24], &[0, 16, 24]],
        vec![
            &enter,
            &[4, 4, 0, 0],
            &[0, 4, 1, 0, 4, 36, 3, 1, 0],
            &[24],
            &[5, 1, 24],
            &[31, 1],
            &[0, 16, 24],
        ],
        vec![&enter, &[0, 0, 1, 31], &[27, 12], &[28, 12, 0], &[0, 12, 0, 80, 0], &[31, 0], &[27, 12]],
        vec![&[29, 1, 3], &[0, 7, 0, 4, 4, 5, 0, 0], &worker, &[24], &[0, 7, 0, 4, 5, 2, 5, 1, 0], &[31, 2]],
    ];
    // How messages are cut into pieces, and what becomes of results that are stored.
    let manners: [&[u8]; 4] = [&[0, 0], &[1, 1, 2], &[0, 2], &[3, 9, 0, 30, 1]];
    let in_manner = |(number, story): (usize, Vec<&[u8]>)| [manners[number % 4], &story.concat()].concat();
    stories.into_iter().enumerate().map(in_manner).collect()
}
