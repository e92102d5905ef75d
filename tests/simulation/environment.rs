//! What the server and its peers share: the machine, the disk, the network, the clock of the world, and the model that
//! watches.

use crate::lie::Lie;
use crate::model::Model;
use crate::network::Network;
use crate::plan::Plan;
use crate::queue::{Event, Queue};
use crate::trace::Trace;
use builder_engine::driver::UploadEnd;
use builder_engine::server::Templates;
use builder_proto::text::Text;
use builder_tests::world::{Disk, Host, Random};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

/// Everything outside of the server.
#[derive(Debug)]
pub(crate) struct Environment {
    pub(crate) plan: Plan,
    pub(crate) lie: Lie,
    pub(crate) host: Rc<Host>,
    pub(crate) disk: Rc<RefCell<Disk>>,
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

/// The templates that somebody keeps for the server.
#[derive(Debug, Default)]
pub(crate) struct TemplateSite {
    pub(crate) templates: Templates,
    /// Whether one of them cannot be read.
    pub(crate) has_failed: bool,
    /// How often they changed.
    pub(crate) version: u64,
}

impl Environment {
    /// Puts up templates for some platforms, in the end for all.
    pub(crate) fn change_templates(&self) {
        let mut random = self.random.borrow_mut();
        let calm = self.is_calm.get();
        let template = b"build %%OPAM_PACKAGE%% on %%PLATFORM%%".to_vec();
        let present = |_: &u64| calm || random.per_mille(800);
        let platforms: Vec<u64> = (0..self.plan.platforms).filter(present).collect();
        let mut site = self.templates.borrow_mut();
        site.version += 1;
        site.has_failed = !calm && random.per_mille(100);
        let named = |number| (Text::from(format!("platform-{number}")), template.clone());
        site.templates = platforms.into_iter().map(named).collect();
    }

    /// Whether a server that starts now uploads results.
    pub(crate) fn uploads(&self) -> bool {
        let uploads = self.plan.uploads;
        uploads > 0 && (self.is_calm.get() || self.random.borrow_mut().per_mille(uploads))
    }

    /// Decides what becomes of an attempt to upload a result.
    pub(crate) fn begin_upload(&self, octets: Vec<u8>) -> Upload {
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
        let end = if fails { random.pick(&ends).clone() } else { UploadEnd::Done };
        // What fails may have arrived all the same.
        let arrives = !fails || (!hangs && random.coin());
        Upload { duration: (!hangs).then_some(duration), end, octets: arrives.then_some(octets) }
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
    pub(crate) octets: Option<Vec<u8>>,
}

/// Notes an event for readers, if there are any.
macro_rules! say {
    ($environment:expr, $($text:tt)*) => {
        $environment.trace.say($environment.time.get(), format_args!($($text)*))
    };
}
pub(crate) use say;
