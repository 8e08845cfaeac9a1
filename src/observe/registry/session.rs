//! How do the connections of one run come to see one state of the registry?

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::{Connection, Error, ErrorCode, ffi};

use super::ask::{FunctionLog, words};
use super::error::RegistryError;
use super::files::{self, BUSY_TIMEOUT, Beside, Found};
use super::functions;
use super::open::{Access, allow_reading_only, connect};
use super::reader::Gate;
use super::schema::Schema;
use super::shared::Shared;
use super::snapshot::Snapshot;
use super::waiting;
use crate::observe::cancel::Cancel;

/// How long a further reader waits for its lock; a writer that waits for us would keep it for ever.
const FURTHER_READER: Duration = Duration::from_millis(50);

/// How often at most the registry is looked at anew because a writer comes or goes just then.
const MOST_LOOKS: u32 = 50;
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// The first connection of a run, in a read transaction that every other one follows.
pub struct Session {
    /// What lay there when it was opened.
    pub found: Found,
    /// How the file is read.
    pub access: Access,
    /// The tables asked about.
    pub schema: Schema,
    /// The functions that compiled statements use.
    pub functions: FunctionLog,
    /// The connection, until a reader takes it.
    pub leader: Connection,
    /// The file, for as long as a lock on it is held; closed after the connection.
    pub beside: Option<waiting::Beside>,
    /// Ends what the leader does in time.
    pub gate: Gate,
    /// WAL: what further readers open; or why there is none.
    pub snapshot: Option<Result<Snapshot, String>>,
}

impl Session {
    /// Opens the registry as what lies beside it demands; `again`: it changed while it was read without a
    /// lock.
    ///
    /// # Errors
    /// Where it cannot be read, with what to do.
    pub fn open<'a>(
        path: &Path,
        tables: &(impl Iterator<Item = &'a str> + Clone),
        shared: &Arc<Shared>,
        cancel: &Cancel,
        again: bool,
    ) -> Result<Self, RegistryError> {
        let mut seen_in_calm = false;
        for _ in 0..MOST_LOOKS {
            let (error, is_calm) = match files::look(path) {
                Err(error) => (error, true),
                Ok(found) => match Self::open_as_found(&found, tables, shared, cancel, again) {
                    Ok(session) => return Ok(session),
                    Err(error) => (error, found.is_unchanged().unwrap_or(false)),
                },
            };
            // A writer that comes or goes brings and takes its files one after the other: an error that is
            // due to it does not come twice while nothing changes.
            if !error.may_pass() || cancel.stop().is_some() || (is_calm && seen_in_calm) {
                return Err(error);
            }
            seen_in_calm = is_calm;
            std::thread::sleep(BETWEEN_LOOKS);
        }
        Err(RegistryError::Changing { path: path.to_owned(), tries: MOST_LOOKS })
    }

