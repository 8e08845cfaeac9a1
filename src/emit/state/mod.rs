//! What do earlier runs say? `state.db` in the state folder: runs, what each invariant came to in
//! them, and incidents from first failure to recovery.

mod error;
mod folder;
mod history;
mod open;
mod record;

use std::path::{Path, PathBuf};

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::Connection;

use crate::verdict::State;
use crate::verdict::invariants::Report;
use crate::verdict::notice::Notice;
use crate::verdict::streaks::Streaks;

pub use error::StateError;
pub use folder::{EnterError, StateFolder};
pub use history::{EvaluationRecord, History, Incident, RunRecord};
pub use open::Aside;
use open::BUSY;
pub(super) use open::{explain, open_or_begin, open_to_read, outbox_in_memory};

/// How long runs are kept; the last success of a registry is kept for ever.
const KEPT: TimeDelta = TimeDelta::days(400);

/// The history in one state folder.
#[derive(Clone, Debug)]
pub struct StateDb {
    path: PathBuf,
}

/// What recording a run came to.
#[derive(Debug)]
pub struct Recorded {
    /// The history, this run included.
    pub streaks: Streaks,
    /// The file that had to be put out of the way first.
    pub aside: Option<Aside>,
    /// The notice in the outbox, where one was written.
    pub notice: Option<i64>,
    run: i64,
}

/// Makes the notice of a run from its history; `None` where nobody is to be told.
pub type Compose<'a> = &'a dyn Fn(&Report, &Streaks) -> Option<Notice>;

impl StateDb {
    /// The `state.db` of a state folder; nothing is opened yet.
    #[must_use]
    pub fn in_folder(folder: &Path) -> Self {
        // Resolved, because SQLite is told to follow no link.
        let folder = std::fs::canonicalize(folder).unwrap_or_else(|_| folder.to_path_buf());
        Self { path: folder.join("state.db") }
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Records a run, and the notice of it where there is one, in one transaction, and tells the history. A file that cannot be read
    /// is set aside first.
    ///
    /// # Errors
    ///
    /// The file stays as it was.
    pub fn record(
        &self,
        report: &Report,
        notice: Compose<'_>,
        now: DateTime<Utc>,
    ) -> Result<Recorded, StateError> {
        let attempt = || {
            let mut connection = open::open_or_begin(&self.path)?;
            record::record(&mut connection, report, notice, now).map_err(|e| explain(&self.path, e))
        };
        match attempt() {
            Err(StateError::Unreadable { why, .. }) => {
                let aside = open::set_aside(&self.path, why, now)?;
                Ok(Recorded { aside: Some(aside), ..attempt()? })
            }
            Ok(recorded) => Ok(recorded),
            Err(error) => Err(error),
        }
    }

    /// Lifts the state of a run that is recorded already: a later output failed.
    ///
    /// # Errors
    ///
    /// The file stays as it was.
    pub fn restate(
        &self,
        recorded: &mut Recorded,
        report: &Report,
        notice: Compose<'_>,
    ) -> Result<(), StateError> {
        let mut connection = open::open_or_begin(&self.path)?;
        let restated = record::restate(&mut connection, recorded, report, notice);
        recorded.streaks = restated.map_err(|e| explain(&self.path, e))?;
        Ok(())
    }

    /// The runs and incidents of one registry, newest first, at most `limit` runs.
    ///
    /// # Errors
    ///
    /// [`StateError::Absent`] where no run was recorded yet; nothing is made, changed or set aside.
    pub fn history(&self, env: &str, db_path: &str, limit: usize) -> Result<History, StateError> {
        let connection = open::open_to_read(&self.path)?;
        history::read(&connection, env, db_path, limit).map_err(|e| explain(&self.path, e))
    }
}

/// The state that a word of `state.db` means.
fn state_of(word: &str) -> Option<State> {
    [State::Ok, State::Unknown, State::Warning, State::Critical].into_iter().find(|s| s.key() == word)
}

/// All of the work or, where any of it fails, nothing.
fn in_transaction<T>(
    connection: &mut Connection,
    work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let done = work(&transaction)?;
    transaction.commit()?;
    Ok(done)
}

#[cfg(test)]
mod tests;
