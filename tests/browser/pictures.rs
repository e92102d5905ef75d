//! The pictures of the pages in the documentation: `bin/pictures/dashboard.sh` has them made.

use crate::host::{Host, PLATFORM};
use crate::webdriver::Browser;
use serde_json::json;
use std::env;
use std::fs;
use std::path::PathBuf;

/// How wide a picture is, how high at most, and whether it is one of a phone.
type Screen = (u32, u32, bool);

const ARM: &str = "linux-arm64";
/// Builds of the job whose page is shown, and of each of the others.
const BUILDS: usize = 24;
const ROUNDS: usize = 5;

const WIDE: Screen = (1200, 900, false);
const PHONE: Screen = (390, 844, true);

/// Prints what a build of a program may print, in colours.
const CONSOLE: &str = r#"
say() { printf '\033[1;32m%12s\033[0m %s\n' "$1" "$2"; sleep 0.05; }
printf '\033[1;34m==>\033[0m \033[1mdns-resolver 2.4.1\033[0m on %s\n' "$(uname -s)"
for package in cstruct 6.2.0 ipaddr 5.6.0 macaddr 5.6.0 lwt 5.9.1 mirage-net 4.0.0 ethernet 3.2.0 arp 4.0.0 \
    tcpip 9.0.1 dns 10.2.0 tls 2.0.1 x509 1.0.6; do
    case $package in [0-9]*) say Compiled "$name $package" ;; *) name=$package ;; esac
done
printf '\033[1;33mwarning\033[0m: \033[1mthis value is never used\033[0m\n  \033[34m-->\033[0m src/cache.ml:212:7\n'
say Linked 'dist/dns-resolver.hvt'
i=1
while [ $i -le 12 ]; do
    case $i in
        7) printf 'test %02d \033[90mcache keeps what is fresh\033[0m ... \033[33mskipped\033[0m\n' $i ;;
        *) printf 'test %02d \033[90manswers a question\033[0m ... \033[32mok\033[0m\n' $i ;;
    esac
    sleep 0.02
    i=$((i + 1))
done
"#;

/// A host where many jobs do well, some do not, one runs, and one waits.
fn host() -> Host {
    let mut host = Host::start();
    let runs = host.site.config().join("runs");
    // Each build of a job knows how many were before it.
    let script = |name: &str, fails: &str, body: &str| {
        format!(
            "n=$(cat '{0}-{name}' 2>/dev/null || echo 0); echo $((n + 1)) > '{0}-{name}'\n\
             echo \"building {name}\"\n{body}\
             case $n in {fails}) echo 'error: 1 test of 214 failed' >&2; exit 2 ;; esac\n\
             mkdir -p dist; date > dist/{name}.hvt; echo {name} > dist/README\n",
            runs.display(),
        )
    };
    let jobs = [
        ("certificate-renewal", PLATFORM, "2"),
        ("dhcp-server", PLATFORM, "none"),
        ("dns-primary", PLATFORM, "1"),
        ("dns-secondary", ARM, "none"),
        ("firewall", PLATFORM, "3|4"),
        ("mail-relay", PLATFORM, "none"),
        ("monitoring", ARM, "0"),
        ("time-server", PLATFORM, "none"),
        ("vpn-gateway", PLATFORM, "none"),
        ("web-server", ARM, "4"),
    ];
    for (name, platform, fails) in jobs {
        host.schedule_daily(name, platform, &script(name, fails, &own_time(name)));
    }
    for round in 1..=ROUNDS {
        jobs.iter().for_each(|(_, platform, _)| host.work_on(platform));
        jobs.iter().for_each(|(name, ..)| drop(host.finished(name, round)));
        if round < ROUNDS {
            jobs.iter().for_each(|(name, ..)| host.execute(name));
        }
    }
    let gate = format!("[ $n -lt {BUILDS} ] || {}", host.gate("never"));
    host.schedule_daily(
        "dns-resolver",
        PLATFORM,
        &script("dns-resolver", "5|6|13", &(CONSOLE.to_owned() + &gate + &own_time("dns-resolver"))),
    );
    for build in 1..=BUILDS {
        host.work();
        host.finished("dns-resolver", build);
        host.execute("dns-resolver");
    }
    host.work();
    host.schedule_daily("storage", "freebsd-14", "echo never\n");
    host
}

/// Part of a script: takes some seconds, not always as many.
fn own_time(name: &str) -> String {
    format!("sleep $(( (n * 7 + {}) % 4 + 1 ))\n", name.len())
}

#[test]
#[ignore = "bin/pictures/dashboard.sh runs it: it writes files"]
fn pictures_of_the_pages() {
    let directory =
        PathBuf::from(env::var_os("BUILDER_PICTURES").expect("BUILDER_PICTURES to name a directory"));
    let browser = Browser::start().expect("chromium and chromedriver to be there");
    browser.tell("Emulation.setScrollbarsHidden", &json!({ "hidden": true }));
    let host = host();
    browser.open(&host.page("/"));
    browser.wait("document.querySelector('[aria-labelledby=waiting-title] a')");
    browser.wait("document.querySelector('[aria-labelledby=running-title] a')");
    let running = browser.run("return document.querySelector('[aria-labelledby=running-title] a').href");
    let pages = [
        ("overview", host.page("/"), "document.querySelector('[aria-labelledby=running-title] a')"),
        ("job", host.page("/job/dns-resolver"), "document.querySelector('.plot svg')"),
        ("build", running.as_str().unwrap().to_owned(), "document.querySelectorAll('#lines .l').length > 27"),
    ];
    let diff = browser.run("return document.querySelector('#failing td.bad a').href + '/diff'");
    let diff = ("diff", diff.as_str().unwrap().to_owned(), "document.querySelector('.versus')");
    for (name, address, is_ready) in pages.iter().chain([&diff]) {
        for (theme, screen, (width, height, is_mobile)) in
            [("light", "", WIDE), ("dark", "-dark", WIDE), ("light", "-phone", PHONE)]
        {
            let metrics =
                json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": is_mobile });
            browser.tell("Emulation.setDeviceMetricsOverride", &metrics);
            let features = json!([{ "name": "prefers-color-scheme", "value": theme }]);
            browser.tell("Emulation.setEmulatedMedia", &json!({ "features": features }));
            browser.open(address);
            browser.wait(is_ready);
            browser.run("scrollTo(0, 0); document.activeElement.blur()");
            let picture = browser.tell("Page.captureScreenshot", &json!({ "format": "png" }));
            let picture = base64(picture["data"].as_str().unwrap());
            fs::write(directory.join(format!("{name}{screen}.png")), picture).unwrap();
        }
    }
}

/// The bytes that are meant.
fn base64(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0_u32, 0);
    for digit in text.bytes() {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => break,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    bytes
}
