//! Where to upload to and as whom, as command lines and the environment say it.

use super::credentials::{Credentials, Source};
use super::url::UploadUrl;
use crate::command_line::{Matches, Options, UsageError};

/// The option that names the file with the credentials.
pub(crate) const CREDENTIALS_OPTION: &str = "upload-credentials";

/// An upload server, and how to be let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) url: UploadUrl,
    pub(crate) credentials: Source,
}

pub(crate) fn declare_credentials(options: &mut Options) {
    options.optopt(
        "",
        CREDENTIALS_OPTION,
        "read the credentials for uploads, one line user:pass, from FILE, so that ps does not show them",
        "FILE",
    );
}

/// Puts the pieces together. The file counts more than the environment; the file and the URL contradict each other.
pub(crate) fn resolve(url: &str, matches: &Matches) -> Result<Target, UsageError> {
    let url = UploadUrl::parse(url).map_err(UsageError::new)?;
    let credentials = match (matches.opt_str(CREDENTIALS_OPTION), url.credentials()) {
        (Some(_), Some(_)) => {
            return Err(UsageError::new(format_args!(
                "there are credentials in the URL and --{CREDENTIALS_OPTION}; keep the latter"
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
    Ok(Target { url, credentials })
}
