//! The name and password for an upload server, and the ways to keep them from others.

use std::env;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The variable that holds `user:pass` when neither a file nor the URL does.
pub(crate) const VARIABLE: &str = "BUILDER_UPLOAD_CREDENTIALS";
/// Bytes of the longest file with credentials.
const FILE_BYTES: u64 = 4096;

/// What is shown in the place of credentials.
const CONCEALED: &str = "(the credentials)";
/// Characters at the end of a text that are taken for the beginning of credentials when they are equal. Fewer say nothing.
const SHORTEST_CUT: usize = 4;

/// A user and a password, shown to nobody: there is no `Display`, and `Debug` says nothing.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Credentials(String);

/// Where credentials come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// There are none.
    Nowhere,
    /// From a file, read at each use, so that a change counts at once.
    File(PathBuf),
    /// From the URL or the environment.
    Given(Credentials),
}

/// Why there are no credentials. Never says what it found.
#[derive(Debug)]
pub(crate) enum CredentialsError {
    /// The file cannot be read.
    Read(PathBuf, io::Error),
    /// The file holds something else.
    FileForm(PathBuf),
    /// The environment variable holds something else.
    VariableForm,
}

impl Credentials {
    /// Takes one line `user:pass`; the password may contain colons, and neither may contain control characters.
    pub(crate) fn parse(line: &str) -> Option<Credentials> {
        let line = line.strip_suffix('\n').unwrap_or(line);
        let line = line.strip_suffix('\r').unwrap_or(line);
        let (user, _) = line.split_once(':')?;
        (!user.is_empty() && !line.contains(char::is_control)).then(|| Credentials(line.to_owned()))
    }

    /// Reads a file that holds one line.
    pub(crate) fn read(path: &Path) -> Result<Credentials, CredentialsError> {
        let read = |error| CredentialsError::Read(path.to_owned(), error);
        let file = File::open(path).map_err(read)?;
        let mode = file.metadata().map_err(read)?.permissions().mode();
        if mode & 0o004 != 0 {
            log::warn!(
                "everyone can read the credentials in {}; protect them with chmod 600",
                path.display()
            );
        }
        let mut bytes = Vec::new();
        file.take(FILE_BYTES).read_to_end(&mut bytes).map_err(read)?;
        let line = String::from_utf8(bytes).ok();
        line.and_then(|line| Credentials::parse(&line))
            .ok_or_else(|| CredentialsError::FileForm(path.to_owned()))
    }

    /// What the environment holds, if anything.
    pub(crate) fn from_environment() -> Result<Option<Credentials>, CredentialsError> {
        let Some(value) = env::var_os(VARIABLE) else { return Ok(None) };
        let line = value.to_str().and_then(Credentials::parse);
        line.map(Some).ok_or(CredentialsError::VariableForm)
    }

    /// As the environment variable holds them, for another process.
    pub(crate) fn for_environment(&self) -> &str {
        &self.0
    }

    /// The value of the header `Authorization`.
    pub(crate) fn authorization(&self) -> String {
        format!("Basic {}", base64(self.0.as_bytes()))
    }

    /// The text without the credentials, should a server have sent them back, not even when the text ends amid them.
    pub(crate) fn conceal(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in [base64(self.0.as_bytes()), self.0.clone()] {
            text = text.replace(&secret, CONCEALED);
            let cut = (SHORTEST_CUT..secret.len()).rev().filter_map(|length| secret.get(..length));
            if let Some(rest) = { cut }.find_map(|start| text.strip_suffix(start)) {
                text = format!("{rest}{CONCEALED}");
            }
        }
        text
    }
}

impl Source {
    /// The credentials, if there are any.
    pub(crate) fn read(&self) -> Result<Option<Credentials>, CredentialsError> {
        match self {
            Source::Nowhere => Ok(None),
            Source::File(path) => Credentials::read(path).map(Some),
            Source::Given(credentials) => Ok(Some(credentials.clone())),
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(..)")
    }
}

impl fmt::Display for CredentialsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CredentialsError::Read(path, error) => {
                write!(f, "cannot read the credentials in {}: {error}", path.display())
            }
            CredentialsError::FileForm(path) => {
                write!(f, "{} does not hold credentials; write one line user:pass into it", path.display())
            }
            CredentialsError::VariableForm => {
                write!(f, "{VARIABLE} does not hold credentials; set it to user:pass or not at all")
            }
        }
    }
}

impl std::error::Error for CredentialsError {}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Base64 as RFC 4648 has it, with padding.
fn base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let bits =
            (0..3).fold(0, |bits, index| bits << 8 | u32::from(chunk.get(index).copied().unwrap_or(0)));
        for digit in 0..4 {
            let letter = match digit <= chunk.len() {
                true => ALPHABET.get((bits >> (18 - 6 * digit)) as usize % 64).copied().unwrap_or(b'='),
                false => b'=',
            };
            text.push(char::from(letter));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn base64_is_that_of_the_rfc() {
        for (plain, encoded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(plain.as_bytes()), encoded);
        }
        assert_eq!(base64(&[0xfb, 0xff, 0xfe]), "+//+");
    }

    #[test]
    fn a_line_is_a_user_and_a_password() {
        let given = |line| Credentials::parse(line).map(|credentials| credentials.0);
        for line in ["user:pass", "user:pass\n", "user:pass\r\n"] {
            assert_eq!(given(line).as_deref(), Some("user:pass"));
        }
        assert_eq!(given("u:p:a@s/s ").as_deref(), Some("u:p:a@s/s "));
        assert_eq!(given("u:").as_deref(), Some("u:"));
        for line in ["", "user", ":pass", "user:pass\nmore", "u\0:p", "\n"] {
            assert_eq!(given(line), None, "{line:?}");
        }
    }

    #[test]
    fn credentials_become_a_header_and_nothing_else() {
        let credentials = Credentials::parse("Aladdin:open sesame").unwrap();
        assert_eq!(credentials.authorization(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert_eq!(format!("{credentials:?}"), "Credentials(..)");
    }

    #[test]
    fn credentials_that_come_back_are_not_shown() {
        let credentials = Credentials::parse("Aladdin:open sesame").unwrap();
        for (text, shown) in [
            (
                "Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ== x",
                "Authorization: Basic (the credentials) x",
            ),
            ("you are Aladdin:open sesame, no?", "you are (the credentials), no?"),
            ("Basic QWxhZGRpbjpvcG", "Basic (the credentials)"),
            ("you are Aladdin:op", "you are (the credentials)"),
            ("nothing of that", "nothing of that"),
        ] {
            assert_eq!(credentials.conceal(text), shown);
        }
    }

    #[test]
    fn errors_name_the_file_but_not_what_it_holds() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("credentials");
        fs::write(&path, "secret\n").unwrap();
        let error = Credentials::read(&path).unwrap_err().to_string();
        assert!(error.contains(path.to_str().unwrap()) && !error.contains("secret"), "{error}");
        fs::write(&path, "user:pass\n").unwrap();
        assert_eq!(Credentials::read(&path).unwrap().0, "user:pass");
        let error = Credentials::read(&place.path().join("absent")).unwrap_err().to_string();
        assert!(error.starts_with("cannot read the credentials in /"), "{error}");
    }
}
