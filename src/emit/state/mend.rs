//! What becomes of a `state.db` that cannot be read? It is set aside, and what can be saved of its outbox is
//! in the fresh one before that takes its place.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use chrono::{DateTime, SecondsFormat, Utc};
use rusqlite::{Connection, OptionalExtension};

use super::open::{self, BUSY, with_suffix};
use super::{StateError, apart, salvage};
use crate::verdict::{Finding, State};

/// A state file that was put out of the way, for the finding that names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aside {
    /// Where it lies now.
    pub path: PathBuf,
    /// What was wrong with it.
    pub why: String,
}

impl Aside {
    /// What people hear of it: alerts may be lost with it.
    #[must_use]
    pub fn finding(&self) -> Finding {
        let sentence = format!(
            "the record of earlier runs and of alerts still to be told could not be read ({}) and was set aside as \
             {}; the alerts in it that could be read are kept, last success and incidents begin anew",
            self.why,
            self.path.display()
        );
        Finding::new(State::Unknown, sentence)
    }
}

/// Held by the one process that makes or mends the `state.db` of a folder: two at once would put each
/// other's fresh file aside. It is a lock on the folder itself, so that no further file lies in there.
#[derive(Debug)]
pub(super) struct MendingLock {
    _folder: File,
}

impl MendingLock {
    pub(super) fn take(path: &Path) -> Result<Self, StateError> {
        Self::wait(path, File::try_lock)
    }

    /// Beside others who only want that nobody puts a file out of the way.
    pub(super) fn share(path: &Path) -> Result<Self, StateError> {
        Self::wait(path, File::try_lock_shared)
    }

    fn wait(path: &Path, lock: impl Fn(&File) -> Result<(), TryLockError>) -> Result<Self, StateError> {
        let failed = |source| StateError::Create { path: path.to_path_buf(), source };
        let folder = File::open(path.parent().unwrap_or(Path::new("."))).map_err(failed)?;
        let asked = Instant::now();
        loop {
            match lock(&folder) {
                Ok(()) => return Ok(Self { _folder: folder }),
                Err(TryLockError::WouldBlock) if asked.elapsed() < BUSY => {
                    // flock(2) has no deadline; who mends is done in milliseconds.
                    std::thread::sleep(std::time::Duration::from_millis(10));
                }
                Err(TryLockError::WouldBlock) => return Err(StateError::Busy { path: path.to_path_buf() }),
                Err(TryLockError::Error(source)) => return Err(failed(source)),
            }
        }
    }
}

/// Puts a `state.db` that cannot be read out of the way, and a fresh one in its place; that it was so stands
/// in the fresh one ([`untold`]). Nothing is left to do where another process has done so meanwhile.
pub(super) fn mend(path: &Path, now: DateTime<Utc>) -> Result<(), StateError> {
    let _lock = MendingLock::take(path)?;
    if open::is_absent(path) {
        return Ok(());
    }
    let why = match open::open_to_write(path).and_then(|connection| open::examine(path, &connection)) {
        Err(StateError::Unreadable { why, .. }) => why,
        readable => return readable,
    };
    let name = free_name(path, now)?;
    // The order is that of a kill at any point: until the fresh file has its name, the old one has it, and
    // the next run saves anew.
    let fresh = open::build(path, |into| {
        salvage::outbox(path, into)?;
        into.execute("INSERT INTO set_aside VALUES (?, ?)", [&name, &why]).map(drop)
    })?;
    let in_place = set_aside(path, &path.with_file_name(name)).and_then(|()| {
        open::put_in_place(&fresh, path)
            .map_err(|source| StateError::Create { path: path.to_path_buf(), source })
    });
    if in_place.is_err() {
        let _left = std::fs::remove_file(&fresh);
    }
    in_place
}

/// The file in whose place this one was put, where nobody has been told of it yet.
pub(super) fn untold(path: &Path, db: &Connection) -> rusqlite::Result<Option<Aside>> {
    let read = |row: &rusqlite::Row<'_>| {
        let name: String = row.get(0)?;
        Ok(Aside { path: path.with_file_name(name), why: row.get(1)? })
    };
    db.query_row("SELECT name, why FROM set_aside", [], read).optional()
}

/// What there is to tell of it is in the outbox, or in the outputs of a run of which nobody is told.
pub(super) fn forget(db: &Connection) -> rusqlite::Result<()> {
    db.execute("DELETE FROM set_aside", []).map(drop)
}

/// A name for the useless file that no other has.
fn free_name(path: &Path, now: DateTime<Utc>) -> Result<String, StateError> {
    let time = now.to_rfc3339_opts(SecondsFormat::Secs, true);
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    (1..100)
        .map(|n| match n {
            1 => format!("{file}.set-aside-{time}"),
            _ => format!("{file}.set-aside-{time}-{n}"),
        })
        .find(|name| std::fs::symlink_metadata(path.with_file_name(name)).is_err())
        .ok_or_else(|| StateError::SetAside {
            path: path.to_path_buf(),
            source: io::ErrorKind::AlreadyExists.into(),
        })
}

/// Gives a useless `state.db` another name, with the journals beside it, so that nothing of it is lost.
fn set_aside(path: &Path, aside: &Path) -> Result<(), StateError> {
    let failed = |source| StateError::SetAside { path: path.to_path_buf(), source };
    let is_file = std::fs::symlink_metadata(path).is_ok_and(|seen| seen.is_file());
    // A second name, so that the old one is never without a file. Not for a folder, not on every file
    // system, and not for a file of another user (fs.protected_hardlinks).
    if !is_file || std::fs::hard_link(path, aside).is_err() {
        std::fs::rename(path, aside).map_err(failed)?;
    }
    for suffix in ["-journal", "-wal", "-shm"] {
        // Beside the fresh file they would be taken for its own.
        let left = with_suffix(path, suffix);
        let moved = if suffix == "-journal" && !apart::is_changing(path) {
            std::fs::remove_file(left)
        } else {
            std::fs::rename(left, with_suffix(aside, suffix))
        };
        match moved {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
    }
    Ok(())
}
