//! What does one invariant ask, and which rows break it? For people who look closer.

use std::io;
use std::sync::Arc;

use rusqlite::Connection;

use super::ask::{Columns, words};
use super::board::WRITER_WAITS;
use super::evaluate::{EvaluateError, Question, evaluate, tables};
use super::open::Access;
use super::plan::{Plan, RUNS, plan};
use super::reader::fold_runs;
use super::session::Session;
use super::shared::Shared;
use super::waiting::Watch;
use crate::invariants::{Body, Invariant};
use crate::observe::cancel::{Cancel, Stop};
use crate::observe::passports::Passports;
use crate::plain::plain;
use crate::report::explain::{Explanation, PlanStep};
use crate::verdict::invariants::{Outcome, SampleRow};

/// Why the rows of an invariant could not all be shown.
#[derive(Debug, thiserror::Error)]
pub enum RowsError {
    /// The registry could not be read, or the invariant would do more than read.
    #[error(transparent)]
    Evaluate(#[from] EvaluateError),
    /// The invariant could not be asked or was not answered.
    #[error("invariant {id}: {detail}")]
    Invariant {
        /// The invariant.
        id: String,
        /// What stood in the way.
        detail: String,
    },
    /// Nobody takes the rows.
    #[error("cannot write the rows: {}", plain(.0))]
    Output(#[from] io::Error),
    /// The rows were shown, but not of one state of the registry.
    #[error(
        "the registry {} was written to while its rows were read: what is shown may be of two states; run it again",
        .0.display()
    )]
    Changed(std::path::PathBuf),
}

/// One invariant, ready to be asked alone.
struct Alone {
    session: Session,
    /// Ends it where a writer has waited for long enough.
    cancel: Cancel,
    watch: Option<Watch>,
    sql: String,
    columns: Columns,
    passports: Vec<String>,
    notes: Vec<String>,
    /// What is known of each project's runs is read first.
    folds_runs: bool,
}

/// Hands every violating row of one invariant to `each`, as SQLite finds it; its notes, at the end.
///
/// # Errors
/// Where it could not be asked, was stopped, or `each` takes no more.
pub fn rows(
    question: &Question<'_>,
    invariant: &Invariant,
    each: &mut dyn FnMut(&SampleRow) -> io::Result<()>,
) -> Result<Vec<String>, RowsError> {
    let fail = |detail: String| RowsError::Invariant { id: invariant.id.clone(), detail };
    let Alone { session, cancel, watch, sql, columns, passports, notes, .. } = prepare(question, invariant)?;
    let columns = columns.whole();
    // A failure of the output is kept apart: it is none of the statement.
    let mut unwritten = None;
    let mut read = || -> Result<(), rusqlite::Error> {
        let mut statement = session.leader.prepare(&sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            if let Err(error) = each(&columns.show(row)?) {
                unwritten = Some(error);
                break;
            }
        }
        Ok(())
    };
    let read = read();
    if let Some(error) = unwritten {
        return Err(RowsError::Output(error));
    }
    read.map_err(|error| fail(stopped(&cancel).unwrap_or_else(|| words(&error))))?;
    let (found, access) = (session.found.clone(), session.access);
    drop(session);
    drop(watch);
    if access == Access::Immutable && !found.is_unchanged().map_err(EvaluateError::from)? {
        return Err(RowsError::Changed(found.path));
    }
    if !passports.is_empty() {
        return Err(fail(passports.join("; ")));
    }
    Ok(notes)
}

/// What an invariant asks, how SQLite goes about it, and the index that would spare a full scan.
///
/// Rows, violations and time come from an evaluation of its own.
///
/// # Errors
/// Where the registry could not be read, or the invariant would do more than read.
pub fn explain<'a>(
    question: &Question<'_>,
    invariant: &'a Invariant,
) -> Result<Explanation<'a>, EvaluateError> {
    let mut explanation = Explanation::unasked(invariant);
    let evaluated = evaluate(
        &Question {
            cancel: question.cancel.clone(),
            artifacts: question.artifacts.clone(),
            catalogue: std::slice::from_ref(invariant),
            ..*question
        },
        &mut |_, _| {},
    )?;
    if let Some(evaluation) = evaluated.evaluations.first() {
        explanation.examined = evaluation.examined();
        explanation.violations = evaluation.violations();
        explanation.took = evaluation.duration;
        explanation.errors = evaluation.errors().to_vec();
    }
    let alone = match prepare(question, invariant) {
        Ok(alone) => alone,
        Err(RowsError::Evaluate(error)) => return Err(error),
        // The evaluation has said the same.
        Err(_) => return Ok(explanation),
    };
    explanation.notes = alone.notes;
    match query_plan(&alone.session.leader, &alone.sql) {
        Ok(plan) => explanation.plan = plan,
        Err(error) => explanation.errors.push(words(&error)),
    }
    explanation.sql = alone.sql;
    let scans = explanation.plan.iter().filter_map(|step| step.detail.strip_prefix("SCAN "));
    let tables = scans.filter(|rest| !rest.contains(" INDEX ")).filter_map(|rest| rest.split(' ').next());
    explanation.full_scans = tables.map(str::to_owned).collect();
    if alone.folds_runs {
        explanation.full_scans.push(RUNS.to_owned());
        explanation.notes.push(format!(
            "before this statement one pass over {RUNS} finds out what is to be known of each project's runs; a full \
             run makes that pass once, for all who ask"
        ));
    }
    if let Body::Rows { table, violates, .. } = &invariant.body
        && !explanation.full_scans.is_empty()
    {
        explanation.index = helpful_index(&alone.session.leader, invariant, table, violates);
    }
    Ok(explanation)
}

