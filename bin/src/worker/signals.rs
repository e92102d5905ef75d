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

/// Takes over the signals that concern the worker.
///
/// They are handled rather than ignored, since jobs would inherit that they are ignored; a handler they do not
/// inherit. SIGXFSZ is among them so that a script beyond the limit on file sizes fails with an error.
pub(super) fn take_over(registry: &Registry, token: Token) -> io::Result<Signals> {
    let mut signals = Signals::new([SIGCHLD, SIGHUP, SIGINT, SIGTERM, SIGXFSZ])?;
    registry.register(&mut signals, token, Interest::READABLE)?;
    Ok(signals)
}

/// The signals that came since the last call.
pub(super) fn pending(signals: &mut Signals) -> Vec<Signal> {
    let meaning = |number| match number {
        SIGCHLD => Some(Signal::ChildEnded),
        SIGHUP => Some(Signal::Terminate("SIGHUP")),
        SIGINT => Some(Signal::Terminate("SIGINT")),
        SIGTERM => Some(Signal::Terminate("SIGTERM")),
        _ => None,
    };
    signals.pending().filter_map(meaning).collect()
}
