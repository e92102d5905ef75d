//! A browser, driven by chromedriver over the WebDriver protocol, and over the Chrome DevTools protocol behind it.
//!
//! Requests are written here and not by a library: one that finds a proxy in the environment would send them there.

use builder_tests::{children, is_alive, patience, wait_for};
use serde_json::{Value, json};
use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Chromium with one empty window. It ends when dropped.
pub(crate) struct Browser {
    driver: Driver,
    session: String,
    root: TempDir,
}

/// chromedriver.
struct Driver {
    /// The shell that runs it.
    guard: Child,
    port: u16,
}

/// What Debian and FreeBSD call the browser.
const NAMES: [&str; 2] = ["chromium", "chrome"];
/// Under this name the protocol hands out elements.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// Time between two looks at a page.
const PAUSE: Duration = Duration::from_millis(10);
/// A script that runs a program until nothing holds the other end of its standard input, which is so when the driver is dropped or
/// the test is gone, however it ended. Then all of its process group ends: the program, and the browser that it has started.
const GUARD: &str = "\"$@\" & read -r _; trap '' TERM; kill 0; wait";
/// Notes what a page must not do, before anything of the page is read.
const WATCH: &str = "window.violations = [];
    document.addEventListener('securitypolicyviolation', function (event) {
        window.violations.push(event.violatedDirective + ' ' + event.blockedURI);
    });
    window.addEventListener('error', function (event) { window.violations.push('error ' + event.message); });";

impl Browser {
    /// Starts a browser; without one that is said, and there is none. In `.ci/run` there has to be one.
    pub(crate) fn start() -> Option<Browser> {
        let browser = NAMES.into_iter().find_map(program);
        let (Some(browser), Some(driver)) = (browser, program("chromedriver")) else {
            assert!(
                env::var_os("BUILDER_BROWSER").is_none(),
                "chromium and chromedriver are not on the PATH"
            );
            eprintln!("chromium and chromedriver are not on the PATH: no page is looked at");
            return None;
        };
        let driver = Driver::start(&driver);
        let root = tempfile::tempdir().unwrap();
        let profile = root.path().join("profile");
        let downloads = root.path().join("downloads");
        fs::create_dir(&downloads).unwrap();
        // Containers do not permit a sandbox, and have little shared memory. Nothing but pages of these tests is opened.
        let options = json!({
            "binary": browser,
            "args": [
                "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic",
                "--no-first-run", "--disable-background-networking", "--disable-component-update",
                "--disable-sync", "--no-proxy-server", "--window-size=1280,800",
                "--host-resolver-rules=MAP *.example 127.0.0.1",
                format!("--user-data-dir={}", profile.display()),
            ],
            "prefs": {
                "download.default_directory": downloads,
                "download.prompt_for_download": false,
                "profile.default_content_setting_values.automatic_downloads": 1,
            },
        });
        let always = json!({ "goog:chromeOptions": options, "unhandledPromptBehavior": "ignore" });
        let answer =
            driver.request("POST", "/session", Some(&json!({ "capabilities": { "alwaysMatch": always } })));
        let session = answer.unwrap()["sessionId"].as_str().unwrap().to_owned();
        let browser = Browser { driver, session, root };
        browser.tell("Page.addScriptToEvaluateOnNewDocument", &json!({ "source": WATCH }));
        Some(browser)
    }

    /// Opens an address, and waits until the page and all that belongs to it are loaded.
    pub(crate) fn open(&self, address: &str) {
        self.command("url", json!({ "url": address })).unwrap();
    }

    /// Gives a command of the Chrome DevTools protocol.
    pub(crate) fn tell(&self, command: &str, parameters: &Value) -> Value {
        self.command("goog/cdp/execute", json!({ "cmd": command, "params": parameters })).unwrap()
    }

    /// Runs the body of a function in the page, whatever the policy of the page; gives what it returns.
    pub(crate) fn run(&self, script: &str) -> Value {
        self.try_run(script).unwrap_or_else(|error| panic!("{script}: {error}"))
    }

    fn try_run(&self, script: &str) -> Result<Value, String> {
        self.command("execute/sync", json!({ "script": script, "args": [] }))
    }

    /// Runs the body of a function in the page until it calls its last argument with what it gives.
    pub(crate) fn run_until_done(&self, script: &str) -> Value {
        self.command("execute/async", json!({ "script": script, "args": [] })).unwrap()
    }

    /// Waits until an expression is true in the page, which may be another one by then.
    pub(crate) fn wait(&self, expression: &str) {
        let script = format!("return Boolean({expression})");
        let start = Instant::now();
        loop {
            // While a page is exchanged for another one, there is nothing to ask.
            let found = self.try_run(&script);
            if found == Ok(Value::Bool(true)) {
                return;
            }
            if start.elapsed() > patience() {
                let page = self.try_run("return location.href + '\\n' + document.body.innerText");
                panic!("waited in vain for {expression}: {found:?}\n{page:?}");
            }
            thread::sleep(PAUSE);
        }
    }

