//! Where each build is, by job, by start and by uuid.

mod previous;
pub(super) mod sweep;

use super::key::Key;
use super::numbering::{Filter, Numbering};
use super::summaries::{Outcome, Summaries, Summary};
use super::uuid_range::range_of_uuids;
use builder_proto::Uuid;
use builder_proto::history::{Build, HistoryQuery};
use builder_proto::text::Text;
use builder_proto::time::Time;

/// Rows that a search looks at before others have their turn.
const ROWS_PER_STEP: usize = 10_000;
/// Builds that are found by the beginning of their uuids, at most.
const PICKED_BUILDS: usize = 1000;
/// Of the number of a platform: whether the build failed.
const FAILED: u32 = 1 << 31;
/// What stands for the time of a removal that has not come.
const NEVER: i64 = i64::MIN;

/// Where the rest of a build is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// In memory, as the file does not have it yet.
    Memory,
    /// In the frame that begins there.
    File(u64),
}

/// All builds that have ended.
///
/// ```
/// use builder_engine::history::{Found, Index, Place};
/// use builder_proto::Uuid;
/// use builder_proto::history::{Build, BuildEnd, Cause, HistoryQuery};
/// use builder_proto::time::Time;
/// use builder_proto::wire::RawUuid;
///
/// let build = Build {
///     uuid: RawUuid(Uuid::from_u128(1)),
///     job: "hello".into(),
///     platform: "debian-12".into(),
///     started: Time::UNIX_EPOCH,
///     queued: None,
///     host: None,
///     end: Some(BuildEnd::new(Time::UNIX_EPOCH, Cause::Exited(1))),
/// };
/// let mut index = Index::default();
/// assert!(index.insert(&build, Place::File(4096))); // its frame begins at that byte of the file
///
/// let mut query = index.search(&HistoryQuery { failed: true, ..HistoryQuery::default() });
/// let Found::Build(found) = index.next(&mut query) else { panic!("it failed") };
/// assert_eq!((found.uuid, found.place), (build.uuid.0, Place::File(4096)));
/// query.advance(&found);
/// assert_eq!(index.next(&mut query), Found::End);
/// ```
#[derive(Debug, Default)]
pub struct Index {
    /// In the order in which they came; a number stands for the same build for ever.
    rows: Vec<Row>,
    /// Numbers of rows, ordered by uuid.
    by_uuid: Vec<u32>,
    /// Numbers of rows, ordered by [`Key`].
    by_start: Vec<u32>,
    /// The same for each job.
    by_job: Vec<Vec<u32>>,
    jobs: Numbering,
    platforms: Numbering,
    /// What is known of each job on each platform.
    summaries: Summaries,
}

#[derive(Clone, Copy, Debug)]
struct Row {
    uuid: Uuid,
    /// Milliseconds since 1970.
    started: i64,
    removed: i64,
    /// Where its frame begins, or `u64::MAX` while it is in memory.
    place: u64,
    job: u32,
    platform: u32,
}

/// A build that fits a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The build.
    pub uuid: Uuid,
    /// Where the rest of it is.
    pub place: Place,
    /// When its result was removed.
    pub removed: Option<Time>,
    /// Its place in the order.
    pub key: Key,
}

/// A search that goes on, from the build that started last to the one that started first.
#[derive(Debug)]
pub struct Query {
    job: Filter,
    platform: Filter,
    failed: bool,
    since: i64,
    source: Source,
}

#[derive(Debug)]
enum Source {
    /// Those before that place in the order.
    Before(Option<Key>),
    /// These, the next one last.
    Picked(Vec<Uuid>),
}

/// How far a step of a search came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// To this build.
    Build(Listed),
    /// To none yet; others are to have their turn.
    NotYet,
    /// To the end.
    End,
}

impl Index {
    /// Takes in a build that has ended; says whether it is new. Faster for many of them, before [`Index::sort`].
    pub fn insert(&mut self, build: &Build, place: Place) -> bool {
        let Err(at) = self.by_uuid.binary_search_by(|other| self.row(*other).uuid.cmp(&build.uuid())) else {
            return false;
        };
        let number = self.push(build, place);
        let Some(row) = self.rows.last().copied() else { return false };
        insert(&mut self.by_uuid, at, number);
        let before = |rows: &[Row], other: u32| key(rows, other) < Key(row.started, row.uuid);
        let at = self.by_start.partition_point(|other| before(&self.rows, *other));
        insert(&mut self.by_start, at, number);
        if let Some(of_job) = self.by_job.get_mut(row.job as usize) {
            let at = of_job.partition_point(|other| before(&self.rows, *other));
            insert(of_job, at, number);
            let rows = &self.rows;
            let place = (row.job, row.platform & !FAILED);
            self.summaries.count(place, Key::of(build), || outcomes(rows, of_job));
        }
        true
    }

