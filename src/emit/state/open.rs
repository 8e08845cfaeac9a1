//! Is the state that earlier runs left still readable? It is begun where there is none, and brought up from
//! an older version.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::backup::Backup;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::mend::MendingLock;
use super::outbox::notices;
use super::{StateError, room};
use crate::emit::owner;

/// How long a person who looks into `state.db` may keep a run waiting.
pub(super) const BUSY: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 5 });

/// Between two pieces of a copy others get their turn.
const PAGES_AT_ONCE: i32 = 1000;
/// `PLMS` in ASCII: tells our file from any other database.
const APPLICATION_ID: i64 = 0x504c_4d53;
/// The version before there was an outbox.
pub(super) const WITHOUT_OUTBOX: i64 = 1;
pub(super) const VERSION: i64 = 3;
/// What each version has beside the tables of the one before it, and the version.
const SCHEMA: [(i64, &str); 3] =
    [(1, include_str!("schema.sql")), (2, include_str!("outbox.sql")), (VERSION, include_str!("aside.sql"))];

/// A state file as it was opened.
pub(super) struct Opened {
    pub connection: Connection,
    /// Older than [`VERSION`] only where it was opened to read.
    pub version: i64,
}

/// Opens `state.db` for reading and writing; begins it where there is none.
pub(super) fn open_or_begin(path: &Path) -> Result<Connection, StateError> {
    open_or_begin_with(path, |_| Ok(()))
}

/// As [`open_or_begin`]; `furnish` says what one that is begun holds.
pub(super) fn open_or_begin_with(
    path: &Path,
    furnish: impl FnOnce(&Connection) -> rusqlite::Result<()>,
) -> Result<Connection, StateError> {
    if is_absent(path) {
        let _lock = MendingLock::take(path)?;
        // Another process may have begun it meanwhile.
        if is_absent(path) {
            begin(path, furnish)?;
        }
    }
    open_to_write(path)
}

/// As [`open_or_begin`], after a look at every page: an alert on a damaged one must not wait for the day on
/// which somebody happens to read it.
pub(super) fn open_checked(path: &Path) -> Result<Connection, StateError> {
    let connection = open_or_begin(path)?;
    examine(path, &connection)?;
    Ok(connection)
}

/// Opens a `state.db` that is there for reading and writing.
pub(super) fn open_to_write(path: &Path) -> Result<Connection, StateError> {
    room::keep(path);
    let Opened { mut connection, version } = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    if let Ok(file) = std::fs::metadata(path)
        && file.permissions().mode() & 0o077 != 0
    {
        let private = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(path, private).map_err(|source| closed(path, source))?;
    }
    if version < VERSION {
        migrate(&mut connection).map_err(|source| explain(path, source))?;
    }
    Ok(connection)
}

/// Opens `state.db` without ever changing or making it.
pub(super) fn open_to_read(path: &Path) -> Result<Opened, StateError> {
    if is_absent(path) {
        return Err(StateError::Absent { path: path.to_path_buf() });
    }
    open(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
}

pub(super) fn is_absent(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_err_and(|e| e.kind() == io::ErrorKind::NotFound)
}

fn open(path: &Path, mode: OpenFlags) -> Result<Opened, StateError> {
    let unreadable = |why: String| StateError::Unreadable { path: path.to_path_buf(), why };
    // A link or a FIFO in its place: SQLite would write through the one and hang on the other.
    let seen = std::fs::symlink_metadata(path).map_err(|source| closed(path, source))?;
    if !seen.is_file() {
        return Err(unreadable("it is not a regular file".into()));
    }
    // Only a file that was read can be damaged: one that is another user's is whole, alerts included.
    // SQLite would open for reading what cannot be written, and be at a loss for words later.
    let writes = mode.contains(OpenFlags::SQLITE_OPEN_READ_WRITE);
    OpenOptions::new().read(true).write(writes).open(path).map_err(|source| closed(path, source))?;
    let failed = |source| explain(path, source);
    let flags = mode | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    connection.busy_timeout(BUSY).map_err(failed)?;
    settle_down(&connection).map_err(failed)?;
    let id = number(&connection, "application_id").map_err(failed)?;
    let version = number(&connection, "user_version").map_err(failed)?;
    match (id, version) {
        (APPLICATION_ID, 1..=VERSION) => Ok(Opened { connection, version }),
        (APPLICATION_ID, newer) if newer > VERSION => Err(unreadable(format!(
            "its version is {newer}, and this program knows up to {VERSION}; a newer program wrote it"
        ))),
        _ => Err(unreadable("it holds no state of this program".into())),
    }
}

fn closed(path: &Path, source: io::Error) -> StateError {
    let owner = std::fs::symlink_metadata(path).map(|seen| seen.uid()).ok();
    StateError::Closed { path: path.to_path_buf(), source, owner }
}

fn settle_down(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "foreign_keys", true)?;
    // The journal stays, with its room on the disk: a disk that is full keeps nothing from being written down.
    connection.pragma_update_and_check(None, "journal_mode", "PERSIST", |_| Ok(()))?;
    // EXTRA: where another program has the journal removed the folder is synced, too, so a commit outlives a power
    // cut.
    connection.pragma_update(None, "synchronous", "EXTRA")
}

