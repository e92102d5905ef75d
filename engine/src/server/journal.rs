//! The durable state, and what is to be done about what happens to it.

use crate::environment::Environment;
use crate::limits::DISK_MARGIN;
use crate::server::action::{Action, Deferred, Immediate};
use crate::server::departed::Departed;
use crate::server::peer::ConnectionId;
use crate::server::record::{Aborted, Finished, Record, Requeue};
use crate::server::recovery::PendingResult;
use crate::server::state::State;
use crate::server::waiters::Run;
use builder_proto::Uuid;
use builder_proto::command::Command;
use builder_proto::text::Text;
use std::collections::{BTreeSet, VecDeque};

/// What every part of the server reads and writes: facts go in as records, and whatever the driver is to do comes out in the
/// order in which it was decided.
pub(crate) struct Journal {
    state: State,
    actions: VecDeque<Action>,
    /// Bytes that the log can grow by: what the driver said last, less what was appended since.
    log_space: u64,
    /// Whether a record contradicted the state. Nothing is decided any more then.
    halted: bool,
    /// Platforms whose queue may have a job more since they were last asked for.
    changed: BTreeSet<Text>,
    /// Jobs that have left the state while answers hold them.
    departed: Departed,
    /// What has become of jobs and builds, while somebody wants to know.
    news: Option<Vec<News>>,
}

/// What has become of a job or a build.
#[derive(Clone, Debug)]
pub(crate) enum News {
    /// It left its place in a queue as this build.
    Started {
        /// The build.
        uuid: Uuid,
        /// The place.
        run: Run,
    },
    /// A build is lost, and its job is queued again.
    RunsAgain(Uuid),
    /// A build has ended; that it runs again would have been said before.
    Over(Uuid),
    /// Jobs were taken out of queues.
    Left,
}

impl Journal {
    pub(crate) fn new(state: State) -> Journal {
        Journal {
            state,
            actions: VecDeque::new(),
            log_space: u64::MAX,
            halted: false,
            changed: BTreeSet::new(),
            departed: Departed::default(),
            news: None,
        }
    }

    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    /// Makes a fact part of the state and has it appended to the log.
    pub(crate) fn commit(&mut self, record: Record) {
        if self.halted {
            return;
        }
        let changed = self.platforms_with_more(&record);
        let leaving = if self.departed.is_watched() { self.state.leaving(&record) } else { Vec::new() };
        if let Err(problem) = self.state.apply(&record) {
            self.halted = true;
            self.act_now(Immediate::Halt { reason: problem.to_string() });
            return;
        }
        for job in leaving {
            // It may still be part of the state in another place.
            if !self.state.holds(&job) {
                self.departed.add(&job);
            }
        }
        self.changed.extend(changed);
        if let (Some(news), Some(new)) = (&mut self.news, News::of(&record)) {
            news.push(new);
        }
        self.log_space = self.log_space.saturating_sub(record.bytes());
        self.actions.push_back(Action::Append(record));
    }

    /// Whether somebody wants to know from now on what becomes of jobs and builds.
    pub(crate) fn watch(&mut self, is_watched: bool) {
        match is_watched {
            true => drop(self.news.get_or_insert_default()),
            false => self.news = None,
        }
    }

    /// The job of a build that is about to end is queued again, which the record of its end will not say.
    pub(crate) fn note_requeued(&mut self, uuid: Uuid) {
        if let Some(news) = &mut self.news {
            news.push(News::RunsAgain(uuid));
        }
    }

    /// What has become of jobs and builds since the last time.
    pub(crate) fn take_news(&mut self) -> Vec<News> {
        self.news.as_mut().map(core::mem::take).unwrap_or_default()
    }

    /// Has something done without waiting for a commit.
    pub(crate) fn act_now(&mut self, action: Immediate) {
        self.actions.push_back(Action::Now(action));
    }

    /// Has a result put in place that the records so far make durable.
    pub(crate) fn publish(&mut self, result: PendingResult) {
        self.actions.push_back(Action::Publish(result));
    }

