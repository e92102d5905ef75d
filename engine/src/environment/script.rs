//! A script that sets variables before it does what it is for.

use super::variables::Environment;
use core::fmt;

/// The shells in which `export NAME='VALUE'` sets a variable.
const SHELLS: [&[u8]; 11] =
    [b"sh", b"ash", b"bash", b"dash", b"ksh", b"ksh93", b"mksh", b"oksh", b"posh", b"yash", b"zsh"];

/// A script whose job finds variables in its environment.
///
/// A script of such a shell, or one without an interpreter, which workers give to `/bin/sh`, gets a line for each variable after
/// its first line. Any other becomes part of a script of `/bin/sh` that sets the variables, puts the original into a file beside
/// itself, and executes that. The name of the file begins with a dot, so that it is no artifact.
///
/// ```
/// use builder_engine::environment::{Environment, EnvironmentScript};
/// use builder_proto::environment::Variable;
///
/// let variable = Variable { name: "WHO".into(), value: "you".into() };
/// let environment = Environment::new(vec![variable])?;
/// let made = EnvironmentScript::new(b"#!/bin/sh -e\necho \"hello $WHO\"\n", &environment)?;
/// assert_eq!(made.to_bytes(), b"#!/bin/sh -e\nexport WHO='you'\necho \"hello $WHO\"\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct EnvironmentScript<'a> {
    script: &'a [u8],
    environment: &'a Environment,
    manner: Manner,
}

/// Why a script cannot be given an environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScriptError {
    /// It is no text, and no shell runs it.
    Binary,
}

#[derive(Clone, Copy, Debug)]
enum Manner {
    /// The variables are set in the script, behind so many bytes of it.
    Inside(usize),
    /// They are set in one that executes it.
    Around,
}

impl<'a> EnvironmentScript<'a> {
    /// Finds out how the variables get to the script.
    ///
    /// # Errors
    ///
    /// When it holds a NUL byte and is no script of a shell.
    pub fn new(script: &'a [u8], environment: &'a Environment) -> Result<EnvironmentScript<'a>, ScriptError> {
        let manner = if environment.is_empty() {
            Manner::Inside(0)
        } else if let Some(line) = script.strip_prefix(b"#!") {
            let end = line.iter().position(|byte| *byte == b'\n').map_or(script.len(), |end| 2 + end + 1);
            let line = script.get(2..end).unwrap_or_default();
            if SHELLS.contains(&interpreter(line)) { Manner::Inside(end) } else { Manner::Around }
        } else if script.starts_with(b"\x7fELF") {
            Manner::Around
        } else {
            Manner::Inside(0)
        };
        match manner {
            Manner::Around if script.contains(&0) => Err(ScriptError::Binary),
            manner => Ok(EnvironmentScript { script, environment, manner }),
        }
    }

    /// The script that runs.
    #[must_use]
    pub fn to_bytes(self) -> Vec<u8> {
        let mut made = Vec::new();
        self.parts(&mut |part| made.extend_from_slice(part));
        made
    }

    /// Bytes of it, many of which may be needed to quote few.
    #[must_use]
    pub fn length(self) -> u64 {
        let mut length = 0;
        self.parts(&mut |part| length += part.len() as u64);
        length
    }

    fn parts(self, take: &mut impl FnMut(&[u8])) {
        let (before, after) = match self.manner {
            Manner::Inside(line) => self.script.split_at_checked(line).unwrap_or((self.script, &[])),
            Manner::Around => (&b"#!/bin/sh\n"[..], &b""[..]),
        };
        take(before);
        if !before.is_empty() && !before.ends_with(b"\n") {
            take(b"\n");
        }
        for variable in self.environment.variables() {
            take(b"export ");
            take(variable.name.as_bytes());
            take(b"=");
            quote(variable.value.as_bytes(), take);
            take(b"\n");
        }
        take(after);
        if let Manner::Around = self.manner {
            take(b"printf %s ");
            quote(self.script, take);
            take(b" >.script || exit\nchmod 700 .script || exit\nexec ./.script \"$@\"\n");
        }
    }
}

