//! Servers that are wrong on purpose, to show that the tests would notice: mistakes to be planted in a copy of what ships.
//!
//! They are listed in `tests/wrong_servers/*.txt`, in blocks like this one:
//!
//! ```text
//! == answered-before-commit
//! Answers leave before the log holds what they say.
//! breaks: answered
//! found by: the simulation
//! plan: power_failures=900
//! in engine/src/log/active.rs
//!          if length <= self.durable_length {
//! -            files.sync_contents(&self.file)?;
//! +            if !crate::planted("answered-before-commit") {
//! +                files.sync_contents(&self.file)?;
//! +            }
//! ```
//!
//! | line | meaning |
//! |---|---|
//! | `==` | the name, which no other has |
//! | the next ones | the mistake, in a sentence |
//! | `breaks:` | a promise by its key in `promises.txt` |
//! | `found by:` | `the simulation`, or the command of the test that fails: `cargo test -p PACKAGE --test TARGET FILTER`, or `--lib` |
//! | `plan:` | what the simulation is to make frequent, as in `SIMULATION_PLAN`; only where the mistake would take too long to show |
//! | `in` | a file; what follows is a hunk as in a diff, and there may be several |
//!
//! What a hunk replaces occurs exactly once in its file. Lines that begin with `#` are comments.

use std::fs;
use std::path::{Path, PathBuf};

/// A mistake, and how it is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrongServer {
    /// What switches it on.
    pub name: String,
    /// What is wrong, in a sentence.
    pub mistake: String,
    /// The key of the promise that it breaks.
    pub breaks: String,
    /// What finds it.
    pub found_by: Finder,
    /// Settings for the plans of the simulation; mostly empty.
    pub plan: String,
    /// What is changed in the sources.
    pub hunks: Vec<Hunk>,
}

/// What finds a mistake.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Finder {
    /// The simulation, with one seed after the other.
    Simulation,
    /// Tests of ours, run as they are.
    Tests {
        /// The package that they belong to.
        package: String,
        /// The name of the test target; none for unit tests.
        target: Option<String>,
        /// What the names of the tests contain.
        filter: String,
    },
}

/// A change of one place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hunk {
    /// The path of the file in the tree.
    pub file: String,
    /// What stands there.
    pub before: String,
    /// What is to stand there.
    pub after: String,
}

/// A promise of the README.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Promise {
    /// What the lists call it.
    pub key: String,
    /// How it begins in the README.
    pub words: String,
}

/// The root of the tree.
pub fn tree() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// All wrong servers, list by list.
pub fn wrong_servers() -> Vec<WrongServer> {
    let directory = tree().join("tests/wrong_servers");
    let entries = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path());
    let is_list = |path: &PathBuf| {
        path.extension().is_some_and(|extension| extension == "txt") && !path.ends_with(PROMISES)
    };
    let mut lists: Vec<PathBuf> = entries.filter(is_list).collect();
    lists.sort();
    lists
        .iter()
        .flat_map(|list| parse(&list.display().to_string(), &fs::read_to_string(list).unwrap()))
        .collect()
}

/// All promises, as the lists know them.
pub fn promises() -> Vec<Promise> {
    let text = fs::read_to_string(tree().join("tests/wrong_servers").join(PROMISES)).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let promise = |line: &str| {
        let (key, words) = line.split_once(": ").unwrap_or_else(|| panic!("no promise: {line}"));
        Promise { key: key.to_owned(), words: words.to_owned() }
    };
    lines.map(promise).collect()
}

const PROMISES: &str = "promises.txt";

fn parse(list: &str, text: &str) -> Vec<WrongServer> {
    let mut servers: Vec<WrongServer> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let fail = |problem: &str| -> ! { panic!("{list}:{number}: {problem}: {line}") };
        if let Some(name) = line.strip_prefix("== ") {
            servers.push(WrongServer::named(name));
            continue;
        }
        if line.starts_with('#') {
            continue;
        }
        let Some(server) = servers.last_mut() else {
            if line.is_empty() { continue } else { fail("this belongs to nothing") }
        };
        if let Some(file) = line.strip_prefix("in ") {
            let file = file.to_owned();
            server.hunks.push(Hunk { file, before: String::new(), after: String::new() });
        } else if let Some(hunk) = server.hunks.last_mut() {
            hunk.push(line).unwrap_or_else(|problem| fail(problem));
        } else {
            server.describe(line).unwrap_or_else(|problem| fail(problem));
        }
    }
    servers.iter_mut().flat_map(|server| &mut server.hunks).for_each(Hunk::trim);
    servers
}

impl WrongServer {
    fn named(name: &str) -> WrongServer {
        WrongServer {
            name: name.to_owned(),
            mistake: String::new(),
            breaks: String::new(),
            found_by: Finder::Simulation,
            plan: String::new(),
            hunks: Vec::new(),
        }
    }

    fn describe(&mut self, line: &str) -> Result<(), &'static str> {
        if let Some(key) = line.strip_prefix("breaks: ") {
            key.clone_into(&mut self.breaks);
        } else if let Some(finder) = line.strip_prefix("found by: ") {
            self.found_by =
                Finder::parse(finder).ok_or("neither the simulation nor the command of a test")?;
        } else if let Some(plan) = line.strip_prefix("plan: ") {
            plan.clone_into(&mut self.plan);
        } else {
            self.mistake += if self.mistake.is_empty() { "" } else { " " };
            self.mistake += line;
        }
        Ok(())
    }
}

