//! Whatever a job can choose, a browser shows and does not obey.

use crate::host::{Host, PLATFORM};
use crate::webdriver::Browser;
use builder_tests::http::{Answer, HttpServer};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;

/// Without a slash, which no name may contain.
const NAME: &str =
    "\"'><img src=x onerror=window.harmed=1><script>window.harmed=1<script>\u{202e}&lt;{{7*7}}";
/// As a reader sees it.
const SEEN_NAME: &str =
    "\"'><img src=x onerror=window.harmed=1><script>window.harmed=1<script>\\u{202e}&lt;{{7*7}}";
const HARM: &str = "</script></title></textarea><script>window.harmed=1</script><img src=x onerror='window.harmed=1;alert(1)'>";

/// What a job prints, and what a reader sees.
const LINES: [(&str, &str); 9] = [
    ("<script>window.harmed=1;alert(1)</script>", "<script>window.harmed=1;alert(1)</script>"),
    ("</code></div><svg onload=window.harmed=1>", "</code></div><svg onload=window.harmed=1>"),
    ("\"'><b onmouseover=alert(1)>", "\"'><b onmouseover=alert(1)>"),
    ("\x1b]8;;javascript:window.harmed=1\x07click\x1b]8;;\x07 me", "click me"),
    ("\x1b]0;stolen\x07\x1b]2;title\x1b\\here", "here"),
    ("\x1b[31;1;4m<i>red</i>\x1b[0m\x1b[2J\x1b[H!", "<i>red</i>!"),
    ("\x1b[38;2;1;2;3;\"onmouseover=alert(1)mtext", "nmouseover=alert(1)mtext"),
    ("txt\u{202e}gpj.exe\u{2066}", "txt\\u{202e}gpj.exe\\u{2066}"),
    ("&lt;b&gt; &amp;amp; {{7*7}} ]]>-->", "&lt;b&gt; &amp;amp; {{7*7}} ]]>-->"),
];

/// What is found in a page.
#[derive(Debug, Default)]
struct Found {
    /// Elements and their attributes, by name.
    vocabulary: BTreeSet<String>,
    /// Where something leads to, or is taken from.
    addresses: BTreeSet<String>,
}

/// Makes a build that runs with half of its lines printed; all that it has comes from a directory of the test.
fn begin(host: &mut Host, name: &str, platform: &str, lines: &[&str], artifacts: &[(&str, &str)]) {
    let directory = host.site.config().join(format!("files-of-{platform}").replace(' ', ""));
    let output = directory.join("output");
    fs::create_dir_all(&output).unwrap();
    let half = lines.len() / 2;
    for (file, lines) in [("first", &lines[..half]), ("second", &lines[half..])] {
        fs::write(directory.join(file), lines.iter().map(|line| format!("{line}\n")).collect::<String>())
            .unwrap();
    }
    for (path, contents) in artifacts {
        fs::write(output.join(path), contents).unwrap();
    }
    // A link without a strange name, for the script to use.
    let files = host.site.config().join(format!("files-{}", lines.len() + artifacts.len()));
    std::os::unix::fs::symlink(&directory, &files).unwrap();
    let files = files.display();
    let script = format!(
        "# {HARM}\ncat '{files}/first'\n{}cat '{files}/second'\ncp '{files}/output/'* .\n[ -e \"$TMPDIR/well\" ]\n",
        host.gate("middle"),
    );
    host.schedule_on(name, platform, &script);
    host.work_on(platform);
}

