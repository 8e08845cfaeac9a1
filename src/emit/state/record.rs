//! What does a run change in the history?

use std::time::Duration;

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension, named_params, params};

use super::outbox::notices;
use super::{KEPT, Recorded, in_transaction, mend};
use crate::verdict::State;
use crate::verdict::invariants::{Evaluation, Report};
use crate::verdict::notice::Notice;
use crate::verdict::streaks::{Streak, Streaks, Turn};

/// Writes the run, moves incidents, forgets what is too old, and puts what there is to tell into the outbox.
pub(super) fn record(
    connection: &Connection,
    report: &Report,
    compose: impl Fn(&Streaks) -> Option<Notice>,
    now: DateTime<Utc>,
) -> rusqlite::Result<Recorded> {
    in_transaction(connection, |db| {
        let run = insert_run(db, report)?;
        for evaluation in &report.evaluations {
            insert_evaluation(db, run, evaluation)?;
            turn_incident(db, report, evaluation)?;
        }
        forget_old(db, now)?;
        notices::forget(db, now)?;
        let streaks = streaks(db, report)?;
        let notice = match compose(&streaks) {
            Some(notice) => notices::put(db, &notice)?,
            None => None,
        };
        Ok(Recorded { streaks, aside: None, notice, run })
    })
}

fn insert_run(db: &Connection, report: &Report) -> rusqlite::Result<i64> {
    let sum = report.summary();
    db.execute(
        "INSERT INTO runs (env, db_path, start_us, finish_us, invocation_id, strict, incomplete, state,
                           total, passed, failed, error, skipped, violations)
         VALUES (:env, :db_path, :start, :finish, :invocation_id, :strict, :incomplete, :state,
                 :total, :passed, :failed, :error, :skipped, :violations)",
        named_params! {
            ":env": report.env,
            ":db_path": report.db_path,
            ":start": report.start.timestamp_micros(),
            ":finish": report.finish.timestamp_micros(),
            ":invocation_id": report.invocation_id,
            ":strict": report.strict,
            ":incomplete": report.incomplete,
            ":state": report.state().key(),
            ":total": integer(sum.total as u64),
            ":passed": integer(sum.passed as u64),
            ":failed": integer(sum.failed as u64),
            ":error": integer(sum.error as u64),
            ":skipped": integer(sum.skipped as u64),
            ":violations": integer(sum.violations),
        },
    )?;
    Ok(db.last_insert_rowid())
}

fn insert_evaluation(db: &Connection, run: i64, evaluation: &Evaluation) -> rusqlite::Result<()> {
    let state = evaluation.state().map_or("skipped", State::key);
    db.prepare("INSERT INTO evaluations VALUES (?, ?, ?, ?, ?, ?, ?)")?.execute(params![
        run,
        evaluation.id,
        evaluation.severity.word(),
        state,
        evaluation.violations().map(integer),
        evaluation.examined().map(integer),
        evaluation.duration.map(|took| i64::try_from(took.as_micros()).unwrap_or(i64::MAX)),
    ])?;
    Ok(())
}

/// An incident begins and ends with the run that saw it, at that run's end.
fn turn_incident(db: &Connection, report: &Report, evaluation: &Evaluation) -> rusqlite::Result<()> {
    let sql = match Turn::of(evaluation) {
        Turn::Fails => {
            "INSERT INTO incidents (env, db_path, invariant, opened_us) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (env, db_path, invariant) WHERE recovered_us IS NULL DO NOTHING"
        }
        Turn::Holds => {
            "UPDATE incidents SET recovered_us = ?4
             WHERE env = ?1 AND db_path = ?2 AND invariant = ?3 AND recovered_us IS NULL"
        }
        Turn::Unseen => return Ok(()),
    };
    let finish = report.finish.timestamp_micros();
    db.execute(sql, params![report.env, report.db_path, evaluation.id, finish])?;
    Ok(())
}

/// The last success of a registry, an open incident and the last recovery of an invariant stay:
/// what the metrics tell must not vanish because it is old.
fn forget_old(db: &Connection, now: DateTime<Utc>) -> rusqlite::Result<()> {
    let before = (now - KEPT).timestamp_micros();
    db.execute(
        "DELETE FROM runs WHERE finish_us < ?
         AND id NOT IN (SELECT max(id) FROM runs WHERE state = 'ok' GROUP BY env, db_path)",
        [before],
    )?;
    db.execute(
        "DELETE FROM incidents WHERE recovered_us < ? AND id NOT IN
           (SELECT max(id) FROM incidents WHERE recovered_us IS NOT NULL GROUP BY env, db_path, invariant)",
        [before],
    )?;
    Ok(())
}

/// Gives a recorded run the state that it has in the end, and its notice what there is to tell then.
pub(super) fn restate(
    connection: &Connection,
    recorded: &Recorded,
    report: &Report,
    compose: impl Fn(&Streaks) -> Option<Notice>,
) -> rusqlite::Result<(Streaks, Option<i64>)> {
    in_transaction(connection, |db| {
        let streaks = set_state(db, recorded, report)?;
        let notice = notices::replace(db, recorded.notice, compose(&streaks).as_ref())?;
        if recorded.aside.is_some() {
            mend::forget(db)?;
        }
        Ok((streaks, notice))
    })
}

/// Gives a recorded run the state that it has in the end.
pub(super) fn lift(
    connection: &Connection,
    recorded: &Recorded,
    report: &Report,
) -> rusqlite::Result<Streaks> {
    in_transaction(connection, |db| set_state(db, recorded, report))
}

fn set_state(db: &Connection, recorded: &Recorded, report: &Report) -> rusqlite::Result<Streaks> {
    db.execute("UPDATE runs SET state = ? WHERE id = ?", params![report.state().key(), recorded.run])?;
    streaks(db, report)
}

/// What the history says of the invariants of this run.
fn streaks(db: &Connection, report: &Report) -> rusqlite::Result<Streaks> {
    // The newest by order, not by time: a run made while the clock was ahead must not win for ever.
    let last_success = db
        .query_row(
            "SELECT finish_us FROM runs WHERE env = ? AND db_path = ? AND state = 'ok' ORDER BY id DESC LIMIT 1",
            params![report.env, report.db_path],
            |row| row.get(0),
        )
        .optional()?
        .and_then(DateTime::from_timestamp_micros);
    let mut streaks = Streaks { last_success, ..Streaks::default() };
    for Evaluation { id, .. } in &report.evaluations {
        let streak = streak(db, report, id)?;
        if streak != Streak::default() {
            streaks.invariants.insert(id.clone(), streak);
        }
    }
    Ok(streaks)
}

fn streak(db: &Connection, report: &Report, invariant: &str) -> rusqlite::Result<Streak> {
    let failing_since = db
        .query_row(
            "SELECT opened_us FROM incidents
             WHERE env = ? AND db_path = ? AND invariant = ? AND recovered_us IS NULL",
            params![report.env, report.db_path, invariant],
            |row| row.get(0),
        )
        .optional()?
        .and_then(DateTime::from_timestamp_micros);
    let fixed: Option<i64> = db
        .query_row(
            "SELECT recovered_us - opened_us FROM incidents
             WHERE env = ? AND db_path = ? AND invariant = ? AND recovered_us IS NOT NULL
             ORDER BY id DESC LIMIT 1",
            params![report.env, report.db_path, invariant],
            |row| row.get(0),
        )
        .optional()?;
    // Negative where the clock was set back in between: not known.
    let last_time_to_fix = fixed.and_then(|us| u64::try_from(us).ok()).map(Duration::from_micros);
    Ok(Streak { failing_since, last_time_to_fix })
}

fn integer(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
