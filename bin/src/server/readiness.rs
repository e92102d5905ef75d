//! Tells a service manager that the server listens, as systemd asks for with `Type=notify`.

use std::env;
use std::ffi::OsStr;
use std::io;
use std::os::unix::net::UnixDatagram;

/// Names the socket of the service manager, if there is one that wants to know: a path, or `@` and an abstract name.
const VARIABLE: &str = "NOTIFY_SOCKET";
const READY: &[u8] = b"READY=1";

/// To be called once everything listens. Without a service manager that waits for it, nothing happens.
pub(crate) fn announce() {
    let Some(name) = env::var_os(VARIABLE).filter(|name| !name.is_empty()) else { return };
    if let Err(error) = announce_to(&name) {
        log::warn!("cannot tell {VARIABLE} {} that the server listens: {error}", name.display());
    }
}

fn announce_to(name: &OsStr) -> io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    match abstract_name(name) {
        Some(name) => send_to_abstract(&socket, name)?,
        None => socket.send_to(READY, name)?,
    };
    Ok(())
}

fn abstract_name(name: &OsStr) -> Option<&[u8]> {
    name.as_encoded_bytes().strip_prefix(b"@")
}

#[cfg(target_os = "linux")]
fn send_to_abstract(socket: &UnixDatagram, name: &[u8]) -> io::Result<usize> {
    use std::os::linux::net::SocketAddrExt;
    let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
    socket.send_to_addr(READY, &address)
}

#[cfg(not(target_os = "linux"))]
fn send_to_abstract(_: &UnixDatagram, _: &[u8]) -> io::Result<usize> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "only Linux has abstract names"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn received(socket: &UnixDatagram) -> Vec<u8> {
        let mut buffer = [0; 64];
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let length = socket.recv(&mut buffer).unwrap();
        buffer[..length].to_vec()
    }

    #[test]
    fn a_socket_in_the_file_system_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        announce_to(path.as_os_str()).unwrap();
        assert_eq!(received(&manager), READY);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_socket_of_an_abstract_name_is_told() {
        use std::os::linux::net::SocketAddrExt;
        let name = format!("builder-test-{}", std::process::id());
        let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
        let manager = UnixDatagram::bind_addr(&address).unwrap();
        announce_to(OsStr::new(&format!("@{name}"))).unwrap();
        assert_eq!(received(&manager), READY);
    }

    #[test]
    fn a_socket_that_is_not_there_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        announce_to(directory.path().join("nobody").as_os_str()).unwrap_err();
    }
}
