//! `builder-upload`: gives stored results to an upload server, by hand or for `builder-server`.
//!
//! One request a file, in a process of its own: it holds the whole file in memory, and the HTTP library may crash
//! about a malformed answer. What becomes of it, the exit code says; see `--help`. In the order in which to read:
//!
//! | module | holds |
//! |---|---|
//! | `target`, `credentials` | where to upload to and as whom |
//! | `request` | one upload: a file as the body of a POST, and what the answer means |
//! | `exchange` | what is sent of a stored result, and what the server answers |
//! | `relay`, `admission` | the connection, which minreq uses as if it were a proxy, and who is let into it |

mod admission;
mod credentials;
mod exchange;
mod relay;
mod request;
mod target;

pub(crate) use credentials::{CredentialsError, Source, VARIABLE as CREDENTIALS_VARIABLE};
pub(crate) use request::Verdict;
pub(crate) use target::{CREDENTIALS, HOLD_BACK, Target, resolve as resolve_target};

use crate::command_line::{Flag, Kind, Logging, Matches, Program, UsageError, Word, time_limit};
use crate::terminal::StatusLine;
use crate::wording::{Size, Span};
use builder_engine::driver::upload_time;
use credentials::Credentials;
use exchange::{Body, HeldBack};
use request::{Failure, Success, send};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// The name of the executable.
pub(crate) const NAME: &str = "builder-upload";
/// The option that bounds the time of an upload.
pub(crate) const TIMEOUT: Flag =
    Flag::with_value("timeout", "TIME", Kind::Text, "the longest time that one upload may take")
        .default("5m, and 1s for each 256KiB")
        .manual(
            "\
The longest time that the upload of one result may take, such as
.Li 10m .
The default is five minutes, and a second for each 256KiB.",
        );

/// What may be typed after its name.
pub const PROGRAM: Program = Program {
    name: NAME,
    about: "Uploads stored results to a server such as builder-web, each as the body of a\n\
            POST. While a file is sent, it takes twice its size in memory.\n\n\
            builder-web publishes a file below bin/ however its build ended. So if a build\n\
            did not exit (killed, timed out, lost), its files there are held back.\n\n\
            Credentials come from a file, from BUILDER_UPLOAD_CREDENTIALS or from the URL\n\
            (http://USER:PASS@HOST/).\n\n\
            Exit codes:\n\
            \x20 0  the server has all files\n\
            \x20 1  the server is unreachable or busy\n\
            \x20 2  the command line is wrong\n\
            \x20 3  the credentials are refused, or cannot be read\n\
            \x20 4  the server did not accept a file, or the file cannot be read\n\
            \x20 5  the server does not let this user upload a file\n\
            After 4 and 5, the other files are tried. The last failure determines the code.",
    notes: "",
    logging: Logging::Command,
    words: &[Word::one("URL", Kind::Url), Word::several("FILE", Kind::File)],
    flags: &[CREDENTIALS, HOLD_BACK, TIMEOUT],
    commands: &[],
};

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    PROGRAM.main_with_code(resolve, |settings| ExitCode::from(run(&settings).code()))
}

/// What to upload and how.
#[derive(Debug)]
struct Settings {
    target: Target,
    files: Vec<PathBuf>,
    timeout: Option<Duration>,
    quiet: bool,
}

fn resolve(matches: &Matches) -> Result<Settings, UsageError> {
    let [url, files @ ..] = matches.free.as_slice() else {
        return Err(UsageError::new("URL and FILE are missing"));
    };
    if files.is_empty() {
        return Err(UsageError::new("FILE is missing; name at least one after the URL"));
    }
    Ok(Settings {
        target: resolve_target(url, matches)?,
        files: files.iter().map(PathBuf::from).collect(),
        timeout: time_limit(matches, TIMEOUT.long)?,
        quiet: matches.opt_present("quiet"),
    })
}

