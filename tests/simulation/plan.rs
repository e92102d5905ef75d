//! What one seed makes of the world: how much goes wrong, and of which kind.
//!
//! Every seed leaves some kinds of faults out and exaggerates others; a mixture that is always the same would hide what
//! only shows when something else stays quiet.

use builder_engine::server::{Role, Settings};
use builder_proto::job_settings::JobSettings;
use builder_tests::world::{Faults, Lie, Random};
use std::time::Duration;

/// Bytes of artifacts that the server takes of each build: less than of anything else.
pub(crate) const ARTIFACT_BYTES: u64 = 12_000;

/// The world of one seed.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) settings: Settings,
    /// Crashes before the faults stop.
    pub(crate) crashes: u64,
    /// The usual time between two crashes, in microseconds.
    pub(crate) crash_gap: u64,
    /// How many of a thousand crashes are power failures.
    pub(crate) power_failures: u64,
    /// How many of a thousand crashes come amid what the server does, instead of between its turns.
    pub(crate) amid: u64,
    pub(crate) disk: Faults,
    /// Whether the disk fills up now and then.
    pub(crate) full_disk: bool,
    /// Whether the wall clock jumps now and then.
    pub(crate) jumps: bool,
    /// The usual time between two visits, in microseconds.
    pub(crate) visit_gap: u64,
    /// How many of a thousand workers misbehave.
    pub(crate) rogues: u64,
    /// How many of a thousand workers freeze while they wait for a job, and wake up later.
    pub(crate) frozen: u64,
    /// How many of a thousand workers cannot run a script, be it from the start or only when they have a job.
    pub(crate) sick: u64,
    /// How many of a thousand peers lose their connection at some point.
    pub(crate) broken_connections: u64,
    /// The longest time that bytes usually travel, in microseconds.
    pub(crate) latency: u64,
    /// How many of a thousand messages travel byte by byte.
    pub(crate) single_bytes: u64,
    /// Jobs and platforms, by number.
    pub(crate) jobs: u64,
    pub(crate) platforms: u64,
    /// Bytes of a result up to which the log holds it.
    pub(crate) small_result_bytes: u64,
    pub(crate) rotation_bytes: u64,
    pub(crate) reserve_bytes: u64,
    pub(crate) preallocated_bytes: u64,
    /// How many of a thousand lives of the server upload results.
    pub(crate) uploads: u64,
    /// How many of a thousand uploads fail.
    pub(crate) failing_uploads: u64,
    /// How many of a thousand uploads that fail hang until they are killed.
    pub(crate) hanging_uploads: u64,
    /// Whether results stay in their places when they are uploaded.
    pub(crate) keeps_uploaded: bool,
    /// Whether a program is told of builds.
    pub(crate) notices: bool,
    /// How many of a thousand such programs fail.
    pub(crate) failing_notices: u64,
    /// How many of a thousand that fail hang until they are killed.
    pub(crate) hanging_notices: u64,
    /// Whether one call syncs all results, as on Linux.
    pub(crate) syncs_everything: bool,
    /// Who may speak on each listener.
    pub(crate) listeners: Vec<Role>,
    /// The most connections at a time, before the faults stop.
    pub(crate) connections: usize,
    /// The usual time between two changes of the templates, in microseconds.
    pub(crate) template_gap: u64,
    /// How many of a thousand attempts to accept a connection fail.
    pub(crate) failing_accepts: u64,
    /// How many of a thousand lives somebody ends by a signal.
    pub(crate) stops: u64,
    /// How many of a thousand starts are to salvage what can be salvaged, although nothing needs it.
    pub(crate) salvages: u64,
    /// Whether builder 0.4.0 ran here before.
    pub(crate) imports: bool,
    /// How many of a thousand crashes cost a part of the history. Results stay here then, so that none is lost for good.
    pub(crate) damaged_histories: u64,
    /// Whether jobs say which of their results are kept. The history is whole then, so that it is known which are the newest.
    pub(crate) retention: bool,
    /// Whether the server writes metrics.
    pub(crate) metrics: bool,
}

