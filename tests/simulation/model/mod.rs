//! The model: what has to be so, whatever happens to the server.
//!
//! It sees what passes over the network, what the records of a recovered log say, and what is on the disk. It shares no
//! state with the engine and knows nothing of how that works. Its clauses:
//!
//! 1. a command that was answered with success is in effect after every crash, and what was refused is not;
//! 2. a job that was queued waits, runs, or has run since, unless a person removed it;
//! 3. a uuid is handed out once;
//! 4. a build that was handed out runs, or has a stored result;
//! 5. a stored result is what the worker sent, or holds the first lines of it and says why there are no more; once a worker
//!    was dismissed, it is what that worker sent; once stored, it stays;
//! 6. a result leaves its place only when the upload server has it, and in the end all that was to be uploaded is;
//! 7. a queue holds a job at most once for each environment, and a job runs in one that somebody wanted for it;
//! 8. nothing is sent before the records it depends on are durable;
//! 9. the server stops by itself only when the disk gives it a reason;
//! 10. observers are sent every line in order, and in the end what is stored;
//! 11. a job whose worker said nothing in all its time is not stored as one that took too long, unless the job itself says how
//!     long it may take;
//! 12. workers that lose one job after the other get the next only after a while;
//! 13. a build whose result is stored, or was, is in the history once, with what the result says, and none that runs is; one
//!     that the server's disk has forgotten is there again in the end;
//! 14. nothing is handed out where somebody was told that it is paused, whatever crashes since;
//! 15. a build of which somebody was told that it is cancelled is stored as cancelled, and nothing else of it;
//! 16. where a program is told of builds, it takes note of every build that has finished, is told what the result says, and
//!     is told of none that has not finished;
//! 17. whoever waits for a build is sent all its lines and told how it ended, as the stored result has it, and only when the job
//!     does not run again; and if the connection stays, everybody who waits is told something in the end;
//! 18. no build takes longer than its job may, and none is ended for its time or its silence before that is over;
//! 19. a job that is to run at a time of day runs then, and whole periods before and after that;
//! 20. an overview is whole and in its order, and says nothing that was wrong all the time while it was told;
//! 21. a result that is not kept is never the newest success or the newest failure of its job on a platform, and nothing but it
//!     is lost when a job takes the place of another.

mod build;
mod builds;
mod conversation;
mod entry;
mod history;
mod jobs;
mod limits;
mod notices;
mod observation;
mod overview;
mod pacing;
mod pauses;
mod places;
mod retention;
mod waiting;
mod wire;

pub(crate) use entry::OUT_OF_REACH;
pub(crate) use observation::Observation;
pub(crate) use places::VARIABLE;

use crate::environment::Environment;
use builder_engine::server::record::Record;
use builder_engine::server::{ConnectionId, PendingResult, Recovered};
use builder_proto::Uuid;
use builder_proto::command::Command;
use builder_tests::world::PRIVATE;
use builds::Builds;
use history::History;
use jobs::Jobs;
use limits::Limits;
use notices::Notices;
use overview::{Known, Recorded, Survey};
use pacing::Pacing;
use pauses::Pauses;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use waiting::{Ends, Wait};
use wire::Wire;

/// Everything that was seen, and the first thing that was wrong.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) time: Duration,
    wires: BTreeMap<ConnectionId, Wire>,
    jobs: Jobs,
    builds: Builds,
    history: History,
    limits: Limits,
    notices: Notices,
    /// What was recorded of builds.
    recorded: Recorded,
    ends: Ends,
    pacing: Pacing,
    pauses: Pauses,
    /// What the log said at the last start, and the results that it held.
    recovered: Observation,
    pending: Vec<PendingResult>,
    /// Builds of which no durable record says yet that they are handed out.
    undurable: BTreeSet<Uuid>,
    /// Connections on which something was said that led to records which are not durable yet.
    unanswered: BTreeSet<ConnectionId>,
    /// Whether clause 8 is looked at directly, and not only at what follows from a breach of it.
    checks_order: bool,
    violation: Option<String>,
}

impl Model {
    pub(crate) fn new(checks_order: bool) -> Model {
        Model {
            time: Duration::ZERO,
            wires: BTreeMap::new(),
            jobs: Jobs::default(),
            builds: Builds::default(),
            history: History::default(),
            limits: Limits::default(),
            notices: Notices::default(),
            recorded: Recorded::default(),
            ends: Ends::default(),
            pacing: Pacing::default(),
            pauses: Pauses::default(),
            recovered: Observation::default(),
            pending: Vec::new(),
            undurable: BTreeSet::new(),
            unanswered: BTreeSet::new(),
            checks_order,
            violation: None,
        }
    }

    /// What was wrong first, if anything.
    pub(crate) fn violation(&self) -> Option<&str> {
        self.violation.as_deref()
    }

