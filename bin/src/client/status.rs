//! Exit statuses that say how a build ended. They are promised by the manual page.

use super::error::ClientError;
use builder_proto::history::Cause;

/// The greatest status of a job that is passed on.
const MOST_OF_JOB: i64 = 119;
/// The job exited with a greater status.
pub(super) const GREATER: u8 = 120;
const SIGNALLED: u8 = 121;
const TIMEOUT: u8 = 122;
const SILENCE: u8 = 123;
const CANCELLED: u8 = 124;
const LOST: u8 = 125;
/// The job did not run, or exceeded a limit, or the server refused the command.
pub(super) const REFUSED: u8 = 126;
/// Nobody knows, as there is no connection to the server.
const DISCONNECTED: u8 = 127;

/// The status for a build that ended so.
pub(super) fn of(cause: &Cause) -> u8 {
    match cause {
        Cause::Exited(code @ 0..=MOST_OF_JOB) => u8::try_from(*code).unwrap_or(GREATER),
        Cause::Exited(_) => GREATER,
        Cause::Signalled(_) | Cause::Stopped(_) => SIGNALLED,
        Cause::Timeout(_) => TIMEOUT,
        Cause::Silence(_) => SILENCE,
        Cause::Cancelled(_) => CANCELLED,
        Cause::Lost(_) => LOST,
        Cause::Limit(_) | Cause::CannotRun(_) => REFUSED,
    }
}

/// The status when it is not known how a build ended.
pub(super) fn of_error(error: &ClientError) -> u8 {
    match error {
        ClientError::Connect { .. }
        | ClientError::Connection { .. }
        | ClientError::NoAnswer { .. }
        | ClientError::Reset { .. }
        | ClientError::NoHello { .. }
        | ClientError::Closed { .. }
        | ClientError::Unfollowed { .. } => DISCONNECTED,
        _ => REFUSED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::builds::samples::{build, ended};
    use builder_proto::build_result::BuildResult;
    use builder_proto::command::Command;

    fn timeout() -> Cause {
        Cause::from(&BuildResult::Message("timeout".into()))
    }

    /// No result alone says so. It is spelled as a timeout is, but for the number.
    fn silence() -> Cause {
        let mut payload = Command::Build(ended(build(1, "job", 0), 1, timeout())).encode().unwrap();
        let place = payload.windows(4).position(|bytes| *bytes == [0xa3, 2, 5, 0]).unwrap();
        payload[place] = 0xa4;
        match Command::decode(&payload).unwrap() {
            Command::Build(build) => build.end.unwrap().cause,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn each_end_has_its_status() {
        let text = || "why".into();
        for (cause, status) in [
            (Cause::Exited(0), 0),
            (Cause::Exited(1), 1),
            (Cause::Exited(119), 119),
            (Cause::Exited(120), 120),
            (Cause::Exited(255), 120),
            (Cause::Exited(-1), 120),
            (Cause::Signalled(9), 121),
            (Cause::Stopped(1), 121),
            (timeout(), 122),
            (silence(), 123),
            (Cause::Cancelled(text()), 124),
            (Cause::Lost(text()), 125),
            (Cause::Limit(text()), 126),
            (Cause::CannotRun(text()), 126),
        ] {
            assert_eq!(of(&cause), status, "{cause}");
        }
    }

    #[test]
    fn a_refusal_is_not_a_broken_connection() {
        let refused = ClientError::Refused { reason: "busy".into(), hint: String::new() };
        let closed = ClientError::Closed { peer: "127.0.0.1:1".parse().unwrap(), missing: "its answer" };
        assert_eq!((of_error(&refused), of_error(&closed)), (126, 127));
    }
}
