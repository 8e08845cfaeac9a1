//! Did a run leave a record, or a notice? Asked of the outbox, and of the `state.db` in whose place it is.

use chrono::TimeDelta;
use rusqlite::Connection;

use super::{Outbox, Place};
use crate::emit::lock::Unfinished;
use crate::emit::state::open::explain;
use crate::emit::state::{StateError, Trace, apart};

impl Outbox {
    /// Whether a run left a record, or a notice.
    ///
    /// # Errors
    ///
    /// Reading failed.
    pub fn was_recorded(&self, invocation_id: &str) -> Result<Trace, StateError> {
        let noticed = "SELECT 1 FROM notices WHERE invocation_id = ? AND occasion = 'run'";
        if !self.is_without && self.has(noticed, [invocation_id])? {
            return Ok(Trace::Left);
        }
        let seen = self.trace("SELECT 1 FROM runs WHERE invocation_id = ?", [invocation_id])?;
        match (&seen, &self.place) {
            (Trace::Missing, Place::Beside(state_db, _) | Place::InMemory(Some(state_db))) => {
                Ok(apart::look(state_db, |db| has(db, noticed, [invocation_id])))
            }
            _ => Ok(seen),
        }
    }

    /// Whether a run that left its line in the lock file left a record, or a notice, all the same. A line
    /// without an invocation id is known by its start.
    ///
    /// # Errors
    ///
    /// Reading failed.
    pub fn knows(&self, run: &Unfinished) -> Result<Trace, StateError> {
        if let Some(invocation_id) = &run.invocation_id {
            return self.was_recorded(invocation_id);
        }
        let second = [run.since, run.since + TimeDelta::seconds(1)].map(|time| time.timestamp_micros());
        self.trace("SELECT 1 FROM runs WHERE start_us >= ? AND start_us < ?", second)
    }

    /// Whether there is such a run, here or in the `state.db` in whose place this is.
    fn trace<P: rusqlite::Params + Clone>(&self, sql: &str, of: P) -> Result<Trace, StateError> {
        match &self.place {
            Place::Beside(state_db, _) | Place::InMemory(Some(state_db)) => {
                Ok(apart::look(state_db, |db| has(db, sql, of.clone())))
            }
            _ => Ok(if self.has(sql, of)? { Trace::Left } else { Trace::Missing }),
        }
    }

    fn has(&self, sql: &str, of: impl rusqlite::Params) -> Result<bool, StateError> {
        has(&self.connection, sql, of).map_err(|e| explain(&self.path, e))
    }
}

fn has(db: &Connection, sql: &str, of: impl rusqlite::Params) -> rusqlite::Result<bool> {
    db.prepare(sql)?.exists(of)
}
