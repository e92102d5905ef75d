//! The benchmark from start to end.

use crate::failure::{During, Outcome};
use crate::machine::{Machine, raise_descriptor_limit};
use crate::options::Settings;
use crate::rows::{ALL, Bench};
use crate::table::{self, Line};
use crate::{programs, statistics};
use builder_proto::time::Time;
use std::time::SystemTime;

/// Measures the rows that were asked for, and prints the table.
pub(crate) fn run(settings: Settings) -> Outcome<()> {
    let programs = programs::find()?;
    let descriptors = raise_descriptor_limit();
    // Removed at the end, with all sites in it.
    let root = tempfile::Builder::new().prefix("builder-bench-").tempdir_in(&settings.directory);
    let root = root.during("make a directory for servers")?;
    let bench = Bench { programs, directory: root.path().to_owned(), quick: settings.quick, descriptors };
    let wanted = |name: &str| settings.rows.is_empty() || settings.rows.iter().any(|row| row == name);
    let mut lines: Vec<Line> = Vec::new();
    for row in ALL.iter().filter(|row| wanted(row.name)) {
        // What one row has left in memory is not to be written during the next.
        rustix::fs::sync();
        let (measured, time) =
            statistics::time(|| (row.measure)(&bench)).during(format_args!("measure {}", row.name))?;
        eprintln!("{} ({:.1} s)", row.name, time.as_secs_f64());
        for line in &measured {
            eprintln!("  {}", line.summary());
        }
        lines.extend(measured);
    }
    let page = page(&bench, &lines);
    println!("{page}");
    match settings.markdown {
        Some(path) => std::fs::write(&path, page).during(format_args!("write {}", path.display())),
        None => Ok(()),
    }
}

fn page(bench: &Bench, lines: &[Line]) -> String {
    let machine = Machine::look(&bench.directory).describe();
    let settings = if bench.quick { "small numbers (`--quick`): not for comparison" } else { "full" };
    format!(
        "# Measurements\n\nMade by `cargo run --release -p builder-bench` on {}.\n\n\
         Machine: {machine}. Settings: {settings}, {} descriptors.\n\
         Each row is a median of its rounds; the ratios compare rounds that follow each other.\n\n{}",
        today(),
        bench.descriptors,
        table::markdown(lines)
    )
}

fn today() -> String {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let milliseconds = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
    let time = Time::from_unix_milliseconds(milliseconds).to_string();
    time.split('T').next().unwrap_or_default().to_owned()
}
