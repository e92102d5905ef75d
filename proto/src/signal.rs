//! Names of signals, for both ways of numbering them.
//!
//! Workers of 0.4.0 number signals as OCaml does, with negative numbers; ours send the operating system's
//! positive numbers. Every reader understands both.

/// The name of a signal, such as `SIGKILL`, or `None` when the number means nothing here.
///
/// Negative numbers are OCaml's. Positive numbers are those of the operating system that this program runs on.
#[must_use]
pub fn name(number: i64) -> Option<&'static str> {
    let (names, index) =
        if number < 0 { (OCAML.as_slice(), number.checked_neg()?) } else { (SYSTEM.as_slice(), number) };
    // Neither numbering has a signal 0.
    names.get(usize::try_from(index).ok()?.checked_sub(1)?).copied()
}

/// OCaml's portable signals, from -1 downwards.
const OCAML: [&str; 28] = [
    "SIGABRT",
    "SIGALRM",
    "SIGFPE",
    "SIGHUP",
    "SIGILL",
    "SIGINT",
    "SIGKILL",
    "SIGPIPE",
    "SIGQUIT",
    "SIGSEGV",
    "SIGTERM",
    "SIGUSR1",
    "SIGUSR2",
    "SIGCHLD",
    "SIGCONT",
    "SIGSTOP",
    "SIGTSTP",
    "SIGTTIN",
    "SIGTTOU",
    "SIGVTALRM",
    "SIGPROF",
    "SIGBUS",
    "SIGPOLL",
    "SIGSYS",
    "SIGTRAP",
    "SIGURG",
    "SIGXCPU",
    "SIGXFSZ",
];

/// Linux on the architectures that share the generic numbering, from 1 upwards.
#[cfg(not(target_os = "freebsd"))]
const SYSTEM: [&str; 31] = [
    "SIGHUP",
    "SIGINT",
    "SIGQUIT",
    "SIGILL",
    "SIGTRAP",
    "SIGABRT",
    "SIGBUS",
    "SIGFPE",
    "SIGKILL",
    "SIGUSR1",
    "SIGSEGV",
    "SIGUSR2",
    "SIGPIPE",
    "SIGALRM",
    "SIGTERM",
    "SIGSTKFLT",
    "SIGCHLD",
    "SIGCONT",
    "SIGSTOP",
    "SIGTSTP",
    "SIGTTIN",
    "SIGTTOU",
    "SIGURG",
    "SIGXCPU",
    "SIGXFSZ",
    "SIGVTALRM",
    "SIGPROF",
    "SIGWINCH",
    "SIGIO",
    "SIGPWR",
    "SIGSYS",
];

/// FreeBSD, from 1 upwards.
#[cfg(target_os = "freebsd")]
const SYSTEM: [&str; 33] = [
    "SIGHUP",
    "SIGINT",
    "SIGQUIT",
    "SIGILL",
    "SIGTRAP",
    "SIGABRT",
    "SIGEMT",
    "SIGFPE",
    "SIGKILL",
    "SIGBUS",
    "SIGSEGV",
    "SIGSYS",
    "SIGPIPE",
    "SIGALRM",
    "SIGTERM",
    "SIGURG",
    "SIGSTOP",
    "SIGTSTP",
    "SIGCONT",
    "SIGCHLD",
    "SIGTTIN",
    "SIGTTOU",
    "SIGIO",
    "SIGXCPU",
    "SIGXFSZ",
    "SIGVTALRM",
    "SIGPROF",
    "SIGWINCH",
    "SIGINFO",
    "SIGUSR1",
    "SIGUSR2",
    "SIGTHR",
    "SIGLIBRT",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ocaml_numbers_have_names() {
        assert_eq!(name(-1), Some("SIGABRT"));
        assert_eq!(name(-7), Some("SIGKILL"));
        assert_eq!(name(-14), Some("SIGCHLD"));
        assert_eq!(name(-21), Some("SIGPROF"));
        assert_eq!(name(-28), Some("SIGXFSZ"));
    }

    #[test]
    fn numbers_of_the_operating_system_have_names() {
        assert_eq!(name(1), Some("SIGHUP"));
        assert_eq!(name(9), Some("SIGKILL"));
        assert_eq!(name(15), Some("SIGTERM"));
        let user_signal = if cfg!(target_os = "freebsd") { 30 } else { 10 };
        assert_eq!(name(user_signal), Some("SIGUSR1"));
        let stop = if cfg!(target_os = "freebsd") { 17 } else { 19 };
        assert_eq!(name(stop), Some("SIGSTOP"));
    }

    #[test]
    fn other_numbers_have_none() {
        for number in [0, -29, 64, i64::MAX, i64::MIN] {
            assert_eq!(name(number), None, "{number}");
        }
    }
}
