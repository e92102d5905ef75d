//! Everything at one moment.

use super::exposition::{Exposition, Kind, seconds};
use super::tally::Tally;
use builder_proto::text::Text;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

/// What a page says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Figures {
    /// What was counted since the start.
    pub(crate) tally: Tally,
    /// Platforms that have a queue, or builds that run.
    pub(crate) platforms: BTreeMap<Text, PlatformFigures>,
    /// What has no label.
    pub(crate) singles: Vec<Single>,
}

/// What is so on one platform.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PlatformFigures {
    /// Jobs in its queue.
    pub(crate) queued: usize,
    /// How long the one has waited that came first.
    pub(crate) oldest: Duration,
    /// Whether its jobs have to wait because somebody paused it.
    pub(crate) is_paused: bool,
    /// Builds that run.
    pub(crate) running: usize,
    /// Workers that wait for a job.
    pub(crate) waiting: usize,
}

/// A metric without labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Single {
    name: &'static str,
    kind: Kind,
    /// One line.
    help: &'static str,
    value: String,
}

impl Single {
    /// A number that goes up and down.
    pub(crate) fn gauge(name: &'static str, help: &'static str, value: u64) -> Single {
        Single { name, kind: Kind::Gauge, help, value: value.to_string() }
    }

    /// How many there are of something at present.
    pub(crate) fn count(name: &'static str, help: &'static str, count: usize) -> Single {
        Single { name, kind: Kind::Gauge, help, value: count.to_string() }
    }

    /// A point in time, as the time since 1970.
    pub(crate) fn time(name: &'static str, help: &'static str, since_1970: Duration) -> Single {
        Single { name, kind: Kind::Gauge, help, value: seconds(since_1970) }
    }

    /// A number that only grows, from 0 on.
    pub(crate) fn counter(name: &'static str, help: &'static str, value: u64) -> Single {
        Single { name, kind: Kind::Counter, help, value: value.to_string() }
    }

    pub(crate) fn write(&self, page: &mut Exposition) {
        let Single { name, kind, help, value } = self;
        page.metric(name, *kind, help);
        page.sample(name, &[], value);
    }
}

impl Figures {
    /// The whole page.
    pub(crate) fn to_text(&self) -> String {
        let mut page = Exposition::default();
        write_build_info(&mut page, env!("CARGO_PKG_VERSION"));
        self.singles.iter().for_each(|single| single.write(&mut page));
        // One that is gone is told of once more, with the last builds that have ended there.
        let platforms: BTreeSet<&Text> = self.platforms.keys().chain(self.tally.platforms()).collect();
        let platforms: Vec<_> = platforms.into_iter().map(|name| (name, label(name))).collect();
        write_platforms(&mut page, &platforms, &self.platforms);
        self.tally.write(&mut page, &platforms);
        page.into_text()
    }
}

/// The version of the server.
pub(crate) fn write_build_info(page: &mut Exposition, version: &str) {
    let name = "builder_build_info";
    page.metric(name, Kind::Gauge, "The version of the server; the value is always 1.");
    page.sample(name, &[("version", version)], 1);
}

/// What is so on each of these platforms, each with its label. Where nothing is known, nothing is going on.
pub(crate) fn write_platforms(
    page: &mut Exposition,
    platforms: &[(&Text, String)],
    figures: &BTreeMap<Text, PlatformFigures>,
) {
    type Value = fn(&PlatformFigures) -> String;
    let gauges: [(&str, &str, Value); 5] = [
        ("builder_queue_jobs", "Jobs in the queue of a platform.", |figures| figures.queued.to_string()),
        (
            "builder_queue_oldest_seconds",
            "How long the job has waited that came first of those in the queue; 0 when it is empty.",
            |figures| seconds(figures.oldest),
        ),
        ("builder_queue_paused", "1 if somebody has paused the platform, or else 0.", |figures| {
            u8::from(figures.is_paused).to_string()
        }),
        ("builder_builds_running", "Builds that a worker has.", |figures| figures.running.to_string()),
        ("builder_workers_waiting", "Workers that wait for a job.", |figures| figures.waiting.to_string()),
    ];
    for (name, help, value) in gauges {
        page.metric(name, Kind::Gauge, help);
        for (platform, label) in platforms {
            let figures = figures.get(*platform).copied().unwrap_or_default();
            page.sample(name, &[("platform", label)], value(&figures));
        }
    }
}

/// A name as a label says it, character by character: no two are spelled alike. All names are UTF-8.
pub(crate) fn label(platform: &Text) -> String {
    platform.as_str().map_or_else(|| platform.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures() -> Figures {
        let busy = PlatformFigures {
            queued: 3,
            is_paused: true,
            oldest: Duration::from_millis(90_500),
            running: 2,
            waiting: 0,
        };
        let idle = PlatformFigures { waiting: 4, ..PlatformFigures::default() };
        Figures {
            tally: Tally::default(),
            platforms: [("busy".into(), busy), ("a \"b\"\\".into(), idle)].into(),
            singles: vec![
                Single::time("builder_start_time_seconds", "When.", Duration::from_millis(1_700_000_000_250)),
                Single::gauge("builder_log_bytes", "How long.", 4096),
                Single::counter("builder_connections_total", "How many.", 12),
            ],
        }
    }

    #[test]
    fn a_page_says_what_is_so_at_one_moment() {
        let text = figures().to_text();
        let version = env!("CARGO_PKG_VERSION");
        let expected = format!(
            r#"# HELP builder_build_info The version of the server; the value is always 1.
# TYPE builder_build_info gauge
builder_build_info{{version="{version}"}} 1
# HELP builder_start_time_seconds When.
# TYPE builder_start_time_seconds gauge
builder_start_time_seconds 1700000000.250
# HELP builder_log_bytes How long.
# TYPE builder_log_bytes gauge
builder_log_bytes 4096
# HELP builder_connections_total How many.
# TYPE builder_connections_total counter
builder_connections_total 12
# HELP builder_queue_jobs Jobs in the queue of a platform.
# TYPE builder_queue_jobs gauge
builder_queue_jobs{{platform="a \"b\"\\"}} 0
builder_queue_jobs{{platform="busy"}} 3
# HELP builder_queue_oldest_seconds How long the job has waited that came first of those in the queue; 0 when it is empty.
# TYPE builder_queue_oldest_seconds gauge
builder_queue_oldest_seconds{{platform="a \"b\"\\"}} 0.000
builder_queue_oldest_seconds{{platform="busy"}} 90.500
# HELP builder_queue_paused 1 if somebody has paused the platform, or else 0.
# TYPE builder_queue_paused gauge
builder_queue_paused{{platform="a \"b\"\\"}} 0
builder_queue_paused{{platform="busy"}} 1
# HELP builder_builds_running Builds that a worker has.
# TYPE builder_builds_running gauge
builder_builds_running{{platform="a \"b\"\\"}} 0
builder_builds_running{{platform="busy"}} 2
# HELP builder_workers_waiting Workers that wait for a job.
# TYPE builder_workers_waiting gauge
builder_workers_waiting{{platform="a \"b\"\\"}} 4
builder_workers_waiting{{platform="busy"}} 0
"#
        );
        let (beginning, rest) = text.split_at(expected.len());
        assert_eq!(beginning, expected);
        assert!(rest.starts_with("# HELP builder_builds_total "), "{rest}");
    }
}
