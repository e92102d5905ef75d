//! The command line of the dashboard.

use crate::command_line::{Address, Flag, Kind, Matches, REMOTE, Repeat, UsageError, remote, value, values};
use crate::listener::{SOCKET_GROUP, SOCKET_MODE, SocketAccess, socket_access};
use builder_engine::dashboard::http::HostName;
use std::fmt;
use std::str::FromStr;

/// What the command line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) addresses: Vec<Address>,
    pub(super) access: SocketAccess,
    pub(super) remote: Address,
    pub(super) base_path: BasePath,
    pub(super) title: String,
    /// Under which it is asked, besides those that are always good.
    pub(super) names: Vec<HostName>,
}

/// What the paths of all pages begin with. It begins with a slash, and does not end with one unless it is nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BasePath(pub(super) String);

const DEFAULT_LISTEN: &str = "127.0.0.1:8080";
const DEFAULT_TITLE: &str = "builder";

pub(super) const FLAGS: &[Flag] = &[
    Flag::with_value("listen", "ADDRESS", Kind::Text, "serve pages on this address; may be repeated")
        .short('l')
        .default(DEFAULT_LISTEN)
        .repeat(Repeat::Adds)
        .manual(
            "\
Serve pages on this address; the option may be repeated.
An
.Ar address
is
.Ar host : Ns Ar port ,
with brackets around an IPv6 address, or
.Li unix:\\& Ns Ar path
for a socket in the file system, which a reverse proxy may be given.
The default is 127.0.0.1:8080.
Whoever can connect to the address can read all scripts, consoles and
artifacts; nobody can change anything.",
        ),
    REMOTE,
    Flag::with_value("base-path", "PATH", Kind::Text, "the path of the pages behind a reverse proxy")
        .default("/")
        .manual(
            "\
The path below which a reverse proxy has the pages, such as
.Li /builder/ .
The proxy must not take it off the requests that it passes on.
The default is
.Li / .",
        ),
    Flag::with_value("title", "TEXT", Kind::Text, "what the pages are called").default(DEFAULT_TITLE).manual(
        "\
What stands at the top of all pages, and in their titles.
The default is builder.",
    ),
    Flag::with_value("host", "NAME", Kind::Text, "answer under this host name; may be repeated")
        .repeat(Repeat::Adds)
        .manual(
            "\
Answer to browsers that know the pages under this host name, such as
builds.example.org, without a port; the option may be repeated.
A reverse proxy that passes the name on, as Caddy does and nginx if it is told
to, needs it.
.Pp
On a loopback address, only requests for
.Li localhost ,
for an address or for one of these names are answered, and all others are
refused with status 421.
Otherwise a page elsewhere could have its own name lead there, and so read
everything through the browser of somebody on this machine.
On other addresses this holds once the option is given, and on sockets in the
file system never.",
        ),
    SOCKET_MODE,
    SOCKET_GROUP,
];

pub(super) fn resolve(matches: &Matches) -> Result<Settings, UsageError> {
    if let Some(word) = matches.free.first() {
        return Err(UsageError::new(format_args!("{word}: the dashboard takes options only; leave it out")));
    }
    let mut addresses: Vec<Address> = values(matches, "listen")?;
    if addresses.is_empty() {
        addresses.extend(DEFAULT_LISTEN.parse::<Address>());
    }
    Ok(Settings {
        addresses,
        access: socket_access(matches)?,
        remote: remote(matches)?,
        base_path: value(matches, "base-path")?.unwrap_or_else(|| BasePath("/".to_owned())),
        title: value(matches, "title")?.unwrap_or_else(|| DEFAULT_TITLE.to_owned()),
        names: values(matches, "host")?,
    })
}

/// Why a word is no [`BasePath`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BasePathError;

impl fmt::Display for BasePathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a path; write it like /builder/, with letters, digits, and - . _ ~ only")
    }
}

impl FromStr for BasePath {
    type Err = BasePathError;

    fn from_str(word: &str) -> Result<BasePath, BasePathError> {
        let inner = word.strip_prefix('/').ok_or(BasePathError)?;
        let inner = inner.strip_suffix('/').filter(|inner| !inner.is_empty()).unwrap_or(inner);
        let is_part = |part: &str| {
            let is_plain =
                |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
            !matches!(part, "" | "." | "..") && part.bytes().all(is_plain)
        };
        if !inner.is_empty() && !inner.split('/').all(is_part) {
            return Err(BasePathError);
        }
        Ok(BasePath(format!("/{inner}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_path_can_only_be_one() {
        let parsed = |word: &str| word.parse::<BasePath>().map(|BasePath(path)| path);
        for (word, path) in [
            ("/", "/"),
            ("/builder", "/builder"),
            ("/builder/", "/builder"),
            ("/a/b.c_d-e~f/", "/a/b.c_d-e~f"),
        ] {
            assert_eq!(parsed(word).as_deref(), Ok(path), "{word}");
        }
        for word in ["", "builder", "//", "/a//b", "/../x", "/a b", "/\"><script>", "/é", "http://x/"] {
            assert_eq!(parsed(word), Err(BasePathError), "{word}");
        }
    }
}