    pub(crate) fn violate(&mut self, text: String) {
        self.violation.get_or_insert(text);
    }

    fn check(&mut self, outcome: Result<(), String>) {
        if let Err(text) = outcome {
            self.violate(text);
        }
    }

    pub(crate) fn checks_order(&self) -> bool {
        self.checks_order
    }

    pub(crate) fn builds(&self) -> usize {
        self.builds.len()
    }

    pub(crate) fn results(&self) -> usize {
        self.builds.results()
    }

    pub(crate) fn uploads(&self) -> usize {
        self.builds.uploads()
    }

    /// Builds that an observer could ask for, the latest last.
    pub(crate) fn known_builds(&self) -> &[Uuid] {
        self.builds.uuids()
    }

    // What peers do.

    /// Whether the model can follow if this command is given now; if so, it is under way.
    pub(crate) fn begin(&mut self, connection: ConnectionId, command: &Command) -> bool {
        if let Command::DropPlatform(platform) | Command::UndropPlatform(platform) = command {
            self.pacing.ignore(platform);
        }
        let is_clear = self.jobs.begin(self.time, connection, command);
        if is_clear {
            self.builds.retention.begin(command);
            self.pauses.begin(command);
            if let Some(wait) = Wait::new(command, &self.jobs) {
                self.wires.entry(connection).or_default().wait = Some(wait);
            }
            if matches!(command, Command::Overview) {
                let survey = Survey::new(&self.known());
                self.wires.entry(connection).or_default().survey = Some(survey);
            }
        }
        is_clear
    }

    /// How many ends of builds those were told who waited.
    pub(crate) fn ends(&self) -> usize {
        self.ends.len()
    }

    /// Those who wait for a build or for an overview, and have not been told the end.
    pub(crate) fn waits(&self) -> impl Iterator<Item = ConnectionId> {
        let waits = |wire: &Wire| {
            let awaits_build = wire.wait.as_ref().is_some_and(|wait| !wait.is_over());
            let awaits_overview = wire.survey.as_ref().is_some_and(|survey| !survey.is_over());
            (awaits_build || awaits_overview) && !wire.refused
        };
        self.wires.iter().filter(move |(_, wire)| waits(wire)).map(|(connection, _)| *connection)
    }