    /// What a reader sees of the first element that fits; empty if there is none.
    pub(crate) fn text(&self, selector: &str) -> String {
        let script = format!("return document.querySelector({})?.innerText ?? ''", json!(selector));
        self.run(&script).as_str().unwrap().to_owned()
    }

    /// Clicks on an element, after scrolling to it, as a reader would.
    pub(crate) fn click(&self, selector: &str) {
        let element = self.element(selector);
        self.command(&format!("element/{element}/click"), json!({})).unwrap();
    }

    /// Types into an element.
    pub(crate) fn type_into(&self, selector: &str, text: &str) {
        let element = self.element(selector);
        self.command(&format!("element/{element}/value"), json!({ "text": text })).unwrap();
    }

    /// Presses a key, by the character that stands for it in the protocol.
    pub(crate) fn press(&self, key: char) {
        let keys = json!([{ "type": "keyDown", "value": key }, { "type": "keyUp", "value": key }]);
        self.command("actions", json!({ "actions": [{ "type": "key", "id": "keys", "actions": keys }] }))
            .unwrap();
    }

    /// Whether a page has opened a dialogue.
    pub(crate) fn has_dialogue(&self) -> bool {
        let path = format!("/session/{}/alert/text", self.session);
        self.driver.request("GET", &path, None).is_ok()
    }

    /// Where the browser puts downloads.
    pub(crate) fn downloads(&self) -> PathBuf {
        self.root.path().join("downloads")
    }

    /// Waits until a file is downloaded; gives what is in it.
    pub(crate) fn downloaded(&self, name: &str) -> Vec<u8> {
        // Until it is whole, it has another name.
        let path = self.downloads().join(name);
        wait_for(&format!("{name} to be downloaded"), || path.exists() && !self.is_downloading());
        fs::read(path).unwrap()
    }

    fn is_downloading(&self) -> bool {
        let mut files = fs::read_dir(self.downloads()).unwrap().map(|entry| entry.unwrap().path());
        files.any(|path| path.extension().is_some_and(|extension| extension == "crdownload"))
    }

    fn element(&self, selector: &str) -> String {
        let found = self.command("element", json!({ "using": "css selector", "value": selector }));
        found.unwrap_or_else(|error| panic!("{selector}: {error}"))[ELEMENT].as_str().unwrap().to_owned()
    }

    fn command(&self, command: &str, body: Value) -> Result<Value, String> {
        self.driver.request("POST", &format!("/session/{}/{command}", self.session), Some(&body))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It ends the browser.
        let _ = self.driver.request("DELETE", &format!("/session/{}", self.session), None);
    }
}

impl Driver {
    fn start(program: &PathBuf) -> Driver {
        let mut command = Command::new("sh");
        command.args(["-c", GUARD, "sh"]).arg(program).arg("--port=0").process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut driver = Driver { guard: command.spawn().unwrap(), port: 0 };
        let mut lines = BufReader::new(driver.guard.stdout.take().unwrap()).lines().map(Result::unwrap);
        let port = lines
            .find_map(|line| line.split_once("successfully on port ")?.1.trim_end_matches('.').parse().ok());
        // It goes on to say things, for which somebody has to be there.
        thread::spawn(move || lines.for_each(drop));
        driver.port = port.expect("chromedriver to say where it listens");
        driver
    }

    /// What is in the answer as its value; the error is what chromedriver says of it.
    fn request(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, String> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let (status, answer) = self.exchange(method, path, &body).map_err(|error| error.to_string())?;
        let mut answer: Value = serde_json::from_slice(&answer).map_err(|error| error.to_string())?;
        let value = answer["value"].take();
        if status == 200 { Ok(value) } else { Err(format!("{}: {}", value["error"], value["message"])) }
    }

    fn exchange(&self, method: &str, path: &str, body: &str) -> std::io::Result<(u16, Vec<u8>)> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(2 * patience()))?;
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.port,
            body.len()
        )?;
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let status = line.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
        let mut length = 0;
        while line != "\r\n" {
            line.clear();
            reader.read_line(&mut line)?;
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut answer = vec![0; length];
        reader.read_exact(&mut answer)?;
        Ok((status, answer))
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}

/// Where a program is.
fn program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|directory| directory.join(name)).find(|file| file.is_file())
}

#[test]
fn a_browser_ends_with_its_test_however_that_ends() {
    let Some(mut browser) = Browser::start() else { return };
    let drivers = children(browser.driver.guard.id());
    let browsers: Vec<u32> = drivers.iter().flat_map(|driver| children(*driver)).collect();
    assert!(drivers.len() == 1 && !browsers.is_empty(), "{drivers:?} {browsers:?}");
    // As it is when the process of the test is no more.
    drop(browser.driver.guard.stdin.take());
    wait_for("the browser to end", || !drivers.iter().chain(&browsers).any(|process| is_alive(*process)));
}
