//! The examples for `--on-finish` in `sandbox-scripts/on-finish`, run by a server as an operator has them run.
//!
//! Without curl or openssl, those that need it say so and pass, unless `BUILDER_EXAMPLES` is set, as in `.ci/run`.

use crate::site;
use builder_proto::build_result::BuildResult;
use builder_proto::command::Command;
use builder_proto::job::File;
use builder_tests::http::{Answer, HttpServer};
use builder_tests::{Peer, Server, Site, signal};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process;

const VARIABLE: &str = "BUILDER_EXAMPLES";
/// A name that does harm wherever it is taken for anything but a name.
const HOSTILE: &str = "-n é日本語🦀 $(touch oops)`touch oops`'\";\\n&%s|<*";

/// A site whose server tells a script, in which the examples and all programs are found by their names, and `$0.` begins the
/// paths of files beside it.
fn telling(script: &str) -> (Site, Server, PathBuf) {
    let mut site = site();
    let program = site.file("hook", format!("#!/bin/sh\nset -eu\n{script}\n"));
    make_executable(&program);
    site.options = vec!["--on-finish".to_owned(), program.to_str().unwrap().to_owned()];
    let fakes = program.with_file_name("fakes");
    fs::create_dir(&fakes).unwrap();
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sandbox-scripts/on-finish");
    let inspect = site.inspect_command();
    let programs = Path::new(inspect.get_program()).parent().unwrap().to_owned();
    let mut command = site.server_command();
    let usual = std::env::var_os("PATH").unwrap_or_default();
    let path = [fakes, examples, programs].into_iter().chain(std::env::split_paths(&usual));
    command.env("PATH", std::env::join_paths(path).unwrap());
    let server = site.start_with(command);
    (site, server, program)
}

fn make_executable(program: &Path) {
    fs::set_permissions(program, Permissions::from_mode(0o755)).unwrap();
}

/// A stand-in that the script finds by its name, before any other.
fn fake(program: &Path, name: &str, script: &str) {
    let path = program.with_file_name("fakes").join(name);
    fs::write(&path, script).unwrap();
    make_executable(&path);
}

/// A file beside the script.
fn beside(program: &Path, name: &str) -> PathBuf {
    PathBuf::from(format!("{}.{name}", program.display()))
}

/// Has a worker run a job, which prints a line and ends in this way. Gives the uuid.
fn run(server: &Server, job: &str, code: i64, artifacts: Vec<File>) -> String {
    match server.ask(&Command::Execute { name: job.into(), platform: None }) {
        Command::Success => {}
        _ => server.schedule(job, "linux"),
    }
    let mut worker = Peer::worker(server, "linux");
    let (uuid, _) = worker.receive_job();
    worker.print(uuid, "hello from the job\x1b[2J");
    worker.finish(uuid, BuildResult::Exited(code), artifacts);
    uuid.to_string()
}

fn wait_until_given(server: &Server, uuid: &str) {
    server.wait_for_log(&format!("gave the notice of build {uuid} of job "));
}

/// Waits until the script has failed in this way, and has it run again.
fn try_again(server: &Server, status: i32, complaint: &str) {
    server.wait_for_log(&format!("it exited with status {status}: {complaint}; next attempt in "));
    signal(server.pid(), "HUP");
}

/// Whether a test can be run.
fn has(program: &str, argument: &str) -> bool {
    let output = process::Command::new(program).arg(argument).output();
    if output.is_ok_and(|output| output.status.success()) {
        return true;
    }
    assert!(std::env::var_os(VARIABLE).is_none(), "there is no {program}");
    eprintln!("not tested: there is no {program}");
    false
}

