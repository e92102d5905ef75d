//! Servers of earlier versions: what they do not do.

use builder_proto::command::Kind;

/// What a server of an earlier version does not do that lacks a command, and what can be done about it.
pub(super) fn lacking(command: Kind) -> (&'static str, &'static str) {
    match command {
        Kind::Cancel | Kind::CancelJob => {
            ("cannot cancel builds", "end the worker of the build: the job is queued again then")
        }
        Kind::Pause | Kind::Resume | Kind::Drain => {
            ("cannot pause platforms", "stop the workers, which end when their builds do")
        }
        Kind::Enter | Kind::EnterOrbBuild => (
            "has no settings of single jobs",
            "leave out --at, --timeout, --silence, --skip-missed, --keep and --replace, and choose a period by name",
        ),
        Kind::Run => {
            ("cannot have a client wait, nor set an environment", "run the job without --wait and --env")
        }
        _ => ("keeps no history of builds", "read the results in its data directory with builder-inspect"),
    }
}
