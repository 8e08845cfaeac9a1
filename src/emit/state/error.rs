//! Why is the state not what it should be?

use std::path::PathBuf;

use crate::plain::plain;

/// What went wrong with the state folder or with `state.db`.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The folder is not there, and cannot be made.
    #[error("cannot make the state folder {}: {}; make it, or name another with --state-dir", path.display(), plain(source))]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What stood in the way.
        source: std::io::Error,
    },
    /// There is no record to read.
    #[error("no run is recorded in {}; has a full run ended with this state folder?", path.display())]
    Absent {
        /// The `state.db` that is not there.
        path: PathBuf,
    },
    /// The file is there and is of no use to this program.
    #[error("cannot read the state in {}: {why}", path.display())]
    Unreadable {
        /// The `state.db`.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The file cannot be opened, or not be made private: nobody knows whether anything is wrong with it, so it
    /// stays where it is.
    #[error("cannot open the state file {}: {}; {}", path.display(), plain(source), remedy(source, *owner))]
    Closed {
        /// The `state.db`.
        path: PathBuf,
        /// What stood in the way.
        source: std::io::Error,
        /// The user to whom it belongs, where that can be seen.
        owner: Option<u32>,
    },
    /// The file is of no use and cannot be put out of the way either.
    #[error("cannot set aside the unreadable state {}: {}; rename it by hand", path.display(), plain(source))]
    SetAside {
        /// The `state.db`.
        path: PathBuf,
        /// What stood in the way.
        source: std::io::Error,
    },
    /// A fresh file could not be begun.
    #[error("cannot begin a new state file {}: {}; is the state folder writable for this user, and is there room?", path.display(), plain(source))]
    Create {
        /// The file.
        path: PathBuf,
        /// What stood in the way.
        source: std::io::Error,
    },
    /// Somebody else kept it locked.
    #[error("state file {} stayed locked by another program for {} s; end that program", path.display(), super::BUSY.as_secs())]
    Busy {
        /// The `state.db`.
        path: PathBuf,
    },
    /// Reading or writing failed on the way; the file is as it was before.
    #[error("cannot use the state file {}: {}; is the state folder writable for this user, and is there room?", path.display(), plain(source))]
    Access {
        /// The `state.db`.
        path: PathBuf,
        /// What stood in the way.
        source: rusqlite::Error,
    },
}

fn remedy(source: &std::io::Error, owner: Option<u32>) -> String {
    let user = rustix::process::geteuid().as_raw();
    match (source.kind(), owner) {
        (std::io::ErrorKind::PermissionDenied, Some(owner)) if owner != user => {
            format!("it belongs to user {owner}: chown it to {user}, or run as {owner}")
        }
        (std::io::ErrorKind::PermissionDenied, _) => {
            format!("give user {user} the right to read and write it")
        }
        _ => "it was left as it is; look at it, and at the journal of the kernel".to_owned(),
    }
}
