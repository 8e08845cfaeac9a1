//! What came of every invariant, over one state of the registry?

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::board::Board;
use super::error::RegistryError;
use super::open::Access;
use super::plan::{Refused, Scan, plan};
use super::session::Session;
use super::shared::Shared;
use super::waiting::Watch;
use super::work::Settled;
use super::{passports, readers};
use crate::invariants::{Body, Invariant};
use crate::observe::cancel::{Cancel, Stop};
use crate::verdict::invariants::{Evaluation, Outcome};

/// How often a file that changes under an immutable reading is tried again.
const TRIES: u32 = 3;
/// Tables with fewer row numbers than this are read in one piece.
const ROWS_PER_PIECE: i128 = 16_384;
/// Pieces of a table: enough that readers end together.
const MOST_PIECES: i128 = 64;

/// The tables of which at least one must have a row.
const MAIN_TABLES: [&str; 4] = ["project_runs", "task_estimates", "lane_overrides", "estimate_versions"];

/// What a run asks.
#[derive(Debug)]
pub struct Question<'a> {
    /// The registry.
    pub database: &'a Path,
    /// The selected invariants.
    pub catalogue: &'a [Invariant],
    /// `ARTIFACTS_DIR`, where configured.
    pub artifacts: Option<PathBuf>,
    /// How many readers at most.
    pub jobs: usize,
    /// The run's end.
    pub cancel: Cancel,
}

/// What a run saw.
#[derive(Debug)]
pub struct Evaluated {
    /// One per invariant, in the catalogue's order.
    pub evaluations: Vec<Evaluation>,
    /// How all of them saw one state.
    pub reading: String,
    /// Bytes of the database, with its -wal.
    pub database_size: u64,
    /// None of the four main tables has a row.
    pub is_empty: bool,
}

/// Why a run saw nothing.
#[derive(Debug, thiserror::Error)]
pub enum EvaluateError {
    /// The registry could not be read.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// An invariant would do more than read.
    #[error(transparent)]
    Refused(#[from] Refused),
}

/// Asks every invariant of one state of the registry; `progress` is told pieces done and pieces in all.
///
/// # Errors
/// Where the registry could not be read at all, or an invariant would do more than read.
pub fn evaluate(
    question: &Question<'_>,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Evaluated, EvaluateError> {
    let mut slow: Option<Vec<usize>> = None;
    for attempt in 1..=TRIES {
        let cancel = question.cancel.of_attempt();
        let shared = Arc::new(Shared::new(question.artifacts.clone()));
        let mut session = open(question, &shared, &cancel, attempt > 1)?;
        if session.access == Access::Rollback {
            session = passports::read_before(question, session, &shared, &cancel)?;
        }
        let (found, access, beside) = (session.found.clone(), session.access, session.beside.clone());
        let watch = beside.as_ref().map(|beside| Watch::start(beside, &cancel));
        let ask = Attempt { question, cancel: &cancel, shared: &shared, slow: slow.as_deref() };
        let evaluated = ask.evaluate(session, progress);
        drop(watch);
        // Once a writer was let in, and everything is asked anew of what it has written. A second time what
        // was slow stays unanswered: the rest has its verdict, and no writer is kept out for long.
        if let (Ok((_, interrupted)), None, Some(Stop::Writer)) = (&evaluated, &slow, cancel.stop())
            && beside.is_none_or(|beside| beside.is_last())
        {
            slow = Some(interrupted.clone());
            continue;
        }
        // Nobody locked the file: what was read, an error too, is true only of a file that stayed the same.
        if access != Access::Immutable || found.is_unchanged()? {
            return evaluated.map(|(evaluated, _)| evaluated);
        }
    }
    Err(RegistryError::Changing { path: question.database.to_owned(), tries: TRIES }.into())
}

/// Every table that a run asks about.
pub fn tables(catalogue: &[Invariant]) -> impl Iterator<Item = &str> + Clone {
    catalogue
        .iter()
        .flat_map(|invariant| {
            let own = match &invariant.body {
                Body::Rows { table, .. } => Some(table.as_str()),
                Body::Query { .. } => None,
            };
            own.into_iter().chain(invariant.needs.iter().map(|need| need.table.as_str()))
        })
        .chain(MAIN_TABLES)
}

/// Opens the registry for one attempt.
///
/// # Errors
/// Where it cannot be read.
pub fn open(
    question: &Question<'_>,
    shared: &Arc<Shared>,
    cancel: &Cancel,
    again: bool,
) -> Result<Session, RegistryError> {
    Session::open(question.database, &tables(question.catalogue), shared, cancel, again)
}

/// One reading of the registry from beginning to end.
struct Attempt<'a> {
    question: &'a Question<'a>,
    cancel: &'a Cancel,
    shared: &'a Arc<Shared>,
    /// What an earlier attempt was at work on when it had to give way to a writer.
    slow: Option<&'a [usize]>,
}

