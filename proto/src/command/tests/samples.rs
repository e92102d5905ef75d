//! Messages of every kind, as a test may need any of them.

use crate::Uuid;
use crate::build_result::BuildResult;
use crate::command::*;
use crate::environment::Variable;
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

pub(super) fn text() -> impl Strategy<Value = Text> {
    prop::collection::vec(any::<u8>(), 0..200).prop_map(Text::from)
}

pub(super) fn number() -> impl Strategy<Value = i64> {
    prop_oneof![-300i64..300, Integer::MIN.0..=Integer::MAX.0]
}

pub(super) fn uuid() -> impl Strategy<Value = Uuid> {
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

pub(super) fn command() -> impl Strategy<Value = Command> {
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
