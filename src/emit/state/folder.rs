//! May this run write into the state folder? Only while it holds the folder's lock.

use std::fs::File;
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use super::{StateDb, StateError};
use crate::emit::lock::{Left, LockError, RunLock};
use crate::emit::owner;

/// The state folder of a run, with its lock; dropped, another run may begin.
#[derive(Debug)]
pub struct StateFolder {
    path: PathBuf,
    lock: RunLock,
}

/// Why a run has no state folder.
#[derive(Debug, thiserror::Error)]
pub enum EnterError {
    /// Another run is at work: this one must end as UNKNOWN and write nothing anywhere.
    #[error(transparent)]
    Held(LockError),
    /// The lock cannot be taken; the run goes on, and is no longer OK.
    #[error(transparent)]
    NoLock(LockError),
    /// The folder cannot be made; the run goes on, and is no longer OK.
    #[error(transparent)]
    NoFolder(StateError),
}

impl StateFolder {
    /// Makes the folder where its parent is there, and takes its lock.
    ///
    /// # Errors
    ///
    /// [`EnterError::Held`] at once where another run is at work.
    pub fn enter(
        path: &Path,
        pid: u32,
        start: DateTime<Utc>,
        invocation_id: &str,
    ) -> Result<Self, EnterError> {
        prepare(path).map_err(EnterError::NoFolder)?;
        let lock = RunLock::take(path, pid, start, invocation_id).map_err(|error| match error {
            LockError::Held { .. } => EnterError::Held(error),
            LockError::Unavailable { .. } => EnterError::NoLock(error),
        })?;
        Ok(Self { path: path.to_path_buf(), lock })
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Earlier runs that were started and left no end; some may have left a record all the same
    /// ([`Outbox::knows`](super::outbox::Outbox::knows)).
    #[must_use]
    pub fn left(&self) -> &Left {
        self.lock.left()
    }

    /// Those are in the outbox, on disk: the next run need not tell them again.
    pub fn reported(&mut self) {
        self.lock.reported();
    }

    /// The run is recorded, or was refused: nobody needs to hear that it died.
    pub fn ended(self) {
        self.lock.ended();
    }

    /// Its `state.db`.
    #[must_use]
    pub fn db(&self) -> StateDb {
        StateDb::in_folder(&self.path)
    }

    /// Its `status.json`.
    #[must_use]
    pub fn status_file(&self) -> PathBuf {
        self.path.join("status.json")
    }
}

/// Makes the folder unless it is there: 0755, the last part of the path only, so that a mistyped path
/// does not grow a tree; but a user's `~/.local/state` with it, as the XDG specification wants.
fn prepare(folder: &Path) -> Result<(), StateError> {
    let failed = |source| StateError::Folder { path: folder.to_path_buf(), source };
    if let Some(base) = folder.parent().filter(|parent| parent.ends_with(".local/state")) {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(base).map_err(failed)?;
    }
    match std::fs::DirBuilder::new().mode(0o755).create(folder) {
        Ok(()) => {
            // Against a umask such as 077: other users' probes read status.json in here.
            std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).map_err(failed)?;
            let parent = folder.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
            File::open(folder).and_then(|made| owner::adopt(&made, parent)).map_err(failed)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
        Err(source) => Err(failed(source)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::at;

    #[test]
    fn a_folder_is_made_for_all_to_read_and_a_tree_is_not() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("state");
        let start = at("2025-11-06T07:00:00Z");
        drop(StateFolder::enter(&folder, 1, start, "a1").unwrap());
        let _again = StateFolder::enter(&folder, 1, start, "a1").unwrap();
        assert_eq!(std::fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o755);
        assert!(matches!(StateFolder::enter(&folder, 2, start, "a1"), Err(EnterError::Held(_))));

        let typo = StateFolder::enter(&place.path().join("typo/state"), 1, start, "a1").unwrap_err();
        assert!(
            matches!(typo, EnterError::NoFolder(_)) && typo.to_string().contains("--state-dir"),
            "{typo}"
        );
        assert!(!place.path().join("typo").exists());
        let home = place.path().join("home/.local/state/plms-invariants");
        StateFolder::enter(&home, 1, start, "a1").unwrap();
        std::fs::write(place.path().join("file"), "").unwrap();
        let file = StateFolder::enter(&place.path().join("file"), 1, start, "a1").unwrap_err();
        assert!(matches!(file, EnterError::NoFolder(_)), "{file}");
        let unwritable = StateFolder::enter(Path::new("/proc/self"), 1, start, "a1").unwrap_err();
        assert!(matches!(unwritable, EnterError::NoLock(_)), "{unwritable}");
    }
}