    fn open_as_found<'a>(
        found: &Found,
        tables: &(impl Iterator<Item = &'a str> + Clone),
        shared: &Arc<Shared>,
        cancel: &Cancel,
        again: bool,
    ) -> Result<Self, RegistryError> {
        let access = match found.beside {
            // A WAL database cannot be read with a lock while its -wal is not there: that would create one.
            Beside::Nothing if again && !found.is_wal => Access::Rollback,
            Beside::Nothing => {
                files::wait_for_exclusive_lock(&found.path, cancel)?;
                Access::Immutable
            }
            Beside::Wal => Access::Wal,
            Beside::Journal => Access::Rollback,
        };
        let began = Instant::now();
        loop {
            let beside =
                (access == Access::Rollback).then(|| waiting::Beside::open(&found.path)).transpose()?;
            let error = match Self::begin(found, access, beside, tables.clone(), shared, cancel) {
                Ok(session) => return Ok(session),
                Err(error) => error,
            };
            let is_busy = error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy);
            if is_busy && cancel.stop().is_some() {
                return Err(RegistryError::stopped_by_lock(&found.path));
            }
            if !is_busy || began.elapsed() >= BUSY_TIMEOUT {
                return Err(RegistryError::from_sqlite(&found.path, &error, BUSY_TIMEOUT));
            }
        }
    }

    fn begin<'a>(
        found: &Found,
        access: Access,
        beside: Option<waiting::Beside>,
        tables: impl Iterator<Item = &'a str>,
        shared: &Arc<Shared>,
        cancel: &Cancel,
    ) -> Result<Self, Error> {
        let mut leader = connect(&found.path, access)?;
        let gate = Gate::install(&mut leader, cancel)?;
        functions::register(&leader, shared)?;
        leader.execute_batch("BEGIN")?;
        // The first read begins the transaction, and finds out what cannot be opened.
        leader.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0))?;
        let schema = Schema::read(&leader, tables)?;
        let snapshot = match access {
            Access::Wal => Some(Snapshot::take(&leader).map_err(|error| without_snapshot(&error))),
            Access::Immutable | Access::Rollback => None,
        };
        let functions = FunctionLog::default();
        allow_reading_only(&mut leader, functions.clone())?;
        Ok(Self { found: found.clone(), access, schema, functions, leader, beside, gate, snapshot })
    }

    /// How a further reader is opened; `None` where only one can see this state.
    #[must_use]
    pub fn invitation(&mut self) -> Option<Invitation> {
        let snapshot = match self.snapshot.take() {
            Some(Err(_)) => return None,
            Some(Ok(snapshot)) => Some(Arc::new(snapshot)),
            None => None,
        };
        let (found, beside) = (self.found.clone(), self.beside.clone());
        Some(Invitation { found, access: self.access, snapshot, beside })
    }
}

/// What a further reader needs in order to see the same state.
#[derive(Clone)]
pub struct Invitation {
    found: Found,
    access: Access,
    snapshot: Option<Arc<Snapshot>>,
    /// Kept for longer than the connection.
    pub beside: Option<waiting::Beside>,
}

impl Invitation {
    /// Opens a further reader.
    ///
    /// # Errors
    /// Why not; the run then goes on with the readers that it has.
    pub fn open(&self, shared: &Arc<Shared>, cancel: &Cancel) -> Result<(Connection, Gate), String> {
        self.connect(shared, cancel).map_err(|error| {
            let code = error.sqlite_error().map(|failure| failure.extended_code);
            match (code, &self.snapshot) {
                (Some(ffi::SQLITE_BUSY), Some(_)) => "a writer is just writing its -wal back".to_owned(),
                (Some(ffi::SQLITE_BUSY), None) => "a writer waits for its turn".to_owned(),
                // The -wal had been written back when the first reader came, and was begun anew since.
                (Some(ffi::SQLITE_READONLY_CANTINIT | ffi::SQLITE_ERROR_SNAPSHOT), _) => {
                    "a writer has gone on since".to_owned()
                }
                _ => words(&error),
            }
        })
    }

    fn connect(&self, shared: &Arc<Shared>, cancel: &Cancel) -> Result<(Connection, Gate), Error> {
        let mut connection = connect(&self.found.path, self.access)?;
        connection.busy_timeout(FURTHER_READER)?;
        let gate = Gate::install(&mut connection, cancel)?;
        functions::register(&connection, shared)?;
        if let Some(snapshot) = &self.snapshot {
            // A snapshot can be opened only by a connection that has read the WAL's header before.
            connection.query_row("PRAGMA application_id", [], |_| Ok(()))?;
            connection.execute_batch("BEGIN")?;
            snapshot.open(&connection)?;
        } else {
            connection.execute_batch("BEGIN")?;
        }
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0))?;
        allow_reading_only(&mut connection, FunctionLog::default())?;
        Ok((connection, gate))
    }
}

/// SQLite gives its most general error for the one case that comes up.
fn without_snapshot(error: &Error) -> String {
    match error.sqlite_error() {
        Some(failure) if failure.extended_code == ffi::SQLITE_ERROR => {
            "the -wal holds no transaction yet".to_owned()
        }
        _ => error.to_string(),
    }
}
