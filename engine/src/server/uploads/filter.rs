//! Which artifacts an upload server must not get.
//!
//! builder-web never looks at the result of a build. A build with exactly one file below `bin/` has a main binary there, which
//! makes it a success, the latest one, and what its upload hooks publish. So what a build left below `bin/` stays here
//! unless the build came to its end.

use builder_proto::build_result::BuildResult;
use builder_proto::text::Text;

/// Where builder-web finds main binaries. It compares paths as they are.
const BINARIES: &[u8] = b"bin/";

/// Which artifacts are held back when a result is uploaded. What is stored stays as it is.
///
/// ```
/// use builder_engine::server::UploadFilter;
/// use builder_proto::build_result::BuildResult;
///
/// let filter = UploadFilter { hold_back_failed: false };
/// let killed = BuildResult::Signalled(9);
/// assert!(!filter.lets_through(&killed, &"bin/hello".into()));
/// assert!(filter.lets_through(&killed, &"report.txt".into()));
/// assert!(filter.lets_through(&BuildResult::Exited(1), &"bin/hello".into()));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UploadFilter {
    /// Whether builds that exited with another status than 0 count as failed. For builder 0.4.0 they do not.
    pub hold_back_failed: bool,
}

impl UploadFilter {
    /// Whether a build with this result may have artifacts that are held back.
    pub fn applies_to(self, result: &BuildResult) -> bool {
        match result {
            BuildResult::Exited(0) => false,
            BuildResult::Exited(_) => self.hold_back_failed,
            BuildResult::Signalled(_) | BuildResult::Stopped(_) | BuildResult::Message(_) => true,
        }
    }

    /// Whether this artifact of a build with this result is uploaded.
    pub fn lets_through(self, result: &BuildResult, path: &Text) -> bool {
        !self.applies_to(result) || !path.as_bytes().starts_with(BINARIES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_did_not_exit_has_no_main_binary() {
        let (as_ever, strict) = (UploadFilter::default(), UploadFilter { hold_back_failed: true });
        for (result, without, with) in [
            (BuildResult::Exited(0), true, true),
            (BuildResult::Exited(1), true, false),
            (BuildResult::Signalled(9), false, false),
            (BuildResult::Signalled(-7), false, false),
            (BuildResult::Stopped(17), false, false),
            (BuildResult::Message("timeout".into()), false, false),
        ] {
            let binary = Text::from("bin/program");
            assert_eq!(as_ever.lets_through(&result, &binary), without, "{result}");
            assert_eq!(strict.lets_through(&result, &binary), with, "{result}");
        }
    }

    #[test]
    fn only_what_builder_web_takes_for_a_binary_is_held_back() {
        let killed = BuildResult::Signalled(9);
        let passes = |path: &str| UploadFilter::default().lets_through(&killed, &path.into());
        for path in ["bin/x", "bin/a/b", "bin//x", "bin/../x", "bin/"] {
            assert!(!passes(path), "{path}");
        }
        for path in ["bin", "binary", "./bin/x", "/bin/x", "usr/bin/x", "Bin/x", "build.log", "b"] {
            assert!(passes(path), "{path}");
        }
    }
}
