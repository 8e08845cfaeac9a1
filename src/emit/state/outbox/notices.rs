//! How does a notice lie in the outbox?

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::{Connection, OptionalExtension, Row, ToSql, named_params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::verdict::State;
use crate::verdict::notice::{Notice, Occasion};
use crate::verdict::telling::{Telling, Told};

/// How long the body of a notice is kept that every channel was told.
const BODIES_KEPT: TimeDelta = TimeDelta::days(30);
/// How long it is known that there was one.
const HEADS_KEPT: TimeDelta = TimeDelta::days(400);

/// What is known of a notice beside its body.
#[derive(Clone, Debug)]
pub(in crate::emit::state) struct Head {
    pub env: String,
    pub db_path: String,
    pub invocation_id: String,
    pub occasion: Occasion,
    pub at_us: i64,
}

impl Head {
    pub fn of(notice: &Notice) -> Self {
        Self {
            env: notice.env.clone(),
            db_path: notice.db_path.clone(),
            invocation_id: notice.invocation_id.clone(),
            occasion: notice.occasion,
            at_us: notice.at.timestamp_micros(),
        }
    }

    /// In columns that follow each other, in this order: `env, db_path, invocation_id, occasion, at_us`.
    pub fn read(row: &Row<'_>, first: usize) -> rusqlite::Result<Self> {
        let word: String = row.get(first + 3)?;
        Ok(Self {
            env: row.get(first)?,
            db_path: row.get(first + 1)?,
            invocation_id: row.get(first + 2)?,
            occasion: occasion(&word).ok_or_else(|| unreadable(&word))?,
            at_us: row.get(first + 4)?,
        })
    }

    /// `None` where the number is that of no time.
    pub fn at(&self) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp_micros(self.at_us)
    }

    /// What there is to tell where the text is lost: that there was something.
    pub fn lost(&self) -> Notice {
        let of_when = if self.at().is_some() { "" } else { ", and so was when" };
        Notice {
            occasion: self.occasion,
            env: self.env.clone(),
            db_path: self.db_path.clone(),
            host: String::new(),
            invocation_id: self.invocation_id.clone(),
            at: self.at().unwrap_or_default(),
            state: State::Unknown,
            sentence: format!(
                "what this alert said was lost with a damaged state file{of_when}; look at the log of that run"
            ),
            matters: Vec::new(),
            findings: Vec::new(),
            log: None,
        }
    }

    pub fn lost_body(&self) -> String {
        json(&self.lost()).unwrap_or_default()
    }
}

/// The words of the state file.
pub(super) const fn word(occasion: Occasion) -> &'static str {
    match occasion {
        Occasion::Run => "run",
        Occasion::Died => "died",
        Occasion::Test => "test",
    }
}

pub(in crate::emit::state) fn occasion(read: &str) -> Option<Occasion> {
    [Occasion::Run, Occasion::Died, Occasion::Test].into_iter().find(|occasion| word(*occasion) == read)
}

/// The notice of a row; its body may be of another version or damaged, and that must not stand in the way
/// of those behind it.
pub(super) fn read(head: &Head, body: &str) -> Notice {
    serde_json::from_str(body).unwrap_or_else(|_| head.lost())
}

pub(in crate::emit::state) fn is_body(text: &str) -> bool {
    serde_json::from_str::<Notice>(text).is_ok()
}

pub(in crate::emit::state) fn is_telling(text: &str) -> bool {
    serde_json::from_str::<Telling>(text).is_ok()
}

pub(in crate::emit::state) fn is_told(text: &str) -> bool {
    serde_json::from_str::<Told>(text).is_ok()
}

pub(in crate::emit::state) fn json(value: &impl Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}

pub(in crate::emit::state) fn from_json<T: DeserializeOwned>(text: &str) -> rusqlite::Result<T> {
    let failed = |error: serde_json::Error| {
        rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, error.into())
    };
    serde_json::from_str(text).map_err(failed)
}

fn unreadable(word: &str) -> rusqlite::Error {
    let cause = format!("unknown word {word:?} in the outbox");
    rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, cause.into())
}

/// Puts a notice in; `None` where it tells of a death that is in there.
pub(in crate::emit::state) fn put(db: &Connection, notice: &Notice) -> rusqlite::Result<Option<i64>> {
    insert(db, None, &Head::of(notice), false, Some(&json(notice)?))
}

pub(in crate::emit::state) fn insert(
    db: &Connection,
    id: Option<i64>,
    head: &Head,
    rescued: bool,
    body: Option<&str>,
) -> rusqlite::Result<Option<i64>> {
    let mut insert = db.prepare(
        "INSERT INTO notices (id, env, db_path, invocation_id, occasion, at_us, rescued, body)
         VALUES (:id, :env, :db_path, :invocation_id, :occasion, :at, :rescued, :body)
         ON CONFLICT DO NOTHING RETURNING id",
    )?;
    let values: &[(&str, &dyn ToSql)] = named_params! {
        ":id": id, ":env": head.env, ":db_path": head.db_path, ":invocation_id": head.invocation_id,
        ":occasion": word(head.occasion), ":at": head.at_us, ":rescued": rescued, ":body": body,
    };
    insert.query_row(values, |row| row.get(0)).optional()
}

/// Puts `notice` in the place of one that no channel is at work on; else it follows it. The number of what
/// stands there now.
pub(in crate::emit::state) fn replace(
    db: &Connection,
    old: Option<i64>,
    notice: Option<&Notice>,
) -> rusqlite::Result<Option<i64>> {
    let is_free = "SELECT NOT EXISTS (SELECT 1 FROM deliveries WHERE notice = ?
                   AND (state <> 'pending' OR attempts > 0 OR telling IS NOT NULL))";
    let free = match old {
        Some(id) => db.query_row(is_free, [id], |row| row.get(0))?,
        None => false,
    };
    match (old, notice) {
        (Some(id), Some(notice)) if free => {
            let sql = "UPDATE notices SET at_us = ?, body = ? WHERE id = ?";
            db.execute(sql, rusqlite::params![notice.at.timestamp_micros(), json(notice)?, id])?;
            Ok(Some(id))
        }
        (Some(id), None) if free => db.execute("DELETE FROM notices WHERE id = ?", [id]).map(|_| None),
        (old, None) => Ok(old),
        (_, Some(notice)) => put(db, notice),
    }
}

/// Forgets bodies that nobody has to be told any more, and much later that they were there.
pub(in crate::emit::state) fn forget(db: &Connection, now: DateTime<Utc>) -> rusqlite::Result<()> {
    db.execute(
        "UPDATE notices AS n SET body = NULL WHERE body IS NOT NULL AND at_us < ?
         AND EXISTS (SELECT 1 FROM deliveries d WHERE d.notice = n.id)
         AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.notice = n.id AND d.state = 'pending')
         AND NOT EXISTS (SELECT 1 FROM channels c WHERE c.claimed_upto < n.id AND NOT EXISTS
               (SELECT 1 FROM deliveries d WHERE d.notice = n.id AND d.channel = c.channel))",
        [(now - BODIES_KEPT).timestamp_micros()],
    )?;
    let before = (now - HEADS_KEPT).timestamp_micros();
    db.execute("DELETE FROM notices WHERE body IS NULL AND at_us < ?", [before]).map(drop)
}
