//! What `strace` writes, read: one [`Call`] for each system call, with the lines at which it began and ended.
//!
//! The lines stand in the order in which strace saw the calls. A call that rests on another one, in whatever thread, begins
//! only after the end of that one has been seen, so its first line stands behind the last line of the other.

use std::collections::BTreeMap;

/// A system call.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// The line at which it began, from 1.
    pub(crate) begin: usize,
    /// The line at which it ended; `usize::MAX` if the process ended first, of which strace may say so with `= ?`.
    pub(crate) end: usize,
    /// The thread that made it.
    pub(crate) thread: u32,
    pub(crate) name: String,
    pub(crate) arguments: Vec<String>,
    /// What it gave; none when it failed or never ended.
    pub(crate) result: Option<i64>,
    /// All of it, as strace wrote it.
    pub(crate) text: String,
}

/// Reads a trace.
pub(crate) fn read(trace: &str) -> Vec<Call> {
    let mut calls = Vec::new();
    // The beginnings of calls during which another thread did something.
    let mut unfinished = BTreeMap::new();
    for (index, line) in trace.lines().enumerate() {
        let number = index + 1;
        let Some((thread, text)) = line.split_once(' ') else { panic!("line {number}: {line}") };
        let (thread, text) = (thread.parse::<u32>().unwrap(), text.trim_start());
        if text.starts_with("---") || text.starts_with("+++") {
            continue;
        }
        if let Some(beginning) = text.strip_suffix(" <unfinished ...>") {
            unfinished.insert(thread, (number, beginning.to_owned()));
        } else if let Some(rest) = text.strip_prefix("<... ") {
            let (_, rest) = rest.split_once(" resumed>").unwrap();
            let (begin, beginning) = unfinished.remove(&thread).unwrap();
            calls.push(call(thread, begin, number, &format!("{beginning}{rest}")));
        } else {
            calls.push(call(thread, number, number, text));
        }
    }
    for (thread, (begin, beginning)) in unfinished {
        calls.push(call(thread, begin, usize::MAX, &beginning));
    }
    calls.sort_by_key(|call| call.begin);
    calls
}

fn call(thread: u32, begin: usize, end: usize, text: &str) -> Call {
    let Some((name, rest)) = text.split_once('(') else { panic!("line {begin}: {text}") };
    let (arguments, rest) = split(rest);
    let end = if rest.trim() == "= ?" { usize::MAX } else { end };
    // `= -1 ENOENT (…)` and `= ?` are no results.
    let result = rest.trim_start().strip_prefix("= ").and_then(|rest| {
        let digits = rest.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
        digits.parse().ok()
    });
    Call { begin, end, thread, name: name.to_owned(), arguments, result, text: text.to_owned() }
}

/// Splits what follows the opening parenthesis of a call: its arguments, and the text behind the closing one. A call that did
/// not end has no closing one.
fn split(text: &str) -> (Vec<String>, &str) {
    let (mut arguments, mut start, mut depth) = (Vec::new(), 0, 0);
    let mut quoted = false;
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' if quoted => drop(characters.next()),
            '"' => quoted = !quoted,
            _ if quoted => {}
            '(' | '[' | '{' => depth += 1,
            ')' if depth == 0 => {
                arguments.push(text[start..at].trim().to_owned());
                return (arguments, &text[at + 1..]);
            }
            ')' | ']' | '}' => depth -= 1,
            ',' if depth == 0 => {
                arguments.push(text[start..at].trim().to_owned());
                start = at + 1;
            }
            _ => {}
        }
    }
    arguments.push(text[start..].trim_end_matches(',').trim().to_owned());
    (arguments, "")
}

impl Call {
    /// A descriptor and what it stands for.
    pub(crate) fn descriptor(&self, argument: usize) -> Option<(i32, &str)> {
        descriptor(self.arguments.get(argument)?)
    }

    /// The path that an argument names, relative to the descriptor before it, if there is one.
    pub(crate) fn path(&self, argument: usize) -> Option<String> {
        let path = String::from_utf8(self.string(argument)?).ok()?;
        let directory = argument.checked_sub(1).and_then(|before| self.arguments.get(before));
        let directory = directory.and_then(|text| text.split_once('<')).map(|(_, label)| label);
        match directory.and_then(|label| label.strip_suffix('>')) {
            Some(directory) if !path.starts_with('/') => Some(format!("{directory}/{path}")),
            _ => Some(path),
        }
    }

