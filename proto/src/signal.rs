//! Names of signals, for both ways of numbering them.
//!
//! Workers of 0.4.0 number signals as OCaml does, with negative numbers; ours send the operating system's
//! positive numbers. Every reader understands both.

use std::borrow::Cow;

/// A signal in words, such as `SIGKILL`; the number where it has no name.
///
/// Negative numbers are OCaml's. Positive numbers are those of the system on which the job ran, which nobody tells:
/// where Linux and FreeBSD differ, it is `10 (SIGUSR1 on Linux, SIGBUS on FreeBSD)`.
///
/// ```
/// use builder_proto::signal::describe;
///
/// assert_eq!(describe(9), "SIGKILL");
/// assert_eq!(describe(-7), "SIGKILL", "as OCaml numbers it");
/// assert_eq!(describe(4711), "4711");
/// ```
#[must_use]
pub fn describe(number: i64) -> Cow<'static, str> {
    match (name_in(&LINUX, number), name_in(&FREEBSD, number)) {
        (Some(linux), Some(freebsd)) if linux == freebsd => linux.into(),
        (Some(linux), Some(freebsd)) => format!("{number} ({linux} on Linux, {freebsd} on FreeBSD)").into(),
        (None, Some(freebsd)) => format!("{number} ({freebsd} on FreeBSD)").into(),
        (Some(linux), None) => format!("{number} ({linux} on Linux)").into(),
        (None, None) => {
            let name = number.checked_neg().and_then(|number| name_in(&OCAML, number));
            name.map_or_else(|| number.to_string().into(), Cow::from)
        }
    }
}

/// Names are listed from 1 on; no numbering has a signal 0.
fn name_in(names: &[&'static str], number: i64) -> Option<&'static str> {
    names.get(usize::try_from(number).ok()?.checked_sub(1)?).copied()
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
const LINUX: [&str; 31] = [
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
const FREEBSD: [&str; 33] = [
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
        for (number, name) in
            [(-1, "SIGABRT"), (-7, "SIGKILL"), (-14, "SIGCHLD"), (-21, "SIGPROF"), (-28, "SIGXFSZ")]
        {
            assert_eq!(describe(number), name);
        }
    }

    #[test]
    fn numbers_on_which_the_systems_agree_have_one_name() {
        for (number, name) in
            [(1, "SIGHUP"), (9, "SIGKILL"), (11, "SIGSEGV"), (15, "SIGTERM"), (25, "SIGXFSZ")]
        {
            assert_eq!(describe(number), name);
        }
        let agreed: Vec<i64> = (1..=33).filter(|number| !describe(*number).contains(' ')).collect();
        assert_eq!(agreed, [1, 2, 3, 4, 5, 6, 8, 9, 11, 13, 14, 15, 21, 22, 24, 25, 26, 27, 28]);
    }

    #[test]
    fn other_numbers_come_with_the_name_on_each_system() {
        assert_eq!(describe(7), "7 (SIGBUS on Linux, SIGEMT on FreeBSD)");
        assert_eq!(describe(10), "10 (SIGUSR1 on Linux, SIGBUS on FreeBSD)");
        assert_eq!(describe(17), "17 (SIGCHLD on Linux, SIGSTOP on FreeBSD)");
        assert_eq!(describe(32), "32 (SIGTHR on FreeBSD)");
    }

    #[test]
    fn numbers_that_mean_nothing_stay_numbers() {
        for number in [0, -29, 64, i64::MAX, i64::MIN] {
            assert_eq!(describe(number), number.to_string());
        }
    }
}
