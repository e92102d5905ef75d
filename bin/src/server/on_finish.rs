//! The options about the program that is told of builds.

use crate::command_line::{Flag, Kind, Matches, UsageError, time_limit};
use crate::server::executable::is_executable;
use builder_engine::limits::NOTICE_TIME;
use std::fmt;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(super) const ON_FINISH: Flag = Flag::with_value(
    "on-finish",
    "PROGRAM",
    Kind::File,
    "run this program for every build that has finished, with what is known of it in its environment",
)
.manual(
    "\
Run this program for every build that has finished, without arguments, in the
root directory.
What is known of the build is in its environment, as
.Sx ENVIRONMENT
lists.
Builds of one job are told one after the other, in the order in which they
finished; of all jobs together, at most four programs run at a time.
.Pp
If the program does not exit with status 0, it is run again after 10 seconds,
and then after pauses that double up to half an hour.
After ten attempts the server gives up, and logs an error that says so.
.Dv SIGHUP
or a restart of the server tries all that wait at once.
.Pp
A notice survives any crash: it is given at least once for every build, so that
around a crash of the server or of the program it may come twice.
If results are uploaded, one is removed only after the program was told of it.
Up to 10,000 notices wait; of more, the oldest are given up.
.Pp
What the program prints is logged, up to 20 lines.
What it leaves behind in its process group is killed when it ends.",
);
pub(super) const ON_FINISH_TIMEOUT: Flag = Flag::with_value(
    "on-finish-timeout",
    "TIME",
    Kind::Text,
    "the longest time that the program of --on-finish may take",
)
.default("5m")
.manual(
    "\
The longest time that the program of
.Fl -on-finish
may take; then it is killed with its process group, and run again later.
The default is five minutes.",
);

/// The program that is told of builds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OnFinish {
    pub(crate) program: PathBuf,
    /// The longest that it may take.
    pub(crate) timeout: Duration,
}

/// Why the program cannot be told of builds.
#[derive(Debug)]
pub(crate) struct ProgramError {
    program: PathBuf,
    problem: Problem,
}

#[derive(Debug)]
enum Problem {
    Unreadable(io::Error),
    NoFile,
    NotExecutable,
}

/// What there is to be told, if anything.
pub(super) fn resolve(matches: &Matches) -> Result<Option<OnFinish>, UsageError> {
    let timeout = time_limit(matches, ON_FINISH_TIMEOUT.long)?;
    let Some(program) = matches.opt_str(ON_FINISH.long) else {
        return match timeout {
            Some(_) => Err(UsageError::new(format_args!(
                "--{} has no effect without --{} PROGRAM",
                ON_FINISH_TIMEOUT.long, ON_FINISH.long
            ))),
            None => Ok(None),
        };
    };
    if program.is_empty() {
        return Err(UsageError::new(format_args!("--{} needs the path of a program", ON_FINISH.long)));
    }
    Ok(Some(OnFinish { program: program.into(), timeout: timeout.unwrap_or(NOTICE_TIME) }))
}

/// The whole path of the program, which can be run at present.
pub(super) fn find(program: &Path) -> Result<PathBuf, ProgramError> {
    let refused = |problem| ProgramError { program: program.to_owned(), problem };
    let path = std::path::absolute(program).map_err(|error| refused(Problem::Unreadable(error)))?;
    match path.metadata() {
        Err(error) => Err(refused(Problem::Unreadable(error))),
        Ok(metadata) if !metadata.is_file() => Err(refused(Problem::NoFile)),
        Ok(_) => match is_executable(&path) {
            Ok(true) => Ok(path),
            Ok(false) | Err(_) => Err(refused(Problem::NotExecutable)),
        },
    }
}

impl fmt::Display for ProgramError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let program = self.program.display();
        match &self.problem {
            Problem::Unreadable(error) if error.kind() == ErrorKind::NotFound => {
                write!(f, "there is no program {program}; correct --on-finish, or install it")
            }
            Problem::Unreadable(error) => {
                write!(f, "cannot run {program}, which --on-finish names: {error}; check its permissions")
            }
            Problem::NoFile => write!(f, "cannot run {program}, which --on-finish names: it is no file"),
            Problem::NotExecutable => write!(
                f,
                "cannot run {program}, which --on-finish names: this user may not execute it; chmod it, or start \
                 the server as another user"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn only_what_can_be_run_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("hook");
        let problem = || find(&path).unwrap_err().to_string();
        assert!(
            problem().starts_with(&format!("there is no program {}; correct --on-finish", path.display()))
        );
        fs::write(&path, "#!/bin/sh\n").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        assert!(problem().contains("this user may not execute it"), "{}", problem());
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        assert_eq!(find(&path).unwrap(), path);
        assert!(find(directory.path()).unwrap_err().to_string().ends_with("it is no file"));
        assert!(find(Path::new("src/lib.rs")).unwrap_err().to_string().contains("src/lib.rs"));
    }
}
