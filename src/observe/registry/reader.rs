//! What does one connection do for a run? It takes pieces of work until there are none.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Error, ErrorCode, Row, StatementStatus, ffi};

use super::ask::words;
use super::board::Board;
use super::facts::Facts;
use super::plan::{Query, Scan};
use super::raw::each_row;
use super::work::{Chunk, Failure, Found, Task};
use crate::observe::cancel::{Cancel, Stop};
use crate::verdict::invariants::{Outcome, SampleRow};

/// SQLite looks at the clock after this many of its instructions: some 50 µs.
const INSTRUCTIONS_BETWEEN_LOOKS: i32 = 2_000;

/// The end of the piece of work in hand, and why it was stopped.
#[derive(Clone, Debug)]
pub struct Gate {
    cancel: Cancel,
    state: Arc<Mutex<(Option<Instant>, Option<Stop>)>>,
}

impl Gate {
    /// Lets nothing pass once the run must stop, or the piece in hand has taken its time.
    ///
    /// # Errors
    /// None that is known; SQLite's own otherwise.
    pub fn install(connection: &mut Connection, cancel: &Cancel) -> Result<Self, Error> {
        let gate = Self { cancel: cancel.clone(), state: Arc::default() };
        let seen = gate.clone();
        connection.progress_handler(INSTRUCTIONS_BETWEEN_LOOKS, Some(move || seen.look()))?;
        Ok(gate)
    }

    fn look(&self) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let stop = match state.0 {
            Some(end) => self.cancel.stop_before(end),
            None => self.cancel.stop(),
        };
        state.1 = stop.or(state.1);
        stop.is_some()
    }

    /// A new piece of work begins.
    pub fn set(&self, end: Option<Instant>) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = (end, None);
    }

    /// Why a statement failed: stopped by us, or by a fault of its own.
    #[must_use]
    pub fn failure(&self, error: &Error) -> Failure {
        let stopped = self.state.lock().unwrap_or_else(PoisonError::into_inner).1;
        match (error.sqlite_error_code(), stopped) {
            (Some(ErrorCode::OperationInterrupted), Some(Stop::Timeout)) => Failure::Timeout,
            (Some(ErrorCode::OperationInterrupted), Some(_)) => Failure::Stopped,
            _ => Failure::Error(words(error)),
        }
    }
}

/// Works on the board until nothing is left.
pub fn work(board: &Board, connection: &Connection, gate: &Gate) {
    while let Some(task) = board.next() {
        match task {
            Task::Scan(place, range) => {
                let chunk = board.begin(place).map(|(scan, end)| {
                    gate.set(Some(end));
                    read_rows(board, connection, place, &scan, range).map_err(|error| gate.failure(&error))
                });
                board.scanned(place, chunk);
            }
            Task::Entries(scan) => {
                gate.set(None);
                let entries = board.found(scan).and_then(|(scan, _)| {
                    // Where the index itself cannot be read, it says nothing of the table.
                    let sql = scan.entries.as_deref()?;
                    connection.query_row(sql, [], |row| count(row, 0)).ok()
                });
                board.counted(scan, entries);
            }
            Task::Sample(scan) => {
                gate.set(None);
                let samples = match board.found(scan) {
                    Some((scan, found)) => scan
                        .members
                        .iter()
                        .zip(&found)
                        .map(|(member, found)| {
                            sample(connection, &member.sample, &found.rows, |row| member.columns.show(row))
                        })
                        .collect(),
                    None => vec![],
                };
                board.sampled(scan, samples);
            }
            Task::Query(place) => {
                let Some(query) = board.queries.get(place) else { continue };
                let began = Instant::now();
                let limit = board.limits.get(query.invariant).copied().unwrap_or_default();
                gate.set(began.checked_add(limit.0));
                let answer = answer(connection, query, limit.1).map_err(|error| gate.failure(&error));
                board.answered(query, answer, began.elapsed());
            }
        }
    }
}

/// A row of the fold is one number: the facts in its lowest bits, above them a bit per predicate.
const FACT_BITS: usize = 3;
/// So many members have a bit each beside the facts in SQLite's integers, and leave the sign alone.
pub const MOST_FOLDED: usize = 63 - FACT_BITS;
const FACTS: i64 = (1 << FACT_BITS) - 1;

type Range = Option<(i64, i64)>;

fn read_rows(
    board: &Board,
    connection: &Connection,
    place: usize,
    scan: &Scan,
    range: Range,
) -> Result<Chunk, Error> {
    let most: Vec<usize> = scan
        .members
        .iter()
        .map(|member| board.limits.get(member.invariant).map_or(0, |limit| limit.1))
        .collect();
    if scan.fold.is_some() {
        return fold(connection, scan, &most, range);
    }
    let mut chunk = Chunk::default();
    if let (true, [member], [most]) = (scan.indexed, scan.members.as_slice(), most.as_slice()) {
        let mut found = Found::default();
        select(connection, &scan.rows_sql(&member.violates, None), None, |row| {
            found.add(row.get(0)?, *most);
            Ok(())
        })?;
        chunk.found.push(found);
        return Ok(chunk);
    }
    let mut counts = vec![];
    select(connection, &scan.count_sql(range), range, |row| {
        chunk.examined = count(row, 0)?;
        chunk.is_disordered = count(row, 1)? > 0;
        counts = (2..most.len() + 2).map(|column| count(row, column)).collect::<Result<_, _>>()?;
        Ok(())
    })?;
    for (member, (violations, most)) in counts.into_iter().zip(most).enumerate() {
        let mut found = Found { violations, rows: vec![] };
        // A million violations need no second look: only the first pieces with one give the sample.
        if violations > 0
            && board.wants_rows(place, member, range)
            && let Some(member) = scan.members.get(member)
        {
            let sql = format!("{} LIMIT {most}", scan.rows_sql(&member.violates, range));
            select(connection, &sql, range, |row| {
                found.rows.push(row.get(0)?);
                Ok(())
            })?;
        }
        chunk.found.push(found);
    }
    Ok(chunk)
}

