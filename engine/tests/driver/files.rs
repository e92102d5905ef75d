//! The data directory: all of it in memory, and nothing of it fails unless a test says so.

use builder_engine::driver::{DirectoryName, FileName, Files};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::rc::{Rc, Weak};

/// The contents of a file, for as long as it has a name or is open.
type Contents = RefCell<Vec<u8>>;

/// A data directory. Clones are the same one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Directory(Rc<RefCell<Tree>>);

#[derive(Debug, Default)]
struct Tree {
    files: BTreeMap<String, File>,
    directories: BTreeSet<String>,
    faults: Vec<(&'static str, ErrorKind)>,
}

/// An open file.
#[derive(Clone, Debug)]
pub(crate) struct File {
    path: String,
    contents: Rc<Contents>,
}

impl Directory {
    /// From now on each operation fails whose name and path begin like this, as in `remove staging/`.
    pub(crate) fn fail(&self, operation: &'static str, error: ErrorKind) {
        self.0.borrow_mut().faults.push((operation, error));
    }

    /// From now on nothing fails.
    pub(crate) fn mend(&self) {
        self.0.borrow_mut().faults.clear();
    }

    /// The paths of all files, in order.
    pub(crate) fn paths(&self) -> Vec<String> {
        self.0.borrow().files.keys().cloned().collect()
    }

    /// Puts a file in place behind everyone's back.
    pub(crate) fn put(&self, path: &str, contents: &[u8]) {
        let file = File { path: path.to_owned(), contents: Rc::new(RefCell::new(contents.to_vec())) };
        self.0.borrow_mut().files.insert(path.to_owned(), file);
    }

    /// What becomes of a file can be seen without having it open.
    pub(crate) fn watch(&self, path: &str) -> Weak<Contents> {
        Rc::downgrade(&self.0.borrow().files[path].contents)
    }

    fn operate(&self, operation: &str, path: &str) -> io::Result<()> {
        let attempt = format!("{operation} {path}");
        let fault = self.0.borrow().faults.iter().find(|(start, _)| attempt.starts_with(start)).copied();
        fault.map_or(Ok(()), |(_, error)| Err(error.into()))
    }

    fn file(&self, path: &str) -> io::Result<File> {
        self.0.borrow().files.get(path).cloned().ok_or_else(|| ErrorKind::NotFound.into())
    }
}

fn directory(name: DirectoryName<'_>) -> String {
    match name {
        DirectoryName::Root => "root".to_owned(),
        DirectoryName::Private => "private".to_owned(),
        DirectoryName::Spools => "spool".to_owned(),
        DirectoryName::Stagings => "staging".to_owned(),
        DirectoryName::Job(job) => job.to_string(),
        DirectoryName::Build(job, uuid) => format!("{job}/{uuid}"),
    }
}

fn path(name: FileName<'_>) -> String {
    match name {
        FileName::Spool(uuid) => format!("spool/{uuid}"),
        FileName::Staged(uuid) => format!("staging/{uuid}"),
        FileName::Result { job, uuid } => format!("{job}/{uuid}/full"),
        FileName::OldState => "state".to_owned(),
        FileName::Entry(parent, name) => format!("{}/{}", directory(parent), String::from_utf8_lossy(name)),
    }
}

impl Files for Directory {
    type File = File;
    type Directory = String;

    fn create(&self, name: FileName<'_>) -> io::Result<File> {
        let path = path(name);
        self.operate("create", &path)?;
        if self.file(&path).is_ok() {
            return Err(ErrorKind::AlreadyExists.into());
        }
        self.put(&path, &[]);
        self.file(&path)
    }

    fn open(&self, name: FileName<'_>) -> io::Result<File> {
        let path = path(name);
        self.operate("open", &path)?;
        self.file(&path)
    }

    fn size(&self, name: FileName<'_>) -> io::Result<u64> {
        let path = path(name);
        self.operate("size", &path)?;
        self.length(&self.file(&path)?)
    }

    fn length(&self, file: &File) -> io::Result<u64> {
        Ok(file.contents.borrow().len() as u64)
    }

    fn read_at(&self, file: &File, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.operate("read", &file.path)?;
        let contents = file.contents.borrow();
        let rest = contents.get(offset as usize..).unwrap_or_default();
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        Ok(length)
    }

    /// What fails has written half of it.
    fn write_at(&self, file: &File, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        let outcome = self.operate("write", &file.path);
        let written = if outcome.is_ok() { bytes } else { &bytes[..bytes.len() / 2] };
        let (mut contents, start) = (file.contents.borrow_mut(), offset as usize);
        let length = contents.len().max(start + written.len());
        contents.resize(length, 0);
        contents[start..start + written.len()].copy_from_slice(written);
        outcome.map(|()| written.len())
    }

    fn set_length(&self, file: &File, length: u64) -> io::Result<()> {
        self.operate("set length of", &file.path)?;
        file.contents.borrow_mut().resize(length as usize, 0);
        Ok(())
    }

    fn start_flush(&self, _: &File, _: u64, _: u64) {}

    fn sync(&self, file: &File) -> io::Result<()> {
        self.operate("sync", &file.path)
    }

    fn sync_all(&self) -> Option<io::Result<()>> {
        None
    }

    fn rename(&self, from: FileName<'_>, to: FileName<'_>) -> io::Result<()> {
        let (from, to) = (path(from), path(to));
        self.operate("rename", &from)?;
        let contents = self.file(&from)?.contents;
        let mut tree = self.0.borrow_mut();
        tree.files.remove(&from);
        tree.files.insert(to.clone(), File { path: to, contents });
        Ok(())
    }

    fn remove(&self, name: FileName<'_>) -> io::Result<()> {
        let path = path(name);
        self.operate("remove", &path)?;
        self.file(&path)?;
        self.0.borrow_mut().files.remove(&path);
        Ok(())
    }

    fn make_directory(&self, name: DirectoryName<'_>) -> io::Result<()> {
        let mut tree = self.0.borrow_mut();
        if let DirectoryName::Build(job, _) = name
            && !tree.directories.contains(&job.to_string())
        {
            return Err(ErrorKind::NotFound.into());
        }
        match tree.directories.insert(directory(name)) {
            true => Ok(()),
            false => Err(ErrorKind::AlreadyExists.into()),
        }
    }

    fn open_directory(&self, name: DirectoryName<'_>) -> io::Result<String> {
        let path = directory(name);
        match name {
            DirectoryName::Root | DirectoryName::Private => Ok(path),
            _ if self.0.borrow().directories.contains(&path) => Ok(path),
            _ => Err(ErrorKind::NotFound.into()),
        }
    }

    fn sync_directory(&self, path: &String) -> io::Result<()> {
        self.operate("sync names in", path)
    }

    fn remove_directory(&self, name: DirectoryName<'_>) -> io::Result<()> {
        match self.0.borrow_mut().directories.remove(&directory(name)) {
            true => Ok(()),
            false => Err(ErrorKind::NotFound.into()),
        }
    }

    fn list(&self, name: DirectoryName<'_>) -> io::Result<Vec<Vec<u8>>> {
        let start = format!("{}/", directory(name));
        let paths = self.paths();
        Ok(paths.iter().filter_map(|path| Some(path.strip_prefix(&start)?.as_bytes().to_vec())).collect())
    }

    fn describe(&self, name: FileName<'_>) -> String {
        path(name)
    }

    fn describe_directory(&self, name: DirectoryName<'_>) -> String {
        directory(name)
    }
}
