//! Uploads: the options about them, and the process that uploads a result, `builder-upload`, one at a time.
//!
//! It is a process and no thread because it may take as much memory as the result has bytes, and time without end. Whatever
//! it does, the server only waits for SIGCHLD.

use crate::command_line::{Flag, Kind, Matches, UsageError, time_limit};
use crate::upload::{
    CREDENTIALS, CREDENTIALS_VARIABLE, CredentialsError, HOLD_BACK, NAME, Source, TIMEOUT, Target, Verdict,
    complaint_start, resolve_target,
};
use builder_engine::driver::UploadEnd;
use builder_proto::text::Text;
use rustix::fs::{Access, access};
use std::env;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

/// How the process begins a warning.
const WARNING_START: &str = "builder-upload: warning: ";
/// Bytes read of what the process complains about.
const COMPLAINT_BYTES: u64 = 4096;

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
removed from the data directory.
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
The result that is stored in the data directory stays as it is.
.Pp
.Ql builder-client info
shows the results that wait to be uploaded.
They are not lost when either side restarts.",
);
pub(super) const KEEP_LOCAL: Flag = Flag::switch("keep-local", "keep results in DIR after they are uploaded")
    .manual(
        "\
Keep results in the data directory after they are uploaded.",
    );
pub(super) const UPLOAD_TIMEOUT: Flag =
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
pub(super) fn resolve_uploads(matches: &Matches) -> Result<Option<UploadOptions>, UsageError> {
    let Some(url) = matches.opt_str(UPLOAD.long) else {
        let stray = [CREDENTIALS, HOLD_BACK, KEEP_LOCAL, UPLOAD_TIMEOUT]
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
        timeout: time_limit(matches, UPLOAD_TIMEOUT.long)?,
    }))
}

/// Starts the processes.
#[derive(Debug)]
pub(crate) struct Uploader {
    program: PathBuf,
    options: UploadOptions,
    running: Option<Upload>,
}

/// A process that uploads.
#[derive(Debug)]
struct Upload {
    result: PathBuf,
    child: Child,
}

/// Why the server cannot upload.
#[derive(Debug)]
pub(crate) enum UploaderError {
    Program,
    Credentials(CredentialsError),
}

impl Uploader {
    /// Looks for the program and at the credentials, so that what is wrong with either is known at once.
    pub(crate) fn new(options: UploadOptions) -> Result<Uploader, UploaderError> {
        let program = find_program().ok_or(UploaderError::Program)?;
        options.target.credentials.read().map_err(UploaderError::Credentials)?;
        Ok(Uploader { program, options, running: None })
    }

    pub(crate) fn start(&mut self, result: PathBuf) -> io::Result<()> {
        let child = self.command(&result).spawn().map_err(|error| {
            io::Error::new(error.kind(), format!("cannot run {}: {error}", self.program.display()))
        })?;
        self.running = Some(Upload { result, child });
        Ok(())
    }

    /// Kills the process; it is reaped like any other.
    pub(crate) fn kill(&mut self) {
        if let Some(upload) = &mut self.running
            && let Err(error) = upload.child.kill()
        {
            log::error!("cannot kill {NAME}, process {}: {error}", upload.child.id());
        }
    }

    /// How the process has ended, if it has; to be called after SIGCHLD.
    pub(crate) fn reap(&mut self) -> Option<UploadEnd> {
        let status = self.running.as_mut()?.child.try_wait().transpose()?;
        let mut upload = self.running.take()?;
        Some(match status {
            Ok(status) => upload.end(status, self.options.target.url.as_str()),
            Err(error) => UploadEnd::Refused(format!("cannot find out how {NAME} ended: {error}")),
        })
    }

    /// Credentials go by file or environment, which other users cannot see.
    fn command(&self, result: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command.env_remove("RUST_LOG").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        match &self.options.target.credentials {
            Source::Nowhere => {}
            Source::File(path) => {
                command.arg(format!("--{}", CREDENTIALS.long)).arg(path);
            }
            Source::Given(credentials) => {
                command.env(CREDENTIALS_VARIABLE, credentials.for_environment());
            }
        }
        if self.options.target.filter.hold_back_failed {
            command.arg(format!("--{}", HOLD_BACK.long));
        }
        if let Some(timeout) = self.options.timeout {
            command.arg(format!("--{}={}", TIMEOUT.long, humantime::format_duration(timeout)));
        }
        command.arg("--").arg(self.options.target.url.as_str()).arg(result);
        command
    }
}

