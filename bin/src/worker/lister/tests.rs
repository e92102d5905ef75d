use super::*;
use crate::worker::artifacts::ArtifactStream;
use builder_proto::finished_frame::FileHead;
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

/// The directory of a job, beside which is something that is not the job's.
struct Place {
    _outer: TempDir,
    root: std::path::PathBuf,
}

impl Place {
    fn new(files: &[&str]) -> Self {
        let outer = tempfile::tempdir().unwrap();
        fs::write(outer.path().join("secret"), "secret").unwrap();
        let root = outer.path().join("root");
        fs::create_dir(&root).unwrap();
        let place = Self { _outer: outer, root };
        for file in files {
            place.write(file, file.as_bytes());
        }
        place
    }

    fn path(&self, path: &str) -> std::path::PathBuf {
        self.root.join(path)
    }

    fn write(&self, path: &str, data: &[u8]) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, data).unwrap();
    }

    fn link(&self, target: impl AsRef<Path>, link: &str) {
        symlink(target, self.path(link)).unwrap();
    }

    fn tree(&self) -> Tree {
        Tree::open(&self.root).unwrap()
    }

    /// Paths of the artifacts, and what is said about the rest.
    fn list(&self) -> (Vec<String>, Vec<String>) {
        let (list, remarks) = list_artifacts(&self.tree());
        let path = |index| String::from_utf8(list.get(index).unwrap().path.to_vec()).unwrap();
        ((0..list.len()).map(path).collect(), remarks.lines().collect())
    }

    fn paths(&self) -> Vec<String> {
        let (paths, remarks) = self.list();
        assert_eq!(remarks, Vec::<String>::new());
        paths
    }

    /// The artifacts as they go over the wire.
    fn stream(&self) -> Vec<u8> {
        let (list, _) = list_artifacts(&self.tree());
        let promised = list.encoded_length();
        let sent = send(self, list).unwrap();
        assert_eq!(sent.len() as u64, promised, "the announced length is kept");
        sent
    }
}

fn list_artifacts(tree: &Tree) -> (ArtifactList, Remarks) {
    let mut lister = Lister::new();
    while lister.step(tree, Instant::now() + Duration::from_secs(60)).unwrap() {}
    lister.finish()
}

fn list_with_limits(tree: &Tree, entries: u64, lookups: u64) -> String {
    let mut lister = Lister::with_limits(Limits { entries, lookups });
    loop {
        if let Err(error) = lister.step(tree, Instant::now() + Duration::from_secs(60)) {
            return error.to_string();
        }
    }
}

fn send(place: &Place, list: ArtifactList) -> Result<Vec<u8>, String> {
    let mut stream = ArtifactStream::new(list);
    let mut sent = Vec::new();
    while stream.fill(&place.tree(), &mut sent).map_err(|error| error.to_string())? {}
    Ok(sent)
}

fn encoded(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut expected = Vec::new();
    for (path, data) in files {
        FileHead { path: path.as_bytes(), data_length: data.len() as u64 }.append_to(&mut expected);
        expected.extend_from_slice(data);
    }
    expected
}

#[test]
fn files_are_listed_in_the_order_of_their_paths() {
    let place = Place::new(&["z", "bin/b", "bin/a", "a", "bin/sub/x", "bin.txt"]);
    assert_eq!(place.paths(), ["a", "bin.txt", "bin/a", "bin/b", "bin/sub/x", "z"]);
}

#[test]
fn the_script_and_what_begins_with_a_dot_are_no_artifacts() {
    let place =
        Place::new(&["script.sh", "sub/script.sh", ".hidden", ".git/config", "sub/.x/y", "sub/.z", "a"]);
    assert_eq!(place.paths(), ["a", "sub/script.sh"]);
}

#[test]
fn links_to_files_inside_are_artifacts() {
    let place = Place::new(&["sub/file", ".cache/object"]);
    place.link("sub/file", "relative");
    place.link(place.path("sub/file"), "absolute");
    place.link("../.cache/object", "sub/hidden-target");
    assert_eq!(place.paths(), ["absolute", "relative", "sub/file", "sub/hidden-target"]);
    let expected = encoded(&[
        ("absolute", b"sub/file"),
        ("relative", b"sub/file"),
        ("sub/file", b"sub/file"),
        ("sub/hidden-target", b".cache/object"),
    ]);
    assert_eq!(place.stream(), expected);
}

#[test]
fn links_to_directories_inside_are_followed() {
    let place = Place::new(&["real/a", "real/sub/b"]);
    place.link("real", "link");
    assert_eq!(place.paths(), ["link/a", "link/sub/b", "real/a", "real/sub/b"]);
    let expected = encoded(&[
        ("link/a", b"real/a"),
        ("link/sub/b", b"real/sub/b"),
        ("real/a", b"real/a"),
        ("real/sub/b", b"real/sub/b"),
    ]);
    assert_eq!(place.stream(), expected);
}

#[test]
fn links_that_lead_out_are_left_out() {
    let place = Place::new(&["a"]);
    place.link("../secret", "sibling");
    place.link("/etc", "etc");
    let (paths, mut remarks) = place.list();
    remarks.sort();
    assert_eq!(paths, ["a"]);
    assert_eq!(
        remarks,
        [
            "builder-worker: etc is a link that leads out of the job's directory; left out",
            "builder-worker: sibling is a link that leads out of the job's directory; left out",
        ]
    );
}

