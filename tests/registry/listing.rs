//! What lies in a folder, to the byte, before and after a run?

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, Metadata};
use std::hash::{DefaultHasher, Hasher};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Everything that a change would show in, by path; the folders are listed, too.
#[derive(Clone, PartialEq, Eq)]
pub struct Listing(BTreeMap<PathBuf, String>);

impl Listing {
    /// Must not be made by the process that has the database open: closing a descriptor drops its locks.
    pub fn of(folder: &Path) -> Self {
        let mut listing = Self(BTreeMap::new());
        listing.add(folder);
        listing
    }

    fn add(&mut self, path: &Path) {
        let meta = fs::symlink_metadata(path).unwrap();
        let mut seen = describe(&meta);
        if meta.is_file() {
            let mut hasher = DefaultHasher::new();
            hasher.write(&fs::read(path).unwrap());
            seen = format!("{seen} hash {:016x}", hasher.finish());
        }
        self.0.insert(path.to_owned(), seen);
        if meta.is_dir() {
            for entry in fs::read_dir(path).unwrap() {
                self.add(&entry.unwrap().path());
            }
        }
    }

    /// Names of the files directly in the folder, sorted.
    pub fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> = entries
            .map(|e| String::from_utf8_lossy(e.unwrap().file_name().as_bytes()).into_owned())
            .collect();
        names.sort();
        names
    }

    #[track_caller]
    pub fn expect_same(&self, after: &Self, what: &str) {
        let both: HashMap<_, _> = self.0.iter().chain(&after.0).collect();
        let mut changes: Vec<String> = both
            .into_keys()
            .filter(|path| self.0.get(*path) != after.0.get(*path))
            .map(|path| format!("{}\n  {:?}\n  {:?}", path.display(), self.0.get(path), after.0.get(path)))
            .collect();
        changes.sort();
        assert!(changes.is_empty(), "{what}: changed in or beside the registry:\n{}", changes.join("\n"));
    }
}

/// All but the time of the last access, which reading may change.
fn describe(meta: &Metadata) -> String {
    format!(
        "inode {} links {} mode {:o} owner {}:{} size {} mtime {}.{:09} ctime {}.{:09}",
        meta.ino(),
        meta.nlink(),
        meta.mode(),
        meta.uid(),
        meta.gid(),
        meta.size(),
        meta.mtime(),
        meta.mtime_nsec(),
        meta.ctime(),
        meta.ctime_nsec()
    )
}
