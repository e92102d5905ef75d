//! The signals that concern a worker.

use mio::{Interest, Registry, Token};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::flag::register_conditional_shutdown;
use signal_hook_mio::v1_0::Signals;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What a signal means to the worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    /// Processes may have ended. Several ends can come as one signal.
    ChildEnded,
    /// The worker is to end.
    Terminate(&'static str),
    /// The worker is to leave unless it has a job.
    Leave,
}

/// SIGHUP, from the start of the program on: it asks a worker without a job to leave, in order.
pub(super) struct Hangup {
    /// Whether the worker was started so that SIGHUP does not end it, as `nohup` does.
    is_ignored: bool,
    /// Whether the signal ends the program by itself, because nobody else looks at it yet.
    is_ending: Arc<AtomicBool>,
}

impl Hangup {
    /// Has SIGHUP end the program with success, until a [`SignalSource`] takes it over: while the first connection is
    /// made, which may take long, there can be no job.
    ///
    /// # Errors
    ///
    /// When the system does not let the signal be handled.
    pub(super) fn heed() -> io::Result<Self> {
        let is_ignored = is_ignored(SIGHUP);
        let is_ending = Arc::new(AtomicBool::new(!is_ignored));
        if !is_ignored {
            register_conditional_shutdown(SIGHUP, 0, Arc::clone(&is_ending))?;
        }
        Ok(Self { is_ignored, is_ending })
    }
}

/// The signals that concern the worker, taken over.
pub(super) struct SignalSource {
    signals: Signals,
    hangup: Hangup,
}

impl SignalSource {
    /// Takes the signals over, which can be done once.
    ///
    /// They are handled rather than ignored, since jobs would inherit that they are ignored; a handler they do not
    /// inherit. SIGXFSZ is among them so that a script beyond the limit on file sizes fails with an error.
    pub(super) fn new(registry: &Registry, token: Token, hangup: Hangup) -> io::Result<Self> {
        let mut signals = Signals::new([SIGCHLD, SIGHUP, SIGINT, SIGTERM, SIGXFSZ])?;
        registry.register(&mut signals, token, Interest::READABLE)?;
        hangup.is_ending.store(false, Ordering::SeqCst);
        Ok(Self { signals, hangup })
    }

    /// The signals that came since the last call.
    pub(super) fn pending(&mut self) -> Vec<Signal> {
        let meaning = |number| match number {
            SIGCHLD => Some(Signal::ChildEnded),
            SIGHUP if !self.hangup.is_ignored => Some(Signal::Leave),
            SIGINT => Some(Signal::Terminate("SIGINT")),
            SIGTERM => Some(Signal::Terminate("SIGTERM")),
            _ => None,
        };
        self.signals.pending().filter_map(meaning).collect()
    }
}

fn is_ignored(signal: i32) -> bool {
    // SAFETY: `sigaction` is plain data for which zeros are a value, and without a new action the call only fills it in.
    unsafe {
        let mut present: libc::sigaction = core::mem::zeroed();
        libc::sigaction(signal, core::ptr::null(), &raw mut present) == 0
            && present.sa_sigaction == libc::SIG_IGN
    }
}
