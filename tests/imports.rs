//! Files of a crate that import each other in a circle. None of them can be understood, moved or tested without all the others.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "all of this is test code")]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};

const CRATES: [&str; 3] = ["proto/src", "engine/src", "bin/src"];

/// A module or an item by its names from the root of the crate on, such as `["server", "builds", "Builds"]`.
type Names = Vec<String>;

/// What a file says of others.
#[derive(Debug, Default)]
struct Module {
    mentions: Vec<Names>,
    /// What it passes on under a name of its own.
    passes_on: BTreeMap<String, Names>,
}

/// The files of a crate.
type Modules = BTreeMap<Names, Module>;

fn names(words: &[&str]) -> Names {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// Files other than those of tests, by the names of their modules.
fn files(directory: &Path, module: &Names, found: &mut BTreeMap<Names, PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let mut name = module.clone();
        if path.is_dir() {
            if stem != "tests" && stem != "bin" {
                name.push(stem);
                files(&path, &name, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") && stem != "tests" {
            if stem != "mod" && stem != "lib" {
                name.push(stem);
            }
            found.insert(name, path);
        }
    }
}

/// The paths of a `use` without `use`, each by itself.
fn expand(tree: &str) -> Vec<String> {
    let tree = tree.trim();
    let Some((before, rest)) = tree.split_once('{') else {
        let path = tree.split(" as ").next().unwrap().trim();
        return if path.is_empty() { Vec::new() } else { vec![path.to_owned()] };
    };
    let inner = rest.rsplit_once('}').unwrap().0;
    let (mut depth, mut start, mut parts) = (0_usize, 0, Vec::new());
    for (place, character) in inner.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&inner[start..place]);
                start = place + 1;
            }
            _ => {}
        }
    }
    parts.push(&inner[start..]);
    parts.into_iter().flat_map(expand).map(|path| format!("{before}{path}")).collect()
}

/// Where a path begins that is written in `module`; none when it leads out of the crate.
fn absolute(path: &str, module: &Names, children: &BTreeSet<String>) -> Option<Names> {
    let mut words: VecDeque<&str> = path.split("::").filter(|word| !word.is_empty()).collect();
    let mut base = module.clone();
    match *words.front()? {
        "crate" => {
            words.pop_front();
            base.clear();
        }
        "self" => drop(words.pop_front()),
        "super" => {
            while words.front() == Some(&"super") {
                words.pop_front();
                base.pop();
            }
        }
        child if children.contains(child) => {}
        _ => return None,
    }
    base.extend(words.into_iter().filter(|word| *word != "*").map(str::to_owned));
    Some(base)
}

fn read(source: &str, module: &Names, children: &BTreeSet<String>) -> Module {
    let source = source.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let code: Vec<&str> = source.lines().map(|line| line.split("//").next().unwrap()).collect();
    let mut read = Module::default();
    let text = code.join("\n");
    let mut rest = text.as_str();
    let mut others = String::new();
    while let Some(place) = find_use(rest) {
        let (before, statement) = rest.split_at(place);
        others.push_str(before);
        let (tree, after) = statement.split_once(';').unwrap();
        let is_passed_on = before.lines().last().is_some_and(|line| line.trim().starts_with("pub"));
        for path in expand(&tree["use ".len()..].replace('\n', " ")) {
            let Some(path) = absolute(&path.replace(' ', ""), module, children) else { continue };
            if let Some(name) = path.last().filter(|_| is_passed_on) {
                read.passes_on.insert(name.clone(), path.clone());
            }
            read.mentions.push(path);
        }
        rest = after;
    }
    others.push_str(rest);
    let is_part = |character: char| character.is_alphanumeric() || character == '_' || character == ':';
    for word in others.split(|character| !is_part(character)).filter(|word| word.contains("::")) {
        read.mentions.extend(absolute(word, module, children));
    }
    read
}

