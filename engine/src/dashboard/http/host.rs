//! Under which names a dashboard answers.
//!
//! A browser lets a page read what comes from the place that the page came from, and by a place it means a name. So whoever owns a
//! name can have a page loaded from it, and then let the name lead to 127.0.0.1, or to another address that only the reader of the
//! page can reach: the browser takes the dashboard there for the place of the page, and lets the page read all of it (DNS
//! rebinding). The name in such a request is still that of the page, so names are looked at. Addresses and `localhost` are
//! nobody's to own.

use core::fmt;
use core::net::{IpAddr, Ipv6Addr};
use core::str::FromStr;

/// The name of a host, such as `builds.example.org`. Capital letters are as good as small ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostName(String);

/// Why a word is no [`HostName`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostNameError;

impl fmt::Display for HostNameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "not the name of a host; write it like builds.example.org, without https:// and without a port",
        )
    }
}

impl FromStr for HostName {
    type Err = HostNameError;

    fn from_str(word: &str) -> Result<HostName, HostNameError> {
        let name = word.strip_suffix('.').unwrap_or(word);
        let is_label = |label: &str| {
            !label.is_empty()
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        };
        if !name.split('.').all(is_label) {
            return Err(HostNameError);
        }
        Ok(HostName(name.to_ascii_lowercase()))
    }
}

/// Whether somebody may ask under this name of ours, with a port or without: any address, `localhost` and what is below it, and
/// the names that are given. Who says no name is no browser.
pub(crate) fn is_known(host: Option<&str>, names: &[HostName]) -> bool {
    let Some(host) = host else { return true };
    if let Some(rest) = host.strip_prefix('[') {
        let address = rest.split_once(']').filter(|(_, behind)| is_port(behind)).map(|(address, _)| address);
        return address.is_some_and(|address| address.parse::<Ipv6Addr>().is_ok());
    }
    let (name, port) = host.split_at(host.find(':').unwrap_or(host.len()));
    if !is_port(port) {
        return false;
    }
    let Ok(HostName(name)) = name.parse() else { return false };
    name.parse::<IpAddr>().is_ok()
        || name == "localhost"
        || name.ends_with(".localhost")
        || names.iter().any(|HostName(known)| *known == name)
}

/// Whether this may stand behind a name.
fn is_port(text: &str) -> bool {
    text.is_empty()
        || text.strip_prefix(':').is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(words: &[&str]) -> Vec<HostName> {
        words.iter().map(|word| word.parse().unwrap()).collect()
    }

    #[test]
    fn addresses_and_localhost_are_known_and_so_are_the_names_that_are_given() {
        let names = names(&["Builds.Example.org", "ci."]);
        for host in [
            "127.0.0.1",
            "127.0.0.1:8080",
            "192.0.2.7:80",
            "[::1]",
            "[::1]:8080",
            "[2001:db8::7]:8080",
            "localhost",
            "LOCALHOST:8080",
            "localhost.:8080",
            "builder.localhost:8080",
            "builds.example.org",
            "BUILDS.example.org.:443",
            "ci:8080",
            "ci:",
        ] {
            assert!(is_known(Some(host), &names), "{host}");
        }
        assert!(is_known(None, &names), "browsers always say it");
        for host in [
            "evil.example",
            "evil.example:8080",
            "127.0.0.1.evil.example",
            "builds.example.org.evil.example",
            "evil-builds.example.org",
            "builds.example.org:8080:8080",
            "evil.example:builds.example.org",
            "xlocalhost",
            "localhost.evil.example",
            "[evil.example]:8080",
            "[::1]evil.example",
            "::1",
            ":8080",
            ".",
            ".localhost",
        ] {
            assert!(!is_known(Some(host), &names), "{host}");
        }
        assert!(!is_known(Some("ci"), &[]));
    }

    #[test]
    fn a_name_is_nothing_but_a_name() {
        for word in ["", ".", "a..b", ".a", "https://a", "a:80", "a/b", "*.a", "a b", "é", "[::1]"] {
            assert_eq!(word.parse::<HostName>(), Err(HostNameError), "{word}");
        }
        assert_eq!("A.b-c_d.".parse(), Ok(HostName("a.b-c_d".to_owned())));
    }
}
