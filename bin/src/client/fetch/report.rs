//! What is said of the artifacts that are fetched.

use crate::artifact_writing::Progress;
use crate::client::error::ClientError;
use crate::client::flags::Form;
use crate::json::{self, string};
use crate::wording::Size;
use builder_proto::history::{Artifact, Sha256};
use builder_proto::text::Text;
use serde_json::{Value, json};
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// What was fetched, what was there already, and what could not be fetched.
pub(super) struct Report {
    form: Form,
    quiet: bool,
    pub(super) progress: Progress,
    fetched: u64,
    bytes: u64,
    found: u64,
    failed: u64,
    unverified: u64,
}

impl Report {
    /// Begins with none of `total` bytes, which are 0 when nobody knows.
    pub(super) fn new(form: Form, quiet: bool, total: u64) -> Report {
        let progress = Progress::new(total, quiet);
        Report { form, quiet, progress, fetched: 0, bytes: 0, found: 0, failed: 0, unverified: 0 }
    }

    /// An artifact is in its place.
    pub(super) fn fetched(&mut self, artifact: &Artifact, digest: Sha256) -> Result<(), ClientError> {
        self.fetched += 1;
        self.bytes = self.bytes.saturating_add(artifact.size);
        let is_verified = artifact.sha256.is_some();
        self.unverified += u64::from(!is_verified);
        self.print(artifact, "fetched", Some(digest), is_verified)
    }

    /// An artifact was there already.
    pub(super) fn found(&mut self, artifact: &Artifact, is_verified: bool) -> Result<(), ClientError> {
        self.found += 1;
        self.progress.find(artifact.size);
        self.unverified += u64::from(!is_verified);
        self.print(artifact, "found", artifact.sha256, is_verified)
    }

    /// An artifact does not get into its place.
    pub(super) fn failed(
        &mut self,
        artifact: &Artifact,
        error: &dyn fmt::Display,
    ) -> Result<(), ClientError> {
        self.failed += 1;
        self.progress.clear();
        log::error!("artifact {}: {error}", artifact.path);
        self.print(artifact, "failed", artifact.sha256, false)
    }

    fn print(
        &mut self,
        artifact: &Artifact,
        outcome: &str,
        digest: Option<Sha256>,
        is_verified: bool,
    ) -> Result<(), ClientError> {
        if self.form != Form::Json {
            return Ok(());
        }
        let digest = digest.map_or(Value::Null, |digest| digest.to_string().into());
        let value = json!({
            "path": string(&artifact.path), "bytes": artifact.size, "sha256": digest, "verified": is_verified,
            "outcome": outcome,
        });
        writeln!(io::stdout().lock(), "{}", json::line(&value)).map_err(ClientError::Print)
    }

    /// Everything that can be done is done.
    pub(super) fn end(mut self, directory: Option<&Path>) -> Result<(), ClientError> {
        self.progress.clear();
        if self.unverified > 0 {
            let artifacts = counted(self.unverified);
            log::warn!("not verified: the server does not know the digests of {artifacts}");
        }
        if self.failed > 0 {
            return Err(ClientError::NotFetched { artifacts: self.failed });
        }
        if !self.quiet && io::stderr().is_terminal() {
            // The artifacts are written, whether anybody reads this or not.
            let _ = writeln!(io::stderr(), "{}", self.summary(directory));
        }
        Ok(())
    }

    fn summary(&self, directory: Option<&Path>) -> String {
        let Some(directory) = directory.filter(|_| self.fetched + self.found > 0) else {
            return "the build left no artifacts".to_owned();
        };
        let directory = Text::from(directory.as_os_str().as_bytes());
        let fetched = counted(self.fetched);
        match self.found {
            0 => format!("fetched {fetched} ({}) into {directory}", Size(self.bytes)),
            found if self.fetched == 0 => format!("{} in {directory} already", counted(found)),
            found => {
                let size = Size(self.bytes);
                format!("fetched {fetched} ({size}) into {directory}, where {found} others were already")
            }
        }
    }
}

fn counted(artifacts: u64) -> String {
    if artifacts == 1 { "one artifact".to_owned() } else { format!("{artifacts} artifacts") }
}
