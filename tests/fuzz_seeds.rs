//! Writes the inputs with which fuzzing begins: `fuzz-seeds DIRECTORY` fills a directory for each target.

use builder_tests::fuzz::TARGETS;
use std::error::Error;
use std::fs;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn Error>> {
    let directory = std::env::args_os().nth(1).ok_or("no directory; try: fuzz-seeds DIRECTORY")?;
    for target in TARGETS {
        let directory = PathBuf::from(&directory).join(target.name);
        // What an earlier version wrote is not to be taken for a seed.
        if directory.exists() {
            fs::remove_dir_all(&directory)?;
        }
        fs::create_dir_all(&directory)?;
        for (number, seed) in (target.seeds)().iter().enumerate() {
            fs::write(directory.join(format!("seed-{number}")), seed)?;
        }
    }
    Ok(())
}
