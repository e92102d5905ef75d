//! Which of the builds of a job are meant.

use builder_proto::history::Build;

/// Which builds of a job are meant; of these, it is the one that started last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Any, also one that runs.
    Any,
    /// Those that have ended.
    Ended,
    /// Those that have ended, and not as they should.
    Failed,
    /// Those that exited with 0.
    Successful,
}

impl Wanted {
    /// Whether the build is one of these.
    pub(super) fn includes(self, build: &Build) -> bool {
        match self {
            Wanted::Any => true,
            Wanted::Ended => build.end.is_some(),
            Wanted::Failed => build.has_failed(),
            Wanted::Successful => build.end.as_ref().is_some_and(|end| end.cause.is_success()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::builds::samples;
    use builder_proto::history::Cause;

    #[test]
    fn what_is_wanted_is_told_by_how_a_build_ended() {
        let included = |end: Option<Cause>| {
            let build = samples::build(0, "hello", 0);
            let build = match end {
                Some(cause) => samples::ended(build, 0, cause),
                None => build,
            };
            [Wanted::Any, Wanted::Ended, Wanted::Failed, Wanted::Successful]
                .map(|wanted| wanted.includes(&build))
        };
        assert_eq!(included(None), [true, false, false, false]);
        assert_eq!(included(Some(Cause::Exited(0))), [true, true, false, true]);
        assert_eq!(included(Some(Cause::Exited(1))), [true, true, true, false]);
    }
}
