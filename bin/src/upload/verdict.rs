//! How an upload can end, as the exit code of `builder-upload` tells it to scripts and to the server.

use std::process::ExitStatus;

/// What the exit code says. 2 stands for a wrong command line, as with all programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The server has the files.
    Done,
    /// The server takes nothing at present: it cannot be reached, or says so.
    Unavailable,
    /// The credentials are refused as such, or there are none to be had.
    Unauthorized,
    /// The server does not let this user upload a file; others it may. If it does not, the credentials may be wrong.
    Forbidden,
    /// A file was not taken, or cannot be read; others may be.
    Refused,
}

impl Verdict {
    /// The exit code.
    pub(crate) fn code(self) -> u8 {
        match self {
            Verdict::Done => 0,
            Verdict::Unavailable => 1,
            Verdict::Unauthorized => 3,
            Verdict::Refused => 4,
            Verdict::Forbidden => 5,
        }
    }

    /// Whether another file may fare better at once.
    pub(crate) fn is_about_one_file(self) -> bool {
        matches!(self, Verdict::Refused | Verdict::Forbidden)
    }

    /// What a process said with its end. One that was killed or crashed, perhaps of the size of its file, has refused.
    pub(crate) fn of(status: ExitStatus) -> Verdict {
        match status.code() {
            Some(0) => Verdict::Done,
            // A command line that the program does not understand is no fault of the file.
            Some(1 | 2) => Verdict::Unavailable,
            Some(3) => Verdict::Unauthorized,
            Some(5) => Verdict::Forbidden,
            _ => Verdict::Refused,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;

    #[test]
    fn the_exit_code_tells_the_verdict() {
        for verdict in
            [Verdict::Done, Verdict::Unavailable, Verdict::Unauthorized, Verdict::Refused, Verdict::Forbidden]
        {
            let status = ExitStatus::from_raw(i32::from(verdict.code()) << 8);
            assert_eq!(Verdict::of(status), verdict);
        }
    }

    #[test]
    fn whoever_crashes_has_refused_the_file() {
        assert_eq!(Verdict::of(ExitStatus::from_raw(9)), Verdict::Refused);
        assert_eq!(Verdict::of(ExitStatus::from_raw(101 << 8)), Verdict::Refused);
        assert_eq!(Verdict::of(ExitStatus::from_raw(2 << 8)), Verdict::Unavailable);
    }
}
