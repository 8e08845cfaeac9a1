//! What do earlier runs say, and what has still to be told? `state.db` in the state folder: runs, what each
//! invariant came to in them, incidents from first failure to recovery, and the outbox.

mod apart;
mod error;
mod folder;
mod history;
mod mend;
mod open;
pub mod outbox;
mod record;
mod room;
mod salvage;

use std::path::{Path, PathBuf};

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::verdict::State;
use crate::verdict::invariants::Report;
use crate::verdict::notice::Notice;
use crate::verdict::streaks::Streaks;

pub use apart::Trace;
pub use error::StateError;
pub use folder::{EnterError, StateFolder};
pub use history::{EvaluationRecord, History, Incident, RunRecord};
pub use mend::Aside;
use open::{BUSY, explain};

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
    /// The file that had to be put out of the way, of which nobody was told yet.
    pub aside: Option<Aside>,
    /// Its notice's number, where it had something to say.
    pub notice: Option<i64>,
    run: i64,
}

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

    /// Records a run, and in the same transaction the notice that `compose` makes of its history. A file
    /// that cannot be read is set aside first.
    ///
    /// # Errors
    ///
    /// The file stays as it was.
    pub fn record(
        &self,
        report: &Report,
        compose: impl Fn(&Streaks) -> Option<Notice>,
        now: DateTime<Utc>,
    ) -> Result<Recorded, StateError> {
        let attempt = || {
            let connection = apart::open_with(&self.path, now)?;
            let aside = mend::untold(&self.path, &connection).map_err(|e| explain(&self.path, e))?;
            let recorded = record::record(&connection, report, &compose, now);
            Ok(Recorded { aside, ..recorded.map_err(|e| explain(&self.path, e))? })
        };
        match attempt() {
            Err(StateError::Unreadable { .. }) => {
                mend::mend(&self.path, now)?;
                attempt()
            }
            recorded => recorded,
        }
    }

    /// Lifts the state of a run that is recorded already, since a later output failed, and composes its
    /// notice anew: it tells of the file that was set aside, too. Where a channel is at work on the old one
    /// already, a second one follows it.
    ///
    /// # Errors
    ///
    /// The file stays as it was.
    pub fn restate(
        &self,
        recorded: &mut Recorded,
        report: &Report,
        compose: impl Fn(&Streaks) -> Option<Notice>,
    ) -> Result<(), StateError> {
        let connection = open::open_or_begin(&self.path)?;
        let restated = record::restate(&connection, recorded, report, &compose);
        (recorded.streaks, recorded.notice) = restated.map_err(|e| explain(&self.path, e))?;
        recorded.aside = None;
        Ok(())
    }

    /// Lifts the state of a run that people were told of already.
    ///
    /// # Errors
    ///
    /// The file stays as it was.
    pub fn lift(&self, recorded: &mut Recorded, report: &Report) -> Result<(), StateError> {
        let connection = open::open_or_begin(&self.path)?;
        let lifted = record::lift(&connection, recorded, report);
        recorded.streaks = lifted.map_err(|e| explain(&self.path, e))?;
        Ok(())
    }

    /// The runs and incidents of one registry, newest first, at most `limit` runs.
    ///
    /// # Errors
    ///
    /// [`StateError::Absent`] where no run was recorded yet; nothing is made, changed or set aside.
    pub fn history(&self, env: &str, db_path: &str, limit: usize) -> Result<History, StateError> {
        let connection = open::open_to_read(&self.path)?.connection;
        history::read(&connection, env, db_path, limit).map_err(|e| explain(&self.path, e))
    }
}

/// The state that a word of `state.db` means.
fn state_of(word: &str) -> Option<State> {
    [State::Ok, State::Unknown, State::Warning, State::Critical].into_iter().find(|s| s.key() == word)
}

/// All of the work, on disk when this returns, or nothing.
fn in_transaction<T>(
    connection: &Connection,
    work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    // At once for writing: a transaction that begins by reading cannot wait for its turn.
    let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
    let done = work(&transaction)?;
    transaction.commit()?;
    Ok(done)
}

#[cfg(test)]
mod tests;
