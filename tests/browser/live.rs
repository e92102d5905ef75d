//! Pages that change by themselves.

use crate::host::Host;
use crate::webdriver::Browser;
use std::fs;

/// Marks a page, so that another one in its place would be noticed.
const MARK: &str = "window.mark = 'the same'";
const IS_MARKED: &str = "window.mark === 'the same'";

#[test]
fn a_job_appears_on_the_overview_runs_and_ends_green_then_red() {
    let Some(browser) = Browser::start() else { return };
    let mut host = Host::start();
    browser.open(&host.page("/"));
    assert!(browser.text("h1").contains("Ready for the first job"), "{}", browser.text("main"));
    browser.run(MARK);

    host.schedule("hello", &(host.gate("green") + "[ ! -e \"$TMPDIR/red\" ] || exit 3\n"));
    browser.wait("document.querySelector('#jobs tbody a')?.innerText === 'hello'");
    browser.wait("document.querySelector('[aria-labelledby=waiting-title] a')?.innerText === 'hello'");
    host.work();
    browser.wait("document.querySelector('[aria-labelledby=running-title] a')?.innerText === 'hello'");
    host.open("green");
    browser.wait("document.querySelector('#jobs td.ok')?.innerText.startsWith('✓ ok')");
    browser.wait("document.querySelector('h1.ok')?.innerText === '✓ All is well'");
    assert!(browser.text("[aria-labelledby=running-title]").contains("Nothing runs."));

    // The script counts from the second in which it ended: from its minute on, it would say more than has passed.
    let finished = "document.querySelector('#jobs td.ok time').dateTime.length";
    assert_eq!(browser.run(&format!("return {finished}")), "2026-01-02T03:04:05Z".len());

    host.site.file("red", "");
    host.execute("hello");
    host.work();
    browser.wait("document.querySelector('#failing td.bad')?.innerText === '✗ exited 3'");
    browser.wait("document.querySelector('h1.bad')?.innerText === '✗ The only job fails'");
    browser.wait("document.title.startsWith('The only job fails')");
    assert_eq!(browser.run(&format!("return {IS_MARKED}")), true, "it has never been loaded again");
}

#[test]
fn a_console_grows_line_by_line_and_ends_without_a_reload() {
    let Some(browser) = Browser::start() else { return };
    let mut host = Host::start();
    let lines: String = (1..=4)
        .map(|line| {
            format!("printf '\\033[1;31mline\\033[0m %s\\n' {line}\n{}", host.gate(&line.to_string()))
        })
        .collect();
    host.schedule("counts", &(lines + "[ -e \"$TMPDIR/green\" ]\n"));
    for (end, class, words) in
        [("", "bad", "✗ It failed with exit code 1"), ("green", "ok", "✓ It succeeded")]
    {
        host.work();
        browser.open(&host.page("/"));
        browser.wait("document.querySelector('[aria-labelledby=running-title] a')");
        browser.click("[aria-labelledby=running-title] a");
        browser.wait("document.querySelector('h1.run')?.innerText === '▶ It runs'");
        browser.run(MARK);
        for line in 1..=4 {
            browser.wait(&format!("document.querySelector('#L{line} code')?.innerText === 'line {line}'"));
            assert_eq!(browser.run("return document.querySelectorAll('#lines .l').length"), line);
            let colour = browser.run(&format!(
                "let style = getComputedStyle(document.querySelector('#L{line} code span'));
                 return style.color + ' ' + style.fontWeight"
            ));
            assert_eq!(colour, "rgb(255, 128, 120) 700", "the first line comes with the page, others later");
            if line == 4 && !end.is_empty() {
                host.site.file(end, "");
            }
            host.open(&line.to_string());
        }
        browser.wait(&format!("document.querySelector('h1.{class}')?.innerText === '{words}'"));
        browser.wait("document.getElementById('status').innerText === '■ It is over.'");
        assert_eq!(browser.run("return document.querySelectorAll('#lines .l').length"), 4);
        assert_eq!(browser.run(&format!("return {IS_MARKED}")), true, "it has never been loaded again");
        if end.is_empty() {
            (1..=4).for_each(|line| host.close(&line.to_string()));
            host.execute("counts");
        }
    }
}

#[test]
fn a_server_that_goes_away_is_told_and_comes_back() {
    let Some(browser) = Browser::start() else { return };
    let mut host = Host::start();
    host.build("before", "echo hello\n");
    browser.open(&host.page("/"));
    browser.wait("document.querySelector('#jobs tbody a')?.innerText === 'before'");
    browser.run(MARK);
    host.kill_server();
    browser.wait(
        "document.querySelector('.banner[role=alert]')?.innerText.includes('The server cannot be asked')",
    );
    assert!(browser.text("#jobs").contains("before"), "what was known is still there");
    host.start_server();
    host.schedule("after", "echo hello\n");
    browser.wait(
        "!document.querySelector('.banner') && document.querySelector('#jobs').innerText.includes('after')",
    );
    assert_eq!(browser.run(&format!("return {IS_MARKED}")), true, "it has never been loaded again");
}

#[test]
fn an_artifact_arrives_as_it_was_made() {
    let Some(browser) = Browser::start() else { return };
    let mut host = Host::start();
    let bytes: Vec<u8> =
        (0..3_000_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let made = host.site.file("made", &bytes);
    let script =
        format!("mkdir -p bin\ncp '{}' 'bin/the program'\nprintf '<html>' > page.html\n", made.display());
    let uuid = host.build("makes", &script);
    browser.open(&host.page(&format!("/build/{uuid}")));
    browser.click(".artifacts a[href*=program]");
    assert!(browser.downloaded("the program") == bytes, "other bytes");
    let digest = browser.text(".artifacts tr:has(a[href*=program]) .digest");
    assert_eq!(digest, sha256(&fs::read(made).unwrap()));
    browser.click(".artifacts a[href*=page]");
    assert_eq!(browser.downloaded("page.html"), b"<html>");
    assert!(browser.text("h1").contains("It succeeded"), "the page is still there");
}

/// In hexadecimal digits.
fn sha256(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
