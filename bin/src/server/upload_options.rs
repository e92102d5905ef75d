//! The part of the command line that is about uploads.

use crate::command_line::{Flag, Kind, Matches, TimeSpan, UsageError, value};
use crate::upload::{CREDENTIALS, HOLD_BACK, Target, resolve_target};
use std::time::Duration;

pub(super) const UPLOAD: Flag = Flag::with_value(
    "upload",
    "URL",
    Kind::Url,
    "upload results to this http:// or https:// URL once they are stored",
)
.manual(
    "\
Upload results to this http:// or https:// URL once they are stored, one at a
time, with
.Xr builder-upload 1 .
When the upload server has a result (it answered 2xx or 409), the result is
removed from the
.Ar dir .
After any other answer, the upload is tried again after a second, and then after
delays that double up to an hour.
If the upload server refuses the credentials (401 with a challenge), all uploads
stop until
.Dv SIGHUP
or a restart.
If it does not let this user upload a job (403, or 401 without a challenge), the
results of that job are delayed; if it gives this answer for three jobs in a
row, all uploads wait for an hour.
.Pp
If a build did not exit, because it was killed, ran too long, was lost or could
not be started, its files below
.Pa bin/
are not uploaded: builder-web would take them for the binary of a build that
succeeded.
The result that is stored in the
.Ar dir
stays as it is.
.Pp
.Ql builder-client info
shows the results that wait to be uploaded.
They are not lost when either side restarts.",
);
pub(super) const KEEP_LOCAL: Flag = Flag::switch("keep-local", "keep results in DIR after they are uploaded")
    .manual(
        "\
Keep results in the
.Ar dir
after they are uploaded.",
    );
pub(super) const TIMEOUT: Flag =
    Flag::with_value("upload-timeout", "TIME", Kind::Text, "the longest time that one upload may take")
        .default("5m, and 1s for each 256KiB")
        .manual(
            "\
The longest time that one upload may take.
The default is five minutes, and a second for each 256KiB.",
        );

/// Where results go once they are stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UploadOptions {
    pub(crate) target: Target,
    pub(crate) keep_local: bool,
    /// The longest that one upload may take; none to go by its size.
    pub(crate) timeout: Option<Duration>,
}

/// What there is to upload to, if anything.
pub(crate) fn resolve(matches: &Matches) -> Result<Option<UploadOptions>, UsageError> {
    let Some(url) = matches.opt_str(UPLOAD.long) else {
        let stray = [CREDENTIALS, HOLD_BACK, KEEP_LOCAL, TIMEOUT]
            .into_iter()
            .map(|flag| flag.long)
            .find(|name| matches.opt_present(name));
        return match stray {
            Some(name) => {
                Err(UsageError::new(format_args!("--{name} has no effect without --{} URL", UPLOAD.long)))
            }
            None => Ok(None),
        };
    };
    Ok(Some(UploadOptions {
        target: resolve_target(&url, matches)?,
        keep_local: matches.opt_present(KEEP_LOCAL.long),
        timeout: value(matches, TIMEOUT.long)?.map(|TimeSpan(time)| time),
    }))
}
