//! Clients that give random commands, and know what the server has promised them.
//!
//! Names belong to one client each, so it can tell the answer to every command before it gives it.

use crate::ledger::Ledger;
use crate::link::{Gone, Link};
use builder_proto::command::{Command, InfoReply, PeerType};
use builder_proto::job::{Job, ScheduleItem, ScriptJob};
use builder_proto::time::{Period, Time};
use builder_tests::world::Random;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

/// Names that each client uses on each of its platforms again and again.
const NAMES: u64 = 5;
/// The latest of the names used once only that commands refer to.
const FRESH_NAMES: u64 = 3;

#[derive(Debug)]
pub(crate) struct Client {
    number: usize,
    random: Random,
    revision: u64,
    used_names: BTreeSet<String>,
    /// What holds; two of them when the server went away before it answered.
    beliefs: Vec<Belief>,
    /// Commands answered with success so far.
    pub(crate) successes: u64,
}

/// What a client knows of its jobs and of the platform that it drops now and then.
#[derive(Clone, Debug, Default)]
pub(crate) struct Belief {
    pub(crate) jobs: BTreeMap<String, Promise>,
    platform: Platform,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Platform {
    #[default]
    Unknown,
    Queued,
    Dropped,
}

/// What was promised about a job.
#[derive(Clone, Debug)]
pub(crate) struct Promise {
    pub(crate) job: ScriptJob,
    period: Period,
    /// None: the server chose it.
    next: Option<Time>,
    /// The moment before the last command was given that queued it.
    pub(crate) queued: u64,
    /// Whether it can have been queued once at most: the name is new, and one command has queued it.
    pub(crate) is_queued_once: bool,
}

/// The server's answer that is expected: done, or refused for that reason.
type Expected = Result<(), &'static str>;

impl Client {
    pub(crate) fn new(number: usize, random: Random) -> Client {
        let beliefs = vec![Belief::default()];
        Client { number, random, revision: 0, used_names: BTreeSet::new(), beliefs, successes: 0 }
    }

    /// Gives commands until the server is gone.
    pub(crate) fn work(&mut self, address: SocketAddr, ledger: &Ledger) {
        while let Ok(()) = self.give_command(address, ledger) {}
    }

    /// What holds; to be asked only when that is certain.
    pub(crate) fn belief(&self) -> &Belief {
        assert_eq!(self.beliefs.len(), 1);
        &self.beliefs[0]
    }

    /// Compares what is so after a restart with what was promised.
    pub(crate) fn settle(&mut self, info: &InfoReply) {
        let found = self.beliefs.iter().position(|belief| belief.matches(self.number, info));
        let Some(found) = found else {
            panic!("client {} believes {:#?}\nbut the server says {info:#?}", self.number, self.beliefs)
        };
        self.beliefs = vec![self.beliefs.swap_remove(found)];
    }

    fn give_command(&mut self, address: SocketAddr, ledger: &Ledger) -> Result<(), Gone> {
        let before = self.belief().clone();
        let command = self.choose(&before);
        let mut after = before.clone();
        let expected = self.apply(&mut after, &command, ledger.moment());
        let mut link = Link::open(address, PeerType::Client)?;
        // From here on the server may have done it.
        self.beliefs = vec![before, after];
        if let Command::Execute { .. } = command {
            // Nobody can see afterwards which of the two it is.
            let executed = self.beliefs[1].clone();
            for (name, promise) in &mut self.beliefs[0].jobs {
                promise.is_queued_once = executed.jobs[name].is_queued_once;
            }
        }
        link.send(&command)?;
        let answer = link.receive()?.ok_or(Gone)?;
        match (answer, expected) {
            (Command::Success, Ok(())) => self.successes += 1,
            (Command::Failure(text), Err(reason)) => assert!(text.to_string().starts_with(reason), "{text}"),
            (Command::InfoReply(info), Ok(())) => {
                assert!(self.beliefs[0].matches(self.number, &info), "{:#?}\n{info:#?}", self.beliefs[0]);
            }
            (answer, expected) => panic!("{command:?}: expected {expected:?}, got {answer:?}"),
        }
        self.beliefs = vec![self.beliefs.swap_remove(1)];
        Ok(())
    }

    fn choose(&mut self, belief: &Belief) -> Command {
        let platform = match self.random.below(10) {
            0..5 => format!("p{}", self.number),
            5..7 => format!("d{}", self.number),
            _ => "real".to_owned(),
        };
        let name = self.choose_name(&platform);
        let period =
            [Period::Hourly, Period::Daily, Period::Weekly, Period::Never][self.random.below(4) as usize];
        match self.random.below(20) {
            0..10 if !belief.jobs.contains_key(&name) => {
                Command::Schedule { period, job: self.new_job(&name, &platform) }
            }
            0..2 => Command::Schedule { period, job: self.new_job(&name, &platform) },
            2..6 => Command::Unschedule(name.into()),
            6..12 => Command::Execute { name: name.into(), platform: None },
            12..15 => {
                let next = 4_000_000_000_000 + self.random.below(1_000_000_000) as i64;
                let period = self.random.coin().then_some(period);
                Command::Reschedule { name: name.into(), next: Time::from_unix_milliseconds(next), period }
            }
            15 => Command::Info,
            _ if platform.starts_with('d') && belief.platform == Platform::Dropped => {
                Command::UndropPlatform(platform.into())
            }
            _ if platform.starts_with('d') => Command::DropPlatform(platform.into()),
            _ => Command::Execute { name: name.into(), platform: Some(platform.into()) },
        }
    }