    /// Takes in a build without ordering it; [`Index::sort`] has to come before anything else.
    pub fn push(&mut self, build: &Build, place: Place) -> u32 {
        let job = self.jobs.number(&build.job);
        let failed = if build.has_failed() { FAILED } else { 0 };
        let platform = self.platforms.number(&build.platform) | failed;
        if self.by_job.len() <= job as usize {
            self.by_job.resize_with(job as usize + 1, Vec::new);
        }
        self.summaries.add((job, platform & !FAILED), build);
        let removed = build.end.as_ref().and_then(|end| end.removed);
        let number = self.rows.len() as u32;
        // Growing by doubling could take twice as much.
        if self.rows.len() == self.rows.capacity() {
            self.rows.reserve_exact(self.rows.len() / 8 + 64);
        }
        self.rows.push(Row {
            uuid: build.uuid(),
            started: build.started.unix_milliseconds(),
            removed: removed.map_or(NEVER, Time::unix_milliseconds),
            place: place.to_number(),
            job,
            platform,
        });
        number
    }

    /// Orders everything that was pushed. Of builds that came more than once, the first is kept.
    pub fn sort(&mut self) {
        let rows = &self.rows;
        let mut all: Vec<u32> = (0..rows.len() as u32).collect();
        all.sort_by_key(|number| (uuid(rows, *number), *number));
        all.dedup_by_key(|number| uuid(rows, *number));
        self.by_uuid = all.clone();
        all.sort_by_key(|number| key(rows, *number));
        for of_job in &mut self.by_job {
            of_job.clear();
        }
        for number in &all {
            let job = rows.get(*number as usize).map_or(0, |row| row.job);
            if let Some(of_job) = self.by_job.get_mut(job as usize) {
                of_job.push(*number);
            }
        }
        self.by_start = all;
        for (job, of_job) in self.by_job.iter().enumerate() {
            self.summaries.count_all(job as u32, outcomes(&self.rows, of_job));
        }
        self.rows.shrink_to_fit();
        self.by_job.iter_mut().for_each(Vec::shrink_to_fit);
    }

