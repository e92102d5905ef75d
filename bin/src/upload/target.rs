//! Where to upload to and as whom, as command lines and the environment say it.

use super::credentials::{Credentials, Source};
use crate::command_line::{Flag, Kind, Matches, UsageError};
use builder_engine::server::UploadFilter;
use std::fmt;

/// The option that names the file with the credentials.
pub(crate) const CREDENTIALS: Flag = Flag::with_value(
    "upload-credentials",
    "FILE",
    Kind::File,
    "read the credentials for uploads, one line user:pass, from FILE, so that ps does not show them",
)
.manual(
    "\
Read the credentials for uploads from
.Ar file ,
which contains one line,
.Ar user : Ns Ar password .
The file is read for each upload.",
);
/// The flag that holds back what failed builds left below bin/.
pub(crate) const HOLD_BACK: Flag =
    Flag::switch("hold-back-failed", "if a build exited with another status than 0, do not upload its files below bin/; if it did not exit, they are never uploaded")
    .manual("\
If a build exited with another status than 0, do not upload its files below
.Pa bin/
either.
Without this option, builder-web publishes them, because it ignores the exit
status.");

/// An upload server, how to be let in, and what it gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) url: UploadUrl,
    pub(crate) credentials: Source,
    /// What it does not get.
    pub(crate) filter: UploadFilter,
}

/// Puts the pieces together. The file counts more than the environment; the file and the URL contradict each other.
pub(crate) fn resolve(url: &str, matches: &Matches) -> Result<Target, UsageError> {
    let url = UploadUrl::parse(url).map_err(UsageError::new)?;
    let file = CREDENTIALS.long;
    let credentials = match (matches.opt_str(CREDENTIALS.long), url.credentials()) {
        (Some(_), Some(_)) => {
            return Err(UsageError::new(format_args!(
                "there are credentials in the URL and --{file}; keep only --{file}"
            )));
        }
        (Some(path), None) => Source::File(path.into()),
        (None, Some(credentials)) => {
            log::warn!("ps shows the credentials in the URL; --{file} FILE hides them");
            Source::Given(credentials.clone())
        }
        (None, None) => match Credentials::from_environment().map_err(UsageError::new)? {
            Some(credentials) => Source::Given(credentials),
            None => Source::Nowhere,
        },
    };
    let filter = UploadFilter { hold_back_failed: matches.opt_present(HOLD_BACK.long) };
    Ok(Target { url, credentials, filter })
}

/// Where to upload to. Printing it is safe: credentials are taken out of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UploadUrl {
    bare: String,
    host: String,
    port: u16,
    credentials: Option<Credentials>,
}

/// Why a text is no URL to upload to. Never repeats the text, as it may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UrlError {
    Scheme,
    WithoutTls,
    Character,
    Host,
    Ipv6,
    Port,
    Credentials,
    At,
}

impl UploadUrl {
    /// Takes a URL apart into the credentials, `user:pass@` before the host, and the rest. They are taken as they are,
    /// without `%` having a meaning, as builder 0.4.0 takes them.
    pub(crate) fn parse(text: &str) -> Result<UploadUrl, UrlError> {
        let (scheme, rest) = ["http://", "https://"]
            .into_iter()
            .find_map(|scheme| Some((scheme, text.strip_prefix(scheme)?)))
            .ok_or(UrlError::Scheme)?;
        if scheme == "https://" && !cfg!(feature = "tls") {
            return Err(UrlError::WithoutTls);
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(UrlError::Character);
        }
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        // A password with a slash would otherwise end up in the path, where it would be shown.
        if path.contains('@') {
            return Err(UrlError::At);
        }
        let (user_info, host) = match authority.rsplit_once('@') {
            Some((user_info, host)) => (Some(user_info), host),
            None => (None, authority),
        };
        let (name, port) = split_host(host, if scheme == "https://" { 443 } else { 80 })?;
        let credentials = user_info.map(|line| Credentials::parse(line).ok_or(UrlError::Credentials));
        Ok(UploadUrl {
            bare: format!("{scheme}{host}{path}"),
            host: name.to_owned(),
            port,
            credentials: credentials.transpose()?,
        })
    }

    /// The URL without credentials.
    pub(crate) fn as_str(&self) -> &str {
        &self.bare
    }

    /// The name or address of the server.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// Its port.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The credentials that were in the URL.
    pub(crate) fn credentials(&self) -> Option<&Credentials> {
        self.credentials.as_ref()
    }
}

