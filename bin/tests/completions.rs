//! The completions in real shells on a terminal: words are typed, Tab is pressed, and a function in the place of the
//! program prints what it was given.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "all of this is test code")]

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use std::fs::{self, File, Permissions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command};
use tempfile::TempDir;

/// What is typed before Tab, and what the program gets. There is one file to offer, `some-file`, and what the server knows.
const EXPECTED: [(&str, &str); 31] = [
    ("builder-client sched", "schedule"),
    ("builder-client schedule so", "schedule so"),
    ("builder-client schedule name so", "schedule name so"),
    ("builder-client schedule name linux so", "schedule name linux some-file"),
    ("builder-client execute so", "execute so"),
    ("builder-client info so", "info so"),
    ("builder-client schedule --period w", "schedule --period weekly"),
    ("builder-client schedule --period so", "schedule --period so"),
    ("builder-worker so", "so"),
    ("builder-worker --timeout so", "--timeout so"),
    ("builder-server --port so", "--port so"),
    ("builder-server --export-state so", "--export-state some-file"),
    ("builder-inspect so", "some-file"),
    ("builder-upload http://web/ so", "http://web/ some-file"),
    ("builder-dashboard --tit", "--title"),
    // Flags that go with a command, and those that do not.
    ("builder-client --peri", "--period"),
    ("builder-client observe-latest --jo", "observe-latest --job"),
    ("builder-client unschedule --peri", "unschedule --peri"),
    // The value of a flag is no word of the command.
    (
        "builder-client schedule --period weekly name linux so",
        "schedule --period weekly name linux some-file",
    ),
    ("builder-client -r web:1 schedule name linux so", "-r web:1 schedule name linux some-file"),
    ("builder-client schedule name -r web:1 so", "schedule name -r web:1 so"),
    // What the server knows by name.
    ("builder-client execute nig", "execute nightly"),
    ("builder-client execute odd", "execute odd $(touch evil) 'name'"),
    ("builder-client schedule name lin", "schedule name linux"),
    ("builder-client history --platform lin", "history --platform linux"),
    ("builder-client observe 0123", "observe 01234567-89ab-cdef-0123-456789abcdef"),
    ("builder-client cancel 0123", "cancel 01234567-89ab-cdef-0123-456789abcdef"),
    ("builder-client logs nig", "logs nightly"),
    ("builder-client info nightly lin", "info nightly lin"),
    ("builder-client -r web:1 pause far", "-r web:1 pause far-away"),
    ("builder-worker lin", "linux"),
];

/// What `builder-client names` prints, as a program.
const NAMES: &str = "#!/bin/sh
case \"$*\" in
    names*--remote*web:1) echo far-away ;;
    names*platforms*) echo linux ;;
    names*builds*) echo nightly; echo 01234567-89ab-cdef-0123-456789abcdef ;;
    names*jobs*) echo nightly; echo \"odd \\$(touch evil) 'name'\" ;;
esac
";

/// A shell on a terminal.
struct Shell {
    keys: File,
    program: Child,
    seen: String,
    directory: TempDir,
}

