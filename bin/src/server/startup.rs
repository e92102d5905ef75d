//! From settings to a running loop, or to an exported state, or why not; on the way, descriptors are counted and the service
//! manager is told that the server is ready.

use crate::clock::Clock;
use crate::server::data_directory::{DataDirectory, Paths, Threads};
use crate::server::disk::{Disk, sync_directory, sync_file};
use crate::server::listen::Users;
use crate::server::notifier::{Notifier, ProgramError};
use crate::server::options::Settings;
use crate::server::private_directory::{self, DirectoryError, DirectoryLock};
use crate::server::reactor::{self, StopReason};
use crate::server::system::{System, Tokens};
use crate::server::template::TemplateDirectory;
use crate::server::uploader::{Uploader, UploaderError};
use crate::socket::raise_descriptor_limit;
use builder_engine::driver::{self, DescriptorBudget, Driver, Limits, import_old_state, sync_result};
use builder_engine::log::{self, OpenError};
use builder_engine::server::{self, PendingResult, Recovered, Recovery, State, migration};
use mio::{Interest, Poll, Waker};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook_mio::v1_0::Signals;
use std::collections::BTreeMap;
use std::env;
use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why the server does not start.
#[derive(Debug)]
pub(crate) enum StartError {
    /// The data directory is missing, in use, or not ours.
    Directory(DirectoryError),
    /// What is in the data directory cannot be used as it is, or there is nothing to listen on.
    Driver(driver::StartError),
    /// Something was not possible with a file or a directory.
    File { what: &'static str, path: PathBuf, error: io::Error },
    /// The state cannot be written for builder 0.4.0.
    Export { path: PathBuf, problem: String },
    /// Uploads lack something.
    Upload(UploaderError),
    /// The program that is to be told of builds cannot be run.
    OnFinish(ProgramError),
    /// The system lacks something that every server needs.
    System { what: &'static str, error: io::Error },
    /// So few files may be open at once that nobody could be served.
    Descriptors { limit: u64, fewest: u64 },
    /// It started, and stopped by itself.
    Stopped(StopReason),
}

pub(crate) fn run(settings: Settings) -> Result<(), StartError> {
    if let Some(file) = &settings.export_state {
        return export(&settings, file);
    }
    let budget = secure_descriptors()?;
    let mut poll = Poll::new().map_err(system("watch for events"))?;
    let mut signals =
        Signals::new([SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGXFSZ]).map_err(system("receive signals"))?;
    poll.registry()
        .register(&mut signals, Tokens::SIGNALS, Interest::READABLE)
        .map_err(system("watch for signals"))?;
    let system = prepare(&settings, &poll)?;
    let mut driver = Driver::start(system, driver_settings(&settings, budget))?;
    announce_readiness();
    reactor::run(&mut poll, &mut signals, &mut driver).map_err(StartError::Stopped)
}

/// All that the driver runs on. Nothing is looked at in the data directory before it is locked.
fn prepare(settings: &Settings, poll: &Poll) -> Result<System, StartError> {
    let private = private_directory::prepare(&settings.directory)?;
    let lock = DirectoryLock::acquire(&private)?;
    let paths = Paths::new(&settings.directory, private).with_metrics(settings.metrics.clone());
    let uploader = settings.uploads.clone().map(Uploader::new).transpose()?;
    let waker = Waker::new(poll.registry(), Tokens::WAKER).map_err(system("watch for threads"))?;
    let waker = Arc::new(waker);
    let on_finish = settings.on_finish.as_ref();
    let notifier = on_finish.map(|on_finish| Notifier::new(&on_finish.program, Arc::clone(&waker)));
    let notifier = notifier.transpose().map_err(StartError::OnFinish)?;
    let root = paths.root().to_owned();
    let directory = DataDirectory::open(paths, Some(lock)).map_err(file_error("open", root))?;
    Ok(System {
        clock: Clock::start(),
        registry: poll.registry().try_clone().map_err(system("watch for events"))?,
        threads: Threads::start(&directory, waker).map_err(system("start threads"))?,
        directory,
        listening: settings.listening.clone(),
        listeners: Vec::new(),
        connections: BTreeMap::new(),
        users: Users::default(),
        templates: TemplateDirectory::new(&settings.config_directory),
        uploader,
        notifier,
    })
}

fn driver_settings(settings: &Settings, budget: DescriptorBudget) -> driver::Settings {
    let uploads = settings.uploads.as_ref();
    driver::Settings {
        server: server::Settings { builds: budget.builds, observers: budget.observers, ..settings.server },
        salvage: settings.salvage,
        connections: budget.connections,
        uploads: uploads.map(|options| driver::Uploads {
            settings: server::UploadSettings {
                destination: options.target.url.to_string(),
                keep_local: options.keep_local,
            },
            time_limit: options.timeout,
        }),
        metrics: settings.metrics.is_some(),
        notices: settings.on_finish.as_ref().map(|on_finish| on_finish.timeout),
        limits: Limits::default(),
    }
}

fn system(what: &'static str) -> impl FnOnce(io::Error) -> StartError {
    move |error| StartError::System { what, error }
}

/// Raises the number of descriptors as far as the system lets us, and shares them out.
///
/// # Errors
///
/// When there are so few that the server could not serve anybody.
fn secure_descriptors() -> Result<DescriptorBudget, StartError> {
    let descriptors = raise_descriptor_limit();
    let fewest = DescriptorBudget::FEWEST_DESCRIPTORS;
    DescriptorBudget::among(descriptors).ok_or(StartError::Descriptors { limit: descriptors, fewest })
}

/// The variable that names the socket of the service manager, if there is one that wants to know: a path, or `@` and an
/// abstract name.
const NOTIFY_SOCKET: &str = "NOTIFY_SOCKET";
const READY: &[u8] = b"READY=1";

/// Tells a service manager that the server listens, as systemd asks for with `Type=notify`. Without one that waits for it,
/// nothing happens.
fn announce_readiness() {
    let Some(name) = env::var_os(NOTIFY_SOCKET).filter(|name| !name.is_empty()) else { return };
    if let Err(error) = announce_to(&name) {
        ::log::warn!("cannot tell {NOTIFY_SOCKET} {} that the server listens: {error}", name.display());
    }
}

fn announce_to(name: &OsStr) -> io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    match abstract_name(name) {
        Some(name) => send_to_abstract(&socket, name)?,
        None => socket.send_to(READY, name)?,
    };
    Ok(())
}

fn abstract_name(name: &OsStr) -> Option<&[u8]> {
    name.as_encoded_bytes().strip_prefix(b"@")
}

#[cfg(target_os = "linux")]
fn send_to_abstract(socket: &UnixDatagram, name: &[u8]) -> io::Result<usize> {
    use std::os::linux::net::SocketAddrExt;
    let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
    socket.send_to_addr(READY, &address)
}

#[cfg(not(target_os = "linux"))]
fn send_to_abstract(_: &UnixDatagram, _: &[u8]) -> io::Result<usize> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "only Linux has abstract names"))
}