/// The header of a mail, unfolded, with what is encoded as in RFC 2047 decoded.
fn header(mail: &str, name: &str) -> String {
    let (head, _) = mail.split_once("\n\n").unwrap();
    assert!(head.is_ascii() && head.lines().all(|line| line.len() <= 76), "{head}");
    let unfolded = head.replace("\n ", " ");
    let mut lines = unfolded.lines().filter_map(|line| line.strip_prefix(&format!("{name}: ")));
    let value = lines.next().unwrap().to_owned();
    assert_eq!(lines.next(), None, "{head}");
    let decode = |word: &str| {
        let Some(word) = word.strip_prefix("=?UTF-8?Q?").and_then(|word| word.strip_suffix("?=")) else {
            return format!("{word} ");
        };
        assert!(word.len() <= 63, "{word}");
        let bytes = word.split('=').skip(1).map(|digits| u8::from_str_radix(digits, 16).unwrap());
        // A piece ends with a character.
        String::from_utf8(bytes.collect()).unwrap()
    };
    value.split(' ').map(decode).collect::<String>().trim_end().to_owned()
}

#[test]
fn a_mail_is_sent_when_a_job_breaks_and_when_it_works_again_and_never_twice() {
    // After the first mail of each kind, the script fails, so that it is told once more.
    let script = r#"
        mkdir -p "$0.memory"
        mail-on-change "$0.memory" ops@example.org admin@example.net
        if [ "$BUILDER_RESULT" = failure ] && mkdir "$0.failed" 2>/dev/null; then echo later >&2; exit 1; fi"#;
    let (_site, server, program) = telling(script);
    let sendmail = r#"#!/bin/sh
        [ "$*" = '-t -i' ] || exit 64
        if mkdir "${0%/*}/../closed" 2>/dev/null; then echo 'the queue is closed' >&2; exit 75; fi
        { cat; printf '\0'; } >>"${0%/*}/../mails""#;
    fake(&program, "sendmail", sendmail);
    let mails = || {
        let all = fs::read_to_string(program.with_file_name("mails")).unwrap_or_default();
        all.split_terminator('\0').map(str::to_owned).collect::<Vec<_>>()
    };

    let first = run(&server, HOSTILE, 0, vec![]);
    wait_until_given(&server, &first);
    assert!(mails().is_empty(), "it works, as one expects: {:?}", mails());

    let broken = run(&server, HOSTILE, 7, vec![]);
    try_again(&server, 75, "the queue is closed");
    try_again(&server, 1, "later");
    wait_until_given(&server, &broken);
    let [mail] = &mails()[..] else { panic!("{:?}", mails()) };
    assert_eq!(header(mail, "Subject"), format!("{HOSTILE} has failed on linux"));
    assert_eq!(header(mail, "To"), "ops@example.org, admin@example.net");
    assert!(header(mail, "Message-ID").starts_with(&format!("<{broken}.failure@")), "{mail}");
    for line in [&format!("job:      {HOSTILE}"), &format!("build:    {broken}"), "result:   exited 7"] {
        assert!(mail.lines().any(|of_mail| of_mail == line), "{line}: {mail}");
    }
    assert!(mail.contains("hello from the job[2J\n"), "{mail}");

    let again = run(&server, HOSTILE, 8, vec![]);
    wait_until_given(&server, &again);
    assert_eq!(mails().len(), 1, "it is known");
    let repaired = run(&server, HOSTILE, 0, vec![]);
    wait_until_given(&server, &repaired);
    let [_, mail] = &mails()[..] else { panic!("{:?}", mails()) };
    assert_eq!(header(mail, "Subject"), format!("{HOSTILE} works again on linux"));

    for memory in files(&beside(&program, "memory")) {
        fs::write(beside(&program, "memory").join(memory), "").unwrap();
    }
    let emptied = run(&server, HOSTILE, 0, vec![]);
    wait_until_given(&server, &emptied);
    assert_eq!(mails().len(), 2, "the build before worked, too");
    let plain = run(&server, "plain", 1, vec![]);
    wait_until_given(&server, &plain);
    assert!(mails()[2].contains("\nSubject: plain has failed on linux\n"), "{}", mails()[2]);
    assert!(!program.with_file_name("oops").exists() && !Path::new("/oops").exists());
}