/// The name of what interprets a script, from the first line of it behind `#!`.
fn interpreter(line: &[u8]) -> &[u8] {
    let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    match file_name(words.next().unwrap_or_default()) {
        // Its options, and the variables that it sets, stand before the interpreter.
        b"env" => {
            let mut words = words.map(|word| word.strip_prefix(b"-S").unwrap_or(word));
            let is_program =
                |word: &&[u8]| !word.is_empty() && !word.starts_with(b"-") && !word.contains(&b'=');
            file_name(words.find(is_program).unwrap_or_default())
        }
        b"busybox" => words.next().unwrap_or_default(),
        name => name,
    }
}

fn file_name(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or_default()
}

/// Quotes for a shell: what is between single quotes means itself.
fn quote(bytes: &[u8], take: &mut impl FnMut(&[u8])) {
    take(b"'");
    for (number, piece) in bytes.split(|byte| *byte == b'\'').enumerate() {
        if number > 0 {
            take(b"'\\''");
        }
        take(piece);
    }
    take(b"'");
}

impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ScriptError::Binary => f.write_str(
                "it holds NUL bytes and is no script of a shell, so it cannot be given an environment; leave --env \
                 out, or schedule a script that runs it",
            ),
        }
    }
}

impl core::error::Error for ScriptError {}

#[cfg(test)]
mod tests {
    use super::*;
    use builder_proto::environment::Variable;

    fn environment(variables: &[(&str, &[u8])]) -> Environment {
        let variable =
            |(name, value): &(&str, &[u8])| Variable { name: (*name).into(), value: (*value).into() };
        Environment::new(variables.iter().map(variable).collect()).unwrap()
    }

    fn made(script: &[u8], variables: &[(&str, &[u8])]) -> Vec<u8> {
        let environment = environment(variables);
        let script = EnvironmentScript::new(script, &environment).unwrap();
        let bytes = script.to_bytes();
        assert_eq!(script.length(), bytes.len() as u64);
        bytes
    }

    #[test]
    fn a_script_of_a_shell_sets_its_variables_after_its_first_line() {
        for line in [
            "#!/bin/sh",
            "#! /bin/sh -eu",
            "#!/usr/local/bin/bash",
            "#!/usr/bin/env bash",
            "#!/usr/bin/env -S zsh -f",
            "#!/usr/bin/env -Sksh",
            "#!/usr/bin/env -i A=1 dash",
            "#!/bin/busybox ash",
        ] {
            let script = format!("{line}\ntrue\n");
            let expected = format!("{line}\nexport A='1'\nexport B=''\ntrue\n");
            assert_eq!(made(script.as_bytes(), &[("B", b""), ("A", b"1")]), expected.as_bytes(), "{line}");
        }
        assert_eq!(made(b"#!/bin/sh", &[("A", b"1")]), b"#!/bin/sh\nexport A='1'\n");
        assert_eq!(made(b"true", &[("A", b"1")]), b"export A='1'\ntrue", "/bin/sh runs it");
        assert_eq!(made(b"#!/bin/sh\n", &[]), b"#!/bin/sh\n");
        assert_eq!(made(b"#!/bin/sh\nexit\n\0", &[("A", b"1")]), b"#!/bin/sh\nexport A='1'\nexit\n\0");
    }

    #[test]
    fn any_other_script_is_executed_by_one_that_sets_its_variables() {
        for line in ["#!/usr/bin/python3", "#!/usr/bin/env perl", "#!/bin/csh", "#!", "#!/bin/sh.py"] {
            let script = format!("{line}\nit's\n");
            let expected = format!(
                "#!/bin/sh\nexport A='1'\nprintf %s '{line}\nit'\\''s\n' >.script || exit\n\
                 chmod 700 .script || exit\nexec ./.script \"$@\"\n"
            );
            let made = String::from_utf8(made(script.as_bytes(), &[("A", b"1")])).unwrap();
            assert_eq!(made, expected);
        }
    }

    #[test]
    fn what_no_shell_could_write_is_refused() {
        let environment = environment(&[("A", b"1")]);
        for script in [&b"\x7fELF\x02\0"[..], b"#!/usr/bin/perl\n\0"] {
            assert_eq!(EnvironmentScript::new(script, &environment).unwrap_err(), ScriptError::Binary);
        }
        assert!(EnvironmentScript::new(b"\x7fELF\0", &Environment::default()).is_ok());
    }
}
