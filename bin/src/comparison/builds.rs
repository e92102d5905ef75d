//! What is different between two builds, apart from their consoles and their artifacts.

use super::lines::Comparison;
use super::texts;
use crate::wording::whole_seconds;
use builder_proto::history::Build;
use builder_proto::job::ScriptJob;
use builder_proto::text::Text;

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
