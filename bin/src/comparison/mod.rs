//! What is different between two builds, for whoever shows it: what was built where, why it ended, its script, and its artifacts
//! by path, size and digest.
//!
//! | module | holds |
//! |---|---|
//! | `lines` | which lines of two texts differ |
//! | `texts` | texts that are compared while they arrive, such as consoles |

pub(crate) mod lines;
pub(crate) mod texts;

use crate::wording::whole_seconds;
use builder_proto::history::{Artifact, Build};
use builder_proto::job::ScriptJob;
use builder_proto::text::Text;
use lines::Comparison;
use std::collections::BTreeMap;

/// Something that has another value.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) name: &'static str,
    pub(crate) values: [Text; 2],
}

/// What was built, and where.
pub(crate) fn environment(builds: [&Build; 2]) -> Vec<Change> {
    let change = |name, values: [&Text; 2]| {
        let [old, new] = values;
        (old != new).then(|| Change { name, values: [old.clone(), new.clone()] })
    };
    let [old, new] = builds;
    let hosts = old.host.as_ref().zip(new.host.as_ref());
    let changes = [
        change("job", [&old.job, &new.job]),
        change("platform", [&old.platform, &new.platform]),
        // Where one was not noted, nobody knows whether it was another one.
        hosts.and_then(|(old, new)| change("host", [old, new])),
    ];
    changes.into_iter().flatten().collect()
}

/// Why they ended.
pub(crate) fn cause(builds: [&Build; 2]) -> Option<Change> {
    let values = builds.map(|build| build.end.as_ref().map(|end| Text::from(end.cause.to_string())));
    let [Some(old), Some(new)] = values else { return None };
    (old != new).then_some(Change { name: "cause", values: [old, new] })
}

/// What was run. Without the script of one of them, nothing is known.
pub(crate) fn script(builds: [&Build; 2], jobs: [Option<&ScriptJob>; 2]) -> Comparison {
    let [old, new] = builds;
    match jobs {
        [Some(old), Some(new)] => {
            let [mut old, mut new] = [old, new].map(|job| texts::lines_of(job.script.as_bytes()));
            let Ok(comparison) = texts::compare(&mut old, &mut new, texts::LIMITS);
            comparison
        }
        [None, _] => Comparison::Unknown(without(old, "script")),
        [_, None] => Comparison::Unknown(without(new, "script")),
    }
}

/// Why part of a build cannot be compared.
pub(crate) fn without(build: &Build, part: &str) -> String {
    let uuid = build.uuid();
    match build.end.as_ref().and_then(|end| end.removed) {
        Some(removed) => format!("{uuid} was removed at {}", whole_seconds(removed)),
        None => format!("the server does not have the {part} of {uuid}"),
    }
}

/// How the artifacts of two builds compare, each list by path.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Artifacts {
    pub(crate) removed: Vec<Artifact>,
    pub(crate) added: Vec<Artifact>,
    /// Those of other size or content.
    pub(crate) changed: Vec<[Artifact; 2]>,
    /// How many have the same digest.
    pub(crate) same: u64,
    /// How many have the same size, and no digest that could be compared.
    pub(crate) same_size: u64,
}

impl Artifacts {
    /// Compares by path, size and digest. Should a build have a path twice, the first goes with the first.
    pub(crate) fn compare(old: Vec<Artifact>, new: Vec<Artifact>) -> Artifacts {
        let mut compared = Artifacts::default();
        let mut old = by_path(old);
        for (path, artifact) in by_path(new) {
            let Some(before) = old.remove(&path) else {
                compared.added.push(artifact);
                continue;
            };
            match is_same(&before, &artifact) {
                Some(true) => compared.same += 1,
                Some(false) => compared.changed.push([before, artifact]),
                None => compared.same_size += 1,
            }
        }
        compared.removed = old.into_values().collect();
        compared
    }

    pub(crate) fn has_differences(&self) -> bool {
        !(self.removed.is_empty() && self.added.is_empty() && self.changed.is_empty())
    }
}

/// A path, and how many of the same came before.
type Key = (Text, usize);

fn by_path(artifacts: Vec<Artifact>) -> BTreeMap<Key, Artifact> {
    let mut by_path: BTreeMap<Key, Artifact> = BTreeMap::new();
    for artifact in artifacts {
        let of_path = (artifact.path.clone(), 0)..=(artifact.path.clone(), usize::MAX);
        let number = by_path.range(of_path).next_back().map_or(0, |((_, number), _)| number + 1);
        by_path.insert((artifact.path.clone(), number), artifact);
    }
    by_path
}

/// Whether two artifacts have the same content; `None` when only their sizes are known, and are the same.
fn is_same(old: &Artifact, new: &Artifact) -> Option<bool> {
    match (old.sha256, new.sha256) {
        _ if old.size != new.size => Some(false),
        (Some(old), Some(new)) => Some(old == new),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use builder_proto::history::Sha256;

    fn artifact(path: &str, size: u64, digest: Option<u8>) -> Artifact {
        Artifact { path: path.into(), size, sha256: digest.map(|byte| Sha256([byte; 32])) }
    }

    #[test]
    fn artifacts_are_compared_by_path_size_and_digest() {
        let old = vec![
            artifact("z", 1, Some(1)),
            artifact("same", 1, Some(1)),
            artifact("content", 1, Some(1)),
            artifact("size", 1, None),
            artifact("old", 1, Some(1)),
            artifact("unknown", 1, None),
        ];
        let new = vec![
            artifact("size", 2, Some(1)),
            artifact("content", 1, Some(2)),
            artifact("same", 1, Some(1)),
            artifact("new", 1, Some(1)),
            artifact("unknown", 1, Some(1)),
        ];
        let paths = |artifacts: &[Artifact]| -> Vec<String> {
            artifacts.iter().map(|artifact| artifact.path.to_string()).collect()
        };
        let compared = Artifacts::compare(old, new);
        assert_eq!(paths(&compared.removed), ["old", "z"]);
        assert_eq!(paths(&compared.added), ["new"]);
        let changed = compared.changed.iter().map(|[old, _]| old.path.to_string()).collect::<Vec<_>>();
        assert_eq!(changed, ["content", "size"]);
        assert_eq!((compared.same, compared.same_size), (1, 1));
        assert!(compared.has_differences());
    }

    #[test]
    fn the_order_in_which_they_are_stored_makes_no_difference() {
        let (a, b) = (artifact("a", 1, Some(1)), artifact("b", 2, Some(2)));
        let compared = Artifacts::compare(vec![a.clone(), b.clone()], vec![b, a]);
        assert_eq!(compared, Artifacts { same: 2, ..Artifacts::default() });
        assert!(!compared.has_differences());
    }

    #[test]
    fn a_path_may_be_there_twice() {
        let twice = |last| vec![artifact("a", 1, Some(1)), artifact("a", 1, Some(last))];
        assert_eq!(Artifacts::compare(twice(2), twice(2)).same, 2);
        let compared = Artifacts::compare(twice(2), twice(3));
        assert_eq!((compared.same, compared.changed.len()), (1, 1));
        assert_eq!(Artifacts::compare(twice(2), twice(1).split_off(1)).removed.len(), 1);
    }
}
