//! What does a statement return, which functions does it ask, and how are its rows shown?

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Error, ErrorCode, Row, ffi};

use super::functions::{ASK_FACTS, ASK_PASSPORTS};
use crate::verdict::invariants::{Cell, SampleRow};

/// A text of a sample is cut here (bytes): samples are for people.
const LONGEST_TEXT: usize = 400;

/// What must be known before a statement can be answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Facts per project.
    pub facts: bool,
    /// Passports on disk.
    pub passports: bool,
}

/// What SQLite's authorizer saw of the statements that were compiled.
#[derive(Clone, Debug, Default)]
pub struct FunctionLog(Arc<Mutex<Seen>>);

#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    asked: Asked,
    refused: Option<Refusal>,
}

/// Whose doing it was that something was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The statement asks for it.
    OfStatement,
    /// A view of the registry does.
    OfRegistry,
}

impl FunctionLog {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes one function.
    pub fn note(&self, function: &str) {
        let asked = &mut self.seen().asked;
        asked.facts |= ASK_FACTS.iter().any(|name| name.eq_ignore_ascii_case(function));
        asked.passports |= ASK_PASSPORTS.iter().any(|name| name.eq_ignore_ascii_case(function));
    }

    /// Notes that something was refused: of a function SQLite itself says no more than of a typo.
    pub fn note_refusal(&self, refusal: Refusal) {
        self.seen().refused.get_or_insert(refusal);
    }

    /// Forgets what was noted.
    pub fn clear(&self) {
        *self.seen() = Seen::default();
    }

    /// What was noted since.
    #[must_use]
    pub fn asked(&self) -> Asked {
        self.seen().asked
    }

    /// What was refused first, since.
    #[must_use]
    pub fn refused(&self) -> Option<Refusal> {
        self.seen().refused
    }
}

/// Compiles a statement, and gives the names of its columns.
///
/// # Errors
/// SQLite's own; and for a statement with parameters, or one that would write.
pub fn prepare(connection: &Connection, sql: &str) -> Result<Vec<String>, Error> {
    let statement = connection.prepare(sql)?;
    let refuse = |code, words: &str| Err(Error::SqliteFailure(ffi::Error::new(code), Some(words.to_owned())));
    if !statement.readonly() {
        return refuse(ffi::SQLITE_AUTH, "not authorized");
    }
    if statement.parameter_count() > 0 {
        return refuse(ffi::SQLITE_ERROR, "it has a parameter, for which nobody gives a value");
    }
    Ok(statement.column_names().map(str::to_owned).collect())
}

/// Whether SQLite answers this statement over one table through an index on just the rows asked for.
///
/// # Errors
/// SQLite's own.
pub fn uses_index(connection: &Connection, sql: &str) -> Result<bool, Error> {
    let mut plan = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
    let mut rows = plan.query([])?;
    while let Some(row) = rows.next()? {
        // The outermost loop is the table's own; what EXISTS asks may stand beside it.
        if row.get::<_, i64>(1)? == 0 {
            let detail: String = row.get(3)?;
            // ANY(…) skips through an index by guesswork; a plain scan that others share is cheaper.
            return Ok(detail.contains(" INDEX ") && !detail.contains("ANY("));
        }
    }
    Ok(false)
}

/// Whether SQLite answers this statement by one pass over one table: then the steps of the pass are the rows
/// that were looked at, and else they may be anything.
///
/// # Errors
/// SQLite's own.
pub fn is_one_scan(connection: &Connection, sql: &str) -> Result<bool, Error> {
    let mut plan = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
    let steps = plan.query_map([], |row| row.get::<_, String>(3))?.collect::<Result<Vec<_>, _>>()?;
    let mut loops = steps.iter().filter(|step| !step.starts_with("USE TEMP B-TREE"));
    let scan = loops.next().and_then(|step| step.strip_prefix("SCAN "));
    // An index may hold a part of the table, and a function that gives rows is no table.
    let is_table = |what: &str| !what.contains(" INDEX ") && !what.starts_with('(') && what != "CONSTANT ROW";
    Ok(scan.is_some_and(is_table) && loops.next().is_none())
}

/// How the columns of a violating row are shown.
#[derive(Clone, Debug, Default)]
pub struct Columns {
    /// Place in the row, name, and whether the value is kept back.
    shown: Vec<(usize, String, bool)>,
    /// Where the row says why it is a violation.
    reason: Option<usize>,
    /// Texts are shown from beginning to end.
    whole: bool,
}