fn count(row: &Row<'_>, column: usize) -> Result<u64, Error> {
    row.get::<_, i64>(column).map(i64::unsigned_abs)
}

/// The facts per project, from one pass of its own.
///
/// # Errors
/// SQLite's own.
pub fn fold_runs(connection: &Connection, scan: &Scan) -> Result<Facts, Error> {
    let most = vec![0; scan.members.len()];
    let chunk = fold(connection, scan, &most, None)?;
    if chunk.is_disordered {
        Err(Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_CORRUPT), None))
    } else {
        Ok(chunk.facts)
    }
}

fn fold(connection: &Connection, scan: &Scan, most: &[usize], range: Range) -> Result<Chunk, Error> {
    let mut chunk = Chunk { found: vec![Found::default(); most.len()], ..Chunk::default() };
    let mut least = range.map_or(i64::MIN, |(first, _)| first);
    // A wrong type is impossible: bits are made of integers alone, and a row's number is one.
    let integer = |value: ValueRef<'_>| if let ValueRef::Integer(number) = value { number } else { 0 };
    each_row(connection, &scan.fold_sql(range), range, |[number, project, bits]: [ValueRef<'_>; 3]| {
        chunk.examined += 1;
        let (number, bits) = (integer(number), integer(bits));
        if scan.rowid.is_some() {
            chunk.is_disordered |= number < least;
            least = number.saturating_add(1);
        }
        chunk.facts.add(project, u8::try_from(bits & FACTS).unwrap_or(0));
        if bits > FACTS {
            for (place, (found, most)) in chunk.found.iter_mut().zip(most).enumerate() {
                if bits >> (FACT_BITS + place) & 1 == 1 {
                    found.add(number, *most);
                }
            }
        }
    })?;
    Ok(chunk)
}

fn select(
    connection: &Connection,
    sql: &str,
    range: Range,
    mut each: impl FnMut(&Row<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut statement = connection.prepare(sql)?;
    let mut rows = match range {
        Some((first, last)) => statement.query([first, last])?,
        None => statement.query([])?,
    };
    while let Some(row) = rows.next()? {
        each(row)?;
    }
    Ok(())
}

/// Statements over all rows or, with two parameters, over a range of them.
impl Scan {
    /// The row's number, as SQL.
    fn number(&self) -> &'static str {
        self.rowid.unwrap_or("NULL")
    }

    fn from(&self, range: Range) -> String {
        let (table, rowid) = (&self.table, self.number());
        let whole = if self.indexed { "" } else { " NOT INDEXED" };
        let condition =
            if range.is_some() { format!("{rowid} BETWEEN ?1 AND ?2") } else { "TRUE".to_owned() };
        format!("FROM {table}{whole} WHERE {condition}")
    }

    fn count_sql(&self, range: Range) -> String {
        let counts = self.members.iter().map(|m| format!(", count(*) FILTER (WHERE {})", m.violates));
        // Rows of an earlier piece: the table's pages do not hang in their order, and the piece in which
        // they should be ended too soon.
        let strays = match range {
            Some((first, _)) if first > i64::MIN => format!("count(*) FILTER (WHERE {} < ?1)", self.number()),
            _ => "0".to_owned(),
        };
        format!("SELECT count(*), {strays}{} {}", counts.collect::<String>(), self.from(range))
    }

    fn rows_sql(&self, violates: &str, range: Range) -> String {
        format!("SELECT {} {} AND ({violates})", self.number(), self.from(range))
    }

    fn fold_sql(&self, range: Range) -> String {
        let fold = self.fold.as_deref().unwrap_or("0");
        let any: Vec<_> = self.members.iter().map(|member| format!("({})", member.violates)).collect();
        let bit = |place: usize| 1_i64 << (FACT_BITS + place);
        let each =
            any.iter().enumerate().map(|(place, violates)| format!("iif({violates}, {}, 0)", bit(place)));
        // Rows that break nothing are the rule: they are let go before any bit is set.
        let members = match any.len() {
            0 => String::new(),
            _ => format!(" | iif({}, {}, 0)", any.join(" OR "), each.collect::<Vec<_>>().join(" | ")),
        };
        format!("SELECT each_row({}, project_id, ({fold}){members}) {}", self.number(), self.from(range))
    }
}

fn sample<F>(connection: &Connection, sql: &str, numbers: &[i64], show: F) -> Result<Vec<SampleRow>, String>
where
    F: Fn(&Row<'_>) -> Result<SampleRow, Error>,
{
    let read = || {
        let mut statement = connection.prepare(sql)?;
        numbers.iter().map(|number| statement.query_row([number], &show)).collect::<Result<Vec<_>, Error>>()
    };
    if numbers.is_empty() { Ok(vec![]) } else { read().map_err(|error| words(&error)) }
}

fn answer(connection: &Connection, query: &Query, most: usize) -> Result<Outcome, Error> {
    let mut statement = connection.prepare(&query.sql)?;
    let mut sample = vec![];
    let mut violations = 0_u64;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        violations += 1;
        if sample.len() < most {
            sample.push(query.columns.show(row)?);
        }
    }
    drop(rows);
    let steps = u64::try_from(statement.get_status(StatementStatus::FullscanStep)).unwrap_or(0);
    // Steps are those from one row to the next: none means one row, no row, or rows that SQLite counted
    // without looking at them.
    let examined = (query.counts_rows && steps > 0).then_some(steps + 1);
    Ok(Outcome::Checked { violations, examined, sample, errors: vec![] })
}
