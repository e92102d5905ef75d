//! The copy of the tree in which the mistakes are planted.

use builder_tests::wrong_servers::{Hunk, apply, tree};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What every `crate::planted` of the copy asks. Processes are told by their environment which mistake is switched on.
const SWITCH: &str = r#"
/// Whether a mistake is switched on.
pub fn planted(name: &str) -> bool {
    static PLANTED: std::sync::OnceLock<Option<std::ffi::OsString>> = std::sync::OnceLock::new();
    PLANTED.get_or_init(|| std::env::var_os("BUILDER_PLANTED")).as_ref().is_some_and(|planted| planted == name)
}
"#;

/// The crates that ask, and how they come by it.
const CRATES: [(&str, &str); 3] = [
    ("proto/src/lib.rs", SWITCH),
    ("engine/src/lib.rs", "\npub use builder_proto::planted;\n"),
    ("bin/src/lib.rs", "\n#[allow(unused_imports)]\npub(crate) use builder_engine::planted;\n"),
];

/// A tree with mistakes, below the target directory.
pub(crate) struct Copy {
    /// Where the tree is.
    pub(crate) tree: PathBuf,
    /// Where it is built.
    pub(crate) build: PathBuf,
}

impl Copy {
    /// Copies what git knows of the tree, or would. What has not changed since the last copy is left alone, so that cargo does
    /// not build it again.
    pub(crate) fn make(hunks: &BTreeMap<&str, Vec<&Hunk>>) -> Copy {
        let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("wrong_servers");
        let copy = Copy { tree: place.join("tree"), build: place.join("build") };
        let files = files();
        for file in &files {
            let original = tree().join(file);
            let mut contents = fs::read(&original).unwrap();
            if let Some(hunks) = hunks.get(file.as_str()) {
                let text = String::from_utf8(contents).unwrap();
                contents = apply(&text, hunks).unwrap_or_else(|problem| panic!("{problem}")).into_bytes();
            }
            if let Some((_, switch)) = CRATES.iter().find(|(root, _)| root == file) {
                contents.extend_from_slice(switch.as_bytes());
            }
            let path = copy.tree.join(file);
            if fs::read(&path).is_ok_and(|present| present == contents) {
                continue;
            }
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, contents).unwrap();
            fs::set_permissions(&path, fs::metadata(&original).unwrap().permissions()).unwrap();
        }
        copy.remove_all_but(&files);
        copy
    }

    fn remove_all_but(&self, files: &BTreeSet<String>) {
        let mut directories = vec![self.tree.clone()];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(&directory).unwrap() {
                let path = entry.unwrap().path();
                let name = path.strip_prefix(&self.tree).unwrap().to_str().unwrap();
                if path.is_dir() {
                    directories.push(path);
                } else if !files.contains(name) && name != "Cargo.lock" {
                    fs::remove_file(&path).unwrap();
                }
            }
        }
    }
}

/// The files of the tree. One that is not committed yet is among them, one that was removed is not.
fn files() -> BTreeSet<String> {
    let mut git = Command::new("git");
    git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).current_dir(tree());
    let output = git.output().expect("git has to be installed");
    assert!(output.status.success(), "git ls-files: {}", String::from_utf8_lossy(&output.stderr));
    let names = String::from_utf8(output.stdout).unwrap();
    let names = names.split('\0').filter(|name| tree().join(name).is_file());
    names.map(str::to_owned).collect()
}