impl fmt::Display for UploadUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.bare)
    }
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            UrlError::Scheme => "the URL must begin with http:// or https://",
            UrlError::WithoutTls => {
                "this program was built without TLS; use a URL with http://, or build with the feature tls"
            }
            UrlError::Character => "the URL contains a space or a character beyond ASCII; write it with %",
            UrlError::Host => "the URL has no host; write it like https://HOST:PORT/PATH",
            UrlError::Ipv6 => {
                "the URL has an IPv6 address for a host, which the HTTP library does not read; give that address a name, in \
                 /etc/hosts for example, and write the name"
            }
            UrlError::Port => "the port in the URL is not a number from 1 to 65535",
            UrlError::Credentials => "before the @ in the URL there must be user:pass",
            UrlError::At => {
                "there is an @ after the host of the URL; write it as %40, or, when it belongs to a password with a / or \
                 ?, put that into a file for --upload-credentials"
            }
        })
    }
}

impl std::error::Error for UrlError {}

fn split_host(host: &str, usual_port: u16) -> Result<(&str, u16), UrlError> {
    if host.starts_with('[') {
        return Err(UrlError::Ipv6);
    }
    let (name, port) = match host.split_once(':') {
        Some((name, port)) => (name, Some(port)),
        None => (host, None),
    };
    if name.is_empty() {
        return Err(UrlError::Host);
    }
    let Some(port) = port else { return Ok((name, usual_port)) };
    let number = port.parse().ok().filter(|_| port.bytes().all(|byte| byte.is_ascii_digit()));
    number.filter(|port| *port > 0).map(|port| (name, port)).ok_or(UrlError::Port)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> (String, Option<String>) {
        let url = UploadUrl::parse(text).unwrap();
        (url.to_string(), url.credentials().map(|credentials| credentials.for_environment().to_owned()))
    }

    #[test]
    fn credentials_are_taken_out_at_the_last_at() {
        for (text, bare, credentials) in [
            ("http://host", "http://host", None),
            ("http://host:8080/upload?a=b#c", "http://host:8080/upload?a=b#c", None),
            ("http://user:pass@host/upload", "http://host/upload", Some("user:pass")),
            ("http://user:p@ss:w%rd@host:80", "http://host:80", Some("user:p@ss:w%rd")),
        ] {
            assert_eq!(parse(text), (bare.to_owned(), credentials.map(str::to_owned)), "{text}");
        }
    }

    #[test]
    fn the_server_is_named_by_host_and_port() {
        for (text, host, port) in [
            ("http://host", "host", 80),
            ("http://user:pass@host:8080/upload", "host", 8080),
            ("http://192.0.2.1:1/", "192.0.2.1", 1),
        ] {
            let url = UploadUrl::parse(text).unwrap();
            assert_eq!((url.host(), url.port()), (host, port), "{text}");
        }
    }

    #[test]
    #[cfg(feature = "tls")]
    fn https_is_understood() {
        assert_eq!(parse("https://u:p@host/upload").0, "https://host/upload");
        assert_eq!(UploadUrl::parse("https://host/upload").unwrap().port(), 443);
    }

    #[test]
    #[cfg(not(feature = "tls"))]
    fn https_takes_tls() {
        assert_eq!(UploadUrl::parse("https://host/upload"), Err(UrlError::WithoutTls));
    }

    #[test]
    fn everything_else_is_refused_without_being_repeated() {
        for (text, error) in [
            ("", UrlError::Scheme),
            ("ftp://user:secret@host", UrlError::Scheme),
            ("user:secret@host", UrlError::Scheme),
            ("http://", UrlError::Host),
            ("http:///path", UrlError::Host),
            ("http://user:secret@/path", UrlError::Host),
            ("http://:80/path", UrlError::Host),
            ("http://[::1]:80/path", UrlError::Ipv6),
            ("http://host:/path", UrlError::Port),
            ("http://host:0/path", UrlError::Port),
            ("http://host:65536/path", UrlError::Port),
            ("http://host:+80/path", UrlError::Port),
            ("http://user:sec/ret@host/path", UrlError::At),
            ("http://user:1/secret@host/path", UrlError::At),
            ("http://user@host/path", UrlError::Credentials),
            ("http://:secret@host/path", UrlError::Credentials),
            ("http://host/a b", UrlError::Character),
            ("http://host/a\r\nX: y", UrlError::Character),
            ("http://höst/", UrlError::Character),
        ] {
            assert_eq!(UploadUrl::parse(text), Err(error), "{text}");
            assert!(!error.to_string().contains("secret"));
        }
    }
}
