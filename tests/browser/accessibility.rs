//! People who cannot see well, or use a keyboard only. axe-core judges the pages: `BUILDER_AXE` names its file, which is called
//! `axe.min.js`.

use crate::host::Host;
use crate::webdriver::Browser;
use serde_json::{Value, json};
use std::env;
use std::fs;

/// Runs the checks in the page as it is; says what is wrong, how bad it is, and where.
const CHECK: &str = "let done = arguments[0];
    axe.run(document, { resultTypes: ['violations'] }).then(
        ({ violations }) => done(violations.flatMap(({ id, impact, nodes }) => nodes.map(
            ({ target, failureSummary }) => impact + ': ' + id + ': ' + target + ': ' + failureSummary))),
        error => done(['axe: ' + error]))";

const TAB: char = '\u{e004}';
const ENTER: char = '\u{e007}';

/// A host with something of everything; gives the paths of its pages.
fn busy(host: &mut Host) -> Vec<String> {
    host.build("fails", "echo before\n[ -e \"$TMPDIR/red\" ] || exit 0\nprintf '\\033[31mred\\033[0m and \\033[1;34mblue\\033[0m\\n'\nexit 1\n");
    host.site.file("red", "");
    host.execute("fails");
    host.work();
    host.finished("fails", 2);
    let colours = "for c in 0 1 2 3 4 5 6 7; do printf '\\033[3%sm%s\\033[0m \\033[9%smbright\\033[0m \\033[4%smback\\033[0m \\033[2mdim\\033[0m\\n' $c $c $c $c; done\n";
    let uuid = host.build("works", &format!("{colours}echo made > artifact\n"));
    host.schedule("runs", &(colours.to_owned() + &host.gate("never")));
    host.work();
    host.schedule_on("waits", "freebsd", "echo never\n");
    ["/", "/job/fails", &format!("/build/{uuid}"), "/job/runs/latest", "/nothing"].map(str::to_owned).to_vec()
}

#[test]
fn axe_finds_nothing_wrong_light_and_dark_wide_and_narrow() {
    let Some(axe) = env::var_os("BUILDER_AXE") else {
        assert!(env::var_os("BUILDER_BROWSER").is_none(), "BUILDER_AXE does not name axe.min.js");
        eprintln!("BUILDER_AXE does not name axe.min.js: accessibility is not judged");
        return;
    };
    let Some(browser) = Browser::start() else { return };
    let axe = fs::read_to_string(axe).unwrap();
    browser.tell("Page.addScriptToEvaluateOnNewDocument", &json!({ "source": axe }));
    let mut host = Host::start();
    let mut paths = busy(&mut host);
    browser.open(&host.page("/"));
    browser.wait("document.querySelector('#failing td.bad a')");
    browser.wait("document.querySelector('[aria-labelledby=running-title] a')");
    browser.wait("document.querySelector('[aria-labelledby=waiting-title] a')");
    let failed = browser.run("return new URL(document.querySelector('#failing td.bad a').href).pathname");
    paths.extend(["", "/diff", "?find=e"].map(|part| failed.as_str().unwrap().to_owned() + part));
    for path in paths {
        browser.open(&host.page(&path));
        for (width, is_mobile) in [(1280, false), (390, true)] {
            let metrics =
                json!({ "width": width, "height": 844, "deviceScaleFactor": 1, "mobile": is_mobile });
            browser.tell("Emulation.setDeviceMetricsOverride", &metrics);
            let overflow = browser.run("return document.documentElement.scrollWidth - innerWidth");
            assert!(overflow.as_i64().unwrap() <= 0, "{path} is wider than {width} pixels, by {overflow}");
            for theme in ["light", "dark"] {
                // Colours on their way to others would be judged otherwise.
                let features = json!([
                    { "name": "prefers-color-scheme", "value": theme },
                    { "name": "prefers-reduced-motion", "value": "reduce" },
                ]);
                browser.tell("Emulation.setEmulatedMedia", &json!({ "features": features }));
                let wrong = browser.run_until_done(CHECK);
                assert_eq!(wrong, Value::Array(Vec::new()), "{path}, {theme}, {width} pixels: {wrong:#}");
            }
        }
    }
}

#[test]
fn a_keyboard_is_enough() {
    let Some(browser) = Browser::start() else { return };
    let mut host = Host::start();
    host.build("job", "echo hello\n");
    browser.open(&host.page("/"));
    browser.wait("document.querySelector('#jobs tbody a')");
    browser.press(TAB);
    assert_eq!(
        browser.run("return document.activeElement.className"),
        "skip",
        "the first stop leads past the header"
    );
    browser.press(ENTER);
    browser.wait("document.activeElement.id === 'main'");
    // What somebody types or stands on survives that the page changes.
    browser.type_into(".filter", "other");
    host.schedule("another", "echo hello\n");
    browser
        .wait("[...document.querySelectorAll('#jobs tbody a')].some(link => link.innerText === 'another')");
    assert_eq!(browser.run("return document.querySelector('.filter').value"), "other");
    assert_eq!(browser.run("return document.activeElement.className"), "filter");
    let shown = "return [...document.querySelectorAll('#jobs tbody tr')].filter(row => !row.hidden).map(row => row.cells[0].innerText)";
    assert_eq!(browser.run(shown), json!(["another linux"]));
    browser.press(TAB);
    assert!(browser.run("return document.activeElement.href").as_str().unwrap().ends_with("/job/another"));
    browser.press(ENTER);
    browser.wait("document.querySelector('h1')?.innerText === 'another'");
}
