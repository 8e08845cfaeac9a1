//! Is another run at work on this state folder, and did an earlier one die? One lock file, held for the
//! length of a run.

use std::fs::{File, OpenOptions, Permissions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use chrono::{DateTime, SecondsFormat, Utc};
use rustix::fs::OFlags;

use super::{alive, owner};
use crate::plain::plain;

/// The lock of a state folder; dropped, it is free again. The file stays: deleting it would let two
/// runs hold a lock of that name at once.
///
/// The file has one line per run that has not ended in an orderly way. A run that dies cannot take its
/// line away, so the next one finds it.
#[derive(Debug)]
pub struct RunLock {
    file: File,
    left: Left,
    /// The lines of `left` as they lie in the file, until [`RunLock::reported`].
    earlier: String,
}

/// What earlier runs left in the lock file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// Runs that were started, and neither ended nor were refused, oldest first.
    pub runs: Vec<Unfinished>,
    /// Why there may be more of them than could be read.
    pub doubt: Option<String>,
}

/// A run that was started, and neither ended nor was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfinished {
    /// Its process id.
    pub pid: u32,
    /// When it began, in whole seconds.
    pub since: DateTime<Utc>,
    /// Its invocation id; `None` where an older program left the line.
    pub invocation_id: Option<String>,
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
    /// the file does not block: the kernel freed its lock.
    ///
    /// # Errors
    ///
    /// [`LockError::Held`] where another run is at work, else [`LockError::Unavailable`].
    pub fn take(
        state_folder: &Path,
        pid: u32,
        start: DateTime<Utc>,
        invocation_id: &str,
    ) -> Result<Self, LockError> {
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
        let left = read_lines(&mut file);
        let earlier: String = left.runs.iter().map(line).collect();
        let own = line(&Unfinished { pid, since: start, invocation_id: Some(invocation_id.to_owned()) });
        // The lock holds without a name in it; on a full disk the holder just cannot be named.
        let _unnamed =
            owner::adopt(&file, state_folder).and_then(|()| write(&mut file, &format!("{earlier}{own}")));
        Ok(Self { file, left, earlier })
    }

    /// Runs that died before this one; told again at the next run, until [`RunLock::reported`].
    #[must_use]
    pub fn left(&self) -> &Left {
        &self.left
    }

    /// What [`RunLock::left`] told is in the outbox, on disk: it need not be told again.
    pub fn reported(&mut self) {
        self.earlier.clear();
    }

    /// The run ended in an orderly way: it is recorded, or it was refused. Not `Drop`: a panic unwinds,
    /// and must be found.
    pub fn ended(mut self) {
        // Where this fails the next run finds a line too many; it asks the record before it believes it.
        let _told_again = write(&mut self.file, &self.earlier);
    }
}

/// Runs of this machine that left their line and whose process is gone. Takes no lock, because a run that
/// begins meanwhile would be refused for it.
#[must_use]
pub fn dead(state_folder: &Path, now: DateTime<Utc>) -> Left {
    let path = state_folder.join("lock");
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed())
        .open(&path);
    let mut left = match opened {
        Ok(mut file) => read_lines(&mut file),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Left::default(),
        Err(error) => Left { runs: vec![], doubt: Some(format!("{}: {}", path.display(), plain(&error))) },
    };
    left.runs.retain(|run| alive::is_gone(run.pid, run.since, now));
    left
}

/// Opens a lock file, and makes it if need be; nobody else may even read it, as who can read it can hold it.
///
/// Never follows a link and never waits for a FIFO: the folder may belong to somebody else.
///
/// # Errors
/// The system's own, and where something else than a file lies there.
pub fn open(path: &Path) -> std::io::Result<File> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(PRIVATE)
        .custom_flags(flags)
        .open(path)?;
    let seen = file.metadata()?;
    if !seen.is_file() {
        return Err(std::io::Error::other("it is not a regular file"));
    }
    if seen.permissions().mode() & 0o777 & !PRIVATE != 0 {
        // An older program's; where it is another's to change, it is no worse a lock than before.
        let _as_it_was = file.set_permissions(Permissions::from_mode(PRIVATE));
    }
    Ok(file)
}

const PRIVATE: u32 = 0o600;

/// The most of a lock file that is read, and of lines that are kept; a run that dies every minute must not
/// make it grow.
const MOST_BYTES: u64 = 8192;
const MOST_LINES: usize = 16;

fn line(run: &Unfinished) -> String {
    let since = run.since.to_rfc3339_opts(SecondsFormat::Secs, true);
    match &run.invocation_id {
        Some(id) => format!("{} {since} {id}\n", run.pid),
        None => format!("{} {since}\n", run.pid),
    }
}

/// Flushed, so that a power cut is found, too.
fn write(file: &mut File, text: &str) -> std::io::Result<()> {
    // First what is to stand there, then the end: killed in between, lines are too many and none too few.
    file.seek(SeekFrom::Start(0))?;
    file.write_all(text.as_bytes())?;
    file.set_len(text.len() as u64)?;
    file.sync_data()
}

fn read_holder(file: &mut File) -> Holder {
    let last = read_lines(file).runs.pop();
    last.map_or(Holder::Unnamed, |run| Holder::Process { pid: run.pid, since: run.since })
}

/// The runs that the file names, the newest of them if they are many. A line that a power cut tore may have
/// been one, too.
fn read_lines(file: &mut File) -> Left {
    let mut bytes = Vec::new();
    if let Err(error) = file.take(MOST_BYTES).read_to_end(&mut bytes) {
        return Left {
            runs: vec![],
            doubt: Some(format!("the lock file cannot be read: {}", plain(&error))),
        };
    }
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<_> = text.lines().filter(|line| !line.is_empty()).map(parse).collect();
    let is_torn = lines.iter().any(Option::is_none);
    let mut runs: Vec<_> = lines.into_iter().flatten().collect();
    runs.drain(..runs.len().saturating_sub(MOST_LINES));
    Left { runs, doubt: is_torn.then(|| "a line of the lock file names no run; a power cut?".to_owned()) }
}

fn parse(line: &str) -> Option<Unfinished> {
    let mut words = line.split(' ');
    let pid = words.next()?.parse().ok()?;
    let since = DateTime::parse_from_rfc3339(words.next()?).ok()?.to_utc();
    let invocation_id = words.next();
    let is_id =
        |id: &str| (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if words.next().is_some() || !invocation_id.is_none_or(is_id) {
        return None;
    }
    Some(Unfinished { pid, since, invocation_id: invocation_id.map(str::to_owned) })
}

#[cfg(test)]
mod tests;
