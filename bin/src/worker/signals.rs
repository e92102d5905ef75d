//! Signals as things that happen, instead of things that interrupt.

use mio::{Interest, Registry, Token};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook_mio::v1_0::Signals;
use std::io;

/// What a signal means to the worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    /// Processes may have ended. Several ends can come as one signal.
    ChildEnded,
    /// The worker is to end.
    Terminate(&'static str),
}

/// The signals that concern the worker, taken over.
pub(super) struct SignalSource {
    signals: Signals,
    /// Whether the worker was started so that SIGHUP does not end it, as `nohup` does.
    ignores_hangup: bool,
}

impl SignalSource {
    /// Takes the signals over, which can be done once.
    ///
    /// They are handled rather than ignored, since jobs would inherit that they are ignored; a handler they do not
    /// inherit. SIGXFSZ is among them so that a script beyond the limit on file sizes fails with an error.
    pub(super) fn new(registry: &Registry, token: Token) -> io::Result<Self> {
        let ignores_hangup = is_ignored(SIGHUP);
        let mut signals = Signals::new([SIGCHLD, SIGHUP, SIGINT, SIGTERM, SIGXFSZ])?;
        registry.register(&mut signals, token, Interest::READABLE)?;
        Ok(Self { signals, ignores_hangup })
    }

    /// The signals that came since the last call.
    pub(super) fn pending(&mut self) -> Vec<Signal> {
        let meaning = |number| match number {
            SIGCHLD => Some(Signal::ChildEnded),
            SIGHUP if !self.ignores_hangup => Some(Signal::Terminate("SIGHUP")),
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
