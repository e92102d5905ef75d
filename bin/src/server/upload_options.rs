//! The part of the command line that is about uploads.

use crate::command_line::{Matches, Options, TimeSpan, UsageError, value};
use crate::upload::{CREDENTIALS_OPTION, HOLD_BACK_FLAG, Target, declare_target, resolve_target};
use std::time::Duration;

const URL: &str = "upload";
const KEEP_LOCAL: &str = "keep-local";
const TIMEOUT: &str = "upload-timeout";

/// Where results go once they are stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UploadOptions {
    pub(crate) target: Target,
    pub(crate) keep_local: bool,
    /// The longest that one upload may take; none to go by its size.
    pub(crate) timeout: Option<Duration>,
}

pub(crate) fn declare(options: &mut Options) {
    options.optopt("", URL, "upload results to this http:// or https:// URL once they are stored", "URL");
    declare_target(options);
    options.optflag("", KEEP_LOCAL, "keep results in DIR after they are uploaded");
    options.optopt(
        "",
        TIMEOUT,
        "the longest time that one upload may take (default 5m, and 1s for each 256KiB)",
        "TIME",
    );
}

/// What there is to upload to, if anything.
pub(crate) fn resolve(matches: &Matches) -> Result<Option<UploadOptions>, UsageError> {
    let Some(url) = matches.opt_str(URL) else {
        let stray = [CREDENTIALS_OPTION, HOLD_BACK_FLAG, KEEP_LOCAL, TIMEOUT]
            .into_iter()
            .find(|name| matches.opt_present(name));
        return match stray {
            Some(name) => Err(UsageError::new(format_args!("--{name} has no effect without --{URL} URL"))),
            None => Ok(None),
        };
    };
    Ok(Some(UploadOptions {
        target: resolve_target(&url, matches)?,
        keep_local: matches.opt_present(KEEP_LOCAL),
        timeout: value(matches, TIMEOUT)?.map(|TimeSpan(time)| time),
    }))
}
