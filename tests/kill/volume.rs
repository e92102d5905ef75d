//! A file system of its own for the server's data, whose power can be cut.

use rustix::ioctl::{Setter, ioctl, opcode};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Bytes of the file behind the file system: XFS takes no less.
const SIZE: u64 = 320 << 20;
/// Ends a file system at once: nothing that is in memory gets to the disk any more, be it contents or journal. The number is
/// that of `XFS_IOC_GOINGDOWN`, which ext4 has taken over, and so is the word for not writing the journal.
const SHUT_DOWN: rustix::ioctl::Opcode = opcode::read::<u32>(b'X', 125);
const WITHOUT_JOURNAL: u32 = 2;

/// A mounted file system in a file. Unmounted when dropped.
#[derive(Debug)]
pub(crate) struct Volume {
    image: PathBuf,
    place: PathBuf,
}

impl Volume {
    /// Makes a file system of a kind, and mounts it on an empty directory.
    ///
    /// # Errors
    ///
    /// Why that cannot be done on this machine, or by this user.
    pub(crate) fn mount(kind: &str, image: PathBuf, place: &Path) -> Result<Volume, String> {
        File::create(&image).and_then(|file| file.set_len(SIZE)).map_err(|error| error.to_string())?;
        run(Command::new(format!("mkfs.{kind}")).arg("-q").arg(&image))?;
        let volume = Volume { image, place: place.to_owned() };
        volume.attach()?;
        // Only ext4 has it, and it is no job.
        let _ = fs::remove_dir(place.join("lost+found"));
        Ok(volume)
    }

    /// Loses everything that is not on the disk yet. From now on nothing can be written or read.
    pub(crate) fn cut_power(&self) {
        let root = File::open(&self.place).unwrap();
        // SAFETY: the call takes a pointer to a number of this size and writes nothing.
        unsafe { ioctl(&root, Setter::<SHUT_DOWN, u32>::new(WITHOUT_JOURNAL)) }.unwrap();
    }

    /// Mounts it again as after a power cut. Nobody may use it.
    pub(crate) fn restore_power(&self) {
        run(Command::new("umount").arg(&self.place)).unwrap();
        self.attach().unwrap();
    }

    fn attach(&self) -> Result<(), String> {
        run(Command::new("mount").args(["-o", "loop"]).arg(&self.image).arg(&self.place))
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        if let Err(error) = run(Command::new("umount").arg("-l").arg(&self.place)) {
            eprintln!("{error}");
        }
    }
}

/// Whether the main thread of a process that was stopped does nothing any more, or nothing but wait for the disk, after which it
/// will stop. It is the one that answers.
pub(crate) fn stands_still(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    matches!(state, Some('T' | 'D'))
}

fn run(command: &mut Command) -> Result<(), String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("{program}: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim())),
    }
}
