//! Where to upload to and as whom, as command lines and the environment say it.

use super::credentials::{Credentials, Source};
use super::url::UploadUrl;
use crate::command_line::{Matches, Options, UsageError};
use builder_engine::server::UploadFilter;

/// The option that names the file with the credentials.
pub(crate) const CREDENTIALS_OPTION: &str = "upload-credentials";
/// The flag that holds back what failed builds left below bin/.
pub(crate) const HOLD_BACK_FLAG: &str = "hold-back-failed";

/// An upload server, how to be let in, and what it gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) url: UploadUrl,
    pub(crate) credentials: Source,
    /// What it does not get.
    pub(crate) filter: UploadFilter,
}

/// Declares what `builder-server` and `builder-upload` have in common.
pub(crate) fn declare(options: &mut Options) {
    options.optopt(
        "",
        CREDENTIALS_OPTION,
        "read the credentials for uploads, one line user:pass, from FILE, so that ps does not show them",
        "FILE",
    );
    options.optflag(
        "",
        HOLD_BACK_FLAG,
        "if a build exited with another status than 0, do not upload its files below bin/; if it did not exit, they are never \
         uploaded",
    );
}

/// Puts the pieces together. The file counts more than the environment; the file and the URL contradict each other.
pub(crate) fn resolve(url: &str, matches: &Matches) -> Result<Target, UsageError> {
    let url = UploadUrl::parse(url).map_err(UsageError::new)?;
    let credentials = match (matches.opt_str(CREDENTIALS_OPTION), url.credentials()) {
        (Some(_), Some(_)) => {
            return Err(UsageError::new(format_args!(
                "there are credentials in the URL and --{CREDENTIALS_OPTION}; keep only --{CREDENTIALS_OPTION}"
            )));
        }
        (Some(path), None) => Source::File(path.into()),
        (None, Some(credentials)) => {
            log::warn!("ps shows the credentials in the URL; --{CREDENTIALS_OPTION} FILE hides them");
            Source::Given(credentials.clone())
        }
        (None, None) => match Credentials::from_environment().map_err(UsageError::new)? {
            Some(credentials) => Source::Given(credentials),
            None => Source::Nowhere,
        },
    };
    let filter = UploadFilter { hold_back_failed: matches.opt_present(HOLD_BACK_FLAG) };
    Ok(Target { url, credentials, filter })
}
