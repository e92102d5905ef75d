//! The process that uploads a result: `builder-upload`, one at a time.
//!
//! It is a process and no thread because it may take as much memory as the result has octets, and time without end. Whatever
//! it does, the server only waits for SIGCHLD.

use crate::server::paths::Paths;
use crate::server::upload_options::UploadOptions;
use crate::upload::{
    CREDENTIALS_OPTION, CREDENTIALS_VARIABLE, CredentialsError, HOLD_BACK_FLAG, NAME, Source, TIMEOUT_OPTION,
    Verdict, complaint_start, patience,
};
use builder_engine::server::{Safety, UploadOutcome, UploadSettings};
use builder_proto::Uuid;
use builder_proto::text::Text;
use std::env;
use std::fs;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

/// Time that the process has, beyond what it grants itself, before it is killed.
const GRACE: Duration = Duration::from_secs(10);
/// How the process begins a warning.
const WARNING_START: &str = "builder-upload: warning: ";
/// Octets read of what the process complains about.
const COMPLAINT_BYTES: u64 = 4096;

/// Starts the processes.
#[derive(Debug)]
pub(crate) struct Uploader {
    program: PathBuf,
    options: UploadOptions,
    paths: Paths,
    /// What is to be uploaded as soon as its file is safe on disk.
    wanted: Option<(Uuid, Text)>,
    running: Option<Upload>,
}

/// A process that uploads.
#[derive(Debug)]
struct Upload {
    uuid: Uuid,
    result: PathBuf,
    child: Child,
    /// When it is killed, in monotonic time.
    deadline: Duration,
    expired: bool,
}

/// How an upload ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) uuid: Uuid,
    ending: Ending,
}

#[derive(Debug)]
enum Ending {
    Missing,
    Verdict(Verdict, String),
}

/// Why the server cannot upload.
#[derive(Debug)]
pub(crate) enum UploaderError {
    Program,
    Credentials(CredentialsError),
}

impl Uploader {
    /// Looks for the program and at the credentials, so that what is wrong with either is known at once.
    pub(crate) fn new(options: UploadOptions, paths: Paths) -> Result<Uploader, UploaderError> {
        let program = find_program().ok_or(UploaderError::Program)?;
        options.target.credentials.read().map_err(UploaderError::Credentials)?;
        Ok(Uploader { program, options, paths, wanted: None, running: None })
    }

    /// What the machine needs to know.
    pub(crate) fn settings(&self) -> UploadSettings {
        UploadSettings {
            destination: self.options.target.url.to_string(),
            keep_local: self.options.keep_local,
        }
    }

    /// Takes on a result; its upload starts with a later [`Uploader::start`].
    pub(crate) fn want(&mut self, uuid: Uuid, name: Text) {
        self.wanted = Some((uuid, name));
    }

    /// Starts what is wanted if its file is safe on disk: until then the log may write the file again. Gives the end of the
    /// upload when it cannot even be started.
    pub(crate) fn start(&mut self, now: Duration, safety: impl Fn(Uuid) -> Safety) -> Option<Ended> {
        let (uuid, name) = self.wanted.take_if(|(uuid, _)| safety(*uuid) != Safety::Soon)?;
        let result = self.paths.result(&name, uuid);
        let ending = match fs::metadata(&result) {
            // Others need not wait for it.
            _ if safety(uuid) == Safety::Stuck => {
                let reason = format!("{} could not be written so far", result.display());
                Ending::Verdict(Verdict::Refused, reason)
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ending::Missing,
            Err(error) => {
                Ending::Verdict(Verdict::Refused, format!("cannot read {}: {error}", result.display()))
            }
            Ok(metadata) => match self.command(&result).spawn() {
                Ok(child) => {
                    let patience = self.options.timeout.unwrap_or_else(|| patience(metadata.len()));
                    let deadline = now.saturating_add(patience).saturating_add(GRACE);
                    self.running = Some(Upload { uuid, result, child, deadline, expired: false });
                    return None;
                }
                Err(error) => {
                    let reason = format!("cannot run {}: {error}", self.program.display());
                    Ending::Verdict(Verdict::Unavailable, reason)
                }
            },
        };
        Some(Ended { uuid, ending })
    }

    /// When [`Uploader::expire`] has something to do, in monotonic time.
    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        self.running.as_ref().filter(|upload| !upload.expired).map(|upload| upload.deadline)
    }

    /// Kills a process that takes too long; it is reaped like any other.
    pub(crate) fn expire(&mut self, now: Duration) {
        if let Some(upload) = self.running.as_mut().filter(|upload| !upload.expired && upload.deadline <= now)
        {
            upload.expired = true;
            upload.kill();
        }
    }