    /// One of a few names, or one of those that come up once, or a new one of these.
    fn choose_name(&mut self, platform: &str) -> String {
        let number = match self.random.coin() {
            true => self.random.below(NAMES),
            false => NAMES + self.revision.saturating_sub(self.random.below(FRESH_NAMES)),
        };
        format!("{platform}-{}-{number}", self.number)
    }

    /// Makes of what was so what is so after the command, and tells the answer.
    fn apply(&mut self, belief: &mut Belief, command: &Command, moment: u64) -> Expected {
        let expected = belief.apply(command, moment);
        if let (Command::Schedule { job, .. }, Ok(())) = (command, expected) {
            let name = job.name.to_string();
            let is_new = self.used_names.insert(name.clone());
            belief.jobs.get_mut(&name).unwrap().is_queued_once = is_new;
        }
        expected
    }

    /// A job that can be told from all others by its script.
    fn new_job(&mut self, name: &str, platform: &str) -> ScriptJob {
        self.revision += 1;
        let mut script = format!(
            "#!/bin/sh\necho {name} {0}\necho data {0} > artifact\nsleep 0.0{1}\nexit 0\n",
            self.revision,
            self.random.below(10)
        );
        // Some are long, so that the log is rotated now and then.
        if self.random.per_mille(100) {
            script.push_str(&"# padding\n".repeat(20_000));
        }
        ScriptJob { name: name.into(), script: script.into(), platform: platform.into() }
    }
}

impl Belief {
    /// What is so after the command, and what the answer is to be.
    fn apply(&mut self, command: &Command, moment: u64) -> Expected {
        match command {
            Command::Schedule { period, job } => self.schedule(*period, job, moment),
            Command::Unschedule(name) => self.jobs.remove(&name.to_string()).map(drop).ok_or("unknown job "),
            Command::Execute { name, .. } => {
                let promise = self.jobs.get_mut(&name.to_string()).ok_or("execute failed: job not found")?;
                promise.queued = moment;
                promise.is_queued_once = false;
                Ok(())
            }
            Command::Reschedule { name, next, period } => {
                let promise = self.jobs.get_mut(&name.to_string()).ok_or("couldn't find job ")?;
                promise.next = Some(*next);
                promise.period = period.unwrap_or(promise.period);
                Ok(())
            }
            Command::DropPlatform(platform) => {
                if self.platform != Platform::Queued {
                    return Err("unknown platform ");
                }
                self.platform = Platform::Dropped;
                self.jobs.retain(|_, promise| promise.job.platform != *platform);
                Ok(())
            }
            Command::UndropPlatform(_) => {
                self.platform = Platform::Unknown;
                Ok(())
            }
            Command::Info => Ok(()),
            other => panic!("no client gives {other:?}"),
        }
    }

    fn schedule(&mut self, period: Period, job: &ScriptJob, moment: u64) -> Expected {
        let name = job.name.to_string();
        if self.jobs.contains_key(&name) {
            return Err("job name already used");
        }
        if name.starts_with('d') {
            if self.platform == Platform::Dropped {
                return Err("platform dropped; can't schedule jobs");
            }
            self.platform = Platform::Queued;
        }
        let promise = Promise { job: job.clone(), period, next: None, queued: moment, is_queued_once: true };
        self.jobs.insert(name, promise);
        Ok(())
    }

    /// Whether the server says the same.
    fn matches(&self, number: usize, info: &InfoReply) -> bool {
        let mark = format!("-{number}-");
        let mine = |item: &&ScheduleItem| item.job.name().to_string().contains(&mark);
        let items: Vec<&ScheduleItem> = info.schedule.iter().filter(mine).collect();
        let dropped = info.dropped_platforms.contains(&format!("d{number}").into());
        items.len() == self.jobs.len()
            && dropped == (self.platform == Platform::Dropped)
            && items.iter().all(|item| {
                self.jobs.get(&item.job.name().to_string()).is_some_and(|promise| promise.matches(item))
            })
    }
}

impl Promise {
    fn matches(&self, item: &ScheduleItem) -> bool {
        let Job::Script(job) = &item.job else { return false };
        *job == self.job && item.period == self.period && self.next.is_none_or(|next| next == item.next)
    }
}