    /// Has something done that rests on the records so far.
    pub(crate) fn act_after_commit(&mut self, action: Deferred) {
        self.actions.push_back(Action::AfterCommit(action));
    }

    /// Says something to a peer.
    pub(crate) fn send(&mut self, id: ConnectionId, command: &Command) {
        match command.to_frame() {
            Ok(bytes) => self.act_after_commit(Deferred::Send { connection: id, bytes }),
            // Only texts of gigabytes have no encoding, and none is accepted; the peer sees the connection end.
            Err(error) => ::log::error!("connection {id}: cannot encode {}: {error}", command.name()),
        }
    }

    /// Takes back what was to be done for the result of a build, as far as it is not done yet.
    pub(crate) fn abandon_result(&mut self, uuid: Uuid) {
        self.actions.retain(|action| !matches!(action, Action::Now(step) if step.is_step_of_result(uuid)));
        self.act_now(Immediate::AbandonResult { uuid });
    }

    /// The next thing to do, in order.
    pub(crate) fn poll_action(&mut self) -> Option<Action> {
        let action = self.actions.pop_front();
        if matches!(action, Some(Action::Now(Immediate::Halt { .. }))) {
            // What the same input led to after the contradiction rests on it.
            self.actions.clear();
        }
        action
    }

    pub(crate) fn is_halted(&self) -> bool {
        self.halted
    }

    pub(crate) fn set_log_space(&mut self, bytes: u64) {
        self.log_space = bytes;
    }

    /// Whether the log has room for a command of that many bytes, and for what running builds still need.
    pub(crate) fn has_room(&self, bytes: u64) -> bool {
        self.log_space >= bytes.saturating_mul(2).saturating_add(DISK_MARGIN)
    }

    /// Whether [`Journal::take_changed`] would give anything.
    pub(crate) fn has_changed(&self) -> bool {
        !self.changed.is_empty()
    }

    /// Platforms whose queue may have a job more since the last time.
    pub(crate) fn take_changed(&mut self) -> BTreeSet<Text> {
        core::mem::take(&mut self.changed)
    }

    /// The bound of the schedule is as low as it can be, now that displaced runs are back on their grid. That is nothing to
    /// record: a start finds it anew.
    pub(crate) fn tighten_schedule_bound(&mut self) {
        self.state.schedule.tighten_bound();
    }

    /// What leaves the state from now on may be held by answers.
    pub(crate) fn departed(&mut self) -> &mut Departed {
        &mut self.departed
    }

    /// The platforms on which a worker that waits may have something to do once the record is part of the state.
    fn platforms_with_more(&self, record: &Record) -> Vec<Text> {
        match record {
            Record::Enqueued(enqueued) => vec![enqueued.platform.clone()],
            Record::Undropped(platform) => vec![platform.clone()],
            Record::Aborted(aborted) if aborted.requeue != Requeue::No => {
                let build = self.state.running.get(&aborted.uuid.0);
                build.map(|build| build.platform.clone()).into_iter().collect()
            }
            // A script that waits in the place of an orb-build job needs no template.
            Record::Configured(configured) => self.state.waiting_on(configured.item.job.name()),
            _ => Vec::new(),
        }
    }
}

impl News {
    fn of(record: &Record) -> Option<News> {
        Some(match record {
            Record::Started(started) => {
                let (platform, name) = (started.platform.clone(), started.name.clone());
                let environment = Environment::stored(started.environment.as_ref());
                News::Started { uuid: started.uuid.0, run: Run { platform, name, environment } }
            }
            Record::Aborted(Aborted { uuid, requeue: Requeue::Front | Requeue::FrontAfterLoss, .. }) => {
                News::RunsAgain(uuid.0)
            }
            Record::Aborted(Aborted { uuid, requeue: Requeue::No, .. })
            | Record::Finished(Finished { uuid, .. }) => News::Over(uuid.0),
            Record::Unscheduled(_) | Record::Dropped(_) | Record::Dequeued(_) | Record::Configured(_) => {
                News::Left
            }
            _ => return None,
        })
    }
}