fn prepare(question: &Question<'_>, invariant: &Invariant) -> Result<Alone, RowsError> {
    let fail = |detail: String| RowsError::Invariant { id: invariant.id.clone(), detail };
    let catalogue = std::slice::from_ref(invariant);
    let shared = Arc::new(Shared::new(question.artifacts.clone()));
    let cancel = question.cancel.of_attempt();
    let session = Session::open(question.database, &tables(catalogue), &shared, &cancel, false)
        .map_err(EvaluateError::from)?;
    let watch = session.beside.as_ref().map(|beside| Watch::start(beside, &cancel));
    let Plan { scans, queries, settled, notes } =
        plan(&session.leader, &session.functions, &session.schema, catalogue, &shared)
            .map_err(EvaluateError::from)?;
    if let Some((_, outcome)) = settled.into_iter().next() {
        return Err(fail(match outcome {
            Outcome::Skipped { reason } => format!("skipped: {reason}"),
            Outcome::Failed { errors } | Outcome::Checked { errors, .. } => errors.join("; "),
        }));
    }
    let query = queries.into_iter().next();
    let (sql, columns, asked) = match (query, scans.iter().find_map(|s| Some((s.members.first()?, s)))) {
        (Some(query), _) => (query.sql, query.columns, query.asked),
        (None, Some((member, scan))) => (member.alone.clone(), member.columns.clone(), scan.asked),
        (None, None) => return Err(fail("nothing to ask".to_owned())),
    };
    let mut passports = vec![];
    if let (true, Some(artifacts)) = (asked.passports, &shared.artifacts) {
        let read = Passports::read(&artifacts.folder, &cancel, cancel.deadline());
        let read = read.map_err(|error| fail(error.to_string()))?;
        passports = read.errors();
        let _ = artifacts.passports.set(Ok(read));
    }
    if let (true, Some(scan)) = (asked.facts, scans.iter().find(|scan| scan.fold.is_some())) {
        let facts = fold_runs(&session.leader, scan);
        let facts = facts.map_err(|error| fail(stopped(&cancel).unwrap_or_else(|| words(&error))))?;
        let _ = shared.facts.set(Ok(facts));
    }
    let notes = notes.into_iter().map(|(_, note)| note).collect();
    let folds_runs = asked.facts;
    Ok(Alone { session, cancel, watch, sql, columns, passports, notes, folds_runs })
}

fn stopped(cancel: &Cancel) -> Option<String> {
    Some(match cancel.stop()? {
        Stop::Asked => "stopped by a signal".to_owned(),
        Stop::Deadline | Stop::Timeout => "the time for it (--timeout) is over".to_owned(),
        Stop::Writer => WRITER_WAITS.to_owned(),
    })
}

fn query_plan(connection: &Connection, sql: &str) -> Result<Vec<PlanStep>, rusqlite::Error> {
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
    let steps = statement
        .query_map([], |row| Ok(PlanStep { id: row.get(0)?, parent: row.get(1)?, detail: row.get(3)? }))?;
    steps.collect()
}

/// A partial index on just the violations, where SQLite would take it.
///
/// It is tried on an empty copy of the table in memory: whether it helps is seen, not guessed. Where the
/// rule asks one of our own functions, the application could not write to such an index.
fn helpful_index(
    registry: &Connection,
    invariant: &Invariant,
    table: &str,
    violates: &str,
) -> Option<String> {
    let declaration: String = registry
        .query_row(
            "SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ?1 COLLATE NOCASE",
            [table],
            |row| row.get(0),
        )
        .ok()?;
    let copy = Connection::open_in_memory().ok()?;
    copy.execute_batch(&declaration).ok()?;
    let name = format!("{}_violations", invariant.id);
    let key = invariant.key.join(", ");
    let index = format!("CREATE INDEX {name} ON {table} ({key}) WHERE {violates}");
    copy.execute_batch(&index).ok()?;
    let plan = query_plan(&copy, &format!("SELECT {key} FROM {table} WHERE {violates}")).ok()?;
    plan.iter().any(|step| step.detail.contains(&name)).then_some(index)
}
