//! Who is at the other end of a local socket.

use mio::net::UnixStream;
use std::collections::BTreeMap;
use std::fs;
use std::io;

/// The file with the names of users.
const PASSWD: &str = "/etc/passwd";

/// Names of users by their numbers, as far as somebody has asked.
#[derive(Debug, Default)]
pub(super) struct Users(BTreeMap<u32, String>);

impl Users {
    /// The user whose program has connected; by number where no name is known.
    pub(super) fn at(&mut self, socket: &UnixStream) -> Option<String> {
        let number = peer_user(socket)
            .inspect_err(|error| log::debug!("cannot find out whose program has connected: {error}"))
            .ok()?;
        Some(self.0.entry(number).or_insert_with(|| name(number)).clone())
    }
}

fn name(number: u32) -> String {
    let passwd = fs::read_to_string(PASSWD).unwrap_or_default();
    name_in(&passwd, number).map_or_else(|| number.to_string(), str::to_owned)
}

fn name_in(passwd: &str, number: u32) -> Option<&str> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, _, of) = (fields.next()?, fields.next()?, fields.next()?);
        (of.parse() == Ok(number)).then_some(name)
    })
}

#[cfg(target_os = "linux")]
fn peer_user(socket: &UnixStream) -> io::Result<u32> {
    Ok(rustix::net::sockopt::socket_peercred(socket)?.uid.as_raw())
}

#[cfg(not(target_os = "linux"))]
fn peer_user(socket: &UnixStream) -> io::Result<u32> {
    use std::os::fd::AsRawFd;
    let (mut user, mut group) = (0, 0);
    // SAFETY: the descriptor is open, and both places are there to be written to.
    match unsafe { libc::getpeereid(socket.as_raw_fd(), &raw mut user, &raw mut group) } {
        0 => Ok(user),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_called_by_their_names_where_there_are_some() {
        let passwd = "# users\nroot:*:0:0:Charlie &:/root:/bin/sh\ntoor:*:0:0::/root:\nalice:x:1001:\n";
        assert_eq!(name_in(passwd, 0), Some("root"));
        assert_eq!(name_in(passwd, 1001), Some("alice"));
        assert_eq!(name_in(passwd, 1), None);
    }

    #[test]
    fn the_other_end_of_a_socket_of_ours_is_us() {
        let (socket, _other) = UnixStream::pair().unwrap();
        assert_eq!(peer_user(&socket).unwrap(), rustix::process::geteuid().as_raw());
    }
}