fn number(connection: &Connection, pragma: &str) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, pragma, |row| row.get(0))
}

/// Brings an older version up to this one, whole or not at all.
fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    // Another process may have done it while we waited.
    let found = number(&transaction, "user_version")?;
    add_tables(&transaction, found + 1, VERSION)?;
    transaction.commit()
}

/// What the versions `first` to `last` add to those before them.
fn add_tables(connection: &Connection, first: i64, last: i64) -> rusqlite::Result<()> {
    for (version, tables) in SCHEMA.iter().filter(|(version, _)| (first..=last).contains(version)) {
        connection.execute_batch(tables)?;
        connection.pragma_update(None, "user_version", version)?;
    }
    Ok(())
}

/// Looks at every page and at every table.
pub(super) fn examine(path: &Path, connection: &Connection) -> Result<(), StateError> {
    let answer: String = connection
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(|source| explain(path, source))?;
    if answer != "ok" {
        let why = format!("a part of it is damaged ({})", answer.replace('\n', " "));
        return Err(StateError::Unreadable { path: path.to_path_buf(), why });
    }
    let fresh = in_memory().map_err(|source| explain(path, source))?;
    if tables(connection).map_err(|source| explain(path, source))?
        != tables(&fresh).map_err(|source| explain(path, source))?
    {
        return Err(StateError::Unreadable { path: path.to_path_buf(), why: foreign_tables() });
    }
    examine_told(path, connection)
}

/// Whether what people were told can be read: who does not know it closes no incident.
fn examine_told(path: &Path, connection: &Connection) -> Result<(), StateError> {
    let failed = |source| explain(path, source);
    let mut statement = connection.prepare("SELECT told FROM told").map_err(failed)?;
    let mut rows = statement.query([]).map_err(failed)?;
    while let Some(row) = rows.next().map_err(failed)? {
        if !notices::is_told(row.get_ref(0).map_err(failed)?.as_str().unwrap_or_default()) {
            let why = "what people were told last cannot be read in it".into();
            return Err(StateError::Unreadable { path: path.to_path_buf(), why });
        }
    }
    Ok(())
}

