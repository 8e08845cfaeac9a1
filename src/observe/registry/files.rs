//! What lies at the path and beside it, before and after a run?

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::OFlags;
use rustix::process::{Flock, FlockOffsetType, FlockType, fcntl_getlk};

use super::error::{RegistryError, beside};
use crate::observe::cancel::Cancel;

/// The bytes on which SQLite's processes lock each other out (`PENDING_BYTE` in its source).
const PENDING: u64 = 0x4000_0000;
const SHARED_FIRST: u64 = 0x4000_0002;
const SHARED_SIZE: u64 = 510;

/// How long a lock of another process is waited for.
pub const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// What changes when somebody writes to the database file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    change_counter: u32,
}

/// What lies beside the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beside {
    /// Neither -wal nor -journal: nobody is in the middle of anything.
    Nothing,
    /// A -wal.
    Wal,
    /// A -journal.
    Journal,
}

/// The registry as found.
#[derive(Clone, Debug)]
pub struct Found {
    /// The path with every link resolved, beside which SQLite keeps its files.
    pub path: PathBuf,
    /// What the file is now.
    pub identity: Identity,
    /// What lies beside it.
    pub beside: Beside,
    /// Its header says that writers use a -wal.
    pub is_wal: bool,
}

impl Found {
    /// Bytes of the database and its -wal.
    #[must_use]
    pub fn size(&self) -> u64 {
        let wal = std::fs::metadata(beside(&self.path, "-wal")).map_or(0, |m| m.len());
        self.identity.size.saturating_add(wal)
    }

    /// The file is the same as when it was found, and still nothing lies beside it.
    ///
    /// # Errors
    /// When the file cannot be looked at any more.
    pub fn is_unchanged(&self) -> Result<bool, RegistryError> {
        // The sidecar first: a writer that came and went leaves its mark in the identity.
        if what_lies_beside(&self.path) != self.beside {
            return Ok(false);
        }
        let (_, identity) = read_header(&self.path)?;
        Ok(identity == self.identity && what_lies_beside(&self.path) == self.beside)
    }
}

/// Looks at the registry without opening it as a database.
///
/// Must not be called while SQLite has the file open other than as immutable: closing a second
/// descriptor drops this process' locks on it (sqlite.org/howtocorrupt.html, 2.2).
///
/// # Errors
/// When what lies there cannot be a readable registry.
pub fn look(path: &Path) -> Result<Found, RegistryError> {
    let path = std::fs::canonicalize(path).map_err(|error| RegistryError::from_io(path, &error))?;
    let kind = std::fs::metadata(&path).map_err(|error| RegistryError::from_io(&path, &error))?;
    if kind.is_dir() {
        return Err(RegistryError::Folder(path));
    }
    if !kind.is_file() {
        return Err(RegistryError::Irregular(path));
    }
    let beside = what_lies_beside(&path);
    let (header, identity) = read_header(&path)?;
    if identity.size == 0 && beside == Beside::Nothing {
        return Err(RegistryError::Empty(path));
    }
    if beside == Beside::Nothing {
        // With a -wal or -journal the header may be behind; then SQLite itself must judge it.
        if !header.starts_with(b"SQLite format 3\0") {
            return Err(RegistryError::NotADatabase(path));
        }
        check_length(&path, &header, identity.size)?;
    }
    let is_wal = header.get(19) == Some(&2);
    Ok(Found { path, identity, beside, is_wal })
}

/// Waits until nobody holds the file exclusively.
///
/// Reading as immutable takes no lock and so would not notice one.
///
/// # Errors
/// When the lock outlasts [`BUSY_TIMEOUT`], or the run must stop.
pub fn wait_for_exclusive_lock(path: &Path, cancel: &Cancel) -> Result<(), RegistryError> {
    let step = Duration::from_millis(20);
    let mut waited = Duration::ZERO;
    loop {
        let file = open(path)?;
        let Some(held) = lock_against_reading(&file, SHARED_FIRST, SHARED_SIZE) else { return Ok(()) };
        if waited >= BUSY_TIMEOUT {
            let pid = held.pid.map(|pid| pid.as_raw_nonzero().get());
            return Err(RegistryError::Locked { path: path.to_owned(), pid, waited: BUSY_TIMEOUT });
        }
        if cancel.stop().is_some() {
            return Err(RegistryError::stopped_by_lock(path));
        }
        std::thread::sleep(step);
        waited += step;
    }
}

/// Whether another process has taken its place before the readers that hold the file, and waits for them.
#[must_use]
pub fn writer_waits(file: &File) -> bool {
    lock_against_reading(file, PENDING, 1).is_some()
}

fn lock_against_reading(file: &File, start: u64, length: u64) -> Option<Flock> {
    let (typ, offset_type) = (FlockType::ReadLock, FlockOffsetType::Set);
    // A file system without locks answers with an error: then there is no lock to wait for.
    fcntl_getlk(file, &Flock { start, length, pid: None, typ, offset_type }).ok().flatten()
}

fn what_lies_beside(path: &Path) -> Beside {
    // A link or an unreadable file counts, too: whatever has the name is SQLite's.
    if std::fs::symlink_metadata(beside(path, "-wal")).is_ok() {
        Beside::Wal
    } else if std::fs::symlink_metadata(beside(path, "-journal")).is_ok() {
        Beside::Journal
    } else {
        Beside::Nothing
    }
}

/// Opens what lies there for looking, and never waits.
///
/// # Errors
/// The system's own.
pub fn open(path: &Path) -> Result<File, RegistryError> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
        .map_err(|error| RegistryError::from_io(path, &error))
}

fn read_header(path: &Path) -> Result<(Vec<u8>, Identity), RegistryError> {
    let fail = |error: std::io::Error| RegistryError::from_io(path, &error);
    let mut file = open(path)?;
    let mut header = Vec::with_capacity(100);
    file.by_ref().take(100).read_to_end(&mut header).map_err(fail)?;
    let meta = file.metadata().map_err(fail)?;
    let identity = Identity {
        device: meta.dev(),
        inode: meta.ino(),
        size: meta.len(),
        modified: (meta.mtime(), meta.mtime_nsec()),
        change_counter: number(&header, 24).unwrap_or(0),
    };
    Ok((header, identity))
}

/// The big-endian number at an offset of the header (sqlite.org/fileformat2.html, 1.3).
fn number(header: &[u8], offset: usize) -> Option<u32> {
    let bytes = header.get(offset..offset.checked_add(4)?)?;
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}

fn check_length(path: &Path, header: &[u8], size: u64) -> Result<(), RegistryError> {
    let page_size = match number(header, 14).map(|n| n & 0xffff) {
        Some(1) => 65_536,
        Some(bytes) => u64::from(bytes),
        None => 0,
    };
    // The page count in the header holds only where the last writer kept it up to date (1.3.8).
    let pages = match (number(header, 24), number(header, 92)) {
        (Some(counter), Some(valid_for)) if counter == valid_for => number(header, 28).map_or(0, u64::from),
        _ => 0,
    };
    let expected = pages.saturating_mul(page_size);
    if header.len() < 100 || size < expected {
        let detail = format!("truncated: {size} bytes of {}", expected.max(100));
        return Err(RegistryError::Damaged { path: path.to_owned(), detail });
    }
    Ok(())
}
