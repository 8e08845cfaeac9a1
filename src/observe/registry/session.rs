//! How do the connections of one run come to see one state of the registry?

use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, Error, ffi};

use super::ask::FunctionLog;
use super::error::RegistryError;
use super::files::{self, BUSY_TIMEOUT, Beside, Found};
use super::functions;
use super::open::{Access, allow_reading_only, connect};
use super::reader::Gate;
use super::schema::Schema;
use super::shared::Shared;
use super::snapshot::Snapshot;
use crate::observe::cancel::Cancel;

/// How long a further reader waits for its lock; a writer that waits for us would keep it for ever.
const FURTHER_READER: std::time::Duration = std::time::Duration::from_millis(50);

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
        let found = files::look(path)?;
        let order: &[Access] = match found.beside {
            // A WAL database cannot be read with a lock while its -wal is not there: that would create one.
            Beside::Nothing if again && !found.is_wal => &[Access::Rollback],
            Beside::Nothing => {
                files::wait_for_exclusive_lock(&found.path, cancel)?;
                &[Access::Immutable]
            }
            Beside::Wal => &[Access::Wal, Access::WalMark],
            Beside::Journal => &[Access::Rollback],
        };
        let mut first_error = None;
        for &access in order {
            let opened = Self::begin(&found, access, tables.clone(), shared, cancel);
            match opened {
                Ok(session) => return Ok(session),
                Err(error) if access == Access::Wal && lacks_a_mark(&error) => {
                    first_error = Some(error);
                }
                Err(error) => {
                    // The first attempt tells more than one that may have failed for want of a right.
                    let error = first_error.unwrap_or(error);
                    return Err(RegistryError::from_sqlite(&found.path, &error, BUSY_TIMEOUT));
                }
            }
        }
        Err(RegistryError::WalWithoutIndex(found.path))
    }

    fn begin<'a>(
        found: &Found,
        access: Access,
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
            Access::Wal | Access::WalMark => Some(Snapshot::take(&leader).map_err(|error| error.to_string())),
            Access::Immutable | Access::Rollback => None,
        };
        let functions = FunctionLog::default();
        allow_reading_only(&mut leader, functions.clone())?;
        Ok(Self { found: found.clone(), access, schema, functions, leader, gate, snapshot })
    }

    /// How a further reader is opened; `None` where only one can see this state.
    #[must_use]
    pub fn invitation(&mut self) -> Option<Invitation> {
        let snapshot = match self.snapshot.take() {
            Some(Err(_)) => return None,
            Some(Ok(snapshot)) => Some(Arc::new(snapshot)),
            None => None,
        };
        Some(Invitation { found: self.found.clone(), access: self.access, snapshot })
    }
}

/// What a further reader needs in order to see the same state.
#[derive(Clone)]
pub struct Invitation {
    found: Found,
    access: Access,
    snapshot: Option<Arc<Snapshot>>,
}

impl Invitation {
    /// Opens a further reader.
    ///
    /// # Errors
    /// SQLite's own; the run then goes on with the readers that it has.
    pub fn open(&self, shared: &Arc<Shared>, cancel: &Cancel) -> Result<(Connection, Gate), Error> {
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

/// The -shm exists, and a connection that only looks on cannot use it yet.
fn lacks_a_mark(error: &Error) -> bool {
    error.sqlite_error().is_some_and(|failure| failure.extended_code == ffi::SQLITE_READONLY_CANTINIT)
}
