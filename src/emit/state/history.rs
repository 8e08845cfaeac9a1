//! What happened to one registry over the nights?

use std::time::Duration;

use chrono::{DateTime, Utc};
use rusqlite::types::Type;
use rusqlite::{Connection, Row, params};

use super::state_of;
use crate::verdict::State;
use crate::verdict::invariants::{Severity, Summary};

/// The recorded past of one registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    /// Full runs, newest first.
    pub runs: Vec<RunRecord>,
    /// Open incidents first, then the others, newest first.
    pub incidents: Vec<Incident>,
}

/// One recorded run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunRecord {
    /// When it began.
    pub start: DateTime<Utc>,
    /// When its last evaluation ended.
    pub finish: DateTime<Utc>,
    /// As in the report.
    pub invocation_id: String,
    /// Both built-in groups were asked for.
    pub strict: bool,
    /// Why it stopped before its end.
    pub incomplete: Option<String>,
    /// Its state in the end.
    pub state: State,
    /// Its counts.
    pub summary: Summary,
    /// What each invariant came to, by id.
    pub evaluations: Vec<EvaluationRecord>,
}

/// What one invariant came to in a recorded run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvaluationRecord {
    /// The invariant.
    pub id: String,
    /// Its severity then.
    pub severity: Severity,
    /// `None` where it was skipped.
    pub state: Option<State>,
    /// `None` where nothing was counted.
    pub violations: Option<u64>,
    /// `None` where it is not known.
    pub examined: Option<u64>,
    /// Wall time.
    pub duration: Option<Duration>,
}

/// The time in which one invariant was violated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incident {
    /// The invariant.
    pub invariant: String,
    /// The end of the first run that saw violations.
    pub opened: DateTime<Utc>,
    /// The end of the first run that saw none; `None` while it lasts.
    pub recovered: Option<DateTime<Utc>>,
}

impl Incident {
    /// From first failure to recovery; `None` while it lasts, and where the clock was set back.
    #[must_use]
    pub fn time_to_fix(&self) -> Option<Duration> {
        self.recovered.and_then(|end| (end - self.opened).to_std().ok())
    }
}

pub(super) fn read(db: &Connection, env: &str, db_path: &str, limit: usize) -> rusqlite::Result<History> {
    // One transaction: a run that ends in between does not tear the picture.
    let db = db.unchecked_transaction()?;
    let mut statement = db.prepare(
        "SELECT id, start_us, finish_us, invocation_id, strict, incomplete, state,
                total, passed, failed, error, skipped, violations
         FROM runs WHERE env = ? AND db_path = ? ORDER BY id DESC LIMIT ?",
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let found: Vec<(i64, RunRecord)> =
        statement.query_map(params![env, db_path, limit], run)?.collect::<rusqlite::Result<_>>()?;
    let mut runs = Vec::with_capacity(found.len());
    for (id, record) in found {
        runs.push(RunRecord { evaluations: evaluations(&db, id)?, ..record });
    }
    let mut statement = db.prepare(
        "SELECT invariant, opened_us, recovered_us FROM incidents WHERE env = ? AND db_path = ?
         ORDER BY recovered_us IS NOT NULL, id DESC",
    )?;
    let incidents = statement.query_map(params![env, db_path], incident)?.collect::<rusqlite::Result<_>>()?;
    Ok(History { runs, incidents })
}

fn run(row: &Row<'_>) -> rusqlite::Result<(i64, RunRecord)> {
    let summary = Summary {
        total: count(row, 7)?,
        passed: count(row, 8)?,
        failed: count(row, 9)?,
        error: count(row, 10)?,
        skipped: count(row, 11)?,
        violations: count(row, 12)?,
    };
    let record = RunRecord {
        start: time(row, 1)?,
        finish: time(row, 2)?,
        invocation_id: row.get(3)?,
        strict: row.get(4)?,
        incomplete: row.get(5)?,
        state: word(row, 6, state_of)?,
        summary,
        evaluations: Vec::new(),
    };
    Ok((row.get(0)?, record))
}

fn evaluations(db: &Connection, run: i64) -> rusqlite::Result<Vec<EvaluationRecord>> {
    let mut statement = db.prepare(
        "SELECT invariant, severity, state, violations, examined, duration_us
         FROM evaluations WHERE run = ? ORDER BY invariant",
    )?;
    let rows = statement.query_map([run], |row| {
        Ok(EvaluationRecord {
            id: row.get(0)?,
            severity: word(row, 1, |w| match w {
                "warning" => Some(Severity::Warning),
                "critical" => Some(Severity::Critical),
                _ => None,
            })?,
            state: word(row, 2, |w| if w == "skipped" { Some(None) } else { state_of(w).map(Some) })?,
            violations: known_count(row, 3)?,
            examined: known_count(row, 4)?,
            duration: known_count(row, 5)?.map(Duration::from_micros),
        })
    })?;
    rows.collect()
}

fn incident(row: &Row<'_>) -> rusqlite::Result<Incident> {
    let recovered: Option<i64> = row.get(2)?;
    Ok(Incident {
        invariant: row.get(0)?,
        opened: time(row, 1)?,
        recovered: recovered.map(|_| time(row, 2)).transpose()?,
    })
}

fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<DateTime<Utc>> {
    let micros = row.get(column)?;
    DateTime::from_timestamp_micros(micros).ok_or(rusqlite::Error::IntegralValueOutOfRange(column, micros))
}

fn known_count(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<u64>> {
    let number: Option<i64> = row.get(column)?;
    number.map(|_| count(row, column)).transpose()
}

fn count<T: TryFrom<i64>>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let number: i64 = row.get(column)?;
    T::try_from(number).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, number))
}

fn word<T>(row: &Row<'_>, column: usize, read: impl Fn(&str) -> Option<T>) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    let unknown = || format!("unknown word {text:?} in the state").into();
    read(&text).ok_or_else(|| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, unknown()))
}