impl Attempt<'_> {
    /// Also the invariants that were in hand when it had to stop.
    fn evaluate(
        &self,
        session: Session,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<(Evaluated, Vec<usize>), EvaluateError> {
        let Self { question, cancel, shared, slow } = self;
        let database_size = session.found.size();
        let plan = plan(&session.leader, &session.functions, &session.schema, question.catalogue, shared)?;
        let is_empty = is_empty(&session);
        let limits: Vec<_> =
            question.catalogue.iter().map(|invariant| (invariant.timeout, invariant.sample)).collect();
        let notes = plan.notes.clone();
        let asks_passports = passports::asking(&plan);
        let ranges = |scan: &Scan| pieces(&session, scan);
        let board = Arc::new(Board::new(plan, limits, Arc::clone(shared), (*cancel).clone(), ranges));
        board.put_last(slow.unwrap_or_default());
        if !asks_passports.is_empty() {
            passports::read_beside(&board, &asks_passports);
        }
        let reading = readers::read(&board, session, question.jobs, progress);
        let mut evaluations = evaluations(question.catalogue, board.outcomes());
        for (index, note) in notes {
            if let Some(evaluation) = evaluations.get_mut(index) {
                evaluation.notes.push(note);
            }
        }
        for (index, error) in passports::errors(shared, &asks_passports) {
            if let Some(Outcome::Checked { errors, .. }) = evaluations.get_mut(index).map(|e| &mut e.outcome)
            {
                errors.push(error);
            }
        }
        Ok((Evaluated { evaluations, reading, database_size, is_empty }, board.interrupted()))
    }
}

/// Cuts a table into pieces of row numbers that together hold every row, whatever its number.
fn pieces(session: &Session, scan: &Scan) -> Vec<Option<(i64, i64)>> {
    let (false, Some(rowid)) = (scan.indexed, scan.rowid) else { return vec![None] };
    // Two statements in one: asked together, min and max would read the whole table.
    let end = |which| format!("(SELECT {which}({rowid}) FROM {} NOT INDEXED)", scan.table);
    let sql = format!("SELECT {}, {}", end("min"), end("max"));
    let ends = session.leader.query_row(&sql, [], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)));
    let Ok((first, last)) = ends else { return vec![None] };
    let (low, high) = (i128::from(first), i128::from(last));
    let count = ((high - low) / ROWS_PER_PIECE).min(MOST_PIECES);
    if count < 2 {
        return vec![None];
    }
    // The outer ends are open: in a damaged table there may be rows beyond what it gives as its ends.
    let begin = |piece: i128| match piece {
        0 => i64::MIN,
        _ => i64::try_from(low + (high - low + 1) * piece / count).unwrap_or(i64::MAX),
    };
    let end = |piece: i128| if piece + 1 == count { i64::MAX } else { begin(piece + 1) - 1 };
    (0..count).map(|piece| Some((begin(piece), end(piece)))).collect()
}

/// What cannot be read is not empty: the invariants that ask it say what is wrong.
fn is_empty(session: &Session) -> bool {
    let has_no_row = |table: &str| {
        // The table itself: an index that is damaged is no reason to doubt it.
        let sql = format!("SELECT EXISTS (SELECT 1 FROM {table} NOT INDEXED)");
        session.leader.query_row(&sql, [], |row| row.get::<_, bool>(0)).is_ok_and(|has_row| !has_row)
    };
    MAIN_TABLES.into_iter().all(|table| session.schema.lacks(table) || has_no_row(table))
}

fn evaluations(catalogue: &[Invariant], outcomes: Vec<Settled>) -> Vec<Evaluation> {
    catalogue
        .iter()
        .zip(outcomes)
        .map(|(invariant, (outcome, duration))| {
            invariant.evaluation(with_minimum(outcome, invariant.min_examined), duration)
        })
        .collect()
}

/// Fewer rows than the invariant demands are no pass.
fn with_minimum(mut outcome: Outcome, minimum: Option<u64>) -> Outcome {
    if let (Outcome::Checked { examined, errors, .. }, Some(minimum)) = (&mut outcome, minimum) {
        match *examined {
            Some(rows) if rows >= minimum => {}
            Some(rows) => errors.push(format!("only {rows} rows were examined, of at least {minimum}")),
            None => errors.push(format!(
                "it is not known whether {minimum} rows were examined: SQLite tells that of a row predicate (table, \
                 violates) and of one pass over one table, so write it as one, or without min_examined"
            )),
        }
    }
    outcome
}
