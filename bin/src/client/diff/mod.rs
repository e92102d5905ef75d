//! What is different between two builds. How texts and artifacts are compared is in [`crate::comparison`].
//!
//! | module | holds |
//! |---|---|
//! | `choice` | which builds are compared |
//! | `console` | the console of a build, which is compared while it arrives |
//! | `report` | all that was found |
//! | `print`, `describe` | what was found, for people and for programs |

mod choice;
mod console;
mod describe;
mod print;
mod report;

use super::error::ClientError;
use super::flags::Form;
use crate::command_line::Address;
use builder_proto::history::Build;
pub(super) use choice::{DiffRequest, Earlier};
pub(super) use report::Verdict;
use report::{ArtifactComparison, Report};
use std::io;

/// Compares two builds, and prints what is different.
pub(super) fn print(remote: &Address, request: DiffRequest, form: Form) -> Result<Verdict, ClientError> {
    let builds = request.resolve(remote)?;
    let report = Report::make(remote, builds)?;
    let printed = match form {
        Form::Json => describe::print(&report, &mut io::stdout().lock()),
        Form::People => print::print(&report, &io::stdout()),
    };
    match printed.map_err(ClientError::Print) {
        Err(error) if !error.is_closed_stdout() => Err(error),
        _ => Ok(report.verdict()),
    }
}

/// Compares the artifacts of two builds, and prints whether they are the same, and what differs.
pub(super) fn print_artifacts(
    remote: &Address,
    builds: [Build; 2],
    form: Form,
) -> Result<Verdict, ClientError> {
    let comparison = ArtifactComparison::make(remote, builds)?;
    let printed = match form {
        Form::Json => describe::print_artifacts(&comparison, &mut io::stdout().lock()),
        Form::People => print::print_artifacts(&comparison, &io::stdout()),
    };
    match printed.map_err(ClientError::Print) {
        Err(error) if !error.is_closed_stdout() => Err(error),
        _ => Ok(comparison.verdict()),
    }
}