/// What is in the page; nothing that the browser was told there may have happened.
fn look(browser: &Browser, found: &mut Found) {
    assert!(!browser.has_dialogue(), "a dialogue is open");
    let page = browser.run(
        "let elements = [...document.querySelectorAll('*')];
         return {
             at: location.href, title: document.title, harmed: window.harmed ?? null, violations: window.violations,
             vocabulary: elements.flatMap(element => [
                 element.localName, ...[...element.attributes].map(({ name }) => element.localName + ' ' + name)]),
             addresses: elements.flatMap(({ href, src, action }) =>
                 [href?.baseVal ?? href, src, action].filter(address => address))
                 .map(address => new URL(address, location.href).href),
         }",
    );
    assert_eq!(page["harmed"], Value::Null, "{page}");
    assert_eq!(page["violations"], Value::Array(Vec::new()), "{page}");
    assert!(!page["title"].as_str().unwrap().contains("stolen"), "{page}");
    let words = |name: &str| {
        page[name]
            .as_array()
            .unwrap()
            .iter()
            .map(|word| word.as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    found.vocabulary.extend(words("vocabulary"));
    found.addresses.extend(words("addresses"));
}

/// Looks at all pages about a job, from the overview on by clicks only, first while it runs and then when it has failed.
fn visit(browser: &Browser, host: &Host, name: &str, lines: &[&str]) -> Found {
    let mut found = Found::default();
    browser.open(&host.page("/"));
    browser.wait("document.querySelector('[aria-labelledby=running-title] a')");
    look(browser, &mut found);
    assert_eq!(browser.text("[aria-labelledby=running-title] a"), name);
    browser.click("[aria-labelledby=running-title] a");
    let half = lines.len() / 2;
    browser.wait(&format!("document.querySelectorAll('#lines .l').length >= {half}"));
    look(browser, &mut found);
    host.open("middle");
    browser.wait("document.querySelector('h1.bad')");
    browser.wait(&format!("document.querySelectorAll('#lines .l').length === {}", lines.len()));
    has_lines(browser, lines);
    look(browser, &mut found);
    let build = browser.run("return location.href");
    let build = build.as_str().unwrap();

    browser.open(build);
    has_lines(browser, lines);
    browser.click(".script summary");
    assert!(browser.text(".script code").contains(HARM), "{}", browser.text(".script code"));
    look(browser, &mut found);
    browser.type_into(".find input", "<");
    browser.press('\u{e007}');
    browser.wait("location.search !== '' && document.querySelector('#console .window')");
    look(browser, &mut found);
    browser.open(&format!("{build}/diff"));
    look(browser, &mut found);
    for link in [".kind a", "nav[aria-label=Site] a:first-child"] {
        browser.open(build);
        browser.click(link);
        browser.wait(&format!("!location.href.startsWith('{build}')"));
        browser.wait("document.querySelector('footer')");
        look(browser, &mut found);
    }
    assert_eq!(browser.text("#failing tbody a"), name);
    browser.click("#failing tbody a");
    browser.wait("document.querySelector('#embed-title')");
    assert!(browser.text("h1").starts_with(name), "{}", browser.text("h1"));
    look(browser, &mut found);
    found
}

/// Each line looks as it should.
fn has_lines(browser: &Browser, lines: &[&str]) {
    let shown =
        browser.run("return [...document.querySelectorAll('#lines .l code')].map(code => code.innerText)");
    assert_eq!(shown, Value::from(lines));
}

#[test]
fn hostile_names_consoles_scripts_and_artifacts_do_nothing() {
    let Some(browser) = Browser::start() else { return };
    let mut host = Host::start();
    let tame_lines = ["an <i>", "\x1b[31;1;4mred\x1b[0m", "here", "there"];
    begin(&mut host, "tame", PLATFORM, &tame_lines, &[("page.html", "hello"), ("picture.svg", "hello")]);
    let tame = visit(&browser, &host, "tame", &["an <i>", "red", "here", "there"]);
    host.site.file("well", "");
    host.execute("tame");
    host.work();
    host.finished("tame", 2);
    fs::remove_file(host.site.file("well", "")).unwrap();
    host.close("middle");

    let page = format!("<!doctype html><title>page</title>{HARM}");
    let picture =
        format!("<svg xmlns=\"http://www.w3.org/2000/svg\" onload=\"window.harmed=1\">{HARM}</svg>");
    let artifacts =
        [("<img src=x onerror=alert(1)>.html", page.as_str()), ("\"onclick='alert(1)'.svg", &picture)];
    begin(&mut host, NAME, NAME, &LINES.map(|(printed, _)| printed), &artifacts);
    let found = visit(&browser, &host, SEEN_NAME, &LINES.map(|(_, seen)| seen));
    let added: Vec<&String> = found.vocabulary.difference(&tame.vocabulary).collect();
    assert!(added.is_empty(), "{added:?}");
    let elsewhere: Vec<&String> =
        found.addresses.iter().filter(|address| !address.starts_with(&host.page("/"))).collect();
    assert!(elsewhere.is_empty(), "{elsewhere:?}");

    files(&browser, &mut host);
}

/// What is not a page does nothing either, when a browser opens it.
fn files(browser: &Browser, host: &mut Host) {
    browser.open(&host.page("/"));
    browser.click("#failing td.bad a");
    browser.wait("document.querySelector('.artifacts')");
    let build = browser.run("return location.href");
    let build = build.as_str().unwrap();
    let artifacts =
        browser.run("return [...document.querySelectorAll('.artifacts a')].map(link => link.href)");
    for (count, artifact) in artifacts.as_array().unwrap().iter().enumerate() {
        browser.run(&format!("location.href = {artifact}"));
        builder_tests::wait_for("a download", || {
            fs::read_dir(browser.downloads()).unwrap().count() == count + 1
        });
        look(browser, &mut Found::default());
        assert_eq!(browser.run("return location.href"), build, "it is no page");
    }
    let job = browser.run("return document.querySelector('.kind a').href");
    let job = job.as_str().unwrap();
    for (address, kind) in
        [(format!("{build}/console.txt"), "text/plain"), (format!("{job}/badge.svg"), "image/svg+xml")]
    {
        browser.open(&address);
        assert_eq!(browser.run("return document.contentType"), kind);
        assert_eq!(browser.run("return window.harmed ?? null"), Value::Null);
        assert_eq!(browser.run("return document.querySelectorAll('script, img, [onload]').length"), 0);
    }
    // It gets well, which the feeds tell.
    host.site.file("well", "");
    host.execute(NAME);
    host.work_on(NAME);
    host.finished(NAME, 2);
    browser.open(&host.page("/"));
    browser.wait("!document.querySelector('#failing')");
    for feed in ["/feed.atom".to_owned(), job.replace(&host.page(""), "") + "/feed.atom"] {
        let elements = browser.run_until_done(&format!(
            "let done = arguments[0];
             fetch('{}').then(answer => answer.text()).then(text => {{
                 let feed = new DOMParser().parseFromString(text, 'application/xml');
                 done([...new Set([...feed.querySelectorAll('*')].map(element => element.localName))].sort());
             }})",
            host.page(&feed)
        ));
        let known =
            ["author", "entry", "feed", "generator", "id", "link", "name", "summary", "title", "updated"];
        let elements = elements.as_array().unwrap();
        assert!(elements.contains(&"entry".into()), "{elements:?}");
        assert!(elements.iter().all(|element| known.contains(&element.as_str().unwrap())), "{elements:?}");
    }
    look(browser, &mut Found::default());
}

#[test]
fn a_page_elsewhere_shows_badges_and_gets_nothing_else() {
    let Some(browser) = Browser::start() else { return };
    let mut host = Host::start();
    host.build("job", "echo hello\n");
    let page =
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n<!doctype html><title>elsewhere</title>";
    let elsewhere = HttpServer::start(|_, _| Answer::Bytes(page.to_vec()));
    browser.open(&elsewhere.url().replace("127.0.0.1", "localhost"));
    assert_eq!(browser.run("return document.title"), "elsewhere");
    let picture = |path: &str| {
        browser.run_until_done(&format!(
            "let done = arguments[0], picture = new Image();
             picture.onload = () => done('shown');
             picture.onerror = () => done('not shown');
             picture.src = '{}'",
            host.page(path)
        ))
    };
    assert_eq!(picture("/job/job/badge.svg"), "shown");
    assert_eq!(picture("/favicon.ico"), "not shown");
    let read = |address: &str| {
        browser.run_until_done(&format!(
            "let done = arguments[0]; fetch('{address}').then(answer => answer.text()).then(done, () => done('not read'))"
        ))
    };
    assert_eq!(read(&host.page("/")), "not read");

    // Its name leads to the dashboard now.
    browser.open(&host.page("/").replace("127.0.0.1", "elsewhere.example"));
    assert!(browser.text("h1").starts_with("421"), "{}", browser.text("body"));
    assert!(!read("/api/overview").as_str().unwrap().contains("\"job\""));
    browser.open(&host.page("/").replace("127.0.0.1", "localhost"));
    browser.wait("document.querySelector('#jobs tbody a')?.innerText === 'job'");
}
