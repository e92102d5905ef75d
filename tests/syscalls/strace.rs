//! A server under `strace`.

use builder_tests::{Server, Site, patience, wait_for};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

/// If it is set, it is a failure that nothing can be traced.
const VARIABLE: &str = "BUILDER_STRACE";
/// Bytes of a string that are shown: more than the records and messages of these tests have.
const SHOWN_BYTES: usize = 2 * 1024 * 1024;
/// What is traced. Not every machine has all of them.
const CALLS: &[&str] = &[
    "accept",
    "accept4",
    "copy_file_range",
    "creat",
    "execve",
    "fallocate",
    "fdatasync",
    "fsync",
    "ftruncate",
    "listen",
    "mkdir",
    "mkdirat",
    "open",
    "openat",
    "pwrite64",
    "pwritev",
    "pwritev2",
    "read",
    "readv",
    "recvfrom",
    "recvmsg",
    "rename",
    "renameat",
    "renameat2",
    "rmdir",
    "rt_sigaction",
    "sendfile",
    "sendmsg",
    "sendto",
    "shutdown",
    "splice",
    "syncfs",
    "unlink",
    "unlinkat",
    "write",
    "writev",
];
/// Delays before calls that others have to wait for, so that those who do not are seen to overtake them.
pub(crate) const SLOW_DISK: &[&str] = &[
    "fsync,fdatasync:delay_enter=1000",
    "?rename,?renameat,?renameat2,?unlink,?unlinkat:delay_enter=2000",
    "syncfs:delay_enter=20000",
];
/// Results are not synced together for longer than a server is watched. A start that waits for it goes on at last, and is judged.
pub(crate) const LONG_SYNC: &str = "syncfs:delay_enter=120000000";

/// Why nothing can be traced here, in words; none when it can.
///
/// # Panics
///
/// When it cannot, but has to.
pub(crate) fn obstacle() -> Option<String> {
    let obstacle = find_obstacle()?;
    assert!(std::env::var_os(VARIABLE).is_none(), "{VARIABLE} is set, but {obstacle}");
    Some(obstacle)
}

fn find_obstacle() -> Option<String> {
    if !cfg!(target_os = "linux") {
        return Some("strace runs on Linux".to_owned());
    }
    let mut trial = Command::new("strace");
    trial.args(["-D", "-f", "-o", "/dev/null", "-e", "inject=fsync:delay_enter=1", "true"]);
    match trial.stdin(Stdio::null()).output() {
        Err(error) => return Some(format!("strace cannot be run: {error}")),
        Ok(output) if !output.status.success() || !output.stderr.is_empty() => {
            let complaint = String::from_utf8_lossy(&output.stderr);
            return Some(format!("strace traces nothing here: {}", complaint.trim()));
        }
        Ok(_) => {}
    }
    // It ends with the file that it reads.
    let mut other = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
    let mut trial = Command::new("strace");
    trial.args(["-o", "/dev/null", "-p", &other.id().to_string()]).stderr(Stdio::piped());
    let mut tracer = trial.spawn().unwrap();
    let mut said = String::new();
    BufReader::new(tracer.stderr.take().unwrap()).read_line(&mut said).unwrap();
    drop(other.stdin.take());
    other.wait().unwrap();
    tracer.wait().unwrap();
    let is_attached = said.contains(" attached");
    (!is_attached).then(|| format!("strace may not trace what runs already: {}", said.trim()))
}

/// A server and what is written about it.
pub(crate) struct Traced {
    pub(crate) server: Server,
    trace: PathBuf,
}

impl Traced {
    /// Starts the server of a site.
    pub(crate) fn start(site: &Site, trace: &Path, injections: &[&str]) -> Traced {
        Traced { server: site.start_with(command(site, trace, injections)), trace: trace.to_owned() }
    }

    /// Asks the server to stop; gives the trace.
    pub(crate) fn terminate(mut self) -> String {
        let status = self.server.terminate();
        assert!(status.success(), "{status}\n{}", self.server.log());
        self.read()
    }

    /// Ends the server without warning; gives the trace. As long as the tracer delays a call, it holds the whole process back,
    /// even one that is killed: so it is ended as well, once it has seen the others end.
    pub(crate) fn kill(self) -> String {
        let pid = self.server.pid();
        let tracer = tracer(pid);
        kill_process(process(pid), Signal::KILL).unwrap();
        wait_for("the end of a thread in the trace", || whole_lines(&self.trace).contains(" +++ killed by "));
        kill_process(tracer, Signal::KILL).unwrap();
        self.server.kill();
        whole_lines(&self.trace)
    }

    fn read(&self) -> String {
        read(&self.trace, self.server.pid())
    }
}

fn process(id: u32) -> Pid {
    Pid::from_raw(id.try_into().unwrap()).unwrap()
}

/// Who traces a process.
fn tracer(id: u32) -> Pid {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let tracer = status.lines().find_map(|line| line.strip_prefix("TracerPid:"));
    process(tracer.unwrap().trim().parse().unwrap())
}

/// What is in a trace so far. Its last line may be a part of one.
fn whole_lines(trace: &Path) -> String {
    let mut text = String::from_utf8_lossy(&fs::read(trace).unwrap()).into_owned();
    text.truncate(text.rfind('\n').map_or(0, |end| end + 1));
    text
}

/// The command that starts the server of a site, with its calls delayed or made to fail as `inject=` of strace has it.
pub(crate) fn command(site: &Site, trace: &Path, injections: &[&str]) -> Command {
    let plain = site.server_command();
    let mut command = strace(trace, injections);
    // The server stays the child of this process.
    command.arg("-D").arg(plain.get_program()).args(plain.get_args());
    for (name, value) in plain.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.env_remove("BUILDER_UPLOAD_CREDENTIALS").stdout(Stdio::piped());
    command
}

/// Begins to trace a server that runs. The tracer ends with it.
pub(crate) fn attach(server: &Server, trace: &Path, injections: &[&str]) -> Child {
    let mut tracer = strace(trace, injections).arg("-p").arg(server.pid().to_string()).spawn().unwrap();
    let mut lines = BufReader::new(tracer.stderr.take().unwrap()).lines();
    let line = lines.next().unwrap().unwrap();
    assert!(line.contains(" attached"), "{line}");
    // What it says of further threads and processes goes nowhere.
    thread::spawn(move || lines.for_each(drop));
    tracer
}

fn strace(trace: &Path, injections: &[&str]) -> Command {
    let mut command = Command::new("strace");
    // The programs that the server starts are left alone.
    command.args(["-f", "-y", "-b", "execve", "-s", &SHOWN_BYTES.to_string(), "-o"]).arg(trace);
    // Of which build a program is told stands in its environment.
    command.args(["-e", "abbrev=!execve"]);
    let calls: Vec<String> = CALLS.iter().map(|name| format!("?{name}")).collect();
    command.arg("-e").arg(format!("trace={}", calls.join(",")));
    for injection in injections {
        command.arg("-e").arg(format!("inject={injection}"));
    }
    command.stdin(Stdio::null()).stderr(Stdio::piped());
    command
}

/// Waits until all is written.
pub(crate) fn read(path: &Path, pid: u32) -> String {
    let mut trace = String::new();
    wait_for(&format!("the end of the trace, within {:?}", patience()), || {
        trace = String::from_utf8(fs::read(path).unwrap()).unwrap();
        let last = trace.lines().rev().take(64);
        last.into_iter().any(|line| line.starts_with(&format!("{pid} ")) && line.contains(" +++ "))
    });
    trace
}