    /// Takes note of a process that has ended, if it has; to be called after SIGCHLD.
    pub(crate) fn reap(&mut self) -> Option<Ended> {
        let status = self.running.as_mut()?.child.try_wait().transpose()?;
        let mut upload = self.running.take()?;
        let ending = match status {
            _ if upload.expired => {
                let reason = format!("{NAME} took too long and was killed (--upload-timeout)");
                Ending::Verdict(Verdict::Refused, reason)
            }
            Ok(status) => upload.ending(status, self.options.target.url.as_str()),
            Err(error) => {
                let reason = format!("cannot find out how {NAME} ended: {error}");
                Ending::Verdict(Verdict::Refused, reason)
            }
        };
        Some(Ended { uuid: upload.uuid, ending })
    }

    /// Credentials go by file or environment, which other users cannot see.
    fn command(&self, result: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command.env_remove("RUST_LOG").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        match &self.options.target.credentials {
            Source::Nowhere => {}
            Source::File(path) => {
                command.arg(format!("--{CREDENTIALS_OPTION}")).arg(path);
            }
            Source::Given(credentials) => {
                command.env(CREDENTIALS_VARIABLE, credentials.for_environment());
            }
        }
        if self.options.target.filter.hold_back_failed {
            command.arg(format!("--{HOLD_BACK_FLAG}"));
        }
        if let Some(timeout) = self.options.timeout {
            command.arg(format!("--{TIMEOUT_OPTION}={}", humantime::format_duration(timeout)));
        }
        command.arg("--").arg(self.options.target.url.as_str()).arg(result);
        command
    }
}

impl Drop for Uploader {
    /// What is under way starts anew with the next server. The system takes care of what is left of the process.
    fn drop(&mut self) {
        if let Some(upload) = &mut self.running {
            upload.kill();
        }
    }
}

impl Upload {
    fn kill(&mut self) {
        if let Err(error) = self.child.kill() {
            log::error!("cannot kill {NAME}, process {}: {error}", self.child.id());
        }
    }

    fn ending(&mut self, status: ExitStatus, url: &str) -> Ending {
        let verdict = Verdict::of(status);
        let said = self.read_complaint(url);
        let reason = match verdict {
            Verdict::Done => {
                if let Some(warning) = said {
                    let warning = warning.strip_prefix(WARNING_START).unwrap_or(&warning);
                    log::warn!("{NAME}: {warning}");
                }
                None
            }
            _ => said,
        };
        let reason = reason.unwrap_or_else(|| format!("{NAME} ended with {status} and gave no reason"));
        Ending::Verdict(verdict, reason)
    }

    /// The last line that the process, which has ended, wrote to stderr, without what the server says itself.
    fn read_complaint(&mut self, url: &str) -> Option<String> {
        let stderr = self.child.stderr.take()?;
        // Whatever else may hold the pipe open is not waited for.
        rustix::io::ioctl_fionbio(&stderr, true).ok()?;
        let mut octets = Vec::new();
        if let Err(error) = stderr.take(COMPLAINT_BYTES).read_to_end(&mut octets)
            && error.kind() != ErrorKind::WouldBlock
        {
            log::warn!("cannot read the messages of {NAME}: {error}");
        }
        let text = String::from_utf8_lossy(&octets);
        let line = text.lines().map(str::trim).rfind(|line| !line.is_empty())?;
        let line = line.strip_prefix(&complaint_start(&self.result, url)).unwrap_or(line);
        Some(Text::from(line).to_string())
    }
}

impl Ended {
    /// As the machine takes it.
    pub(crate) fn outcome(&self) -> UploadOutcome<'_> {
        match &self.ending {
            Ending::Missing => UploadOutcome::Missing,
            Ending::Verdict(Verdict::Done, _) => UploadOutcome::Done,
            Ending::Verdict(Verdict::Unavailable, reason) => UploadOutcome::Unavailable(reason),
            Ending::Verdict(Verdict::Unauthorized, reason) => UploadOutcome::Unauthorized(reason),
            Ending::Verdict(Verdict::Forbidden, reason) => UploadOutcome::Forbidden(reason),
            Ending::Verdict(Verdict::Refused, reason) => UploadOutcome::Refused(reason),
        }
    }
}

impl std::fmt::Display for UploaderError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            UploaderError::Program => write!(
                f,
                "there is no {NAME} beside this program nor in PATH; install it there, or leave out --upload"
            ),
            UploaderError::Credentials(error) => error.fmt(f),
        }
    }
}

/// The program of the same installation, or any in PATH.
fn find_program() -> Option<PathBuf> {
    let beside = env::current_exe().ok().map(|program| program.with_file_name(NAME));
    let path = env::var_os("PATH").unwrap_or_default();
    let in_path = env::split_paths(&path).map(|directory| directory.join(NAME));
    beside.into_iter().chain(in_path).find(|program| is_executable(program).unwrap_or(false))
}

fn is_executable(program: &Path) -> io::Result<bool> {
    rustix::fs::access(program, rustix::fs::Access::EXEC_OK)?;
    Ok(fs::metadata(program)?.is_file())
}
