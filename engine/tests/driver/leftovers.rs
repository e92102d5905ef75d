//! Nothing that is not needed any more stays: no file, no open file, no connection.

use crate::site::{Site, large_results, settings, uploading};
use builder_engine::driver::{Event, UploadEnd};
use builder_engine::limits::RETRY_TIME;
use builder_proto::command::Command;
use builder_tests::world::{SPOOLS, STAGINGS};
use std::io::ErrorKind;

/// A line of a console.
const LINE: &[u8] = &[b'x'; 64 * 1024];

#[test]
fn what_an_earlier_server_was_writing_is_removed_at_the_start() {
    let mut site = Site::new(settings());
    let build = site.build("job");
    site.complete(build);
    site.machine().files.put(&format!("{STAGINGS}/result"), b"half of it");
    site.machine().files.put(&format!("{SPOOLS}/{}", build.1), b"the console of what has its result");
    let mut site = site.restart();
    assert_eq!(site.machine().files.paths_besides_history(), [format!("job/{}/full", build.1)]);
}

#[test]
fn a_result_that_cannot_be_written_leaves_nothing() {
    for operation in ["write", "set the length of", "sync", "rename"] {
        let mut site = Site::new(large_results());
        let build = site.build("job");
        site.print(build, b"a line");
        site.machine().files.fail(operation, STAGINGS, ErrorKind::StorageFull);
        site.finish(build);
        site.rest();
        let console = format!("{SPOOLS}/{}", build.1);
        assert_eq!(site.machine().files.paths_besides_history(), [console], "{operation}: the disk is full");
        assert_eq!(site.machine().files.open_files(), 2, "{operation}: the console and the history");
        site.machine().files.mend();
        site.pass(RETRY_TIME);
        site.rest();
        let result = format!("job/{}/full", build.1);
        assert_eq!(site.machine().files.paths_besides_history(), [result], "{operation}: it says why");
        assert_eq!(site.machine().files.open_files(), 1, "{operation}: the history");
    }
}

#[test]
fn the_file_of_a_long_console_is_closed_by_a_thread() {
    let mut site = Site::new(settings());
    let build = site.build("job");
    for _ in 0..9 * 16 {
        site.print(build, LINE);
    }
    assert_eq!(site.machine().files.open_files(), 2);
    site.finish(build);
    // One thread looks at the artifacts, and then another one stores the result.
    for _ in 0..2 {
        site.turns();
        site.finish_tasks();
    }
    site.turns();
    assert_eq!(site.machine().files.paths_besides_history(), [format!("job/{}/full", build.1)]);
    assert_eq!(site.machine().files.open_files(), 2, "freeing its space would hold up everybody");
    site.rest();
    assert_eq!(site.machine().files.open_files(), 1, "the history");
}

#[test]
fn an_observer_that_left_before_it_was_answered_keeps_no_console() {
    let mut site = Site::new(settings());
    let (other, observed) = (site.build("other"), site.build("observed"));
    site.print(observed, b"a line");
    // What comes after a result waits for its file.
    site.finish(other);
    site.turns();
    let observer = site.client(Command::Observe(observed.1));
    site.turns();
    site.machine().lines.get_mut(&observer).unwrap().is_broken = true;
    site.tell(Event::Readable { connection: observer, is_end: true });
    site.rest();
    site.finish(observed);
    site.rest();
    assert_eq!(site.machine().files.open_files(), 1, "the console is still open");
}

#[test]
fn a_result_that_could_not_be_removed_is_removed_by_the_next_server() {
    let mut site = Site::new(uploading());
    let build = site.build("job");
    site.complete(build);
    let files = site.machine().files.clone();
    files.fail("remove", "job/", ErrorKind::PermissionDenied);
    site.tell(Event::UploadEnded(UploadEnd::Done));
    site.rest();
    assert_eq!(files.paths_besides_history(), [format!("job/{}/full", build.1)]);
    files.mend();
    let mut site = site.restart();
    site.rest();
    assert_eq!(files.paths_besides_history(), [""; 0]);
}

#[test]
fn an_observer_that_was_sent_everything_has_its_place_until_then() {
    let mut settings = settings();
    settings.server.observers = 1;
    let mut site = Site::new(settings);
    let build = site.build("job");
    site.print(build, b"a line");
    site.finish(build);
    site.rest();
    for _ in 0..3 {
        let observer = site.client(Command::Observe(build.1));
        site.rest();
        assert!(matches!(site.heard(observer).last(), Some(Command::Success)), "{:?}", site.heard(observer));
    }
}
