//! Everything is there for a browser that runs no script.

use crate::host::Host;
use crate::webdriver::Browser;
use serde_json::json;

#[test]
fn without_scripts_pages_are_whole_and_links_and_forms_work() {
    let Some(browser) = Browser::start() else { return };
    let mut host = Host::start();
    let script = "i=1; while [ $i -le 1500 ]; do echo \"line $i\"; i=$((i+1)); done\necho made > artifact\n[ -e \"$TMPDIR/well\" ]\n";
    host.build("job", script);
    host.site.file("well", "");
    host.execute("job");
    host.work();
    host.finished("job", 2);
    host.schedule("runs", &format!("echo first\n{}echo second\n{}", host.gate("one"), host.gate("two")));
    host.work();
    browser.tell("Emulation.setScriptExecutionDisabled", &json!({ "value": true }));

    // Two who look in the same second see the same, and the dashboard itself has looked first.
    let is_well = "document.querySelector('#jobs tbody a') && /All is well/.test(document.querySelector('h1').innerText)";
    reload_until(&browser, &host.page("/"), is_well);
    assert_eq!(browser.run("return document.querySelector('.filter').hidden"), true, "no script has run");
    assert_eq!(browser.text("#jobs tbody a"), "job");
    browser.click("#jobs tbody a");
    browser.wait("document.querySelectorAll('.history tbody tr').length === 2");
    browser.click("input[name=failed]");
    browser.click(".filters button");
    browser.wait("document.querySelectorAll('.history tbody tr').length === 1");
    browser.click(".history tbody td:first-child a");
    browser.wait("document.querySelector('h1.bad')");
    assert!(browser.text("#L1500").contains("line 1500"));
    browser.click("#earlier");
    browser.wait("document.querySelector('#L500 code')?.innerText === 'line 500'");
    browser.type_into(".find input", "line 14[0-9]9");
    browser.click(".find button");
    browser.wait("document.querySelectorAll('#lines mark').length === 10");
    browser.click("#lines .l > a");
    browser.wait("document.querySelector('.l:target code')?.innerText === 'line 1409'");
    browser.click(".artifacts a");
    assert_eq!(browser.downloaded("artifact"), b"made\n");
    browser.click("nav.chips li:nth-child(2) a");
    browser.wait("document.querySelector('h1.ok')");
    browser.click("nav.chips li:nth-child(3) a");
    browser.wait("document.querySelector('.versus')");

    let latest = host.page("/job/runs/latest");
    for (lines, gate) in [(1, "one"), (2, "two")] {
        // The page says what to do.
        reload_until(
            &browser,
            &latest,
            &format!("document.querySelectorAll('#lines .l').length === {lines}"),
        );
        assert!(browser.text("#status").contains("Load the page again to see more."));
        host.open(gate);
    }
    reload_until(&browser, &latest, "document.querySelector('h1.ok')");
}

/// Opens a page again and again until an expression is true there.
fn reload_until(browser: &Browser, address: &str, expression: &str) {
    builder_tests::wait_for(expression, || {
        browser.open(address);
        browser.run(&format!("return Boolean({expression})")) == true
    });
}
