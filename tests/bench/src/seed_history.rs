//! A data directory as a server leaves it that has run for years: a history of many builds, and the newest results.

use crate::failure::{During, Failure, Outcome};
use crate::messages::script_job;
use crate::seed::{name, seed_jobs};
use crate::site::Site;
use builder::server::disk::fresh_salt;
use builder::server::private_directory::prepare;
use builder_engine::history::{BuildEntry, Entry};
use builder_engine::log::{Frame, Position};
use builder_proto::Uuid;
use builder_proto::build_result::BuildResult;
use builder_proto::execution::{ConsoleLine, Execution};
use builder_proto::history::{Build, BuildEnd, Cause};
use builder_proto::time::Time;
use builder_proto::wire::RawUuid;
use std::fs;
use std::io::{BufWriter, Write};

/// Results of a job that are still stored. A server whose history is whole looks at none before somebody asks for it, and
/// file systems are slow for minutes after hundreds of thousands of directories were made.
const STORED_RESULTS: usize = 10;
/// Lines that each build printed.
const CONSOLE_LINES: u64 = 20;
const LINE: &str = "what a build has to say, every now and then, on one line";
/// When the first of all builds started, in milliseconds since 1970.
const FIRST_START: i64 = 1_600_000_000_000;
/// Milliseconds from the start of one build to that of the next.
const START_INTERVAL: i64 = 60_000;
/// Odd, so that every product is another one: uuids that are in no order, like those of real builds.
const SPREAD: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;

/// `jobs` jobs that nobody runs yet, and `builds` builds that have ended, taking turns among the jobs. The
/// newest ones of each job have their results.
pub(crate) fn seed_history(site: &Site, jobs: usize, builds: usize) -> Outcome<()> {
    seed_jobs(site, jobs, "true", false)?;
    // This start writes the log, which then knows the jobs, and of no build that the history lacks.
    site.start()?.stop()?;
    seed_results(site, jobs, builds)?;
    let private = prepare(&site.data()).during("prepare the data directory")?;
    let file = fs::File::create(private.join("history")).during("create the history")?;
    let mut file = BufWriter::new(file);
    let (mut position, header) = Position::start(fresh_salt().during("make a salt")?);
    file.write_all(&header)?;
    let entries = (0..builds)
        .map(|number| Entry::Build(BuildEntry { build: build(number, jobs), artifacts_before: 0 }));
    for entry in entries.chain([Entry::IsWhole(true)]) {
        let mut frame = Frame::new();
        frame.append(&entry.encode().map_err(Failure::new)?);
        let (bytes, after) = frame.seal(position);
        file.write_all(bytes)?;
        position = after;
    }
    file.flush().during("write the history")
}

/// The uuid of the newest build of a job, before a server runs.
pub(crate) fn newest_build(job: usize, jobs: usize, builds: usize) -> Uuid {
    let newest = (0..builds).rev().take(jobs).find(|number| number % jobs == job);
    uuid(newest.unwrap_or_default())
}

fn seed_results(site: &Site, jobs: usize, builds: usize) -> Outcome<()> {
    for number in builds.saturating_sub(STORED_RESULTS * jobs)..builds {
        let build = build(number, jobs);
        let name = name(number % jobs);
        let line = |index| ConsoleLine { delta_nanoseconds: index as i64, line: LINE.into() };
        let execution = Execution {
            job: script_job(&name, "true"),
            uuid: build.uuid(),
            console: (0..CONSOLE_LINES).map(line).collect(),
            started: build.started,
            finished: build.end.map_or(build.started, |end| end.finished),
            result: BuildResult::Exited(status(number)),
            output: Vec::new(),
        };
        let directory = site.data().join(name).join(execution.uuid.to_string());
        fs::create_dir_all(&directory).during("make a directory for a result")?;
        let bytes = execution.encode().map_err(Failure::new)?;
        fs::write(directory.join("full"), bytes).during("write a result")?;
    }
    Ok(())
}

fn build(number: usize, jobs: usize) -> Build {
    let started = FIRST_START + number as i64 * START_INTERVAL;
    let time = Time::from_unix_milliseconds;
    Build {
        uuid: RawUuid(uuid(number)),
        job: name(number % jobs).as_str().into(),
        platform: crate::messages::PLATFORM.into(),
        started: time(started),
        queued: Some(time(started - 1000)),
        host: Some("127.0.0.1".into()),
        end: Some(BuildEnd {
            console_lines: CONSOLE_LINES,
            console_bytes: CONSOLE_LINES * (LINE.len() as u64 + 1),
            ..BuildEnd::new(time(started + 1000), Cause::Exited(status(number)))
        }),
    }
}

/// One build in seven fails, and so do the newest ones of one job in seven.
fn status(number: usize) -> i64 {
    number.is_multiple_of(7).into()
}

fn uuid(number: usize) -> Uuid {
    Uuid::from_u128((number as u128 + 1).wrapping_mul(SPREAD))
}
