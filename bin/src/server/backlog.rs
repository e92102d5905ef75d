//! How many connections wait until the server accepts them. The system cuts what a program asks for to a setting of its own,
//! without a word.

use std::io;

/// Connections that the server asks the system to hold, at each address, until they are accepted. This is what Linux allows
/// by default.
pub(crate) const BACKLOG: i32 = 4096;

/// What a system calls its limit, and what it does with connections beyond that.
struct Limit {
    setting: &'static str,
    consequence: &'static str,
}

const FREEBSD: Limit = Limit {
    setting: "kern.ipc.soacceptqueue",
    consequence: "the system resets the connections of the others",
};
const LINUX: Limit =
    Limit { setting: "net.core.somaxconn", consequence: "the others wait for several seconds" };
const HERE: Limit = if cfg!(target_os = "freebsd") { FREEBSD } else { LINUX };

/// Says so when the system lets fewer connections wait than the server asks for.
pub(crate) fn check() {
    match most() {
        Ok(most) => {
            if let Some(complaint) = complaint(&HERE, most) {
                log::warn!("{complaint}");
            }
        }
        Err(error) => log::debug!("cannot read {}: {error}", HERE.setting),
    }
}

/// What to say of a system that lets so many connections wait.
fn complaint(limit: &Limit, most: u32) -> Option<String> {
    let Limit { setting, consequence } = limit;
    let is_cut = i64::from(most) < i64::from(BACKLOG);
    is_cut.then(|| {
        format!(
            "no more than {most} connections can wait to be accepted, not {BACKLOG}: if more come at once, \
             {consequence}; run 'sysctl {setting}={BACKLOG}', and restart the server"
        )
    })
}

#[cfg(target_os = "freebsd")]
fn most() -> io::Result<u32> {
    let value = crate::sysctl::read_named(c"kern.ipc.soacceptqueue", size_of::<u32>())?;
    let value = <[u8; 4]>::try_from(value).map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
    Ok(u32::from_ne_bytes(value))
}

#[cfg(not(target_os = "freebsd"))]
fn most() -> io::Result<u32> {
    let value = std::fs::read_to_string("/proc/sys/net/core/somaxconn")?;
    value.trim().parse().map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_cuts_the_backlog_is_named_with_its_remedy() {
        let complaint = |limit| complaint(limit, 128).unwrap();
        let said = complaint(&FREEBSD);
        assert!(
            said.starts_with("no more than 128 connections can wait to be accepted, not 4096: "),
            "{said}"
        );
        assert!(said.contains("resets"), "{said}");
        assert!(said.ends_with("run 'sysctl kern.ipc.soacceptqueue=4096', and restart the server"), "{said}");
        assert!(complaint(&LINUX).contains("'sysctl net.core.somaxconn=4096'"));
    }

    #[test]
    fn a_limit_that_cuts_nothing_is_nothing_to_speak_of() {
        for most in [4096, 65_535, u32::MAX] {
            assert_eq!(complaint(&FREEBSD, most), None, "{most}");
        }
        assert!(complaint(&LINUX, 4095).is_some());
    }

    #[test]
    fn this_system_says_what_it_allows() {
        assert!(most().unwrap() > 0);
    }
}
