//! What the server and its peers share: the machine, the disk, the network, the clock of the world, and the model that
//! watches.

use crate::model::Model;
use crate::network::Network;
use crate::plan::Plan;
use crate::queue::{Event, Queue};
use crate::server::Ending;
use crate::trace::Trace;
use crate::variant::Variant;
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
    pub(crate) variant: Variant,
    pub(crate) host: Rc<Host>,
    pub(crate) disk: Rc<RefCell<Disk>>,
    pub(crate) network: RefCell<Network>,
    pub(crate) queue: RefCell<Queue>,
    pub(crate) model: RefCell<Model>,
    pub(crate) trace: Rc<Trace>,
    /// The time of the event that is happening.
    pub(crate) time: Cell<Duration>,
    /// Whether the faults have stopped.
    pub(crate) is_calm: Cell<bool>,
    pub(crate) random: RefCell<Random>,
}

impl Environment {
    /// The templates that a server finds now: those of some platforms, in the end those of all.
    pub(crate) fn templates(&self) -> Templates {
        let mut random = self.random.borrow_mut();
        let present = |_: &u64| self.is_calm.get() || random.per_mille(800);
        let template = b"build %%OPAM_PACKAGE%% on %%PLATFORM%%".to_vec();
        let platforms = (0..self.plan.platforms).filter(present);
        platforms.map(|number| (Text::from(format!("platform-{number}")), template.clone())).collect()
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
        let ending = match fails {
            true => {
                *random.pick(&[Ending::Unavailable, Ending::Refused, Ending::Forbidden, Ending::Unauthorized])
            }
            false => Ending::Done,
        };
        // What fails may have arrived all the same.
        let arrives = !fails || random.coin();
        Upload { duration, ending, octets: arrives.then_some(octets) }
    }

    pub(crate) fn enter(&self, at: Duration, event: Event) {
        self.queue.borrow_mut().enter(at, event);
    }
}

/// An attempt to upload a result.
pub(crate) struct Upload {
    pub(crate) duration: Duration,
    pub(crate) ending: Ending,
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
