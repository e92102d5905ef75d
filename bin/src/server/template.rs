//! The templates of orb-build jobs in the configuration directory, and noticing when they change.

use builder_engine::driver::TemplateReading;
use builder_engine::server::Templates;
use builder_proto::text::Text;
use std::fs;
use std::io::{self, ErrorKind, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What the names of template files start with; the platform follows.
const PREFIX: &[u8] = b"orb-build.template.";
/// Bytes of the longest template; a script has to fit into a message with it.
const TEMPLATE_BYTES: u64 = 1024 * 1024;

/// The configuration directory.
#[derive(Debug)]
pub(crate) struct TemplateDirectory {
    path: PathBuf,
    /// What the directory and the templates in it looked like when they were read.
    seen: Seen,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    directory: Option<Fingerprint>,
    templates: Vec<Fingerprint>,
}

/// Enough of a file's metadata to notice that it changed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Fingerprint {
    path: PathBuf,
    inode: u64,
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl TemplateDirectory {
    pub(crate) fn new(path: &Path) -> TemplateDirectory {
        TemplateDirectory { path: path.to_owned(), seen: Seen::default() }
    }

    /// Reads all templates. What cannot be read is reported and left out.
    pub(crate) fn read(&mut self) -> TemplateReading {
        self.seen = self.look().unwrap_or_else(|error| {
            log::error!("cannot look for templates in {}: {error}", self.path.display());
            Seen::default()
        });
        let (mut templates, mut has_failed) = (Templates::new(), false);
        for file in &self.seen.templates {
            match (platform_of(&file.path), read_template(&file.path)) {
                (Some(platform), Ok(template)) => {
                    templates.insert(platform, template);
                }
                (None, _) => {}
                (_, Err(error)) => {
                    has_failed = true;
                    log::error!(
                        "cannot read the template {}: {error}; orb-build jobs of its platform wait until it can be read",
                        file.path.display()
                    );
                }
            }
        }
        TemplateReading { templates, has_failed }
    }

    /// Reads all templates if one came or went or, when looked at thoroughly, changed.
    pub(crate) fn read_changes(&mut self, thorough: bool) -> Option<TemplateReading> {
        let changed = match thorough {
            true => self.look().is_ok_and(|seen| seen != self.seen),
            false => fingerprint(&self.path) != self.seen.directory,
        };
        changed.then(|| self.read())
    }

    fn look(&self) -> io::Result<Seen> {
        let directory = fingerprint(&self.path);
        let mut templates = Vec::new();
        let entries = match fs::read_dir(&self.path) {
            Ok(entries) => entries,
            // Without a configuration directory there are no templates; that is a way to run.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Seen { directory, templates }),
            Err(error) => return Err(error),
        };
        for entry in entries {
            let path = entry?.path();
            if platform_of(&path).is_some() {
                templates.extend(fingerprint(&path));
            }
        }
        templates.sort();
        Ok(Seen { directory, templates })
    }
}

fn platform_of(path: &Path) -> Option<Text> {
    path.file_name()?.as_bytes().strip_prefix(PREFIX).filter(|platform| !platform.is_empty()).map(Text::from)
}

fn fingerprint(path: &Path) -> Option<Fingerprint> {
    // A link that leads nowhere is a template all the same: one that cannot be read, which somebody should be told.
    let metadata = fs::metadata(path).or_else(|_| fs::symlink_metadata(path)).ok()?;
    Some(Fingerprint {
        inode: metadata.ino(),
        length: metadata.len(),
        modified: (metadata.mtime(), metadata.mtime_nsec()),
        changed: (metadata.ctime(), metadata.ctime_nsec()),
        path: path.to_owned(),
    })
}

fn read_template(path: &Path) -> io::Result<Vec<u8>> {
    let mut template = Vec::new();
    // Opening anything else could wait for ever.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(ErrorKind::InvalidInput, "it is not a regular file"));
    }
    fs::File::open(path)?.take(TEMPLATE_BYTES + 1).read_to_end(&mut template)?;
    // Whoever writes a template in place empties it first.
    if template.is_empty() {
        return Err(io::Error::new(ErrorKind::InvalidData, "it is empty"));
    }
    if template.len() as u64 > TEMPLATE_BYTES {
        return Err(io::Error::new(ErrorKind::InvalidData, format!("it exceeds {TEMPLATE_BYTES} bytes")));
    }
    Ok(template)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn a_template_that_changes_within_a_second_is_read_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("orb-build.template.debian-12");
        fs::write(&path, "one").unwrap();
        let file = fs::File::options().write(true).open(&path).unwrap();
        let at = UNIX_EPOCH + Duration::from_secs(1_767_225_600);
        file.set_modified(at).unwrap();
        let mut templates = TemplateDirectory::new(directory.path());
        let template = |reading: TemplateReading| reading.templates[&Text::from("debian-12")].clone();
        assert_eq!(template(templates.read()), b"one");
        assert_eq!(templates.read_changes(true), None);
        // As long as before, and in the same second.
        fs::write(&path, "two").unwrap();
        file.set_modified(at + Duration::from_millis(1)).unwrap();
        assert_eq!(templates.read_changes(true).map(template), Some(b"two".to_vec()));
    }

    #[test]
    fn a_template_behind_a_link_that_changes_is_read_again() {
        let directory = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        let file = elsewhere.path().join("template");
        fs::write(&file, "one").unwrap();
        symlink(&file, directory.path().join("orb-build.template.debian-12")).unwrap();
        let mut templates = TemplateDirectory::new(directory.path());
        let template = |reading: TemplateReading| reading.templates[&Text::from("debian-12")].clone();
        assert_eq!(template(templates.read()), b"one");
        fs::write(&file, "another").unwrap();
        assert_eq!(templates.read_changes(true).map(template), Some(b"another".to_vec()));
    }
}
