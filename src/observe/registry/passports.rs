//! When are the passports on disk read, so that no writer waits for them and no run is missed?

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use super::board::Board;
use super::evaluate::{self, EvaluateError, Question};
use super::plan::{Plan, plan};
use super::session::Session;
use super::shared::{Artifacts, Shared};
use crate::observe::cancel::Cancel;
use crate::observe::passports::Passports;
use crate::plain::plain;

/// The invariants that ask for passports.
#[must_use]
pub fn asking(plan: &Plan) -> Vec<usize> {
    let scans = plan.scans.iter().filter(|scan| scan.asked.passports);
    let members = scans.flat_map(|scan| &scan.members).map(|member| member.invariant);
    let queries = plan.queries.iter().filter(|query| query.asked.passports).map(|query| query.invariant);
    members.chain(queries).collect()
}

/// Reads the passports without a lock on the registry, where it was opened with one; then opens it again,
/// and reads what has come to lie in the folders since: a run of the state that is now seen may be as new.
///
/// # Errors
/// Where the registry cannot be read, or an invariant would do more than read.
pub fn read_before(
    question: &Question<'_>,
    session: Session,
    shared: &Arc<Shared>,
    cancel: &Cancel,
) -> Result<Session, EvaluateError> {
    let Some(Artifacts { folder, passports }) = &shared.artifacts else { return Ok(session) };
    let plan = plan(&session.leader, &session.functions, &session.schema, question.catalogue, shared)?;
    let asking = asking(&plan);
    if asking.is_empty() {
        return Ok(session);
    }
    drop(session);
    let timeout = asking.iter().filter_map(|&index| question.catalogue.get(index)).map(|i| i.timeout).max();
    let end = timeout.and_then(|timeout| Instant::now().checked_add(timeout)).unwrap_or(cancel.deadline());
    let read = Passports::read_ahead(folder, cancel, end);
    let session = evaluate::open(question, shared, cancel, true).map_err(EvaluateError::from)?;
    let read = read.and_then(|read| read.renewed(folder, cancel, end));
    let _ = passports.set(read.map_err(|error| error.to_string()));
    Ok(session)
}

/// Reads the passports, if that was not done before, beside the database's readers, who wait for it where they
/// need it.
pub fn read_beside(board: &Arc<Board>, invariants: &[usize]) {
    if !board.awaits_passports() {
        return;
    }
    let timeout = invariants.iter().filter_map(|&index| board.limits.get(index)).map(|limit| limit.0).max();
    let end = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    let set = |board: &Board, read| {
        if let Some(Artifacts { passports, .. }) = &board.shared.artifacts {
            let _ = passports.set(read);
        }
        board.wake();
    };
    let beside = Arc::clone(board);
    let started = thread::Builder::new().spawn(move || {
        let board = beside;
        let Some(Artifacts { folder, .. }) = &board.shared.artifacts else { return };
        let read = || Passports::read(folder, &board.cancel, end.unwrap_or(board.cancel.deadline()));
        let read = catch_unwind(AssertUnwindSafe(read)).map(|read| read.map_err(|error| error.to_string()));
        set(&board, read.unwrap_or_else(|_| Err("reading the passports ended in an internal error".into())));
    });
    if let Err(error) = started {
        set(board, Err(format!("the passports cannot be read: no thread for it: {}", plain(&error))));
    }
}

/// What stood in the way of reading some of them, for each invariant that asks.
#[must_use]
pub fn errors(shared: &Shared, asking: &[usize]) -> Vec<(usize, String)> {
    let Some(Ok(passports)) = shared.artifacts.as_ref().and_then(|artifacts| artifacts.passports.get())
    else {
        return vec![];
    };
    let errors = passports.errors();
    asking.iter().flat_map(|&index| errors.iter().map(move |error| (index, error.clone()))).collect()
}
