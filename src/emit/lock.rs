//! Is another run at work on this state folder? One lock file, held for the length of a run.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use chrono::{DateTime, SecondsFormat, Utc};
use rustix::fs::OFlags;

use super::owner;
use crate::plain::plain;

/// The lock of a state folder; dropped, it is free again. The file stays: deleting it would let two
/// runs hold a lock of that name at once.
#[derive(Debug)]
pub struct RunLock {
    _file: File,
}

/// Why there is no lock.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another run is at work: this one must not start, and writes nothing.
    #[error("another run holds the lock {}: {holder}; wait for its end or stop it", path.display())]
    Held {
        /// The lock file.
        path: PathBuf,
        /// Who holds it, since when.
        holder: Holder,
    },
    /// Nobody can say whether another run is at work; the verdict stands, but is no longer OK.
    #[error("cannot take the lock {}: {}; is the state folder there and writable for this user?", path.display(), plain(source))]
    Unavailable {
        /// The lock file.
        path: PathBuf,
        /// What stood in the way.
        source: std::io::Error,
    },
}

/// Who holds a lock, as far as the lock file tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// A process that named itself.
    Process {
        /// Its process id.
        pid: u32,
        /// When its run began.
        since: DateTime<Utc>,
    },
    /// It left no readable name.
    Unnamed,
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Process { pid, since } => {
                write!(f, "process {pid}, since {}", since.to_rfc3339_opts(SecondsFormat::Secs, true))
            }
            Self::Unnamed => write!(f, "a process that did not name itself"),
        }
    }
}

impl RunLock {
    /// Takes the lock of a state folder, or says at once who has it. What a dead process left in
    /// the file does not count: the kernel freed its lock.
    ///
    /// # Errors
    ///
    /// [`LockError::Held`] where another run is at work, else [`LockError::Unavailable`].
    pub fn take(state_folder: &Path, pid: u32, start: DateTime<Utc>) -> Result<Self, LockError> {
        let path = state_folder.join("lock");
        let unavailable = |source| LockError::Unavailable { path: path.clone(), source };
        let mut file = open(&path).map_err(unavailable)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(LockError::Held { holder: read_holder(&mut file), path });
            }
            Err(TryLockError::Error(source)) => return Err(unavailable(source)),
        }
        // The lock holds without a name in it; on a full disk the holder just cannot be named.
        let _unnamed = owner::adopt(&file, state_folder).and_then(|()| write_holder(&mut file, pid, start));
        Ok(Self { _file: file })
    }
}

/// Never follows a link and never waits for a FIFO: the folder may belong to somebody else.
fn open(path: &Path) -> std::io::Result<File> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o644)
        .custom_flags(flags)
        .open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(std::io::Error::other("it is not a regular file")) }
}

fn write_holder(file: &mut File, pid: u32, start: DateTime<Utc>) -> std::io::Result<()> {
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    let text = format!("{pid} {}\n", start.to_rfc3339_opts(SecondsFormat::Secs, true));
    file.write_all(text.as_bytes())
}

fn read_holder(file: &mut File) -> Holder {
    let mut text = String::new();
    if file.take(256).read_to_string(&mut text).is_err() {
        return Holder::Unnamed;
    }
    let named = text.trim_end().split_once(' ').and_then(|(pid, since)| {
        let since = DateTime::parse_from_rfc3339(since).ok()?.to_utc();
        Some(Holder::Process { pid: pid.parse().ok()?, since })
    });
    named.unwrap_or(Holder::Unnamed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn a_second_run_is_told_who_holds_the_lock_since_when() {
        let folder = tempfile::tempdir().unwrap();
        let first = RunLock::take(folder.path(), 4711, at("2025-11-06T07:00:03Z")).unwrap();
        let second = RunLock::take(folder.path(), 4712, at("2025-11-06T07:05:00Z")).unwrap_err();
        let text = second.to_string();
        assert!(text.contains("process 4711, since 2025-11-06T07:00:03Z"), "{text}");
        drop(first);
        RunLock::take(folder.path(), 4712, at("2025-11-06T07:05:00Z")).unwrap();
        let left = std::fs::read_to_string(folder.path().join("lock")).unwrap();
        assert_eq!(left, "4712 2025-11-06T07:05:00Z\n");
    }

    #[test]
    fn what_a_dead_process_left_does_not_block_and_is_overwritten_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        std::fs::write(&path, "999999999 2020-01-01T00:00:00Z and much more than the next holder writes\n")
            .unwrap();
        let _lock = RunLock::take(folder.path(), 1, at("2025-11-06T07:00:03Z")).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "1 2025-11-06T07:00:03Z\n");
    }

    #[test]
    fn a_holder_that_wrote_garbage_is_unnamed() {
        let folder = tempfile::tempdir().unwrap();
        let _first = RunLock::take(folder.path(), 4711, at("2025-11-06T07:00:03Z")).unwrap();
        std::fs::write(folder.path().join("lock"), b"\xff\x1b[31m 2025\n").unwrap();
        let error = RunLock::take(folder.path(), 4712, at("2025-11-06T07:05:00Z")).unwrap_err().to_string();
        assert!(error.contains("did not name itself") && !error.contains('\x1b'), "{error}");
    }

    #[test]
    fn a_missing_folder_and_a_planted_link_or_fifo_are_errors_that_touch_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("missing");
        let now = at("2025-11-06T07:00:03Z");
        assert!(matches!(RunLock::take(&missing, 1, now), Err(LockError::Unavailable { .. })));

        let victim = folder.path().join("victim");
        std::fs::write(&victim, "precious").unwrap();
        let path = folder.path().join("lock");
        std::os::unix::fs::symlink(&victim, &path).unwrap();
        assert!(matches!(RunLock::take(folder.path(), 1, now), Err(LockError::Unavailable { .. })));
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "precious");

        std::fs::remove_file(&path).unwrap();
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        assert!(matches!(RunLock::take(folder.path(), 1, now), Err(LockError::Unavailable { .. })));
    }
}
