//! From settings to a running loop.

use crate::directory::{self, DirectoryLock};
use crate::server::clock::Clock;
use crate::server::data_directory::DataDirectory;
use crate::server::options::Settings;
use crate::server::paths::Paths;
use crate::server::places;
use crate::server::reactor;
use crate::server::reasons::{StartError, file_error};
use crate::server::system::System;
use crate::server::template::TemplateDirectory;
use crate::server::threads::Threads;
use crate::server::tokens::Tokens;
use crate::server::uploader::Uploader;
use crate::server::{export, readiness};
use builder_engine::driver::{self, DescriptorBudget, Driver, Limits};
use builder_engine::server;
use mio::{Interest, Poll, Waker};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook_mio::v1_0::Signals;
use std::collections::BTreeMap;
use std::io;

pub(crate) fn run(settings: Settings) -> Result<(), StartError> {
    if let Some(file) = &settings.export_state {
        return export::run(&settings, file);
    }
    let budget = places::secure()?;
    let mut poll = Poll::new().map_err(system("watch for events"))?;
    let mut signals =
        Signals::new([SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGXFSZ]).map_err(system("receive signals"))?;
    poll.registry()
        .register(&mut signals, Tokens::SIGNALS, Interest::READABLE)
        .map_err(system("watch for signals"))?;
    let system = prepare(&settings, &poll)?;
    let mut driver = Driver::start(system, driver_settings(&settings, budget))?;
    readiness::announce();
    reactor::run(&mut poll, &mut signals, &mut driver).map_err(StartError::Stopped)
}

/// All that the driver runs on. Nothing is looked at in the data directory before it is locked.
fn prepare(settings: &Settings, poll: &Poll) -> Result<System, StartError> {
    let private = directory::prepare(&settings.directory)?;
    let lock = DirectoryLock::acquire(&private)?;
    let paths = Paths::new(&settings.directory, private);
    let uploader = settings.uploads.clone().map(Uploader::new).transpose()?;
    let root = paths.root().to_owned();
    let directory = DataDirectory::open(paths, Some(lock)).map_err(file_error("open", root))?;
    let waker = Waker::new(poll.registry(), Tokens::WAKER).map_err(system("watch for threads"))?;
    Ok(System {
        clock: Clock::start(),
        registry: poll.registry().try_clone().map_err(system("watch for events"))?,
        threads: Threads::start(&directory, waker).map_err(system("start threads"))?,
        directory,
        listening: settings.listening.clone(),
        listeners: Vec::new(),
        connections: BTreeMap::new(),
        templates: TemplateDirectory::new(&settings.config_directory),
        uploader,
    })
}

fn driver_settings(settings: &Settings, budget: DescriptorBudget) -> driver::Settings {
    let uploads = settings.uploads.as_ref();
    driver::Settings {
        server: server::Settings { builds: budget.builds, observers: budget.observers, ..settings.machine },
        salvage: settings.salvage,
        connections: budget.connections,
        uploads: uploads.map(|options| driver::Uploads {
            settings: server::UploadSettings {
                destination: options.target.url.to_string(),
                keep_local: options.keep_local,
            },
            time_limit: options.timeout,
        }),
        limits: Limits::default(),
    }
}

fn system(what: &'static str) -> impl FnOnce(io::Error) -> StartError {
    move |error| StartError::System { what, error }
}
