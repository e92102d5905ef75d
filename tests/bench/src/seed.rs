//! Data directories that begin with many jobs, or with a long log.

use crate::failure::{During, Failure, Outcome};
use crate::messages::{PLATFORM, script_job};
use crate::site::Site;
use builder::server::disk::{Disk, LogFile, fresh_salt};
use builder::server::private_directory::prepare;
use builder_engine::log::Settings;
use builder_engine::server::record::{Enqueued, Finished, Record, Rescheduled, Started};
use builder_proto::Uuid;
use builder_proto::job::{Job, ScheduleItem};
use builder_proto::state_file::{StateFile, StateItem};
use builder_proto::text::Text;
use builder_proto::time::{Period, Time};
use builder_proto::wire::RawUuid;
use std::fs;

/// Records in one frame of a log: as many as one turn of a busy server brings.
const RECORDS_PER_FRAME: usize = 100;
/// Jobs to which the records of a long log belong.
const JOBS_OF_A_LONG_LOG: usize = 1000;

/// Jobs for a server to begin with, through the state file of builder 0.4.0, which a first start imports.
pub(crate) fn seed_jobs(site: &Site, count: usize, script: &str, queued: bool) -> Outcome<()> {
    let jobs: Vec<Job> = (0..count).map(|number| seeded_job(number, script)).collect();
    let mut items: Vec<StateItem> = jobs.iter().cloned().map(item).map(StateItem::Schedule).collect();
    let waiting = if queued { jobs } else { Vec::new() };
    items.push(StateItem::Queue { platform: PLATFORM.into(), jobs: waiting });
    let bytes = StateFile { items }.encode().map_err(Failure::new)?;
    fs::write(site.data().join("state"), bytes).during("write a state file")
}

/// The log of a server that has run for a long time: jobs are queued, started, finished and due again.
pub(crate) fn seed_log(site: &Site, records: usize) -> Outcome<()> {
    let salt = fresh_salt().during("make a salt")?;
    let private = prepare(&site.data()).during("prepare the data directory")?;
    let disk = Disk::open(&private).during("open the data directory")?;
    let nothing = |_: &[u8]| Ok::<(), Failure>(());
    let (mut log, _) = LogFile::open(disk, Settings::new(salt), nothing).during("make a log")?;
    let mut bytes = Vec::new();
    for (number, record) in long_history().take(records).enumerate() {
        bytes.clear();
        record.append_to(&mut bytes).map_err(Failure::new)?;
        log.append(&bytes).during("append to a log")?;
        if (number + 1).is_multiple_of(RECORDS_PER_FRAME) {
            log.commit().during("commit to a log")?;
        }
    }
    log.commit().during("commit to a log")
}

fn long_history() -> impl Iterator<Item = Record> {
    let job = |number| seeded_job(number, "true");
    let jobs = (0..JOBS_OF_A_LONG_LOG).map(move |number| Record::Scheduled(item(job(number))));
    let builds = (0_u128..).flat_map(|number| {
        let name: Text = name(number as usize % JOBS_OF_A_LONG_LOG).into();
        let uuid = RawUuid(Uuid::from_u128(number));
        let platform = Text::from(PLATFORM);
        [
            Record::Enqueued(Enqueued {
                platform: platform.clone(),
                name: name.clone(),
                front: false,
                at: None,
                environment: None,
            }),
            Record::Rescheduled(Rescheduled {
                name: name.clone(),
                next: far_away(),
                period: Period::Daily,
                every: None,
            }),
            Record::Started(Started {
                uuid,
                started: Time::UNIX_EPOCH,
                platform,
                name,
                job: None,
                queued: None,
                host: None,
                environment: None,
            }),
            Record::Finished(Finished { uuid, contents: None }),
        ]
    });
    std::iter::once(Record::PlatformAdded(PLATFORM.into())).chain(jobs).chain(builds)
}

fn seeded_job(number: usize, script: &str) -> Job {
    Job::Script(script_job(&name(number), script))
}

/// The name of a job that [`seed_jobs`] makes.
pub(crate) fn name(number: usize) -> String {
    format!("seeded-{number:06}")
}

fn item(job: Job) -> ScheduleItem {
    ScheduleItem { next: far_away(), period: Period::Daily, job }
}

/// No run of a benchmark gets there.
fn far_away() -> Time {
    Time::from_unix_milliseconds(4_000_000_000_000)
}