#[test]
fn a_web_service_is_told_in_json_and_again_if_it_does_not_want_to_know() {
    if !has("curl", "--version") {
        return;
    }
    let (_site, server, program) = telling(r#"web-hook "$0.curl""#);
    let http = HttpServer::start(|number, _| match number {
        0 => Answer::Status("503 Service Unavailable"),
        1 => Answer::Status("302 Found"),
        _ => Answer::Status("204 No Content"),
    });
    let settings = format!("url = \"{}\"\nheader = \"Authorization: Bearer secret\"\n", http.url());
    fs::write(beside(&program, "curl"), settings).unwrap();
    let uuid = run(&server, HOSTILE, 7, vec![]);
    for status in [503, 302] {
        try_again(&server, 1, &format!("web-hook: the web service answered with status {status}"));
    }
    wait_until_given(&server, &uuid);

    let requests = http.requests();
    assert_eq!(requests.len(), 3);
    let request = &requests[2];
    assert!(request.line.starts_with("POST "), "{}", request.line);
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(request.header("authorization"), Some("Bearer secret"));
    assert_eq!(request.header("idempotency-key"), Some(&*uuid));
    let told: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
    for (member, expected) in [
        ("text", &*format!("builder: {HOSTILE} on linux: exited 7")),
        ("job", HOSTILE),
        ("platform", "linux"),
        ("uuid", &uuid),
        ("result", "failure"),
        ("cause", "exited"),
    ] {
        assert_eq!(told[member], expected, "{told}");
    }
    for (member, expected) in [("exit_code", 7), ("artifacts", 0), ("attempt", 1)] {
        assert_eq!(told[member], expected, "{told}");
    }
    assert!(told["seconds"].is_u64() && told["previous_result"].is_null(), "{told}");
    assert!(!program.with_file_name("oops").exists() && !Path::new("/oops").exists());
}

#[test]
fn json_holds_any_text() {
    if !has("curl", "--version") {
        return;
    }
    let http = HttpServer::answering("200 OK");
    let site = site();
    let settings = site.file("curl", format!("url = \"{}\"\n", http.url()));
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sandbox-scripts/on-finish/web-hook");
    let text: String = (1..0x80).filter_map(char::from_u32).chain("é\u{7ff}日\u{10ffff}".chars()).collect();
    let mut command = process::Command::new(example);
    let names = ["JOB", "PLATFORM", "UUID", "RESULT", "PREVIOUS_RESULT", "CAUSE", "REASON", "STATUS"];
    let more = ["QUEUED", "STARTED", "FINISHED", "SECONDS", "WORKER", "ARTIFACTS", "ATTEMPT"];
    command.envs(names.iter().chain(&more).map(|name| (format!("BUILDER_{name}"), "")));
    command.env("BUILDER_JOB", &text).env("BUILDER_UUID", "1").arg(settings);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let told: serde_json::Value = serde_json::from_slice(&http.requests()[0].body).unwrap();
    assert_eq!(told["job"], text);
    assert!(told["seconds"].is_null() && told["worker"].is_null(), "{told}");
}

/// All files below a directory, by their paths relative to it.
fn files(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut left = vec![directory.to_owned()];
    while let Some(next) = left.pop() {
        for entry in fs::read_dir(next).unwrap().map(Result::unwrap) {
            match entry.file_type().unwrap().is_dir() {
                true => left.push(entry.path()),
                false => {
                    let path = entry.path();
                    found.push(path.strip_prefix(directory).unwrap().to_str().unwrap().to_owned());
                }
            }
        }
    }
    found.sort();
    found
}

fn openssl(directory: &Path, arguments: &[&str]) {
    let output = process::Command::new("openssl").args(arguments).current_dir(directory).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn what_a_successful_build_has_left_is_signed_and_published_at_once() {
    if !has("openssl", "version") {
        return;
    }
    // The one who signs fails first, then leaves nothing; then all is well, but the server is told that it is not.
    let script = r#"
        if [ "$BUILDER_RESULT" = success ]; then echo >>"$0.attempts"; fi
        case $(($(wc -l <"$0.attempts"))) in
            1) sign-and-publish "$0.public" false ;;
            2) sign-and-publish "$0.public" true ;;
        esac
        sign-and-publish "$0.public" openssl dgst -sha256 -sign "$0.key" -out SHA256SUMS.sig
        if [ $(($(wc -l <"$0.attempts"))) = 3 ]; then echo 'once more' >&2; exit 1; fi"#;
    let (site, server, program) = telling(script);
    fs::write(beside(&program, "attempts"), "").unwrap();
    let public = beside(&program, "public");
    fs::create_dir(&public).unwrap();
    // The real one would have to write whatever this machine has in memory.
    let sync =
        "#!/bin/sh\nexec >>\"${0%/*}/../syncs\"\nls -A \"${0%/*}/../hook.public\" | tr '\\n' '\\t'\necho\n";
    fake(&program, "sync", sync);
    let directory = program.parent().unwrap();
    openssl(directory, &["genrsa", "-out", "hook.key", "2048"]);
    openssl(directory, &["rsa", "-in", "hook.key", "-pubout", "-out", "public.pem"]);
    let artifacts = || {
        // The names of what is published besides are no names to be afraid of.
        let names = ["bin/a b", "SHA256SUMS", "SHA256SUMS.sig", "-n"];
        names.map(|name| File { path: name.into(), data: name.as_bytes().to_vec().into() }).to_vec()
    };

    let failed = run(&server, HOSTILE, 1, artifacts());
    wait_until_given(&server, &failed);
    let uuid = run(&server, HOSTILE, 0, artifacts());
    try_again(&server, 1, &format!("sign-and-publish: false has not signed the sums of build {uuid}"));
    let complaint = "sign-and-publish: true has left no signature SHA256SUMS.* beside SHA256SUMS";
    server.wait_for_log(&format!("it exited with status 1: {complaint}"));
    assert_eq!(files(&public), [""; 0], "nothing is there before it is signed");
    try_again(&server, 1, complaint);
    try_again(&server, 1, "once more");
    wait_until_given(&server, &uuid);
    let empty = run(&server, HOSTILE, 0, vec![]);
    wait_until_given(&server, &empty);

    let builds = public.join(HOSTILE).join("linux");
    let published = builds.join(&uuid);
    let names = [
        "SHA256SUMS",
        "SHA256SUMS.sig",
        "files/-n",
        "files/SHA256SUMS",
        "files/SHA256SUMS.sig",
        "files/bin/a b",
    ];
    assert_eq!(files(&published), names);
    assert_eq!(files(&public).len(), names.len() + 1, "nothing else is left: {:?}", files(&public));
    assert_eq!(fs::read_to_string(builds.join("latest")).unwrap(), format!("{uuid}\n"));
    for file in artifacts() {
        let path = published.join("files").join(file.path.to_string());
        assert_eq!(fs::read(path).unwrap(), file.path.to_string().into_bytes());
    }
    let result = site.data().join(HOSTILE).join(&uuid);
    let sums = site.inspect(["--sha256".as_ref(), result.as_os_str()]);
    assert_eq!(fs::read_to_string(published.join("SHA256SUMS")).unwrap(), sums);
    let key = directory.join("public.pem");
    openssl(
        &published,
        &["dgst", "-sha256", "-verify", key.to_str().unwrap(), "-signature", "SHA256SUMS.sig", "SHA256SUMS"],
    );
    let syncs = fs::read_to_string(program.with_file_name("syncs")).unwrap();
    let seen: Vec<bool> = syncs.lines().map(|names| names.contains(&format!(".{uuid}\t"))).collect();
    assert_eq!(
        seen,
        [true, false, false],
        "a sync before the rename, one behind it, and one the next time: {syncs}"
    );
    let mode = published.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o755, "a web server reads it");
    assert!(!program.with_file_name("oops").exists() && !Path::new("/oops").exists());
}