#[test]
fn loops_end() {
    let place = Place::new(&["a/file", "b/file"]);
    place.link(".", "here");
    place.link("../b", "a/to-b");
    place.link("../a", "b/to-a");
    let (paths, remarks) = place.list();
    assert_eq!(paths, ["a/file", "a/to-b/file", "b/file", "b/to-a/file"]);
    assert_eq!(remarks.len(), 3, "{remarks:?}");
    assert!(remarks.iter().all(|line| line.ends_with("is a link to a directory above it; left out")));
}

#[test]
fn links_among_many_directories_cannot_take_for_ever() {
    // Ten directories with links to each other have millions of paths without a loop.
    let place = Place::new(&[]);
    for from in 0..10 {
        fs::create_dir(place.path(&format!("d{from}"))).unwrap();
        for to in 0..10 {
            place.link(format!("../d{to}"), &format!("d{from}/to{to}"));
        }
    }
    let error = list_with_limits(&place.tree(), 10_000, u64::MAX);
    assert!(error.contains("more than 10000 entries"), "{error}");
    let error = list_with_limits(&place.tree(), u64::MAX, 10_000);
    assert!(error.contains("more than 10000 steps"), "{error}");
}

#[test]
fn a_step_ends_when_its_time_is_over() {
    let place = Place::new(&["a", "b", "sub/c"]);
    let tree = place.tree();
    let mut lister = Lister::new();
    let mut steps = 0;
    while lister.step(&tree, Instant::now()).unwrap() {
        steps += 1;
    }
    // Opening two directories and looking at four entries, to say the least.
    assert!(steps >= 6, "{steps}");
    assert_eq!(lister.finish().0.len(), 3);
}

#[test]
fn what_is_no_file_is_left_out_with_a_word() {
    let place = Place::new(&["a"]);
    let _listener = UnixListener::bind(place.path("socket")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        place.path("fifo"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RWXU,
        0,
    )
    .unwrap();
    place.link("fifo", "to-fifo");
    place.link("absent", "broken");
    place.link("broken-loop", "broken-loop");
    let (paths, mut remarks) = place.list();
    remarks.sort();
    assert_eq!(paths, ["a"]);
    let beginnings = [
        "broken is a link that leads nowhere: No such file or directory",
        "broken-loop is a link with more than 40 links behind it",
        "fifo is a FIFO; left out",
        "socket is a socket; left out",
        "to-fifo is a FIFO; left out",
    ];
    assert_eq!(remarks.len(), beginnings.len(), "{remarks:?}");
    for (remark, beginning) in remarks.iter().zip(beginnings) {
        assert!(remark.starts_with(&format!("builder-worker: {beginning}")), "{remark}");
    }
}

#[test]
fn names_are_any_bytes() {
    use std::os::unix::ffi::OsStrExt;
    let place = Place::new(&[]);
    let name: &[u8] = b"new\nline \xff";
    fs::write(place.root.join(std::ffi::OsStr::from_bytes(name)), "").unwrap();
    let (list, _) = list_artifacts(&place.tree());
    assert_eq!(list.get(0).unwrap().path, name);
}

#[test]
fn big_and_empty_files_are_streamed_as_announced() {
    let place = Place::new(&[]);
    let big: Vec<u8> = (0..700_000_u32).map(|number| number.to_le_bytes()[0]).collect();
    place.write("big", &big);
    place.write("empty", b"");
    place.write("last", b"x");
    assert_eq!(place.stream(), encoded(&[("big", &big), ("empty", b""), ("last", b"x")]));
}

#[test]
fn sparse_files_cost_no_memory() {
    let place = Place::new(&[]);
    File::create(place.path("sparse")).unwrap().set_len(1 << 40).unwrap();
    let (list, _) = list_artifacts(&place.tree());
    assert!(list.encoded_length() > 1 << 40);
    let mut output = Vec::new();
    let mut stream = ArtifactStream::new(list);
    assert!(stream.fill(&place.tree(), &mut output).unwrap());
    assert!(output.capacity() < 1 << 20, "{}", output.capacity());
}

#[test]
fn files_that_change_after_they_were_listed_end_the_stream() {
    type Change = fn(&Place);
    let changes: [(&str, Change); 4] = [
        ("changed while it was sent", |place| place.write("file", b"longer than before")),
        ("changed while it was sent", |place| place.write("file", b"")),
        ("could not be read", |place| fs::remove_file(place.path("file")).unwrap()),
        ("could not be read", |place| {
            fs::remove_file(place.path("file")).unwrap();
            place.link("/etc/passwd", "file");
        }),
    ];
    for (text, change) in changes {
        let place = Place::new(&["file"]);
        let (list, _) = list_artifacts(&place.tree());
        change(&place);
        let error = send(&place, list).unwrap_err();
        assert!(error.starts_with("artifact file ") && error.contains(text), "{error}");
    }
}

#[test]
fn without_links_the_prefixes_are_above() {
    let chain = Chain::root();
    for above in ["", "a", "a/b", "a/b/c"] {
        assert!(chain.contains(b"a/b/c", above.as_bytes()), "{above}");
    }
    for beside in ["b", "a/bb", "a/b/c/d", "a/b/x"] {
        assert!(!chain.contains(b"a/b/c", beside.as_bytes()), "{beside}");
    }
}

#[test]
fn behind_a_link_only_what_was_passed_is_above() {
    // Root, a, and the link a/link that leads to x/y/z; the walk is now in x/y/z/w.
    let chain = Chain::root().through_link(b"a", b"x/y/z");
    for above in ["", "a", "x/y/z", "x/y/z/w"] {
        assert!(chain.contains(b"x/y/z/w", above.as_bytes()), "{above}");
    }
    for beside in ["x", "x/y", "a/link"] {
        assert!(!chain.contains(b"x/y/z/w", beside.as_bytes()), "{beside}");
    }
}