/// Every table with its columns.
fn tables(connection: &Connection) -> rusqlite::Result<Vec<(String, String)>> {
    let sql = "SELECT t.name, c.name FROM sqlite_schema t JOIN pragma_table_info(t.name) c
               WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' ORDER BY 1, c.cid";
    connection.prepare(sql)?.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

/// Makes the file beside its place and moves it there complete: an empty `state.db` is then always
/// damage, and never a first run. Call it under the [`MendingLock`].
pub(super) fn begin(
    path: &Path,
    furnish: impl FnOnce(&Connection) -> rusqlite::Result<()>,
) -> Result<(), StateError> {
    let failed = |source| StateError::Create { path: path.to_path_buf(), source };
    let fresh = build(path, furnish)?;
    let moved = put_in_place(&fresh, path);
    if moved.is_err() {
        // The first failure is the one to tell.
        let _left = std::fs::remove_file(&fresh);
    }
    moved.map_err(failed)
}

pub(super) fn put_in_place(fresh: &Path, path: &Path) -> io::Result<()> {
    std::fs::rename(fresh, path)?;
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

/// Makes a complete file beside its place; where that fails it leaves nothing.
pub(super) fn build(
    path: &Path,
    furnish: impl FnOnce(&Connection) -> rusqlite::Result<()>,
) -> Result<PathBuf, StateError> {
    let fresh = path.with_extension("db.new");
    let failed = |source| StateError::Create { path: path.to_path_buf(), source };
    let folder = path.parent().unwrap_or(Path::new("."));
    for left in [fresh.clone(), with_suffix(&fresh, "-journal")] {
        match std::fs::remove_file(left) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
    }
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh).map_err(failed)?;
    let filled = owner::adopt(&made, folder).and_then(|()| fill(&fresh, furnish).map_err(io::Error::other));
    if filled.is_err() {
        let _left = std::fs::remove_file(&fresh);
        let _left = std::fs::remove_file(with_suffix(&fresh, "-journal"));
    }
    filled.map(|()| fresh).map_err(failed)
}

fn fill(path: &Path, furnish: impl FnOnce(&Connection) -> rusqlite::Result<()>) -> rusqlite::Result<()> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let mut connection = Connection::open_with_flags(path, flags)?;
    let transaction = connection.transaction()?;
    make_tables(&transaction)?;
    furnish(&transaction)?;
    transaction.commit()?;
    connection.close().map_err(|(_, error)| error)
}

fn make_tables(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    add_tables(connection, 1, VERSION)
}

/// The same tables, gone with this process.
pub(super) fn in_memory() -> rusqlite::Result<Connection> {
    let connection = Connection::open_in_memory()?;
    settle_down(&connection)?;
    make_tables(&connection)?;
    Ok(connection)
}

/// What is in a file, in memory and of this version; empty where there is no file.
pub(super) fn copy_to_memory(path: &Path) -> Result<Connection, StateError> {
    let failed = |source| explain(path, source);
    let Opened { connection, version } = match open_to_read(path) {
        Err(StateError::Absent { .. }) => return in_memory().map_err(failed),
        opened => opened?,
    };
    let mut copy = Connection::open_in_memory().map_err(failed)?;
    let copied = Backup::new(&connection, &mut copy)
        .and_then(|backup| backup.run_to_completion(PAGES_AT_ONCE, Duration::ZERO, None));
    copied.and_then(|()| settle_down(&copy)).map_err(failed)?;
    if version < VERSION {
        migrate(&mut copy).map_err(failed)?;
    }
    Ok(copy)
}

pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Sorts the answers of the database by what a person would do about them.
pub(super) fn explain(path: &Path, error: rusqlite::Error) -> StateError {
    let path = path.to_path_buf();
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            StateError::Unreadable { path, why: error.to_string() }
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StateError::Busy { path },
        // A file whose header is ours, with tables or rows that are not.
        _ => match foreign(&error) {
            Some(why) => StateError::Unreadable { path, why },
            None => StateError::Access { path, source: error },
        },
    }
}

fn foreign_tables() -> String {
    format!("its tables are not those of version {VERSION}")
}

/// What the file has and this program does not know.
fn foreign(error: &rusqlite::Error) -> Option<String> {
    use rusqlite::Error::{
        FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType, SqlInputError, SqliteFailure,
    };
    let tables = |words: &str| format!("{} ({words})", foreign_tables());
    match error {
        SqlInputError { msg, .. } => Some(tables(msg)),
        SqliteFailure(code, words) if code.code == ErrorCode::Unknown => {
            Some(tables(words.as_deref().unwrap_or("no more is known")))
        }
        FromSqlConversionFailure(_, _, cause) => Some(format!("a row in it cannot be read: {cause}")),
        IntegralValueOutOfRange(..) | InvalidColumnType(..) => {
            Some(format!("a row in it cannot be read: {}", error.to_string().to_lowercase()))
        }
        _ => None,
    }
}

#[cfg(test)]
pub(super) mod old {
    //! A file as an older version of the program made it.

    use super::*;

    pub fn make_version(version: i64, path: &Path) -> Connection {
        let connection = Connection::open(path).unwrap();
        connection.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
        add_tables(&connection, 1, version).unwrap();
        connection
    }
}

#[cfg(test)]
mod tests;
