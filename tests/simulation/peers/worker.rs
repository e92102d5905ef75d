//! The real worker machine, with an imaginary job.

use super::{Line, Peer};
use crate::network::End;
use builder_engine::worker::{Action, Input, JobInput, Remarks, Settings, Worker as Machine};
use builder_proto::build_result::BuildResult;
use builder_proto::finished_frame::FileHead;
use builder_proto::text::Text;
use std::collections::VecDeque;
use std::time::Duration;

/// A worker, from its connection to its end.
pub(crate) struct Worker {
    machine: Machine,
    /// What is to happen to the job, each after a pause.
    script: VecDeque<(Duration, Happening)>,
    artifacts: Vec<(String, Vec<u8>)>,
    health: Health,
    /// Since it was stopped: until when, and what has come meanwhile.
    frozen: Option<Frozen>,
}

/// What is wrong with a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Health {
    Good,
    /// It cannot run any script.
    Sick,
    /// It will not be able to run the script of its job.
    FallsSick,
    /// It freezes when it has asked for a job, for so long.
    Freezes(Duration),
}

struct Frozen {
    until: Duration,
    unread: Vec<u8>,
    end: Option<End>,
}

/// Something that the operating system would report to a worker.
enum Happening {
    Console(Vec<u8>),
    Unable,
    Ended(BuildResult),
    DescendantsGone,
    ConsoleDrained,
    Listed,
    SendPart(Vec<u8>),
    Sent,
}

impl Worker {
    pub(crate) fn new(platform: Text) -> Worker {
        let settings = Settings {
            platform,
            timeout: Duration::from_secs(30),
            timeout_text: "30s".to_owned(),
            keep_failed: false,
            spread: 0,
        };
        Worker {
            machine: Machine::new(settings),
            script: VecDeque::new(),
            artifacts: Vec::new(),
            health: Health::Good,
            frozen: None,
        }
    }

    fn choose_health(&mut self, line: &mut Line) {
        let environment = line.environment.clone();
        if environment.is_calm.get() {
            return;
        }
        let random = &mut line.random;
        if random.per_mille(environment.plan.sick) {
            self.health = if random.coin() { Health::Sick } else { Health::FallsSick };
        } else if random.per_mille(environment.plan.frozen) {
            self.health = Health::Freezes(Duration::from_secs(random.between(1, 200)));
        }
    }

    /// It hears again what has come meanwhile.
    fn thaw(&mut self, line: &mut Line) {
        let Some(Frozen { unread, end, .. }) = self.frozen.take() else { return };
        if !unread.is_empty() {
            self.handle(line, Input::Received(&unread));
        }
        if let Some(end) = end.filter(|_| !line.has_left()) {
            self.ended(line, end);
        }
    }

    fn handle(&mut self, line: &mut Line, input: Input<'_>) {
        let now = line.environment.time.get();
        self.machine.handle(now, input);
        while let Some(action) = self.machine.poll_action() {
            match action {
                Action::Send(bytes) => {
                    line.send(&bytes);
                    self.machine.handle(now, Input::Sent(bytes.len()));
                    if let Health::Freezes(time) = self.health
                        && self.machine.next_deadline().is_none()
                    {
                        // It has asked for a job, and nothing else is to be done.
                        self.health = Health::Good;
                        self.frozen = Some(Frozen { until: now + time, unread: Vec::new(), end: None });
                    }
                }
                Action::Rehearse { .. } if self.health == Health::Sick => self.soon(Happening::Unable),
                Action::Rehearse { .. } => {
                    self.soon(Happening::Ended(BuildResult::Exited(0)));
                    self.soon(Happening::DescendantsGone);
                }
                Action::StartJob { .. } if self.health == Health::FallsSick => self.soon(Happening::Unable),
                Action::StartJob { .. } => self.imagine_job(line),
                Action::TerminateJob => self.end_with(BuildResult::Signalled(15)),
                Action::KillDescendants => self.soon(Happening::DescendantsGone),
                Action::DrainConsole => self.soon(Happening::ConsoleDrained),
                Action::ListArtifacts => self.soon(Happening::Listed),
                Action::SendArtifacts => self.send_artifacts(line),
                Action::CleanUp => self.script.clear(),
                // Here a connection is all that a worker has; the next one comes by itself.
                Action::Connect | Action::Exit(_) => {
                    line.leave(End::Closed);
                    return;
                }
            }
        }
        self.wait(line);
    }

    fn wait(&self, line: &mut Line) {
        let now = line.environment.time.get();
        if let Some(frozen) = &self.frozen {
            return line.wake_after(frozen.until.saturating_sub(now));
        }
        let next = self.script.front().map(|(pause, _)| *pause);
        let deadline = self.machine.next_deadline().map(|deadline| deadline.saturating_sub(now));
        if let Some(delay) = next.into_iter().chain(deadline).min() {
            line.wake_after(delay);
        }
    }

