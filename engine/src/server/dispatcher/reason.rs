//! Why a job waits in its queue: the same as what keeps the [dispatcher](super::Dispatcher) from handing it out, and said
//! nowhere else.

use builder_proto::job::Job;
use builder_proto::overview::{Pace, Reason};
use der::asn1::Null;

/// What is wanting on the side of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shortage {
    /// Room on the disk.
    Disk,
    /// Random numbers for the uuid of a build.
    Randomness,
}

/// What decides whether jobs of a platform are handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Circumstances {
    /// Whether somebody wants no jobs handed out anywhere.
    pub(crate) is_draining: bool,
    /// The same for this platform.
    pub(crate) is_paused: bool,
    pub(crate) shortage: Option<Shortage>,
    /// Until when the losses of its workers hold jobs back.
    pub(crate) pace: Option<Pace>,
    /// Its workers that wait for a job.
    pub(crate) idle: usize,
    /// Its workers that run one.
    pub(crate) busy: usize,
    /// Builds that are under way on all platforms together.
    pub(crate) under_way: usize,
    /// How many there may be.
    pub(crate) limit: usize,
}

impl Circumstances {
    /// Why a job waits on the platform, which may have a template. Of several reasons, it is the one that has to go first:
    /// what holds the job back whatever workers do, then workers, then what only matters while one of them waits.
    pub(crate) fn reason(&self, job: &Job, has_template: bool) -> Reason {
        if matches!(job, Job::OrbBuild(_)) && !has_template {
            return Reason::NoTemplate(Null);
        }
        if self.is_draining {
            return Reason::Draining(Null);
        }
        if self.is_paused {
            return Reason::Paused(Null);
        }
        if self.shortage == Some(Shortage::Disk) {
            return Reason::DiskFull(Null);
        }
        if let Some(pace) = self.pace {
            return Reason::Losses(pace);
        }
        match (self.idle, self.busy) {
            (0, 0) => Reason::NoWorker(Null),
            (0, busy) => Reason::Busy(busy as u64),
            _ if self.under_way >= self.limit => Reason::Limit(self.limit as u64),
            _ if self.shortage == Some(Shortage::Randomness) => Reason::NoRandomness(Null),
            _ => Reason::Next(Null),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use builder_proto::job::{OrbBuildJob, ScriptJob};
    use builder_proto::time::Time;

    /// A job is about to be handed out to the only worker.
    fn well() -> Circumstances {
        Circumstances {
            is_draining: false,
            is_paused: false,
            shortage: None,
            pace: None,
            idle: 1,
            busy: 0,
            under_way: 0,
            limit: 2,
        }
    }

    fn script() -> Job {
        Job::Script(ScriptJob { name: "job".into(), script: "true".into(), platform: "p".into() })
    }

    #[test]
    fn each_reason_is_found_and_what_has_to_go_first_is_said_first() {
        let pace = Pace { losses: 3, next: Time::UNIX_EPOCH };
        let mut circumstances = well();
        let mut expect = |change: fn(&mut Circumstances), expected: Reason| {
            change(&mut circumstances);
            assert_eq!(circumstances.reason(&script(), false), expected);
        };
        expect(|_| {}, Reason::Next(Null));
        expect(|it| it.shortage = Some(Shortage::Randomness), Reason::NoRandomness(Null));
        expect(|it| it.under_way = 2, Reason::Limit(2));
        expect(|it| (it.idle, it.busy) = (0, 2), Reason::Busy(2));
        expect(|it| it.busy = 0, Reason::NoWorker(Null));
        circumstances.pace = Some(pace);
        assert_eq!(circumstances.reason(&script(), false), Reason::Losses(pace));
        circumstances.shortage = Some(Shortage::Disk);
        assert_eq!(circumstances.reason(&script(), false), Reason::DiskFull(Null));
        circumstances.is_paused = true;
        assert_eq!(circumstances.reason(&script(), false), Reason::Paused(Null));
        circumstances.is_draining = true;
        assert_eq!(circumstances.reason(&script(), false), Reason::Draining(Null));
    }

    #[test]
    fn only_an_orb_build_job_waits_for_a_template() {
        let job = Job::OrbBuild(OrbBuildJob { name: "job".into(), opam_package: "package".into() });
        assert_eq!(well().reason(&job, false), Reason::NoTemplate(Null));
        assert_eq!(well().reason(&job, true), Reason::Next(Null));
    }

    #[test]
    fn a_worker_that_waits_is_no_reason_while_others_are_busy() {
        let circumstances = Circumstances { busy: 5, ..well() };
        assert_eq!(circumstances.reason(&script(), false), Reason::Next(Null));
    }
}
