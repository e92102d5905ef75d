//! Reading a console: following it, finding in it, and leading others to a line.

use crate::host::Host;
use crate::webdriver::Browser;

/// Whether the end of the page is in view.
const AT_END: &str = "innerHeight + scrollY >= document.documentElement.scrollHeight - 2";
const FOLLOWS: &str = "document.getElementById('follow').getAttribute('aria-pressed') === 'true'";

/// Part of a script: prints these lines.
fn prints(from: u32, to: u32) -> String {
    format!("i={from}; while [ $i -le {to} ]; do echo \"line $i\"; i=$((i+1)); done\n")
}

#[test]
fn the_end_is_followed_until_the_reader_scrolls_and_again_when_told() {
    let Some(browser) = Browser::start() else { return };
    let mut host = Host::start();
    let script = [
        prints(1, 300),
        host.gate("first"),
        prints(301, 400),
        host.gate("second"),
        prints(401, 500),
        host.gate("third"),
        prints(501, 600),
        host.gate("fourth"),
    ];
    host.schedule("long", &script.concat());
    host.work();
    browser.open(&host.page("/"));
    browser.wait("document.querySelector('[aria-labelledby=running-title] a')");
    browser.click("[aria-labelledby=running-title] a");
    browser.wait("document.getElementById('L300')");
    browser.wait(&format!("{FOLLOWS} && {AT_END}"));
    host.open("first");
    browser.wait("document.getElementById('L400')");
    browser.wait(AT_END);

    browser.run("scrollTo(0, 100)");
    browser.wait(&format!("!({FOLLOWS})"));
    host.open("second");
    browser.wait("document.getElementById('L500')");
    assert_eq!(browser.run("return scrollY"), 100, "what is read stays where it is");

    browser.click("#follow");
    browser.wait(&format!("{FOLLOWS} && {AT_END}"));
    host.open("third");
    browser.wait("document.getElementById('L600')");
    browser.wait(AT_END);

    // Whoever stops following by the button does not see the page move, either.
    browser.click("#follow");
    browser.wait(&format!("!({FOLLOWS})"));
    let place = browser.run("return scrollY");
    host.open("fourth");
    browser.wait("document.querySelector('h1.ok')");
    browser.wait("document.getElementById('follow').hidden");
    assert_eq!(browser.run("return scrollY"), place);
}

#[test]
fn lines_are_found_and_have_addresses() {
    let Some(browser) = Browser::start() else { return };
    let mut host = Host::start();
    let uuid = host.build("long", &prints(1, 3000));
    browser.open(&host.page(&format!("/build/{uuid}")));
    browser.type_into(".find input", "ine [12]9.7$");
    browser.press('\u{e007}');
    browser.wait("location.search !== '' && document.querySelectorAll('#lines .l').length === 20");
    assert!(
        browser.text("#console .window").starts_with("20 of 3,000 lines match."),
        "{}",
        browser.text("#console")
    );
    let marks = "[...document.querySelectorAll('#lines mark')].map(mark => mark.innerText)";
    assert_eq!(browser.run(&format!("return {marks}[0]")), "ine 1907");
    assert_eq!(browser.run(&format!("return {marks}.length")), 20);

    browser.click("#lines .l:nth-child(3) > a");
    browser.wait("location.hash === '#L1927'");
    is_led_to(&browser, 1927);
    // A line that is clicked on has its own address, which leads there from anywhere else.
    browser.click("#L1930 > a");
    browser.wait("location.hash === '#L1930'");
    let address = browser.run("return location.href");
    browser.open("about:blank");
    browser.open(address.as_str().unwrap());
    is_led_to(&browser, 1930);
}

/// Waits until a line is marked, and is where the reader sees it: below the title that stays, and above the end.
fn is_led_to(browser: &Browser, line: u32) {
    browser.wait(&format!("document.querySelector('.l:target code')?.innerText === 'line {line}'"));
    browser.wait(
        "(function () {
            let line = document.querySelector('.l:target').getBoundingClientRect();
            let title = document.querySelector('.console > .titlebar').getBoundingClientRect();
            return line.top >= title.bottom && line.bottom <= innerHeight;
        })()",
    );
    let colour = "return getComputedStyle(document.querySelector('.l:target')).backgroundColor";
    assert_eq!(browser.run(colour), "rgb(58, 50, 18)");
}