    /// The bytes of a string.
    pub(crate) fn string(&self, argument: usize) -> Option<Vec<u8>> {
        string(self.arguments.get(argument)?)
    }

    /// A number.
    pub(crate) fn number(&self, argument: usize) -> Option<u64> {
        self.arguments.get(argument)?.parse().ok()
    }

    /// Whether an argument mentions a constant.
    pub(crate) fn says(&self, argument: usize, constant: &str) -> bool {
        self.arguments.get(argument).is_some_and(|text| text.split('|').any(|word| word == constant))
    }

    /// The descriptor that it gave, and what that stands for.
    pub(crate) fn opened_as(&self) -> Option<(i32, &str)> {
        descriptor(self.text.rsplit_once(" = ")?.1)
    }
}

/// Reads `5</path>`. A file without a name any more is shown as `5</path>(deleted)`, and is nothing here.
fn descriptor(text: &str) -> Option<(i32, &str)> {
    let (number, label) = text.split_once('<')?;
    Some((number.parse().ok()?, label.strip_suffix('>')?))
}

/// Reads a quoted string, of which strace has to show everything.
fn string(text: &str) -> Option<Vec<u8>> {
    assert!(!text.ends_with("\"..."), "strace does not show all of a string; let it show more");
    let quoted = text.strip_prefix('"')?.strip_suffix('"')?.as_bytes();
    let mut bytes = Vec::with_capacity(quoted.len());
    let mut rest = quoted;
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        if first != b'\\' {
            bytes.push(first);
            continue;
        }
        let (&escaped, after) = rest.split_first()?;
        rest = after;
        match escaped {
            b'n' => bytes.push(b'\n'),
            b't' => bytes.push(b'\t'),
            b'r' => bytes.push(b'\r'),
            b'v' => bytes.push(11),
            b'f' => bytes.push(12),
            b'0'..=b'7' => {
                let more = rest.iter().take(2).take_while(|digit| (b'0'..=b'7').contains(*digit)).count();
                let value = rest[..more]
                    .iter()
                    .fold(u32::from(escaped - b'0'), |value, digit| value * 8 + u32::from(digit - b'0'));
                bytes.push(u8::try_from(value).ok()?);
                rest = &rest[more..];
            }
            other => bytes.push(other),
        }
    }
    Some(bytes)
}

#[test]
fn a_trace_is_read_as_strace_writes_it() {
    let trace = r#"12 pwrite64(7</d/log>, "a\0011\n\"),\\", 7, 32) = 7
12 fsync(7</d/log> <unfinished ...>
13 rename("/d/a", "/d/b") = -1 ENOENT (No such file or directory)
14 --- SIGTERM {si_signo=SIGTERM, si_code=SI_USER} ---
12 <... fsync resumed>)              = 0 (DELAYED)
13 unlinkat(9</d>, "x", 0) = 0
13 sendto(5<socket:[17]>, "abc", 3, MSG_NOSIGNAL, NULL, 0 <unfinished ...>
15 fsync(7</d/log> <unfinished ...>
15 <... fsync resumed>)              = ?
14 +++ killed by SIGKILL +++
"#;
    let calls = read(trace);
    let spans: Vec<_> = calls.iter().map(|call| (call.begin, call.end, call.result)).collect();
    assert_eq!(
        spans,
        [
            (1, 1, Some(7)),
            (2, 5, Some(0)),
            (3, 3, None),
            (6, 6, Some(0)),
            (7, usize::MAX, None),
            (8, usize::MAX, None)
        ]
    );
    assert_eq!(calls[0].string(1), Some(b"a\x011\n\"),\\".to_vec()));
    assert_eq!((calls[0].descriptor(0), calls[0].number(3)), (Some((7, "/d/log")), Some(32)));
    assert_eq!((calls[2].path(0), calls[3].path(1)), (Some("/d/a".into()), Some("/d/x".into())));
    assert_eq!(calls[4].string(1), Some(b"abc".to_vec()));
    assert_eq!(calls[4].arguments.len(), 6);
}