impl Plan {
    pub(crate) fn new(random: &mut Random, crashes: u64) -> Plan {
        let mut sometimes = |rates: &[u64]| *random.pick(rates);
        let disk = Faults {
            short_writes: sometimes(&[0, 20, 200]),
            write_errors: sometimes(&[0, 0, 2]),
            failed_syncs: sometimes(&[0, 0, 3, 20]),
            slow_syncs: sometimes(&[0, 0, 20]),
            written_back: sometimes(&[0, 50, 300]),
            other_errors: sometimes(&[0, 0, 2]),
            ..Faults::default()
        };
        let mut plan = Plan {
            settings: Settings {
                job_time: Duration::from_secs(30),
                defaults: JobSettings::NONE,
                artifact_bytes: ARTIFACT_BYTES,
                console_bytes: 20_000,
                builds: sometimes(&[2, 100, 100]) as usize,
                observers: sometimes(&[1, 100, 100]) as usize,
            },
            crashes,
            crash_gap: sometimes(&[20_000, 100_000, 400_000]),
            power_failures: sometimes(&[200, 600, 900]),
            amid: sometimes(&[500, 900]),
            disk,
            full_disk: sometimes(&[0, 0, 1]) == 1,
            jumps: sometimes(&[0, 1]) == 1,
            visit_gap: sometimes(&[500, 2_000, 8_000]),
            rogues: sometimes(&[0, 100, 400]),
            frozen: sometimes(&[0, 20, 200]),
            sick: sometimes(&[0, 50, 400]),
            broken_connections: sometimes(&[0, 50, 200]),
            latency: sometimes(&[200, 2_000, 20_000]),
            single_bytes: sometimes(&[0, 20, 300]),
            jobs: sometimes(&[3, 6, 12]),
            platforms: sometimes(&[1, 2, 3]),
            small_result_bytes: sometimes(&[0, 0, 1_000, 4_000, 32_768]),
            rotation_bytes: sometimes(&[4_096, 16_384, 100_000]),
            reserve_bytes: sometimes(&[1_024, 8_192]),
            preallocated_bytes: sometimes(&[0, 700, 8_192]),
            uploads: sometimes(&[0, 0, 800, 1000]),
            failing_uploads: sometimes(&[0, 200]),
            hanging_uploads: sometimes(&[0, 300]),
            keeps_uploaded: sometimes(&[0, 0, 1]) == 1,
            notices: sometimes(&[0, 1, 1]) == 1,
            failing_notices: sometimes(&[0, 200, 600]),
            hanging_notices: sometimes(&[0, 300]),
            syncs_everything: sometimes(&[0, 1]) == 1,
            listeners: match sometimes(&[0, 0, 1, 2, 3]) {
                0 => vec![Role::Any],
                1 => vec![Role::Workers, Role::Clients],
                2 => vec![Role::Viewers, Role::Workers, Role::Clients],
                _ => vec![Role::Clients, Role::Any, Role::Workers],
            },
            connections: sometimes(&[30, 1_000, 1_000]) as usize,
            template_gap: sometimes(&[10_000, 1_000_000]),
            failing_accepts: sometimes(&[0, 10]),
            stops: sometimes(&[0, 100, 400]),
            salvages: sometimes(&[0, 100]),
            imports: sometimes(&[0, 1]) == 1,
            damaged_histories: sometimes(&[0, 0, 300]),
            metrics: sometimes(&[0, 1]) == 1,
            retention: sometimes(&[0, 1]) == 1,
        };
        if plan.damaged_histories > 0 {
            plan.uploads = 0;
            plan.retention = false;
        }
        plan
    }

    /// Sets what `settings` name, such as `frozen=400 failed_syncs=20`, whatever the seed says.
    pub(crate) fn adjust(&mut self, settings: &str) -> Result<(), String> {
        for setting in settings.split_whitespace() {
            let (name, number) = setting.split_once('=').ok_or_else(|| format!("{setting} has no value"))?;
            let number: u64 = number.parse().map_err(|error| format!("{setting}: {error}"))?;
            let place = match name {
                "amid" => &mut self.amid,
                "broken_connections" => &mut self.broken_connections,
                "crash_gap" => &mut self.crash_gap,
                "damaged_histories" => &mut self.damaged_histories,
                "failed_syncs" => &mut self.disk.failed_syncs,
                "failing_notices" => &mut self.failing_notices,
                "failing_uploads" => &mut self.failing_uploads,
                "frozen" => &mut self.frozen,
                "power_failures" => &mut self.power_failures,
                "reserve" => &mut self.reserve_bytes,
                "rogues" => &mut self.rogues,
                "rotation" => &mut self.rotation_bytes,
                "short_writes" => &mut self.disk.short_writes,
                "sick" => &mut self.sick,
                "small_results" => &mut self.small_result_bytes,
                "uploads" => &mut self.uploads,
                "hanging_notices" => &mut self.hanging_notices,
                "hanging_uploads" => &mut self.hanging_uploads,
                "stops" => &mut self.stops,
                "salvages" => &mut self.salvages,
                "write_errors" => &mut self.disk.write_errors,
                "connections" => {
                    self.connections = number as usize;
                    continue;
                }
                "failing_accepts" => &mut self.failing_accepts,
                "other_errors" => &mut self.disk.other_errors,
                "full_disk" => {
                    self.full_disk = number > 0;
                    continue;
                }
                "metrics" => {
                    self.metrics = number > 0;
                    continue;
                }
                "notices" => {
                    self.notices = number > 0;
                    continue;
                }
                "retention" => {
                    self.retention = number > 0;
                    continue;
                }
                "syncs_everything" => {
                    self.syncs_everything = number > 0;
                    continue;
                }
                _ => return Err(format!("there is no setting {name}")),
            };
            *place = number;
        }
        // Of results that have left, a damaged history could not be made whole.
        if self.uploads > 0 || self.retention {
            self.damaged_histories = 0;
        }
        Ok(())
    }

    /// Makes frequent what a lie takes to show. Without it some take tens of thousands of crashes.
    pub(crate) fn provoke(&mut self, lie: Lie) {
        match lie {
            Lie::FailuresHidden => {
                self.disk.failed_syncs = 20;
                self.small_result_bytes = 4_000;
                // Results are synced a second after they were written.
                self.crash_gap = 1_500_000;
                self.power_failures = 900;
            }
            Lie::FileSystemNotSynced => {
                self.syncs_everything = true;
                self.small_result_bytes = 4_000;
                self.crash_gap = 1_500_000;
                self.power_failures = 900;
            }
            Lie::WritesCutShort => self.disk.short_writes = 200,
            _ => {}
        }
    }
}