/// Writes what the server knows as the state file from which builder 0.4.0 goes on. Changes nothing in the data directory, so
/// whoever only has a look, as whatever user, leaves no trace.
fn export(settings: &Settings, file: &Path) -> Result<(), StartError> {
    let paths = Paths::new(&settings.directory, private_directory::private(&settings.directory)?);
    let lock = DirectoryLock::acquire_to_read(paths.private())?;
    let directory =
        DataDirectory::open(paths.clone(), lock).map_err(file_error("open", paths.root().to_owned()))?;
    let state = match read_log(settings, &paths)? {
        Some(recovered) => {
            recovered.pending.iter().for_each(|result| look_after(&directory, result));
            recovered.state
        }
        None => {
            ::log::warn!(
                "no server of this version has run in {}; exporting what builder 0.4.0 left there",
                paths.root().display()
            );
            import_old_state(&directory)?.unwrap_or_default()
        }
    };
    ::log::info!("exporting: {}", state.summary());
    write(&state, file)
}

/// What the log holds; none when there is no log.
fn read_log(settings: &Settings, paths: &Paths) -> Result<Option<Recovered>, StartError> {
    let disk = match Disk::open(paths.private()) {
        Ok(disk) => disk,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(file_error("open", paths.private().to_owned())(error)),
    };
    let mut recovery = Recovery::new(settings.salvage);
    let reading = log::read(disk, settings.salvage, |batch| recovery.apply_batch(batch))?;
    let recovered = recovery.finish();
    let Some(reading) = reading else { return Ok(None) };
    if reading.bad_bytes > 0 || recovered.skipped > 0 {
        ::log::warn!(
            "left out {} bytes of the log that cannot be read, and {} records that contradict the others",
            reading.bad_bytes,
            recovered.skipped
        );
    }
    Ok(Some(recovered))
}

