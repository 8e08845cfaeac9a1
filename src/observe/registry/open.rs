//! How is a connection opened that can read the registry and do nothing else?

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::{Connection, OpenFlags};

use super::ask::{FunctionLog, Refusal};
use super::vfs;

/// SQLite waits for a lock this long at a time: in between, a run can be stopped.
const BUSY_STEP: Duration = Duration::from_millis(100);

/// How the file is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nobody is writing: no lock, no -shm; right as long as the file stays the same.
    Immutable,
    /// With a -wal, through the -shm of its writers, which is only read.
    Wal,
    /// With a -journal: a shared lock keeps a commit out until we are done.
    Rollback,
}

/// Opens the registry for reading, with every door closed that reading does not need.
///
/// # Errors
/// What SQLite says; opening is lazy, so most causes come up with the first statement.
pub fn connect(path: &Path, access: Access) -> Result<Connection, rusqlite::Error> {
    vfs::register()?;
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags_and_vfs(uri(path, access), flags, vfs::NAME)?;
    connection.busy_timeout(BUSY_STEP)?;
    for (option, on) in [
        (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
        (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false),
        // A name in double quotes that is no column would else be a text, and the rule a silent pass.
        (DbConfig::SQLITE_DBCONFIG_DQS_DML, false),
        (DbConfig::SQLITE_DBCONFIG_DQS_DDL, false),
    ] {
        connection.set_db_config(option, on)?;
    }
    for (limit, value) in [
        (Limit::SQLITE_LIMIT_ATTACHED, 0),
        (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
        (Limit::SQLITE_LIMIT_SQL_LENGTH, 1_000_000),
    ] {
        connection.set_limit(limit, value)?;
    }
    connection.pragma_update(None, "query_only", true)?;
    // Pages may be looked at where our VFS has them; it maps nothing (`ahead.rs`).
    connection.pragma_update(None, "mmap_size", 1)?;
    Ok(connection)
}

/// From here on the connection refuses every statement that does more than read; what the compiled
/// statements ask for is noted in `log`.
///
/// # Errors
/// None that is known; SQLite's own otherwise.
pub fn allow_reading_only(connection: &mut Connection, log: FunctionLog) -> Result<(), rusqlite::Error> {
    let tables = names(connection, "name LIKE 'pragma%'")?;
    let views = names(connection, "type = 'view'")?;
    connection.authorizer(Some(move |context: AuthContext<'_>| {
        let allowed = match context.action {
            AuthAction::Select | AuthAction::Recursive => true,
            // A pragma as a table is one all the same, and is asked for only when its first row is; but a
            // table of the registry goes before a pragma of its name.
            AuthAction::Read { table_name, .. } => {
                !begins_with(table_name, "pragma_") || tables.contains(&table_name.to_ascii_lowercase())
            }
            AuthAction::Function { function_name } => {
                log.note(function_name);
                !function_name.eq_ignore_ascii_case("load_extension")
            }
            _ => false,
        };
        if allowed {
            return Authorization::Allow;
        }
        let is_of_view = context.accessor.is_some_and(|view| views.contains(&view.to_ascii_lowercase()));
        log.note_refusal(if is_of_view { Refusal::OfRegistry } else { Refusal::OfStatement });
        Authorization::Deny
    }))
}

/// Objects of the registry, in lower case.
fn names(connection: &Connection, which: &str) -> Result<BTreeSet<String>, rusqlite::Error> {
    let sql = format!("SELECT lower(name) FROM sqlite_schema WHERE {which}");
    connection.prepare(&sql)?.query_map([], |row| row.get(0))?.collect()
}

fn begins_with(name: &str, start: &str) -> bool {
    name.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start))
}

fn uri(path: &Path, access: Access) -> String {
    let mut uri = String::from("file:");
    for &byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/._-".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    uri.push_str(match access {
        Access::Immutable => "?mode=ro&immutable=1",
        Access::Wal => "?mode=ro&readonly_shm=1",
        Access::Rollback => "?mode=ro",
    });
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_with_every_kind_of_character_is_one_uri() {
        let uri = uri(Path::new("/a b/c?d#e%f/ü.db"), Access::Immutable);
        assert_eq!(uri, "file:/a%20b/c%3Fd%23e%25f/%C3%BC.db?mode=ro&immutable=1");
    }
}
