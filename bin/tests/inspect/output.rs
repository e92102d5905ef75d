//! What `--output` writes, and where it does not.

use crate::{Place, make_fifo, read, with_files};
use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};

#[test]
fn artifacts_are_written_below_the_directory() {
    let files = [("bin/hello.hvt", "ELF"), ("./a//b/c", "deep"), ("empty", ""), ("a/d", "beside")];
    let place = Place::with(&with_files(&files));
    assert_eq!(place.print(&["--output", "new/out", "full"]), "");
    for (path, data) in files {
        assert_eq!(read(&place.path("new/out").join(path)), data);
    }
    let mode = fs::metadata(place.path("new/out/bin/hello.hvt")).unwrap().permissions().mode();
    assert_eq!(mode & 0o111, 0, "nothing becomes executable by itself");
}

#[test]
fn paths_that_lead_elsewhere_are_refused_and_the_others_written() {
    let outside = tempfile::tempdir().unwrap();
    let absolute = outside.path().join("absolute").to_str().unwrap().to_owned();
    let files =
        [("../up", "1"), (&*absolute, "2"), ("a/../../up", "3"), ("dir/", "4"), (".", "5"), ("good", "6")];
    let place = Place::with(&with_files(&files));
    let complaints = place.fail(&["--output", "out", "full"]);
    for text in [
        "artifact ../up: the path contains ..",
        "the path is absolute",
        "artifact a/../../up: the path contains ..",
        "artifact dir/: the path names a directory, not a file",
        "artifact .: the path names a directory, not a file",
        "builder-inspect: 5 artifacts were not written below out",
    ] {
        assert!(complaints.contains(text), "{text} is missing in {complaints}");
    }
    assert_eq!(read(&place.path("out/good")), "6");
    assert!(!place.path("up").exists());
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
}

#[test]
fn links_on_the_way_are_not_followed() {
    let outside = tempfile::tempdir().unwrap();
    let files = [
        ("link/in", "1"),
        ("here/link/in", "2"),
        ("file", "3"),
        ("dangling", "4"),
        ("loop/in", "5"),
        ("here/good", "6"),
    ];
    let place = Place::with(&with_files(&files));
    fs::create_dir_all(place.path("out/here")).unwrap();
    fs::write(outside.path().join("target"), "untouched").unwrap();
    symlink(outside.path(), place.path("out/link")).unwrap();
    symlink(outside.path(), place.path("out/here/link")).unwrap();
    symlink(outside.path().join("target"), place.path("out/file")).unwrap();
    symlink(outside.path().join("new"), place.path("out/dangling")).unwrap();
    symlink("loop", place.path("out/loop")).unwrap();
    let complaints = place.fail(&["--output", "out", "full"]);
    assert!(complaints.contains("artifact link/in: link in its path is a link or a file"), "{complaints}");
    assert!(complaints.contains("artifact file: a file of this name exists already"), "{complaints}");
    assert!(complaints.contains("5 artifacts were not written"), "{complaints}");
    assert_eq!(read(&place.path("out/here/good")), "6");
    assert_eq!(read(&outside.path().join("target")), "untouched");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
}

#[test]
fn the_directory_itself_may_be_a_link() {
    let outside = tempfile::tempdir().unwrap();
    let place = Place::with(&with_files(&[("a", "1")]));
    symlink(outside.path(), place.path("out")).unwrap();
    place.print(&["--output", "out", "full"]);
    assert_eq!(read(&outside.path().join("a")), "1");
}

#[test]
fn what_is_there_already_is_left_as_it_is() {
    let files = [("old", "1"), ("fifo", "2"), ("dir", "3"), ("twice", "4"), ("twice", "5"), ("twice/x", "6")];
    let place = Place::with(&with_files(&files));
    fs::create_dir_all(place.path("out/dir")).unwrap();
    fs::write(place.path("out/old"), "untouched").unwrap();
    make_fifo(&place.path("out/fifo"));
    let complaints = place.fail(&["--output", "out", "full"]);
    for name in ["old", "fifo", "dir", "twice"] {
        let text = format!("artifact {name}: a file of this name exists already; it was not changed");
        assert!(complaints.contains(&text), "{text} is missing in {complaints}");
    }
    assert!(complaints.contains("artifact twice/x: twice in its path is a link or a file"), "{complaints}");
    assert!(complaints.contains("5 artifacts were not written"), "{complaints}");
    assert_eq!(read(&place.path("out/old")), "untouched");
    assert_eq!(read(&place.path("out/twice")), "4");
    assert!(fs::metadata(place.path("out/fifo")).unwrap().file_type().is_fifo());
}

#[test]
fn names_that_the_system_refuses_do_not_stop_the_others() {
    let long = "n".repeat(300);
    let place = Place::with(&with_files(&[(&long, "1"), (&format!("{long}/x"), "2"), ("good", "3")]));
    let complaints = place.fail(&["--output", "out", "full"]);
    assert!(complaints.contains("cannot be created: "), "{complaints}");
    assert!(complaints.contains(" on the way: "), "{complaints}");
    assert_eq!(read(&place.path("out/good")), "3");
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let place = Place::with(&with_files(&[("a", "1")]));
    let complaints = place.fail(&["--output", "full/below", "full"]);
    assert!(complaints.starts_with("builder-inspect: cannot write below full/below: "), "{complaints}");
}