    /// What overviews are held against.
    fn known(&self) -> Known<'_> {
        Known { recorded: &self.recorded, jobs: &self.jobs, pauses: &self.pauses }
    }

    /// A command that ends a pause, if there may be one.
    pub(crate) fn resume(&self) -> Option<Command> {
        self.pauses.possible().map(|platform| Command::Resume { platform })
    }

    /// A command that an old server had carried out.
    pub(crate) fn imported(&mut self, connection: ConnectionId) {
        let outcome = self.jobs.answered(connection, &Command::Success);
        self.check(outcome);
    }

    // What the server does.

    /// The server has appended a record to its log, perhaps because of what it has just read.
    pub(crate) fn recorded(&mut self, time: Duration, record: &Record, heard_from: Option<ConnectionId>) {
        if let Record::Started(started) = record {
            self.pacing.decide(time, started.uuid.0);
            self.undurable.insert(started.uuid.0);
            let outcome = self.pauses.check(&started.platform);
            self.check(outcome);
        }
        let settings = match record {
            Record::Started(started) => self.jobs.settings(&started.name),
            _ => None,
        };
        let outcome = self.limits.recorded(time, record, settings);
        self.check(outcome);
        self.builds.retention.recorded(time, record);
        self.recorded.record(record);
        self.unanswered.extend(heard_from);
    }

    /// A turn that began then is over. What a worker has sent of its result takes its time.
    pub(crate) fn turn_over(&mut self, time: Duration) {
        let running = self.wires.values().filter(|wire| !wire.is_delivering()).filter_map(|wire| wire.build);
        let outcome = running.map(|uuid| self.limits.check(time, uuid)).find(Result::is_err);
        self.check(outcome.unwrap_or(Ok(())));
    }

    /// All records so far have been synced.
    pub(crate) fn log_synced(&mut self) {
        self.undurable.clear();
        self.unanswered.clear();
    }

    /// The server has closed a connection, or never accepted it.
    pub(crate) fn connection_over(&mut self, connection: ConnectionId) {
        self.jobs.lost(connection);
        let Some(wire) = self.wires.remove(&connection) else { return };
        if let Some(build) = wire.build.and_then(|uuid| self.builds.get(uuid)) {
            build.connection_over(wire.read);
        }
        if let Some(uuid) = wire.lost_build() {
            self.pacing.lost(self.time, uuid);
        }
    }

    /// Clause 8, seen from within: something is about to be sent.
    pub(crate) fn check_order(&mut self, connection: ConnectionId, log_is_durable: bool) {
        if !log_is_durable {
            self.violate(format!("connection {connection} is sent something, but the log is not durable"));
        }
        if self.unanswered.contains(&connection) {
            self.violate(format!("connection {connection} is answered before what it led to is durable"));
        }
    }

    /// The upload server has a result.
    pub(crate) fn uploaded(&mut self, uuid: Uuid, bytes: Vec<u8>) {
        let outcome = self.builds.uploaded(self.time, uuid, bytes);
        self.check(outcome);
    }

    /// A program is told of a build.
    pub(crate) fn notice_begun(&mut self, uuid: Uuid, reason: &str) {
        self.notices.begun(uuid, reason);
    }

    /// A program has taken note of a build.
    pub(crate) fn notice_taken(&mut self, uuid: Uuid) {
        self.notices.taken(uuid);
    }

    /// Builds of which a program has taken note.
    pub(crate) fn notices(&self) -> usize {
        self.notices.len()
    }

    // What becomes of the server.

    /// The server is gone, and with it these connections.
    pub(crate) fn server_crashed(&mut self, connections: &[ConnectionId]) {
        self.builds.server_crashed();
        self.log_synced();
        self.pacing = Pacing::default();
        self.limits = Limits::default();
        self.recorded.server_crashed();
        for connection in connections {
            self.jobs.lost(*connection);
            self.wires.remove(connection);
        }
    }

    /// Somebody or something has damaged the history.
    pub(crate) fn history_damaged(&mut self) {
        self.history.damaged(&self.builds);
    }

    /// A start has read the log.
    pub(crate) fn log_read(&mut self, recovered: &Recovered) {
        self.recovered = Observation::new(&recovered.state);
        self.pending.clone_from(&recovered.pending);
        let outcome = self.notices.check_finished(&self.recovered);
        self.check(outcome);
        let outcome = self.ends.check_finished(&self.recovered);
        self.check(outcome);
    }

    /// Results are in their places, as far as there was room for those that the log held.
    fn check_recovered(&mut self, environment: &Environment) -> Result<(), String> {
        if let Some(name) = self.recovered.queued_twice() {
            return Err(format!("job {name} is queued twice"));
        }
        self.builds.check_results(self.time, &environment.disk.borrow(), &self.pending, &self.recovered)?;
        self.notices.check_words(&self.builds)?;
        self.jobs.settle(&self.recovered)?;
        self.pauses.settle(&self.recovered)?;
        // The next server may still hear of these.
        self.jobs.all_pending().for_each(|command| self.pauses.begin(command));
        self.jobs.check_owed(&self.recovered, &self.recovered, &self.builds)?;
        self.jobs.owe(&self.recovered, self.time);
        Ok(())
    }

    /// A start is complete, and what it recorded is durable.
    pub(crate) fn started(
        &mut self,
        environment: &Environment,
        observed: &Observation,
        remembered: Option<&[Uuid]>,
    ) {
        let outcome = self.check_recovered(environment).and_then(|()| self.check_started(observed));
        self.check(outcome);
        let outcome = remembered.map_or(Ok(()), |known| self.history.check(known, &self.builds, observed));
        self.check(outcome);
    }

    fn check_started(&mut self, observed: &Observation) -> Result<(), String> {
        if let Some(name) = observed.queued_twice() {
            return Err(format!("job {name} is queued twice"));
        }
        if let Some(uuid) = observed.running.keys().next() {
            return Err(format!("build {uuid} runs, but nobody can be running it"));
        }
        self.jobs.check_owed(observed, &self.recovered, &self.builds)?;
        self.jobs.owe(observed, self.time);
        Ok(())
    }

    /// The faults have stopped, and the server has nothing left to do.
    pub(crate) fn drained(&mut self, environment: &Environment, observed: &Observation, remembered: &[Uuid]) {
        let outcome = self.check_drained(environment, observed);
        self.check(outcome);
        let outcome = self.ends.check(&self.builds);
        self.check(outcome);
        self.history.searched();
        let outcome = self.history.check(remembered, &self.builds, observed);
        self.check(outcome);
        let file = format!("{PRIVATE}/history");
        let outcome = match environment.disk.borrow().read(&file) {
            Some(bytes) => history::check_file(bytes, remembered, &self.builds),
            None => Err("there is no history".to_owned()),
        };
        self.check(outcome);
    }

    fn check_drained(&mut self, environment: &Environment, observed: &Observation) -> Result<(), String> {
        self.builds.check_results(self.time, &environment.disk.borrow(), &[], observed)?;
        self.notices.check_finished(observed)?;
        self.notices.check_words(&self.builds)?;
        if environment.plan.notices {
            self.notices.check_complete(&self.builds)?;
        }
        self.jobs.check_owed(observed, observed, &self.builds)?;
        match observed.is_idle() {
            true => Ok(()),
            false => Err("the queues have not drained".to_owned()),
        }
    }
}
