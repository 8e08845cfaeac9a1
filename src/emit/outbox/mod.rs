//! What are people still to be told? Notices in `state.db`, and what became of each on each channel.
//!
//! A notice is written before the first attempt to send it and stays until each channel has proved that it
//! took it. What was accepted is written down before anything else is tried, so that a crash at any point
//! repeats one part at most, and loses none.

mod claim;
mod pending;
mod put;
mod settle;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension, params};

use super::channels::ChannelName;
use super::state::{StateError, explain, open_or_begin, open_to_read, outbox_in_memory};
use crate::verdict::notice::Notice;
use crate::verdict::telling::{Telling, Told};

pub use pending::Pending;
pub(super) use put::{put, replace};

/// The outbox of a state folder, or one in memory where the state cannot be written: people are told then
/// all the same.
#[derive(Debug)]
pub struct Outbox {
    db: Connection,
    path: PathBuf,
}

/// A notice that a channel has not taken whole.
#[derive(Clone, Debug, PartialEq)]
pub struct Waiting {
    /// Its number; later notices have higher ones.
    pub id: i64,
    /// The notice.
    pub notice: Notice,
    /// What the channel was last told of this registry.
    pub told: Told,
    /// What it is told of this notice, where an attempt was made before.
    pub telling: Option<Telling>,
    /// The parts that it took before.
    pub accepted: BTreeSet<String>,
    /// The far end asked to be left alone until then.
    pub not_before: Option<DateTime<Utc>>,
}

impl Outbox {
    /// Opens the outbox of a state folder; begins it where there is none.
    ///
    /// # Errors
    /// Where `state.db` cannot be read or written.
    pub fn open(folder: &Path) -> Result<Self, StateError> {
        let path = super::state::StateDb::in_folder(folder).path().to_path_buf();
        Ok(Self { db: open_or_begin(&path)?, path })
    }

    /// Opens the outbox of a state folder to look into it; nothing is made or changed.
    ///
    /// # Errors
    /// [`StateError::Absent`] where there is none.
    pub fn open_to_read(folder: &Path) -> Result<Self, StateError> {
        let path = super::state::StateDb::in_folder(folder).path().to_path_buf();
        Ok(Self { db: open_to_read(&path)?, path })
    }

    /// An outbox that ends with this process.
    ///
    /// # Errors
    /// None that is known; SQLite's own otherwise.
    pub fn in_memory() -> Result<Self, StateError> {
        let path = PathBuf::from("(memory)");
        Ok(Self { db: outbox_in_memory().map_err(|error| explain(&path, error))?, path })
    }

    /// Writes a notice down; a second one of the same death is the first.
    ///
    /// # Errors
    /// The outbox stays as it was.
    pub fn put(&self, notice: &Notice) -> Result<(), StateError> {
        self.work(|db| put(db, notice).map(|_| ()))
    }

    /// Whether this run left a record.
    ///
    /// # Errors
    /// Where `state.db` cannot be read.
    pub fn was_recorded(&self, invocation_id: &str) -> Result<bool, StateError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM runs WHERE invocation_id = ?)";
        self.ask(|db| db.query_row(sql, [invocation_id], |row| row.get(0)))
    }

    /// The first notice after `after` that waits for a channel.
    ///
    /// # Errors
    /// Where `state.db` cannot be read.
    pub fn next(&self, channel: ChannelName, after: i64) -> Result<Option<Waiting>, StateError> {
        self.ask(|db| {
            let sql = "SELECT n.id, n.body, d.telling, d.not_before_us, t.told
                       FROM deliveries d JOIN notices n ON n.id = d.notice
                       LEFT JOIN told t ON t.env = n.env AND t.db_path = n.db_path AND t.channel = d.channel
                       WHERE d.channel = ?1 AND d.settled_us IS NULL AND d.notice > ?2
                       ORDER BY d.notice LIMIT 1";
            let mut statement = db.prepare(sql)?;
            let found = statement.query_row(params![channel.word(), after], |row| {
                Ok(Waiting {
                    id: row.get(0)?,
                    notice: json(row, 1)?,
                    telling: optional_json(row, 2)?,
                    not_before: row.get::<_, Option<i64>>(3)?.and_then(DateTime::from_timestamp_micros),
                    told: optional_json(row, 4)?.unwrap_or_default(),
                    accepted: BTreeSet::new(),
                })
            });
            let Some(mut waiting) = found.optional()? else { return Ok(None) };
            let mut statement = db.prepare("SELECT part FROM accepted WHERE channel = ? AND notice = ?")?;
            let parts = statement.query_map(params![channel.word(), waiting.id], |row| row.get(0))?;
            waiting.accepted = parts.collect::<Result<_, _>>()?;
            Ok(Some(waiting))
        })
    }

    /// All of the work or, where any of it fails, nothing.
    fn work<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StateError> {
        let in_transaction = || {
            let behavior = rusqlite::TransactionBehavior::Immediate;
            let transaction = rusqlite::Transaction::new_unchecked(&self.db, behavior)?;
            let done = work(&transaction)?;
            transaction.commit()?;
            Ok(done)
        };
        in_transaction().map_err(|error| explain(&self.path, error))
    }

    fn ask<T>(&self, ask: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StateError> {
        ask(&self.db).map_err(|error| explain(&self.path, error))
    }
}

fn json<T: serde::de::DeserializeOwned>(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, error.into())
    })
}

fn optional_json<T: serde::de::DeserializeOwned>(
    row: &rusqlite::Row<'_>,
    column: usize,
) -> rusqlite::Result<Option<T>> {
    let is_null = matches!(row.get_ref(column)?, rusqlite::types::ValueRef::Null);
    if is_null { Ok(None) } else { json(row, column).map(Some) }
}

/// Our own types always have a JSON; an error of the serializer is one of the database's words.
fn to_json(value: &impl serde::Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}