/// Where the next `use` begins that is a statement.
fn find_use(text: &str) -> Option<usize> {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim_start();
        let offset = start + line.len() - trimmed.len();
        if trimmed.starts_with("use ") {
            return Some(offset);
        }
        if trimmed.starts_with("pub")
            && let Some((before, _)) = trimmed.split_once(" use ")
            && !before.contains(' ')
        {
            return Some(offset + before.len() + 1);
        }
        start += line.len();
    }
    None
}

fn modules(root: &Path) -> Modules {
    let mut paths = BTreeMap::new();
    files(root, &Names::new(), &mut paths);
    let read = paths.iter().map(|(module, path)| {
        let is_child = |name: &&Names| name.len() == module.len() + 1 && name.starts_with(module);
        let children = paths.keys().filter(is_child).map(|name| name.last().unwrap().clone()).collect();
        (module.clone(), read(&fs::read_to_string(path).unwrap(), module, &children))
    });
    read.collect()
}

/// The file that defines what a path names: not the one that only passes it on.
fn definer(modules: &Modules, path: &Names, hops: usize) -> Option<Names> {
    let length = (0..=path.len()).rev().find(|length| modules.contains_key(&path[..*length]))?;
    let (module, item) = (path[..length].to_vec(), path.get(length));
    match item.and_then(|item| modules[&module].passes_on.get(item)) {
        Some(further) if hops > 0 => definer(modules, further, hops - 1),
        _ => Some(module),
    }
}

fn imports(modules: &Modules) -> BTreeMap<Names, BTreeSet<Names>> {
    let of = |(name, module): (&Names, &Module)| {
        let mentioned = module.mentions.iter().filter_map(|path| definer(modules, path, 8));
        (name.clone(), mentioned.filter(|other| other != name).collect())
    };
    modules.iter().map(of).collect()
}

/// The shortest way from a file to itself.
fn circle(imports: &BTreeMap<Names, BTreeSet<Names>>, start: &Names) -> Option<Vec<String>> {
    let mut from: BTreeMap<&Names, &Names> = BTreeMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(name) = queue.pop_front() {
        for next in &imports[name] {
            if next == start {
                let mut way = vec![name];
                while *way.last().unwrap() != start {
                    way.push(from[*way.last().unwrap()]);
                }
                way.reverse();
                way.push(start);
                return Some(way.into_iter().map(|name| format!("crate::{}", name.join("::"))).collect());
            }
            if !from.contains_key(next) {
                from.insert(next, name);
                queue.push_back(next);
            }
        }
    }
    None
}

#[test]
fn no_files_import_each_other() {
    let tree = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for root in CRATES {
        let imports = imports(&modules(&tree.join(root)));
        assert!(imports.len() > 30, "{root}: only {} files were found", imports.len());
        for name in imports.keys() {
            let way = circle(&imports, name);
            assert!(way.is_none(), "{root}: these files import each other: {}", way.unwrap().join(" -> "));
        }
    }
}

#[test]
fn a_path_leads_to_the_file_that_defines_what_it_names() {
    let source = |text: &str, module: &[&str], children: &[&str]| {
        let module = names(module);
        (module.clone(), read(text, &module, &children.iter().map(|child| (*child).to_owned()).collect()))
    };
    let modules: Modules = [
        source("pub mod a;\npub mod b;\n", &[], &["a", "b"]),
        source("mod c;\npub(crate) use c::{Deep, Other as _};\nuse crate::b::{self, X};\n", &["a"], &["c"]),
        source("// use crate::b::X;\nuse std::fs;\npub struct Deep;\n", &["a", "c"], &[]),
        source("pub struct X(crate::a::Deep);\n#[cfg(test)]\nmod tests {\n use crate::a;\n}\n", &["b"], &[]),
    ]
    .into();
    let imports = imports(&modules);
    assert_eq!(imports[&names(&["a"])], BTreeSet::from([names(&["a", "c"]), names(&["b"])]));
    assert_eq!(imports[&names(&["b"])], BTreeSet::from([names(&["a", "c"])]));
    assert!(imports[&names(&["a", "c"])].is_empty());
    assert_eq!(circle(&imports, &names(&["a"])), None);
}