    /// How many builds there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_uuid.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_uuid.is_empty()
    }

    /// The build of this uuid.
    #[must_use]
    pub fn get(&self, uuid: Uuid) -> Option<Listed> {
        self.find(uuid).map(|number| self.listed(number))
    }

    /// What is known of a job on a platform; none when no build of it has ended there.
    #[must_use]
    pub fn summary(&self, job: &Text, platform: &Text) -> Option<&Summary> {
        self.summaries.get(self.jobs.get(job)?, self.platforms.get(platform)?)
    }

    /// The platforms on which builds of a job have ended, with what is known of it there.
    pub fn summaries(&self, job: &Text) -> impl Iterator<Item = (&Text, &Summary)> {
        let of_job = self.jobs.get(job).map(|job| self.summaries.of_job(job)).into_iter().flatten();
        of_job.filter_map(|(platform, summary)| Some((self.platforms.name(platform)?, summary)))
    }

    /// The job of a build.
    #[must_use]
    pub fn job(&self, uuid: Uuid) -> Option<&Text> {
        self.jobs.name(self.row(self.find(uuid)?).job)
    }

    /// All uuids, in order.
    pub fn uuids(&self) -> impl Iterator<Item = Uuid> + '_ {
        self.by_uuid.iter().map(|number| self.row(*number).uuid)
    }

    /// Takes note of where a build is in the file.
    pub fn set_place(&mut self, uuid: Uuid, place: Place) {
        if let Some(row) = self.find(uuid).and_then(|number| self.rows.get_mut(number as usize)) {
            row.place = place.to_number();
        }
    }

    /// Takes note of when the result of a build was removed.
    pub fn set_removed(&mut self, uuid: Uuid, at: Time) {
        if let Some(row) = self.find(uuid).and_then(|number| self.rows.get_mut(number as usize)) {
            row.removed = at.unix_milliseconds();
        }
    }

    /// Begins a search.
    #[must_use]
    pub fn search(&self, query: &HistoryQuery) -> Query {
        let source = match &query.uuid {
            None => Source::Before(None),
            Some(digits) => Source::Picked(self.pick(digits)),
        };
        Query {
            job: self.jobs.filter(query.job.as_ref()),
            platform: self.platforms.filter(query.platform.as_ref()),
            failed: query.failed,
            since: query.since.map_or(i64::MIN, Time::unix_milliseconds),
            source,
        }
    }

    /// The next build of a search, without taking it: call [`Query::advance`] for that.
    pub fn next(&self, query: &mut Query) -> Found {
        match &mut query.source {
            Source::Picked(picked) => {
                while let Some(number) = picked.last().and_then(|uuid| self.find(*uuid)) {
                    if query.job.fits(self.row(number).job)
                        && query_fits(query.platform, query.failed, query.since, self.row(number))
                    {
                        return Found::Build(self.listed(number));
                    }
                    picked.pop();
                }
                Found::End
            }
            Source::Before(before) => {
                let list = match query.job {
                    Filter::Any => &self.by_start,
                    Filter::Nothing => return Found::End,
                    Filter::Is(job) => match self.by_job.get(job as usize) {
                        Some(of_job) => of_job,
                        None => return Found::End,
                    },
                };
                let end = before.map_or(list.len(), |before| {
                    list.partition_point(|number| key(&self.rows, *number) < before)
                });
                let start = end.saturating_sub(ROWS_PER_STEP);
                let step = list.get(start..end).unwrap_or_default();
                for number in step.iter().rev() {
                    let row = self.row(*number);
                    if row.started < query.since {
                        return Found::End;
                    }
                    if query_fits(query.platform, query.failed, query.since, row) {
                        return Found::Build(self.listed(*number));
                    }
                }
                match step.first() {
                    Some(first) if start > 0 => {
                        *before = Some(key(&self.rows, *first));
                        Found::NotYet
                    }
                    _ => Found::End,
                }
            }
        }
    }

    /// Builds whose uuids begin with these hexadecimal digits, the one that started last at the end.
    fn pick(&self, digits: &Text) -> Vec<Uuid> {
        let Some((first, last)) = range_of_uuids(digits) else { return Vec::new() };
        let from = self.by_uuid.partition_point(|number| self.row(*number).uuid < first);
        let found = self.by_uuid.get(from..).unwrap_or_default().iter().copied();
        let mut found: Vec<u32> =
            found.take_while(|number| self.row(*number).uuid <= last).take(PICKED_BUILDS).collect();
        found.sort_by_key(|number| key(&self.rows, *number));
        found.into_iter().map(|number| self.row(number).uuid).collect()
    }

    fn find(&self, uuid: Uuid) -> Option<u32> {
        let at = self.by_uuid.binary_search_by(|number| self.row(*number).uuid.cmp(&uuid)).ok()?;
        self.by_uuid.get(at).copied()
    }

    fn row(&self, number: u32) -> Row {
        let nothing = Row { uuid: Uuid::nil(), started: 0, removed: NEVER, place: 0, job: 0, platform: 0 };
        self.rows.get(number as usize).copied().unwrap_or(nothing)
    }

    fn listed(&self, number: u32) -> Listed {
        let row = self.row(number);
        let place = if row.place == u64::MAX { Place::Memory } else { Place::File(row.place) };
        let removed = (row.removed != NEVER).then(|| Time::from_unix_milliseconds(row.removed));
        Listed { uuid: row.uuid, place, removed, key: Key(row.started, row.uuid) }
    }
}

impl Query {
    /// Goes on behind a build that was found.
    pub fn advance(&mut self, past: &Listed) {
        match &mut self.source {
            Source::Before(before) => *before = Some(past.key),
            Source::Picked(picked) => drop(picked.pop()),
        }
    }
}

impl Place {
    fn to_number(self) -> u64 {
        match self {
            Place::Memory => u64::MAX,
            Place::File(offset) => offset,
        }
    }
}

fn query_fits(platform: Filter, failed: bool, since: i64, row: Row) -> bool {
    platform.fits(row.platform & !FAILED) && (!failed || row.platform & FAILED != 0) && row.started >= since
}

/// How these builds ended, the last one first.
fn outcomes<'a>(rows: &'a [Row], numbers: &'a [u32]) -> impl Iterator<Item = Outcome> + 'a {
    numbers.iter().rev().filter_map(|number| rows.get(*number as usize)).map(|row| Outcome {
        platform: row.platform & !FAILED,
        failed: row.platform & FAILED != 0,
        started: row.started,
    })
}

fn uuid(rows: &[Row], number: u32) -> Uuid {
    rows.get(number as usize).map_or(Uuid::nil(), |row| row.uuid)
}

fn key(rows: &[Row], number: u32) -> Key {
    rows.get(number as usize).map_or(Key(i64::MIN, Uuid::nil()), |row| Key(row.started, row.uuid))
}

/// Inserts a number; room for more is made sparingly.
fn insert(list: &mut Vec<u32>, at: usize, number: u32) {
    if list.len() == list.capacity() {
        list.reserve_exact(list.len() / 8 + 8);
    }
    list.insert(at, number);
}

#[cfg(test)]
mod tests;