    fn soon(&mut self, happening: Happening) {
        self.script.push_back((Duration::from_micros(100), happening));
    }

    /// The job ends at once, whatever was still to come.
    fn end_with(&mut self, result: BuildResult) {
        self.script.clear();
        self.soon(Happening::Ended(result));
        self.soon(Happening::DescendantsGone);
    }

    fn imagine_job(&mut self, line: &mut Line) {
        let random = &mut line.random;
        for _ in 0..random.skewed(4) - 1 {
            let pause = Duration::from_micros(random.skewed(15));
            let length = random.skewed(11) as usize;
            let mut bytes = random.bytes(length);
            // Lines of a sensible length, without becoming text.
            for (at, byte) in bytes.iter_mut().enumerate() {
                if *byte == b'\n' && at % 5 != 0 {
                    *byte = b' ';
                }
            }
            if random.coin() {
                bytes.push(b'\n');
            }
            self.script.push_back((pause, Happening::Console(bytes)));
        }
        let result = match random.below(8) {
            0 => BuildResult::Signalled(9),
            1 => BuildResult::Exited(1),
            _ => BuildResult::Exited(0),
        };
        for number in 0..random.below(4) {
            let length = random.skewed(12) as usize;
            self.artifacts.push((format!("bin/artifact-{number}"), random.bytes(length)));
        }
        // Now and then a job hangs, until its time is up.
        let pause = if random.per_mille(5) { 40_000_000 } else { random.skewed(16) };
        self.script.push_back((Duration::from_micros(pause), Happening::Ended(result)));
        self.soon(Happening::DescendantsGone);
    }

    fn artifacts_length(&self) -> u64 {
        let length = |(path, data): &(String, Vec<u8>)| head(path, data).total_length().unwrap();
        self.artifacts.iter().map(length).sum()
    }

    fn send_artifacts(&mut self, line: &mut Line) {
        for (path, data) in std::mem::take(&mut self.artifacts) {
            let mut bytes = Vec::new();
            head(&path, &data).append_to(&mut bytes);
            bytes.extend_from_slice(&data);
            let half = line.random.index(bytes.len());
            let rest = bytes.split_off(half);
            self.soon(Happening::SendPart(bytes));
            self.script.push_back((Duration::from_micros(line.random.skewed(14)), Happening::SendPart(rest)));
        }
        self.soon(Happening::Sent);
    }
}

impl Peer for Worker {
    fn connected(&mut self, line: &mut Line) {
        self.choose_health(line);
        self.handle(line, Input::Connected);
    }

    fn received(&mut self, line: &mut Line, bytes: &[u8]) {
        if let Some(frozen) = &mut self.frozen {
            return frozen.unread.extend_from_slice(bytes);
        }
        self.handle(line, Input::Received(bytes));
    }

    fn ended(&mut self, line: &mut Line, end: End) {
        if let Some(frozen) = &mut self.frozen {
            frozen.end = Some(end);
            return;
        }
        let reason = (end == End::Reset).then(|| "reset".to_owned());
        self.handle(line, Input::Disconnected(reason));
    }

    fn woken(&mut self, line: &mut Line) {
        let now = line.environment.time.get();
        if let Some(frozen) = &self.frozen {
            return if frozen.until <= now { self.thaw(line) } else { self.wait(line) };
        }
        if self.machine.next_deadline().is_some_and(|deadline| deadline <= now) {
            return self.handle(line, Input::Tick);
        }
        let Some((_, happening)) = self.script.pop_front() else { return };
        let input = match happening {
            Happening::Console(bytes) if self.machine.wants_console() => {
                return self.handle(line, Input::Job(JobInput::Console(&bytes)));
            }
            Happening::Console(_) => return self.wait(line),
            Happening::Unable => JobInput::Unable("no room".to_owned()),
            Happening::Ended(result) => JobInput::Ended(result),
            Happening::DescendantsGone => JobInput::DescendantsGone,
            Happening::ConsoleDrained => JobInput::ConsoleDrained,
            Happening::Listed => {
                JobInput::ArtifactsListed { length: self.artifacts_length(), remarks: Remarks::default() }
            }
            Happening::SendPart(bytes) => {
                line.send(&bytes);
                return self.wait(line);
            }
            Happening::Sent => JobInput::ArtifactsSent,
        };
        self.handle(line, Input::Job(input));
    }
}

fn head<'a>(path: &'a str, data: &[u8]) -> FileHead<'a> {
    FileHead { path: path.as_bytes(), data_length: data.len() as u64 }
}
