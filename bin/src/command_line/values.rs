//! Values of options: where to connect or to listen, sizes, and how many of something.

use super::table::{Flag, Kind, UsageError, value};
use getopts::Matches;
use std::env;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// A TCP port of a host, or a socket in the file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// `HOST:PORT`, with brackets around an IPv6 address: `[::1]:1234`.
    Tcp {
        /// A name or an IP address, without brackets.
        host: String,
        /// The port.
        port: u16,
    },
    /// `unix:PATH`.
    Unix(PathBuf),
}

/// Where a server listens unless told otherwise: 127.0.0.1:1234, as in builder 0.4.0.
impl Default for Address {
    fn default() -> Address {
        Address::Tcp { host: "127.0.0.1".to_owned(), port: 1234 }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Address::Tcp { host, port } => write!(f, "{host}:{port}"),
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

const REMOTE_VARIABLE: &str = "BUILDER_REMOTE";

/// The option that names the server to talk to.
pub const REMOTE: Flag =
    Flag::with_value("remote", "ADDRESS", Kind::Text, "the server, as HOST:PORT or unix:PATH")
        .short('r')
        .default("BUILDER_REMOTE, or 127.0.0.1:1234")
        .manual(
            "\
The server:
.Ar host : Ns Ar port ,
with brackets around an IPv6 address, or
.Li unix:\\& Ns Ar path .
The default is
.Ev BUILDER_REMOTE ,
or 127.0.0.1:1234.",
        );

/// The server to talk to: the option counts more than the environment variable `BUILDER_REMOTE`, and that more than what is
/// usual. An empty variable counts as none.
///
/// # Errors
///
/// [`UsageError`] that says which of them is no address.
pub fn remote(matches: &Matches) -> Result<Address, UsageError> {
    if let Some(remote) = value(matches, REMOTE.long)? {
        return Ok(remote);
    }
    match env::var_os(REMOTE_VARIABLE).filter(|word| !word.is_empty()) {
        None => Ok(Address::default()),
        Some(word) => {
            let word = word.to_string_lossy();
            word.parse().map_err(|error| UsageError::new(format_args!("{REMOTE_VARIABLE} {word}: {error}")))
        }
    }
}

/// A TCP port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Port(
    /// 0 leaves the choice to the system.
    pub u16,
);

impl FromStr for Port {
    type Err = AddressError;

    fn from_str(word: &str) -> Result<Port, AddressError> {
        // `u16::from_str` would take a plus sign.
        if !word.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(AddressError::Port);
        }
        word.parse().map(Port).map_err(|_| AddressError::Port)
    }
}

/// Why a word is no [`Address`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressError {
    /// Neither `HOST:PORT` nor `unix:PATH`.
    Form,
    /// More than one colon, so an IPv6 address without its brackets.
    Brackets,
    /// What follows the host is no port.
    Port,
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AddressError::Form => "not an address; write HOST:PORT or unix:PATH",
            AddressError::Brackets => "an IPv6 address needs brackets; write it like [::1]:1234",
            AddressError::Port => "a port is a number from 0 to 65535",
        })
    }
}

impl std::error::Error for AddressError {}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(word: &str) -> Result<Address, AddressError> {
        if let Some(path) = word.strip_prefix("unix:") {
            return if path.is_empty() { Err(AddressError::Form) } else { Ok(Address::Unix(path.into())) };
        }
        let (host, port) = word.rsplit_once(':').ok_or(AddressError::Form)?;
        let host = match host.strip_prefix('[') {
            Some(rest) => rest.strip_suffix(']').ok_or(AddressError::Brackets)?,
            None if host.contains(':') => return Err(AddressError::Brackets),
            None => host,
        };
        if host.is_empty() {
            return Err(AddressError::Form);
        }
        let Port(port) = port.parse()?;
        Ok(Address::Tcp { host: host.to_owned(), port })
    }
}

/// A number of bytes, written like `512K` or `4GiB`. The units are powers of 1024.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

/// Why a word is no [`ByteSize`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteSizeError {
    /// Not a number with a known unit.
    Form,
    /// More than 64 bits.
    TooBig,
}

impl fmt::Display for ByteSizeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ByteSizeError::Form => "not a size; write it like 4096, 512K or 4GiB",
            ByteSizeError::TooBig => "a size must be below 16777216 TiB",
        })
    }
}