/// Uploads one file after the other. A file that is refused does not keep the next from being tried; what concerns all
/// files ends it.
fn run(settings: &Settings) -> Verdict {
    let credentials = match settings.target.credentials.read() {
        Ok(credentials) => credentials,
        Err(error) => {
            PROGRAM.complain(&error);
            return Verdict::Unauthorized;
        }
    };
    let mut verdict = Verdict::Done;
    for (number, file) in settings.files.iter().enumerate() {
        match upload(settings, credentials.as_ref(), file) {
            Ok(Success::Stored) => log::info!("uploaded {} to {}", file.display(), settings.target.url),
            Ok(Success::Known) => log::info!("{} has {} already", settings.target.url, file.display()),
            Err(failure) => {
                complain(settings, file, &failure, settings.files.len() - number - 1);
                verdict = failure.verdict;
                if !verdict.is_about_one_file() {
                    break;
                }
            }
        }
    }
    verdict
}

fn upload(settings: &Settings, credentials: Option<&Credentials>, file: &Path) -> Result<Success, Failure> {
    let body = Body::read(file, settings.target.filter)
        .map_err(|error| Failure { verdict: Verdict::Refused, reason: error.to_string() })?;
    let bytes = body.bytes.len() as u64;
    let name = file.file_name().unwrap_or(file.as_os_str()).to_string_lossy();
    let _progress = Progress::start(format!("uploading {name} ({})", Size(bytes)), settings.quiet);
    let patience = settings.timeout.unwrap_or_else(|| upload_time(bytes));
    let success = send(&settings.target.url, credentials, body.bytes, patience)?;
    if let Some(HeldBack { count, result }) = body.held_back {
        let file = file.display();
        log::warn!(
            "{file}: held back its files below bin/ (artifacts: {count}), because of how the build ended: {result}"
        );
    }
    Ok(success)
}

fn complain(settings: &Settings, file: &Path, failure: &Failure, left: usize) {
    let cannot = cannot_upload(file, settings.target.url.as_str());
    let remedy = match (failure.verdict, &settings.target.credentials) {
        (Verdict::Unauthorized, Source::Nowhere) => {
            format!("; name a file with them by --{}", CREDENTIALS.long)
        }
        (Verdict::Unauthorized, Source::File(path)) => format!("; look into {}", path.display()),
        (Verdict::Unauthorized, Source::Given(_)) => {
            format!("; correct them in the URL or in {CREDENTIALS_VARIABLE}")
        }
        (Verdict::Forbidden, _) => "; let the user upload it there, or correct the credentials".to_owned(),
        _ => String::new(),
    };
    let untried = match (failure.verdict, left) {
        (verdict, _) if verdict.is_about_one_file() => String::new(),
        (_, 0) => String::new(),
        (_, left) => format!("; files not tried: {left}"),
    };
    PROGRAM.complain(&format_args!("{cannot}{}{remedy}{untried}", failure.reason));
}

fn cannot_upload(file: &Path, url: &str) -> String {
    format!("cannot upload {} to {url}: ", file.display())
}

/// What a complaint begins with, for a reader who knows file and URL.
pub(crate) fn complaint_start(file: &Path, url: &str) -> String {
    format!("{NAME}: {}", cannot_upload(file, url))
}

/// Time between two changes of the line that says how long an upload takes; also the time before it appears, as what is quick
/// needs none.
const INTERVAL: Duration = Duration::from_secs(1);

/// That line; gone when dropped. How much is sent cannot be told, since the library that sends does not.
#[derive(Debug)]
struct Progress {
    thread: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Progress {
    /// Begins to show how long `what` has taken, if stderr is a terminal and `quiet` does not forbid it.
    fn start(what: String, quiet: bool) -> Progress {
        let mut line = StatusLine::new(quiet);
        if !line.is_enabled() {
            return Progress { thread: None };
        }
        let (stop, stopped) = mpsc::channel();
        let show = move || {
            let start = Instant::now();
            while stopped.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
                line.show(format_args!("{what}: {}", Span(start.elapsed())));
            }
        };
        let thread = thread::Builder::new().spawn(show).ok().map(|thread| (stop, thread));
        Progress { thread }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.thread.take() {
            drop(stop);
            // It has nothing to report, and without the line all goes on as well.
            let _ = thread.join();
        }
    }
}
