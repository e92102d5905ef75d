//! The export for builder 0.4.0, which may be followed by a power cut, too.

use crate::strace;
use crate::trace::{self, Call};
use builder_tests::{Site, programs};
use std::path::Path;

#[test]
fn an_exported_state_has_its_name_only_once_it_is_durable_and_the_name_is_durable_in_the_end() {
    if let Some(obstacle) = strace::obstacle() {
        return eprintln!("the order of system calls was not checked: {obstacle}");
    }
    let site = Site::new(programs!());
    drop(site.start());
    let directory = site.config();
    let path = directory.join("exported");
    check_export(&site, &path, path.to_str().unwrap());
    // Of a name alone, the directory is the one in which the program runs.
    check_export(&site, Path::new("exported"), "exported");
}

fn check_export(site: &Site, to: &Path, name: &str) {
    let (directory, trace) = (site.config(), site.file("export.trace", ""));
    let mut command = strace::command(site, &trace, &[]);
    let mut server = command.arg("--export-state").arg(to).current_dir(&directory).spawn().unwrap();
    assert!(server.wait().unwrap().success());
    let calls = trace::read(&strace::read(&trace, server.id()));

    let rename = position(&calls, 0, |call| {
        call.name.starts_with("rename") && (0..4).any(|argument| call.path(argument).as_deref() == Some(name))
    });
    let draft = directory.join("exported.new");
    let synced = |call: &Call, path: &Path| {
        let is_of = |(_, of)| Path::new(of) == path;
        call.name == "fsync" && call.result == Some(0) && call.descriptor(0).is_some_and(is_of)
    };
    let write = position(&calls, 0, |call| {
        call.name.starts_with("write") && call.descriptor(0).is_some_and(|(_, of)| Path::new(of) == draft)
    });
    assert!(position(&calls, write, |call| synced(call, &draft)) < rename, "{}", calls[rename].text);
    position(&calls, rename, |call| synced(call, &directory));
}

/// The first call from there on that is as wanted.
fn position(calls: &[Call], from: usize, is_wanted: impl Fn(&Call) -> bool) -> usize {
    let found = calls.iter().skip(from).position(is_wanted);
    let seen = || calls.iter().skip(from).map(|call| format!("{}\n", call.text)).collect::<String>();
    from + found.unwrap_or_else(|| panic!("it is not among these calls:\n{}", seen()))
}