impl Drop for Uploader {
    /// What is under way starts anew with the next server. The system takes care of what is left of the process.
    fn drop(&mut self) {
        self.kill();
    }
}

impl Upload {
    fn end(&mut self, status: ExitStatus, url: &str) -> UploadEnd {
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
        match verdict {
            Verdict::Done => UploadEnd::Done,
            Verdict::Unavailable => UploadEnd::Unavailable(reason),
            Verdict::Unauthorized => UploadEnd::Unauthorized(reason),
            Verdict::Forbidden => UploadEnd::Forbidden(reason),
            Verdict::Refused => UploadEnd::Refused(reason),
        }
    }

    /// The last line that the process, which has ended, wrote to stderr, without what the server says itself.
    fn read_complaint(&mut self, url: &str) -> Option<String> {
        let stderr = self.child.stderr.take()?;
        // Whatever else may hold the pipe open is not waited for.
        rustix::io::ioctl_fionbio(&stderr, true).ok()?;
        let mut bytes = Vec::new();
        if let Err(error) = stderr.take(COMPLAINT_BYTES).read_to_end(&mut bytes)
            && error.kind() != ErrorKind::WouldBlock
        {
            log::warn!("cannot read the messages of {NAME}: {error}");
        }
        let text = String::from_utf8_lossy(&bytes);
        let line = text.lines().map(str::trim).rfind(|line| !line.is_empty())?;
        let line = line.strip_prefix(&complaint_start(&self.result, url)).unwrap_or(line);
        Some(Text::from(line).to_string())
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
    beside.into_iter().chain(in_path).find(|program| is_executable(program))
}

/// Whether this user may run a file.
fn is_executable(program: &Path) -> bool {
    access(program, Access::EXEC_OK).is_ok() && program.is_file()
}

#[cfg(test)]
mod tests {
    use super::{Upload, WARNING_START, is_executable};
    use builder_engine::driver::UploadEnd;
    use std::process::{Command, Stdio};
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    const URL: &str = "https://builds.example";

    /// What the server makes of a process that says all this and ends so.
    fn end_of(script: &str) -> UploadEnd {
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let child = command.spawn().expect("there is a shell");
        let mut upload = Upload { result: "job/uuid/full".into(), child };
        let status = upload.child.wait().expect("it ends");
        upload.end(status, URL)
    }

    #[test]
    fn the_last_line_is_the_reason() {
        let script =
            format!("echo '{WARNING_START}this may fail' >&2; echo why >&2; echo >&2; echo '  ' >&2; exit 1");
        assert_eq!(end_of(&script), UploadEnd::Unavailable("why".to_owned()));
    }

    #[test]
    fn a_process_that_says_nothing_gave_no_reason() {
        let UploadEnd::Refused(reason) = end_of("exit 4") else { panic!("it was refused") };
        assert!(reason.ends_with("and gave no reason"), "{reason}");
        assert!(
            matches!(end_of("kill -9 $$"), UploadEnd::Refused(_)),
            "nobody knows what it would have said"
        );
    }

    #[test]
    fn what_holds_the_pipe_is_not_waited_for() {
        let (sender, receiver) = mpsc::channel();
        // It says so itself, so that it need not be looked for.
        let script = "sleep 300 & echo why $! >&2; exit 1";
        thread::spawn(move || sender.send(end_of(script)));
        let end = receiver.recv_timeout(Duration::from_secs(10));
        let Ok(UploadEnd::Unavailable(reason)) = end else { panic!("it is waited for: {end:?}") };
        let sleeper = reason.strip_prefix("why ").expect("what it said");
        assert!(Command::new("kill").arg(sleeper).status().expect("there is kill").success(), "it lives");
    }

    #[test]
    fn what_it_said_of_a_result_that_was_taken_is_no_reason() {
        assert_eq!(end_of(&format!("echo '{WARNING_START}held back' >&2")), UploadEnd::Done);
    }

    #[test]
    fn only_what_can_be_run_is_taken_for_the_program() {
        assert!(!is_executable(std::path::Path::new("src")), "a directory");
        assert!(!is_executable(std::path::Path::new("src/lib.rs")));
        assert!(is_executable(&std::env::current_exe().unwrap()));
    }
}
