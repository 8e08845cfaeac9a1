//! Is the state that earlier runs left still readable? If not it is set aside, and begun anew.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::StateError;
use crate::emit::owner;
use crate::plain::plain;

/// How long a person who looks into `state.db` may keep a run waiting.
pub(super) const BUSY: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 5 });

/// `PLMS` in ASCII: tells our file from any other database.
const APPLICATION_ID: i64 = 0x504c_4d53;
const VERSION: i64 = 2;
/// Before there was an outbox.
const WITHOUT_OUTBOX: i64 = 1;
const SCHEMA: &str = include_str!("schema.sql");
const OUTBOX: &str = include_str!("outbox.sql");

/// A state file that was put out of the way, for the finding that names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aside {
    /// Where it lies now.
    pub path: PathBuf,
    /// What was wrong with it.
    pub why: String,
}

/// Opens `state.db` for reading and writing; begins it where there is none.
pub(in crate::emit) fn open_or_begin(path: &Path) -> Result<Connection, StateError> {
    if std::fs::symlink_metadata(path).is_err_and(|e| e.kind() == io::ErrorKind::NotFound) {
        begin(path)?;
    }
    let mut connection = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    add_outbox(&mut connection).map_err(|error| explain(path, error))?;
    if let Ok(file) = std::fs::metadata(path)
        && file.permissions().mode() & 0o077 != 0
    {
        let private = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(path, private)
            .map_err(|source| StateError::Create { path: path.to_path_buf(), source })?;
    }
    Ok(connection)
}

/// Brings a file of version 1 up to this one, whole or not at all.
fn add_outbox(connection: &mut Connection) -> rusqlite::Result<()> {
    let version = |db: &Connection| db.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0));
    if version(connection)? != WITHOUT_OUTBOX {
        return Ok(());
    }
    super::in_transaction(connection, |db| {
        // Another program may have been quicker.
        if version(db)? != WITHOUT_OUTBOX {
            return Ok(());
        }
        db.execute_batch(OUTBOX)?;
        db.pragma_update(None, "user_version", VERSION)
    })
}

/// The tables of the outbox, and of the history beside them, in memory.
pub(in crate::emit) fn outbox_in_memory() -> rusqlite::Result<Connection> {
    let connection = Connection::open_in_memory()?;
    connection.execute_batch(SCHEMA)?;
    connection.execute_batch(OUTBOX)?;
    Ok(connection)
}

/// Opens `state.db` without ever changing or making it.
pub(in crate::emit) fn open_to_read(path: &Path) -> Result<Connection, StateError> {
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(StateError::Absent { path: path.to_path_buf() })
        }
        _ => open(path, OpenFlags::SQLITE_OPEN_READ_ONLY),
    }
}

fn open(path: &Path, mode: OpenFlags) -> Result<Connection, StateError> {
    let unreadable = |why: String| StateError::Unreadable { path: path.to_path_buf(), why };
    // A link or a FIFO in its place: SQLite would write through the one and hang on the other.
    let seen = std::fs::symlink_metadata(path).map_err(|e| unreadable(plain(&e)))?;
    if !seen.is_file() {
        return Err(unreadable("it is not a regular file".into()));
    }
    File::open(path).map_err(|e| unreadable(plain(&e)))?;
    let failed = |source| explain(path, source);
    let flags = mode | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    connection.busy_timeout(BUSY).map_err(failed)?;
    connection.pragma_update(None, "foreign_keys", true).map_err(failed)?;
    // EXTRA: the folder is synced too when the journal goes, so a commit outlives a power cut.
    connection.pragma_update(None, "synchronous", "EXTRA").map_err(failed)?;
    let number = |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let id = number("application_id").map_err(failed)?;
    let version = number("user_version").map_err(failed)?;
    match (id, version) {
        (APPLICATION_ID, WITHOUT_OUTBOX | VERSION) => Ok(connection),
        (APPLICATION_ID, newer) if newer > VERSION => Err(unreadable(format!(
            "its version is {newer}, and this program knows up to {VERSION}; a newer program wrote it"
        ))),
        _ => Err(unreadable("it holds no state of this program".into())),
    }
}

/// Makes the file beside its place and moves it there complete: an empty `state.db` is then always
/// damage, and never a first run.
fn begin(path: &Path) -> Result<(), StateError> {
    let fresh = path.with_extension("db.new");
    let failed = |source| StateError::Create { path: path.to_path_buf(), source };
    let folder = path.parent().unwrap_or(Path::new("."));
    match std::fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh).map_err(failed)?;
    let filled = owner::adopt(&made, folder).and_then(|()| fill(&fresh).map_err(io::Error::other));
    let moved =
        filled.and_then(|()| std::fs::rename(&fresh, path)).and_then(|()| File::open(folder)?.sync_all());
    if moved.is_err() {
        // The first failure is the one to tell.
        let _left = std::fs::remove_file(&fresh);
    }
    moved.map_err(failed)
}

fn fill(path: &Path) -> rusqlite::Result<()> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.execute_batch(&format!(
        "BEGIN; {SCHEMA} {OUTBOX} PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION}; COMMIT;"
    ))?;
    connection.close().map_err(|(_, error)| error)
}

/// Renames a useless `state.db`, with the journals beside it, so that nothing of it is lost.
pub(super) fn set_aside(path: &Path, why: String, now: DateTime<Utc>) -> Result<Aside, StateError> {
    let failed = |source| StateError::SetAside { path: path.to_path_buf(), source };
    let time = now.to_rfc3339_opts(SecondsFormat::Secs, true);
    let aside = (1..100)
        .map(|n| match n {
            1 => format!("state.db.set-aside-{time}"),
            _ => format!("state.db.set-aside-{time}-{n}"),
        })
        .map(|name| path.with_file_name(name))
        .find(|candidate| std::fs::symlink_metadata(candidate).is_err())
        .ok_or_else(|| failed(io::ErrorKind::AlreadyExists.into()))?;
    std::fs::rename(path, &aside).map_err(failed)?;
    for suffix in ["-journal", "-wal", "-shm"] {
        // Beside the fresh file they would be taken for its own.
        match std::fs::rename(with_suffix(path, suffix), with_suffix(&aside, suffix)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
    }
    Ok(Aside { path: aside, why })
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Sorts the answers of the database by what a person would do about them.
pub(in crate::emit) fn explain(path: &Path, error: rusqlite::Error) -> StateError {
    let path = path.to_path_buf();
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            StateError::Unreadable { path, why: error.to_string() }
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StateError::Busy { path },
        // A file whose header is ours, with tables that are not.
        _ if is_foreign_schema(&error) => {
            StateError::Unreadable { path, why: format!("its tables are not those of version {VERSION}") }
        }
        _ => StateError::Access { path, source: error },
    }
}

fn is_foreign_schema(error: &rusqlite::Error) -> bool {
    match error {
        rusqlite::Error::SqlInputError { .. }
        | rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::FromSqlConversionFailure(..) => true,
        other => other.sqlite_error_code() == Some(ErrorCode::Unknown),
    }
}