/// Makes sure of a result that the log holds as well, and says so when only the log has it: builder 0.4.0 does not look
/// there.
fn look_after(directory: &DataDirectory, result: &PendingResult) {
    let path = directory.paths().result(&result.name, result.uuid);
    let is_in_place = fs::read(&path).is_ok_and(|bytes| bytes == *result.contents.0);
    if !is_in_place || sync_result(directory, &result.name, result.uuid).is_err() {
        ::log::warn!(
            "{} is not on the disk, only in the log; start this server once, then export again",
            path.display()
        );
    }
}

/// Writes the state file from which builder 0.4.0 goes on, complete or not at all.
fn write(state: &State, path: &Path) -> Result<(), StartError> {
    if state.waiting_uploads() > 0 {
        ::log::warn!("results not uploaded: {}; builder 0.4.0 will not upload them", state.waiting_uploads());
    }
    if state.waiting_notices() > 0 {
        ::log::warn!("notices not given: {}; builder 0.4.0 will not give them", state.waiting_notices());
    }
    let mut with_settings = state.jobs_with_settings();
    if let Some(first) = with_settings.next() {
        ::log::warn!(
            "job {first} has settings that builder 0.4.0 does not know, which are left out; other such jobs: {}",
            with_settings.count()
        );
    }
    let left_out = migration::runs_with_environment(state);
    if left_out > 0 {
        ::log::warn!("builds that are queued or run with --env: {left_out}; builder 0.4.0 will not run them");
    }
    let bytes = migration::export(state)
        .encode()
        .map_err(|error| StartError::Export { path: path.to_owned(), problem: error.to_string() })?;
    let mut draft = path.as_os_str().to_owned();
    draft.push(".new");
    let draft = Path::new(&draft);
    let mut file = File::create(draft).map_err(file_error("create", draft.to_owned()))?;
    file.write_all(&bytes).and_then(|()| sync_file(&file)).map_err(file_error("write", draft.to_owned()))?;
    fs::rename(draft, path).map_err(file_error("create", path.to_owned()))?;
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    sync_directory(directory).map_err(file_error("sync", directory.to_owned()))
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Directory(error) => write!(f, "{error}"),
            StartError::Driver(error) => write!(f, "{error}"),
            StartError::File { what, path, error } => write!(f, "cannot {what} {}: {error}", path.display()),
            StartError::Export { path, problem } => {
                write!(f, "the state cannot be written to {}: {problem}", path.display())
            }
            StartError::Upload(error) => write!(f, "{error}"),
            StartError::OnFinish(error) => write!(f, "{error}"),
            StartError::System { what, error } => write!(f, "cannot {what}: {error}"),
            StartError::Descriptors { limit, fewest } => write!(
                f,
                "at most {limit} files may be open at once, and a server needs at least {fewest}; raise the limit: \
                 ulimit -n 1024 in a shell, LimitNOFILE= in a unit of systemd, openfiles in login.conf(5)"
            ),
            StartError::Stopped(reason) => write!(f, "stopped: {reason}"),
        }
    }
}

impl From<driver::StartError> for StartError {
    fn from(error: driver::StartError) -> StartError {
        StartError::Driver(error)
    }
}

impl From<UploaderError> for StartError {
    fn from(error: UploaderError) -> StartError {
        StartError::Upload(error)
    }
}

impl From<OpenError> for StartError {
    fn from(error: OpenError) -> StartError {
        StartError::Driver(driver::StartError::Log(error))
    }
}

impl From<DirectoryError> for StartError {
    fn from(error: DirectoryError) -> StartError {
        StartError::Directory(error)
    }
}

/// Names what was tried with a path, for [`Result::map_err`].
fn file_error(what: &'static str, path: PathBuf) -> impl FnOnce(io::Error) -> StartError {
    move |error| StartError::File { what, path, error }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn received(socket: &UnixDatagram) -> Vec<u8> {
        let mut buffer = [0; 64];
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let length = socket.recv(&mut buffer).unwrap();
        buffer[..length].to_vec()
    }

    #[test]
    fn a_socket_in_the_file_system_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        announce_to(path.as_os_str()).unwrap();
        assert_eq!(received(&manager), READY);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_socket_of_an_abstract_name_is_told() {
        use std::os::linux::net::SocketAddrExt;
        let name = format!("builder-test-{}", std::process::id());
        let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
        let manager = UnixDatagram::bind_addr(&address).unwrap();
        announce_to(OsStr::new(&format!("@{name}"))).unwrap();
        assert_eq!(received(&manager), READY);
    }

    #[test]
    fn a_socket_that_is_not_there_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        announce_to(directory.path().join("nobody").as_os_str()).unwrap_err();
    }
}
