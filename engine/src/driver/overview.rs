//! Overviews on their way to clients: put together a piece at a time, from what the server and the history know then, so that
//! none takes more memory or more time than a piece.

use crate::Now;
use crate::history::{Index, Summary};
use crate::limits::OVERVIEW_PIECE_BYTES;
use crate::server::Server;
use crate::server::overview::{QueuePlace, View};
use crate::server::schedule::Item;
use builder_proto::command::Command;
use builder_proto::error::EncodeError;
use builder_proto::history::Build;
use builder_proto::job::Job;
use builder_proto::overview::{JobStatus, ServerStatus};
use builder_proto::text::Text;
use std::collections::VecDeque;

/// What comes next.
#[derive(Debug, Default)]
pub(crate) enum Overview {
    /// The server itself.
    #[default]
    Server,
    /// The platforms behind that one.
    Platforms(Option<Text>),
    /// What waits behind that place.
    Queues(Option<QueuePlace>),
    /// Builds that run.
    Running(VecDeque<Build>),
    /// The job of that name without what has been said of so many platforms, and those with later names.
    Jobs(Text, usize),
    /// That this was all.
    Success,
    /// Nothing.
    Over,
}

/// What is known besides the server.
pub(super) struct Surroundings<'a> {
    /// Builds that have ended; none while they are not known.
    pub(super) index: Option<&'a Index>,
    /// Builds that run, those that started first at the front.
    pub(super) running: &'a dyn Fn() -> VecDeque<Build>,
    pub(super) log_bytes: u64,
    /// Bytes by which the log can grow.
    pub(super) free_bytes: Option<u64>,
}

/// Messages that are gathered up to some length.
struct Piece(Vec<u8>);

impl Piece {
    fn push(&mut self, message: &Command) -> Result<(), EncodeError> {
        self.0.extend_from_slice(&message.to_frame()?);
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.0.len() >= OVERVIEW_PIECE_BYTES
    }
}

impl Overview {
    /// The next messages; empty when there are no more.
    pub(super) fn next_piece(
        &mut self,
        now: Now,
        server: &Server,
        surroundings: &Surroundings<'_>,
    ) -> Result<Vec<u8>, EncodeError> {
        let view = View::new(server, now);
        let mut piece = Piece(Vec::new());
        while !piece.is_full() {
            let stage = core::mem::replace(self, Overview::Over);
            *self = match stage {
                Overview::Server => {
                    piece.push(&Command::ServerStatus(server_status(&view, surroundings)))?;
                    Overview::Platforms(None)
                }
                Overview::Platforms(last) => push_platforms(&mut piece, &view, last)?,
                Overview::Queues(last) => push_queues(&mut piece, &view, last, surroundings)?,
                Overview::Running(mut builds) => match builds.pop_front() {
                    Some(build) => {
                        piece.push(&Command::Build(build))?;
                        Overview::Running(builds)
                    }
                    None => Overview::Jobs(Text::default(), 0),
                },
                Overview::Jobs(from, said) => push_jobs(&mut piece, &view, from, said, surroundings.index)?,
                Overview::Success => {
                    piece.push(&Command::Success)?;
                    Overview::Over
                }
                Overview::Over => break,
            };
        }
        Ok(piece.0)
    }

    /// Whether [`Overview::next_piece`] has given everything.
    pub(super) fn is_over(&self) -> bool {
        matches!(self, Overview::Over)
    }
}

fn server_status(view: &View<'_>, surroundings: &Surroundings<'_>) -> ServerStatus {
    let (under_way, limit) = view.builds();
    ServerStatus {
        version: env!("CARGO_PKG_VERSION").into(),
        started: view.started(),
        under_way: under_way as u64,
        limit: limit as u64,
        log_bytes: surroundings.log_bytes,
        is_full: view.is_full(),
        is_draining: view.is_draining(),
        has_history: surroundings.index.is_some(),
        free_bytes: surroundings.free_bytes,
        uploads: view.uploads(),
        notices: view.notices(),
    }
}

fn push_platforms(piece: &mut Piece, view: &View<'_>, last: Option<Text>) -> Result<Overview, EncodeError> {
    for platform in view.platforms(last.as_ref()) {
        let name = platform.platform.clone();
        piece.push(&Command::PlatformStatus(platform))?;
        if piece.is_full() {
            return Ok(Overview::Platforms(Some(name)));
        }
    }
    Ok(Overview::Queues(None))
}

fn push_queues(
    piece: &mut Piece,
    view: &View<'_>,
    last: Option<QueuePlace>,
    surroundings: &Surroundings<'_>,
) -> Result<Overview, EncodeError> {
    for (place, status) in view.queued(last.as_ref()) {
        piece.push(&Command::QueueStatus(status))?;
        if piece.is_full() {
            return Ok(Overview::Queues(Some(place)));
        }
    }
    // After the queues, so that a job that has just left one is not in neither.
    Ok(Overview::Running((surroundings.running)()))
}

fn push_jobs(
    piece: &mut Piece,
    view: &View<'_>,
    from: Text,
    said: usize,
    index: Option<&Index>,
) -> Result<Overview, EncodeError> {
    for item in view.jobs(&from) {
        let name = item.job.name();
        let said = if *name == from { said } else { 0 };
        for (number, status) in statuses(view, item, index).enumerate().skip(said) {
            piece.push(&Command::JobStatus(status))?;
            if piece.is_full() {
                return Ok(Overview::Jobs(name.clone(), number + 1));
            }
        }
    }
    Ok(Overview::Success)
}

/// What there is to say of a job: of a script job on its platform, of an orb-build job on each on which it was built, or once.
fn statuses<'a>(
    view: &'a View<'_>,
    item: &'a Item,
    index: Option<&'a Index>,
) -> impl Iterator<Item = JobStatus> + 'a {
    let name = item.job.name();
    let status = |platform: Option<&Text>, summary: Option<&Summary>| JobStatus {
        job: name.clone(),
        period: item.period,
        next: item.next,
        platform: platform.cloned(),
        package: match &*item.job {
            Job::Script(_) => None,
            Job::OrbBuild(job) => Some(job.opam_package.clone()),
        },
        results: summary.map(Summary::results),
        settings: Some(item.settings).filter(|settings| !settings.is_empty()),
    };
    let places = index.filter(|_| matches!(*item.job, Job::OrbBuild(_))).map(|index| index.summaries(name));
    let mut places = places.into_iter().flatten().filter(|(platform, _)| view.has_queue(platform)).peekable();
    let only = match &*item.job {
        Job::Script(job) => {
            let summary = index.and_then(|index| index.summary(name, &job.platform));
            Some(status(Some(&job.platform), summary))
        }
        Job::OrbBuild(_) => places.peek().is_none().then(|| status(None, None)),
    };
    only.into_iter().chain(places.map(move |(platform, summary)| status(Some(platform), Some(summary))))
}
