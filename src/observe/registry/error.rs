//! Why could the registry not be read? One variant per cause that an operator would mend differently.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::ErrorCode;
use rusqlite::ffi;
use rustix::fs::{Access, AtFlags, CWD, accessat};

use crate::plain::plain;

/// Why the registry could not be read; the sentence ends with what to do.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// Nothing lies at the path.
    #[error("cannot open registry {}: there is no such file; is DB_PATH right?", .0.display())]
    NotFound(PathBuf),
    /// A folder lies at the path.
    #[error("cannot open registry {}: it is a folder; DB_PATH must name the database file in it", .0.display())]
    Folder(PathBuf),
    /// A FIFO, socket or device lies at the path.
    #[error("cannot open registry {}: it is no regular file", .0.display())]
    Irregular(PathBuf),
    /// The user may not read the file or a folder on the way to it.
    #[error("cannot open registry {}: permission denied; is the unit's user in the registry's group?", .0.display())]
    Denied(PathBuf),
    /// The file has no byte.
    #[error("cannot check registry {}: the file is empty; was it truncated, or never filled?", .0.display())]
    Empty(PathBuf),
    /// The first bytes are not SQLite's.
    #[error("cannot check registry {}: it is no SQLite database, or an encrypted one", .0.display())]
    NotADatabase(PathBuf),
    /// The file is shorter than its own header says, or SQLite found it damaged.
    #[error("cannot check registry {}: the database is damaged ({detail}); restore it from a backup", path.display())]
    Damaged {
        /// The database.
        path: PathBuf,
        /// What gave it away.
        detail: String,
    },
    /// Another process holds the file exclusively for longer than we wait.
    #[error("cannot check registry {}: locked exclusively{} for over {} s; does it run with locking_mode=EXCLUSIVE?", path.display(), holder(*pid), waited.as_secs())]
    Locked {
        /// The database.
        path: PathBuf,
        /// Who holds the lock, where the kernel says so.
        pid: Option<i32>,
        /// How long we waited.
        waited: Duration,
    },
    /// A -wal without its -shm, which only a writer may mend.
    #[error("cannot check registry {}: its -wal lies there without a readable -shm, and only a writer may mend that; open it once with the application (or `sqlite3 FILE 'PRAGMA wal_checkpoint'` as its owner)", .0.display())]
    WalWithoutIndex(PathBuf),
    /// A transaction was torn and must be rolled back by a writer.
    #[error("cannot check registry {}: a hot -journal lies beside it (a writer died in a transaction); open it once with the application to roll it back", .0.display())]
    HotJournal(PathBuf),
    /// The file changed each time that it was read.
    #[error("cannot check registry {}: it changed {tries} times while it was read; keep one connection of the application open during the check, or check a copy", path.display())]
    Changing {
        /// The database.
        path: PathBuf,
        /// How often it was tried.
        tries: u32,
    },
    /// Stopped by a signal or by the deadline before the first answer.
    #[error("cannot check registry {}: {reason} before it could be opened", path.display())]
    Stopped {
        /// The database.
        path: PathBuf,
        /// What stopped it.
        reason: &'static str,
    },
    /// Anything else that the system or SQLite said.
    #[error("cannot read registry {}: {detail}", path.display())]
    Other {
        /// The database.
        path: PathBuf,
        /// Their words.
        detail: String,
    },
}

fn holder(pid: Option<i32>) -> String {
    pid.map(|pid| format!(" by process {pid}")).unwrap_or_default()
}

impl RegistryError {
    /// Whether a writer that is just opening or closing the registry may be the cause.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        !matches!(
            self,
            Self::NotFound(_)
                | Self::Folder(_)
                | Self::Irregular(_)
                | Self::Empty(_)
                | Self::Locked { .. }
                | Self::Changing { .. }
                | Self::Stopped { .. }
        )
    }

    /// The run had to stop before somebody else's lock was free.
    #[must_use]
    pub fn stopped_by_lock(path: &Path) -> Self {
        Self::Stopped { path: path.to_owned(), reason: "the run was stopped while somebody held it locked," }
    }

    /// What a system error on the database file means.
    #[must_use]
    pub fn from_io(path: &Path, error: &std::io::Error) -> Self {
        let path = path.to_owned();
        match error.kind() {
            std::io::ErrorKind::NotFound => Self::NotFound(path),
            std::io::ErrorKind::PermissionDenied => Self::Denied(path),
            _ => Self::Other { path, detail: plain(error) },
        }
    }

    /// What an error of SQLite means for the database as a whole.
    #[must_use]
    pub fn from_sqlite(path: &Path, error: &rusqlite::Error, waited: Duration) -> Self {
        let path = path.to_owned();
        let Some(failure) = error.sqlite_error() else {
            return Self::Other { path, detail: error.to_string() };
        };
        let cannot =
            matches!(failure.code, ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied);
        if let Some(denied) = denied_beside(&path).filter(|_| cannot) {
            return Self::Denied(denied);
        }
        match (failure.code, failure.extended_code) {
            (ErrorCode::NotADatabase, _) => Self::NotADatabase(path),
            (ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked, _) => {
                Self::Locked { path, pid: None, waited }
            }
            (_, ffi::SQLITE_READONLY_ROLLBACK) => Self::HotJournal(path),
            (
                _,
                ffi::SQLITE_READONLY_CANTINIT
                | ffi::SQLITE_READONLY_RECOVERY
                | ffi::SQLITE_READONLY_DIRECTORY,
            ) => Self::WalWithoutIndex(path),
            (ErrorCode::CannotOpen, _) if beside(&path, "-wal").exists() => Self::WalWithoutIndex(path),
            (ErrorCode::CannotOpen | ErrorCode::PermissionDenied, _) => Self::Denied(path),
            (ErrorCode::DatabaseCorrupt, _) => Self::Damaged { path, detail: error.to_string() },
            _ => Self::Other { path, detail: error.to_string() },
        }
    }
}

/// A file of SQLite's beside the database that this user may not read.
fn denied_beside(database: &Path) -> Option<PathBuf> {
    let files = ["-wal", "-shm", "-journal"].map(|ending| beside(database, ending));
    let is_denied = |file: &PathBuf| {
        accessat(CWD, file, Access::READ_OK, AtFlags::EACCESS) == Err(rustix::io::Errno::ACCESS)
    };
    files.into_iter().find(is_denied)
}

/// The file that SQLite puts beside a database under this ending.
#[must_use]
pub fn beside(database: &Path, ending: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}
