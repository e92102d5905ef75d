//! Where the programs are that are measured.

use crate::failure::{During, Failure, Outcome};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The programs of builder that take part.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    pub(crate) server: PathBuf,
    pub(crate) worker: PathBuf,
    pub(crate) client: PathBuf,
    pub(crate) dashboard: PathBuf,
}

/// Finds the programs beside this one. Under `cargo run` they are built first, so that what is measured is what the tree
/// holds.
pub(crate) fn find() -> Outcome<Programs> {
    let own = std::env::current_exe().during("find this program")?;
    let directory = own.parent().unwrap_or(Path::new("."));
    if directory.file_name().is_none_or(|name| name != "release") {
        return Err(Failure::new("only figures of release builds mean something; use cargo run --release"));
    }
    if let Some(cargo) = std::env::var_os("CARGO") {
        let build =
            Command::new(cargo).args(["build", "--release", "--quiet", "-p", "builder", "--bins"]).status();
        if !build.during("run cargo")?.success() {
            return Err(Failure::new("the programs do not build; see above"));
        }
    }
    let find = |name: &str| {
        let path = directory.join(name);
        match path.exists() {
            true => Ok(path),
            false => Err(Failure::new(format_args!(
                "{} is missing; build it with: cargo build --release -p builder --bins",
                path.display()
            ))),
        }
    };
    Ok(Programs {
        server: find("builder-server")?,
        worker: find("builder-worker")?,
        client: find("builder-client")?,
        dashboard: find("builder-dashboard")?,
    })
}