impl Columns {
    /// Columns in this order, and after them the reason, if there is one.
    #[must_use]
    pub fn new(names: Vec<String>, reason: bool, redact: &[String]) -> Self {
        let reason = reason.then_some(names.len());
        let shown = names.into_iter().enumerate().map(|(place, name)| {
            let kept_back = redact.contains(&name);
            (place, name, kept_back)
        });
        Self { shown: shown.collect(), reason, whole: false }
    }

    /// The key first, then `show`, or where that is empty everything else; a column called `reason` is
    /// the reason.
    #[must_use]
    pub fn of_query(names: &[String], key: &[String], show: &[String], redact: &[String]) -> Self {
        let place = |wanted: &String| names.iter().position(|name| name == wanted);
        let reason =
            names.iter().position(|name| name == "reason").filter(|_| !key.iter().any(|k| k == "reason"));
        let rest = if show.is_empty() { names } else { show };
        let rest = rest.iter().filter(|name| !key.contains(name) && place(name) != reason);
        let order = key.iter().chain(rest);
        let shown =
            order.filter_map(|name| Some((place(name)?, name.clone(), redact.contains(name)))).collect();
        Self { shown, reason, whole: false }
    }

    /// The same columns, with every text from beginning to end.
    #[must_use]
    pub fn whole(self) -> Self {
        Self { whole: true, ..self }
    }

    /// A row as people see it.
    ///
    /// # Errors
    /// SQLite's own.
    pub fn show(&self, row: &Row<'_>) -> Result<SampleRow, Error> {
        let most = if self.whole { usize::MAX } else { LONGEST_TEXT };
        let mut cells = Vec::with_capacity(self.shown.len());
        for (place, name, kept_back) in &self.shown {
            let value = if *kept_back { Cell::Redacted } else { cell(row.get_ref(*place)?, most) };
            cells.push((name.clone(), value));
        }
        let reason = match self.reason.map(|place| row.get_ref(place)).transpose()? {
            None | Some(ValueRef::Null) => None,
            Some(value) => Some(crate::report::cell::words(&cell(value, most))),
        };
        Ok(SampleRow { cells, reason })
    }
}

fn cell(value: ValueRef<'_>, most: usize) -> Cell {
    match value {
        ValueRef::Null => Cell::Null,
        ValueRef::Integer(number) => Cell::Integer(number),
        ValueRef::Real(number) => Cell::Real(number),
        ValueRef::Blob(bytes) => Cell::Blob(bytes.len()),
        ValueRef::Text(bytes) => match bytes.get(..most) {
            None => Cell::Text(String::from_utf8_lossy(bytes).into_owned()),
            Some(start) => {
                // A character that the cut went through is left out.
                let end = (0..4).find(|n| start.get(start.len() - n - 1).is_some_and(|b| b & 0xc0 != 0x80));
                let whole = end.map_or(start.len(), |n| start.len() - n - 1);
                let start = start.get(..whole).unwrap_or(start);
                Cell::Text(format!("{}…", String::from_utf8_lossy(start)))
            }
        },
    }
}

/// SQLite's words, without the numbers and type names around them.
#[must_use]
pub fn words(error: &Error) -> String {
    match error {
        Error::SqliteFailure(failure, words) => match (failure.code, words) {
            (ErrorCode::AuthorizationForStatementDenied, _) => "SQLite's authorizer refused it".to_owned(),
            (_, Some(words)) => words.clone(),
            (_, None) => ffi::code_to_str(failure.extended_code).to_owned(),
        },
        Error::SqlInputError { error, msg, .. } => {
            if error.code == ErrorCode::AuthorizationForStatementDenied {
                "SQLite's authorizer refused it".to_owned()
            } else {
                msg.clone()
            }
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_at_a_character() {
        let text = format!("{}ü{}", "x".repeat(LONGEST_TEXT - 1), "y".repeat(10_000_000));
        let Cell::Text(shown) = cell(ValueRef::Text(text.as_bytes()), LONGEST_TEXT) else {
            panic!("no text")
        };
        assert_eq!(shown, format!("{}…", "x".repeat(LONGEST_TEXT - 1)));
    }
}
