//! Metrics that the server writes into its file, and that a dashboard serves as well: the same words for the same figures.

use super::figures::Single;
use builder_proto::time::Time;

impl Single {
    pub(crate) fn start_time(started: Time) -> Single {
        let since_1970 = started.duration_since(Time::UNIX_EPOCH);
        Single::time(
            "builder_start_time_seconds",
            "When the server started, in seconds since 1970.",
            since_1970,
        )
    }

    pub(crate) fn log_bytes(bytes: u64) -> Single {
        Single::gauge("builder_log_bytes", "Bytes of the write-ahead log.", bytes)
    }

    pub(crate) fn jobs_scheduled(jobs: usize) -> Single {
        Single::count("builder_jobs_scheduled", "Jobs in the schedule.", jobs)
    }

    pub(crate) fn draining(is_draining: bool) -> Single {
        Single::gauge(
            "builder_draining",
            "1 if somebody drains the server, so that no jobs are handed out anywhere, or else 0.",
            u64::from(is_draining),
        )
    }

    pub(crate) fn uploads_waiting(results: u64) -> Single {
        Single::gauge("builder_uploads_waiting", "Results that wait to be uploaded.", results)
    }

    pub(crate) fn notices_waiting(builds: u64) -> Single {
        let help = "Builds of which the program of --on-finish is still to be told.";
        Single::gauge("builder_notices_waiting", help, builds)
    }
}