impl std::error::Error for ByteSizeError {}

impl FromStr for ByteSize {
    type Err = ByteSizeError;

    fn from_str(word: &str) -> Result<ByteSize, ByteSizeError> {
        let end = word.find(|character: char| !character.is_ascii_digit()).unwrap_or(word.len());
        let (digits, unit) = word.split_at(end);
        // Decimal units, such as GB, are not there: half of their users would mean the others.
        let shift = match unit {
            "" | "B" => 0,
            "K" | "KiB" => 10,
            "M" | "MiB" => 20,
            "G" | "GiB" => 30,
            "T" | "TiB" => 40,
            _ => return Err(ByteSizeError::Form),
        };
        if digits.is_empty() {
            return Err(ByteSizeError::Form);
        }
        let number = digits.parse::<u64>().map_err(|_| ByteSizeError::TooBig)?;
        number.checked_mul(1 << shift).map(ByteSize).ok_or(ByteSizeError::TooBig)
    }
}

/// How many of something are listed at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit(
    /// From 1 to [`Limit::MOST`].
    pub usize,
);

impl Limit {
    /// More are not listed at once.
    pub const MOST: Limit = Limit(1_000_000);
}

/// Why a word is no [`Limit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitError;

impl fmt::Display for LimitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a limit is a number from 1 to {}", Limit::MOST.0)
    }
}

impl std::error::Error for LimitError {}

impl FromStr for Limit {
    type Err = LimitError;

    fn from_str(word: &str) -> Result<Limit, LimitError> {
        // `usize::from_str` would take a plus sign.
        let is_number = word.bytes().all(|byte| byte.is_ascii_digit());
        let number = word.parse().ok().filter(|number| is_number && (1..=Limit::MOST.0).contains(number));
        number.map(Limit).ok_or(LimitError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_address_is_read_and_printed() {
        for word in ["127.0.0.1:1234", "build.example.org:80", "[::1]:65535", "unix:/run/builder.sock"] {
            assert_eq!(word.parse::<Address>().unwrap().to_string(), word);
        }
        let expected = Address::Tcp { host: "fe80::1%em0".to_owned(), port: 1 };
        assert_eq!("[fe80::1%em0]:1".parse(), Ok(expected));
        assert_eq!(Address::default().to_string(), "127.0.0.1:1234");
    }

    #[test]
    fn other_words_are_refused() {
        for (word, error) in [
            ("", AddressError::Form),
            ("localhost", AddressError::Form),
            (":1234", AddressError::Form),
            ("[]:1234", AddressError::Form),
            ("unix:", AddressError::Form),
            ("::1:1234", AddressError::Brackets),
            ("[::1:1234", AddressError::Brackets),
            ("localhost:", AddressError::Port),
            ("localhost:http", AddressError::Port),
            ("localhost:+80", AddressError::Port),
            ("localhost:65536", AddressError::Port),
        ] {
            assert_eq!(word.parse::<Address>(), Err(error), "{word}");
        }
    }

    #[test]
    fn sizes_count_in_powers_of_1024() {
        for (word, size) in [
            ("0", 0),
            ("4096", 4096),
            ("12B", 12),
            ("512K", 512 << 10),
            ("3MiB", 3 << 20),
            ("4GiB", 4 << 30),
            ("16777215TiB", 16_777_215 << 40),
        ] {
            assert_eq!(word.parse(), Ok(ByteSize(size)), "{word}");
        }
    }

    #[test]
    fn other_sizes_are_refused() {
        for word in ["", "G", "1GB", "1 G", "-1", "1.5G", "1Gi", "１"] {
            assert_eq!(word.parse::<ByteSize>(), Err(ByteSizeError::Form), "{word}");
        }
        for word in ["16777216TiB", "18446744073709551616"] {
            assert_eq!(word.parse::<ByteSize>(), Err(ByteSizeError::TooBig), "{word}");
        }
    }

    #[test]
    fn limits_are_numbers_from_1_on() {
        assert_eq!("1".parse(), Ok(Limit(1)));
        assert_eq!("1000000".parse(), Ok(Limit::MOST));
        for word in ["", "0", "-1", "+1", "1000001", "ten", "99999999999999999999"] {
            assert_eq!(word.parse::<Limit>(), Err(LimitError), "{word}");
        }
    }
}