impl Finder {
    /// The test target that it is part of; none for unit tests.
    pub fn target(&self) -> Option<&str> {
        match self {
            Finder::Simulation => Some("simulation"),
            Finder::Tests { target, .. } => target.as_deref(),
        }
    }

    /// Whether it runs the programs themselves.
    pub fn starts_programs(&self) -> bool {
        matches!(self, Finder::Tests { target: Some(_), .. })
    }

    fn parse(text: &str) -> Option<Finder> {
        if text == "the simulation" {
            return Some(Finder::Simulation);
        }
        let words: Vec<&str> = text.split(' ').collect();
        let (package, target, filter) = match words[..] {
            ["cargo", "test", "-p", package, "--test", target, filter] => (package, Some(target), filter),
            ["cargo", "test", "-p", package, "--lib", filter] => (package, None, filter),
            _ => return None,
        };
        Some(Finder::Tests {
            package: package.to_owned(),
            target: target.map(str::to_owned),
            filter: filter.to_owned(),
        })
    }
}

impl Hunk {
    fn push(&mut self, line: &str) -> Result<(), &'static str> {
        let (stood, stands, rest) = match line.split_at_checked(1) {
            None if line.is_empty() => (true, true, ""),
            Some((" ", rest)) => (true, true, rest),
            Some(("-", rest)) => (true, false, rest),
            Some(("+", rest)) => (false, true, rest),
            _ => return Err("a line of a hunk begins with a plus, a minus or a blank"),
        };
        for (text, has_line) in [(&mut self.before, stood), (&mut self.after, stands)] {
            if has_line {
                text.push_str(rest);
                text.push('\n');
            }
        }
        Ok(())
    }

    /// Takes away the empty lines between this block and the next.
    fn trim(&mut self) {
        for text in [&mut self.before, &mut self.after] {
            let length = text.trim_end_matches('\n').len();
            // The end of the last line stays.
            text.truncate(if length == 0 { 0 } else { length + 1 });
        }
    }

    /// Where in the text of the file it is to be applied.
    ///
    /// # Errors
    ///
    /// When that is nowhere, or not clear.
    pub fn find(&self, text: &str) -> Result<usize, String> {
        // Lines are whole, so that no text is found within a longer one.
        let places: Vec<usize> = text
            .match_indices(self.before.as_str())
            .map(|(at, _)| at)
            .filter(|at| *at == 0 || text[..*at].ends_with('\n'))
            .collect();
        match places[..] {
            [place] => Ok(place),
            _ => Err(format!("occurs {} times in {}, not once:\n{}", places.len(), self.file, self.before)),
        }
    }
}

/// The text of a file with these hunks applied, all at once.
///
/// # Errors
///
/// When one cannot be applied, or two want to change the same lines.
pub fn apply(text: &str, hunks: &[&Hunk]) -> Result<String, String> {
    let mut places = Vec::new();
    for hunk in hunks {
        places.push((hunk.find(text)?, *hunk));
    }
    places.sort_by_key(|(place, _)| *place);
    let (mut changed, mut end) = (String::new(), 0);
    for (place, hunk) in places {
        let Some(between) = text.get(end..place) else {
            return Err(format!("overlaps another in {}:\n{}", hunk.file, hunk.before));
        };
        changed.push_str(between);
        changed.push_str(&hunk.after);
        end = place + hunk.before.len();
    }
    Ok(changed + &text[end..])
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "\
# A comment.

== first-one
It forgets
everything.
breaks: answered
found by: cargo test -p builder --test server startup::
in a.rs
 one
-two
+2

in b.rs
+three
 four

== second-one
It is late.
breaks: stored
plan: frozen=400
in a.rs
-  five
";

    #[test]
    fn blocks_say_what_is_changed_and_what_finds_it() {
        let servers = parse("list", LIST);
        let hunk = |file: &str, before: &str, after: &str| Hunk {
            file: file.to_owned(),
            before: before.to_owned(),
            after: after.to_owned(),
        };
        assert_eq!(servers.len(), 2);
        assert_eq!(servers[0].mistake, "It forgets everything.");
        assert_eq!(
            servers[0].found_by,
            Finder::Tests {
                package: "builder".to_owned(),
                target: Some("server".to_owned()),
                filter: "startup::".to_owned()
            }
        );
        let hunks = [hunk("a.rs", "one\ntwo\n", "one\n2\n"), hunk("b.rs", "four\n", "three\nfour\n")];
        assert_eq!(servers[0].hunks, hunks);
        assert_eq!((servers[1].name.as_str(), servers[1].plan.as_str()), ("second-one", "frozen=400"));
        assert_eq!(servers[1].hunks, [hunk("a.rs", "  five\n", "")]);
    }

    #[test]
    fn hunks_are_applied_where_their_lines_stand_and_nowhere_else() {
        let hunks: Vec<Hunk> = parse("list", LIST).into_iter().flat_map(|server| server.hunks).collect();
        let [first, _, last] = [&hunks[0], &hunks[1], &hunks[2]];
        let text = "zero\none\ntwo\n  five\n";
        assert_eq!(apply(text, &[last, first]).unwrap(), "zero\none\n2\n");
        assert!(apply("zero\n", &[first]).is_err(), "it is not there");
        assert!(apply("none\ntwo\n", &[first]).is_err(), "a part of a line is another line");
        assert!(apply("one\ntwo\none\ntwo\n", &[first]).is_err(), "it is there twice");
        assert!(apply(text, &[first, first]).is_err(), "both want the same lines");
    }
}
