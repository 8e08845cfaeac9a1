//! What is there to tell people of a run?

use std::path::Path;

use chrono::{DateTime, Utc};

use super::cell;
use super::run_text;
use super::text::cut;
use crate::verdict::State;
use crate::verdict::invariants::{Evaluation, Outcome, Report};
use crate::verdict::notice::{MOST_ROWS, Matter, Notice, Occasion, Row, Said, Standing};
use crate::verdict::streaks::Streaks;

/// Bytes of a cell, a title, an error: a message to people is no place for more.
const TEXT: usize = 200;
/// Bytes of the run's sentence.
const SENTENCE: usize = 768;
/// Bytes of all rows together; those of the invariants at the end are left out first.
const ROWS: usize = 96 * 1024;
/// Invariants and findings at most; the log has all.
const MOST: usize = 200;

/// The notice of a full run; `host` is the short name of this one.
#[must_use]
pub fn compose(report: &Report, streaks: &Streaks, host: &str, log: Option<&Path>) -> Notice {
    let mut room = ROWS;
    let matters =
        report.worst_first().into_iter().take(MOST).map(|e| matter(e, streaks, &mut room)).collect();
    let mut findings: Vec<Said> = report.findings.iter().map(|f| said(f.state, &f.sentence)).collect();
    findings.extend(
        report.incomplete.iter().map(|why| said(State::Unknown, &format!("the run is incomplete: {why}"))),
    );
    findings.sort_by_key(|said| std::cmp::Reverse(said.state));
    findings.truncate(MOST);
    Notice {
        occasion: Occasion::Run,
        env: report.env.clone(),
        db_path: report.db_path.clone(),
        host: host.to_owned(),
        invocation_id: report.invocation_id.clone(),
        at: report.finish,
        state: report.state(),
        sentence: cut(&run_text::sentence(report), SENTENCE),
        matters,
        findings,
        log: log.map(|path| path.display().to_string()),
    }
}

/// What a run without a record is about.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// `ENV_NAME`.
    pub env: &'a str,
    /// The registry.
    pub db_path: &'a str,
    /// The short name of this host.
    pub host: &'a str,
    /// The run.
    pub invocation_id: &'a str,
}

/// The notice of a run that was started and left no record; `sentence` says what is known of it.
#[must_use]
pub fn died(subject: &Subject<'_>, sentence: &str, now: DateTime<Utc>) -> Notice {
    bare(subject, Occasion::Died, State::Unknown, sentence, now)
}

/// The notice by which an operator tests the channels.
#[must_use]
pub fn test(subject: &Subject<'_>, now: DateTime<Utc>) -> Notice {
    let sentence = format!("{}: this is a test of the alert channels; nothing is wrong", subject.env);
    bare(subject, Occasion::Test, State::Ok, &sentence, now)
}

fn bare(
    subject: &Subject<'_>,
    occasion: Occasion,
    state: State,
    sentence: &str,
    now: DateTime<Utc>,
) -> Notice {
    Notice {
        occasion,
        env: subject.env.to_owned(),
        db_path: subject.db_path.to_owned(),
        host: subject.host.to_owned(),
        invocation_id: subject.invocation_id.to_owned(),
        at: now,
        state,
        sentence: cut(sentence, SENTENCE),
        matters: vec![],
        findings: vec![],
        log: None,
    }
}

fn said(state: State, sentence: &str) -> Said {
    Said { state, sentence: cut(sentence, 2 * TEXT) }
}

fn matter(evaluation: &Evaluation, streaks: &Streaks, room: &mut usize) -> Matter {
    let standing = match (&evaluation.outcome, evaluation.state()) {
        (Outcome::Skipped { .. }, _) | (_, None) => Standing::Skipped,
        (_, Some(State::Ok)) => Standing::Holds,
        (_, Some(State::Unknown)) => Standing::NotChecked,
        (_, Some(State::Warning | State::Critical)) => Standing::Violated,
    };
    let mut rows = vec![];
    for sample in evaluation.sample().iter().take(MOST_ROWS) {
        let cells = sample.cells.iter().map(|(name, cell)| (cut(name, TEXT), cut(&cell::words(cell), TEXT)));
        let row =
            Row { cells: cells.collect(), reason: sample.reason.as_ref().map(|reason| cut(reason, TEXT)) };
        let size = row.cells.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>()
            + row.reason.as_ref().map_or(0, String::len);
        let Some(left) = room.checked_sub(size) else { break };
        *room = left;
        rows.push(row);
    }
    Matter {
        id: evaluation.id.clone(),
        title: cut(&evaluation.title, TEXT),
        severity: evaluation.severity,
        standing,
        violations: evaluation.violations(),
        errors: evaluation.errors().iter().take(5).map(|error| cut(error, 2 * TEXT)).collect(),
        failing_since: streaks.of(&evaluation.id).failing_since,
        runbook: evaluation.runbook.as_ref().map(|runbook| cut(runbook, 2 * TEXT)),
        owner: evaluation.owner.as_ref().map(|owner| cut(owner, TEXT)),
        rows,
    }
}
