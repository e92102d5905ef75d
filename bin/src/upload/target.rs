//! Where to upload to and as whom, as command lines and the environment say it.

use super::credentials::{Credentials, Source};
use super::url::UploadUrl;
use crate::command_line::{Flag, Kind, Matches, UsageError};
use builder_engine::server::UploadFilter;

/// The option that names the file with the credentials.
pub(crate) const CREDENTIALS: Flag = Flag::with_value(
    "upload-credentials",
    "FILE",
    Kind::File,
    "read the credentials for uploads, one line user:pass, from FILE, so that ps does not show them",
)
.manual(
    "\
Read the credentials for uploads from
.Ar file ,
which contains one line,
.Ar user : Ns Ar password .
The file is read for each upload.",
);
/// The flag that holds back what failed builds left below bin/.
pub(crate) const HOLD_BACK: Flag =
    Flag::switch("hold-back-failed", "if a build exited with another status than 0, do not upload its files below bin/; if it did not exit, they are never uploaded")
    .manual("\
If a build exited with another status than 0, do not upload its files below
.Pa bin/
either.
Without this option, builder-web publishes them, because it ignores the exit
status.");

/// An upload server, how to be let in, and what it gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) url: UploadUrl,
    pub(crate) credentials: Source,
    /// What it does not get.
    pub(crate) filter: UploadFilter,
}

/// Puts the pieces together. The file counts more than the environment; the file and the URL contradict each other.
pub(crate) fn resolve(url: &str, matches: &Matches) -> Result<Target, UsageError> {
    let url = UploadUrl::parse(url).map_err(UsageError::new)?;
    let file = CREDENTIALS.long;
    let credentials = match (matches.opt_str(CREDENTIALS.long), url.credentials()) {
        (Some(_), Some(_)) => {
            return Err(UsageError::new(format_args!(
                "there are credentials in the URL and --{file}; keep only --{file}"
            )));
        }
        (Some(path), None) => Source::File(path.into()),
        (None, Some(credentials)) => {
            log::warn!("ps shows the credentials in the URL; --{file} FILE hides them");
            Source::Given(credentials.clone())
        }
        (None, None) => match Credentials::from_environment().map_err(UsageError::new)? {
            Some(credentials) => Source::Given(credentials),
            None => Source::Nowhere,
        },
    };
    let filter = UploadFilter { hold_back_failed: matches.opt_present(HOLD_BACK.long) };
    Ok(Target { url, credentials, filter })
}
