//! What the server and its peers share: the machine, the disk, the network, the clock of the world, and the model that
//! watches.

use crate::model::Model;
use crate::network::Network;
use crate::plan::Plan;
use crate::queue::{Event, Queue};
use crate::trace::Trace;
use builder_engine::driver::{NoticeEnd, UploadEnd};
use builder_engine::server::Templates;
use builder_proto::Uuid;
use builder_proto::text::Text;
use builder_tests::world::{DataDirectory, Disk, Host, Lie, Random, result_path};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

/// Everything outside of the server.
#[derive(Debug)]
pub(crate) struct Environment {
    pub(crate) plan: Plan,
    pub(crate) host: Rc<Host>,
    pub(crate) disk: Rc<RefCell<Disk>>,
    /// The same disk, as the server sees it, which may lie.
    pub(crate) files: DataDirectory,
    pub(crate) network: RefCell<Network>,
    pub(crate) queue: RefCell<Queue>,
    pub(crate) model: RefCell<Model>,
    pub(crate) trace: Rc<Trace>,
    /// The time of the event that is happening.
    pub(crate) time: Cell<Duration>,
    pub(crate) templates: RefCell<TemplateSite>,
    /// Whether the faults have stopped.
    pub(crate) is_calm: Cell<bool>,
    pub(crate) random: RefCell<Random>,
}

/// The templates that somebody keeps for the server: their versions, by the number of their platform.
#[derive(Debug, Default)]
pub(crate) struct TemplateSite {
    versions: BTreeMap<u64, u64>,
    /// How often a template came or went.
    pub(crate) names: u64,
    /// How often anything happened to one.
    pub(crate) contents: u64,
}

impl TemplateSite {
    /// What is there now. The first line of each says which version it is.
    pub(crate) fn templates(&self) -> Templates {
        let template = |(platform, version): (&u64, &u64)| {
            let text = format!("# {version}\nbuild %%OPAM_PACKAGE%% on %%PLATFORM%%");
            (Text::from(format!("platform-{platform}")), text.into_bytes())
        };
        self.versions.iter().map(template).collect()
    }

    fn write(&mut self, platform: u64) {
        self.contents += 1;
        if self.versions.insert(platform, self.contents).is_none() {
            self.names += 1;
        }
    }

    fn remove(&mut self, platform: u64) {
        if self.versions.remove(&platform).is_some() {
            self.contents += 1;
            self.names += 1;
        }
    }
}

impl Environment {
    /// Somebody puts the templates of all platforms in place.
    pub(crate) fn write_templates(&self) {
        (0..self.plan.platforms).for_each(|platform| self.templates.borrow_mut().write(platform));
    }

    /// Somebody writes a template, or removes one.
    pub(crate) fn change_templates(&self) {
        let mut random = self.random.borrow_mut();
        let platform = random.below(self.plan.platforms);
        match random.per_mille(300) {
            true => self.templates.borrow_mut().remove(platform),
            false => self.templates.borrow_mut().write(platform),
        }
    }

    /// Whether a server that starts now uploads results.
    pub(crate) fn uploads(&self) -> bool {
        let uploads = self.plan.uploads;
        uploads > 0 && (self.is_calm.get() || self.random.borrow_mut().per_mille(uploads))
    }

    /// Decides what becomes of an attempt to upload a result.
    pub(crate) fn begin_upload(&self, contents: Vec<u8>) -> Upload {
        let mut random = self.random.borrow_mut();
        let duration = random.micros(100, 20_000);
        let fails = !self.is_calm.get() && random.per_mille(self.plan.failing_uploads);
        let hangs = fails && random.per_mille(self.plan.hanging_uploads);
        let words = || "the upload server said so".to_owned();
        let ends = [
            UploadEnd::Unavailable(words()),
            UploadEnd::Refused(words()),
            UploadEnd::Forbidden(words()),
            UploadEnd::Unauthorized(words()),
        ];
        let is_believed = self.files.lie == Lie::FailedUploadsDone;
        let end = if fails && !is_believed { random.pick(&ends).clone() } else { UploadEnd::Done };
        // What fails may have arrived all the same.
        let arrives = !fails || (!hangs && random.coin());
        Upload { duration: (!hangs).then_some(duration), end, contents: arrives.then_some(contents) }
    }

    /// The path that a program was told leads to the result as long as it runs.
    pub(crate) fn check_notice_result(&self, job: &str, uuid: Uuid) {
        if self.disk.borrow().read(&result_path(&job.into(), uuid)).is_none() {
            let words = format!("a program is told of a result of build {uuid} that is not in its place");
            self.model.borrow_mut().violate(words);
        }
    }

    /// Decides what becomes of a program that is told of a build.
    pub(crate) fn begin_notice(&self) -> Notice {
        let mut random = self.random.borrow_mut();
        let duration = random.micros(100, 20_000);
        let fails = !self.is_calm.get() && random.per_mille(self.plan.failing_notices);
        let hangs = fails && random.per_mille(self.plan.hanging_notices);
        let end = match fails {
            true => NoticeEnd::Failed("it exited with status 1".to_owned()),
            false => NoticeEnd::Done,
        };
        Notice { duration: (!hangs).then_some(duration), end }
    }

    pub(crate) fn enter(&self, at: Duration, event: Event) {
        self.queue.borrow_mut().enter(at, event);
    }
}

/// An attempt to upload a result.
pub(crate) struct Upload {
    /// None when it does not end by itself.
    pub(crate) duration: Option<Duration>,
    pub(crate) end: UploadEnd,
    /// What the upload server has at the end.
    pub(crate) contents: Option<Vec<u8>>,
}

/// A program that is told of a build.
pub(crate) struct Notice {
    /// None when it does not end by itself.
    pub(crate) duration: Option<Duration>,
    pub(crate) end: NoticeEnd,
}

/// Notes an event for readers, if there are any.
macro_rules! say {
    ($environment:expr, $($text:tt)*) => {
        $environment.trace.say($environment.time.get(), format_args!($($text)*))
    };
}
pub(crate) use say;