impl Shell {
    /// Starts a shell where there is nothing but `some-file`, unless it is not installed.
    fn start(command: &[&str], setup: &str) -> Option<Shell> {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("some-file"), "").unwrap();
        let names = directory.path().join(".names");
        fs::write(&names, NAMES).unwrap();
        fs::set_permissions(&names, Permissions::from_mode(0o755)).unwrap();
        let keys = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&keys).unwrap();
        unlockpt(&keys).unwrap();
        let name = ptsname(&keys, Vec::new()).unwrap().into_string().unwrap();
        let inner = File::options().read(true).write(true).open(name).unwrap();
        let mut shell = Command::new(command[0]);
        shell.args(&command[1..]).current_dir(directory.path()).env_clear();
        shell.env("PATH", std::env::var("PATH").unwrap()).env("TERM", "dumb").env("HOME", directory.path());
        shell.env("COMPLETIONS", Path::new(env!("CARGO_MANIFEST_DIR")).join("completions"));
        shell.stdin(inner.try_clone().unwrap()).stdout(inner.try_clone().unwrap()).stderr(inner);
        let program = match shell.spawn() {
            Ok(program) => program,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                eprintln!("not tested, as {} is not installed", command[0]);
                return None;
            }
            Err(error) => panic!("{error}"),
        };
        drop(shell);
        let mut shell = Shell { keys: keys.into(), program, seen: String::new(), directory };
        shell.type_in(&format!("{setup}\n"));
        // Not as it is typed: this is the answer.
        shell.type_in("echo re''ady\n");
        shell.wait_for("ready");
        Some(shell)
    }

    fn type_in(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    fn wait_for(&mut self, text: &str) {
        let mut block = [0; 4096];
        while !self.seen.contains(text) {
            let length = self.keys.read(&mut block).unwrap_or(0);
            assert!(length > 0, "{text:?} is not in {:?}", self.seen);
            self.seen += &String::from_utf8_lossy(&block[..length]);
        }
    }

    fn assert_completes(mut self) {
        for (number, (typed, given)) in EXPECTED.iter().enumerate() {
            // Whatever else Tab shows, the program prints last, and between marks that are not typed.
            self.seen.clear();
            self.type_in(&format!("{typed}\t\n"));
            let next = format!("echo d''one {number}");
            self.type_in(&format!("{next}\n"));
            self.wait_for(&format!("done {number}"));
            // The terminal may show what is typed ahead in the midst of what the program prints.
            let seen = self.seen.replace(&format!("{next}\r\n"), "");
            assert!(seen.contains(&format!("<<{given}>>")), "{typed}: {:?}", self.seen);
        }
        let evil = self.directory.path().join("evil");
        assert!(!evil.exists(), "what is in a name has run");
    }
}

impl Drop for Shell {
    /// Also after a test that fails: a shell would wait for keys for ever.
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

/// Functions in the place of the programs, as bash and zsh define them.
const FUNCTIONS: &str = "given() { if [ \"$1\" = names ]; then ~/.names \"$@\"; return; fi; \
    printf '<%s' '<'; printf '%s' \"$*\"; printf '>%s\\n' '>'; }; \
    for p in server worker client inspect upload dashboard; do eval \"builder-$p() { given \\\"\\$@\\\"; }\"; done";

#[test]
fn bash_offers_what_fits() {
    let setup = format!("{FUNCTIONS}; source $COMPLETIONS/builder.bash; set +o history");
    let Some(shell) = Shell::start(&["bash", "--norc", "--noprofile", "-i"], &setup) else { return };
    shell.assert_completes();
}

#[test]
fn zsh_offers_what_fits() {
    let setup = format!("{FUNCTIONS}; fpath=($COMPLETIONS $fpath); autoload -Uz compinit; compinit -u -D");
    let Some(shell) = Shell::start(&["zsh", "-f", "-i"], &setup) else { return };
    shell.assert_completes();
}

#[test]
fn fish_offers_what_fits() {
    let setup = "for p in server worker client inspect upload dashboard; \
        function builder-$p; if test \"$argv[1]\" = names; ~/.names $argv; return; end; printf '<%s%s>%s\\n' '<' \"$argv\" '>'; end; end; source $COMPLETIONS/builder.fish";
    // It takes a terminal of its own, which script(1) makes, and does so without fish, too.
    if Command::new("fish").arg("--version").output().is_err() {
        eprintln!("not tested, as fish is not installed");
        return;
    }
    let command: &[&str] = if cfg!(target_os = "linux") {
        &["script", "-qec", "fish --no-config -i", "/dev/null"]
    } else {
        &["script", "-q", "/dev/null", "fish", "--no-config", "-i"]
    };
    let Some(shell) = Shell::start(command, setup) else { return };
    shell.assert_completes();
}
