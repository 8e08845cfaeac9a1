//! What is there to tell people of a run?

use std::path::Path;

use chrono::{DateTime, Utc};

use super::cell;
use super::run_text;
use super::table::visible;
use super::text::{cut, one_line};
use crate::verdict::State;
use crate::verdict::invariants::{Evaluation, Outcome, Report, SampleRow};
use crate::verdict::notice::{MOST_ROWS, Matter, Notice, Occasion, Row, Said, Standing};
use crate::verdict::streaks::Streaks;

/// Bytes of a cell, a title, an owner: a message to people is no place for more.
const TEXT: usize = 200;
/// Bytes of an error, a finding, a link.
const LINE: usize = 400;
/// Bytes of the run's sentence.
const SENTENCE: usize = 768;
/// Bytes of one row.
const ROW: usize = 1024;
/// Bytes of all rows of one invariant: no wide table leaves the others without rows.
const ROWS_OF_ONE: usize = 8 * 1024;
/// Bytes of all rows together.
const ROWS: usize = 64 * 1024;
/// Bytes of all titles, errors, links and owners together.
const WORDS: usize = 32 * 1024;
/// Errors of one invariant.
const ERRORS: usize = 3;
/// Findings; the log has all.
const FINDINGS: usize = 40;

/// The notice of a full run; `host` is the short name of this one.
///
/// Every invariant is in it, since what is not there can neither be told nor recover. What is said of them
/// is bounded: the worst come first, and those that come too late keep their id, state and count.
#[must_use]
pub fn compose(report: &Report, streaks: &Streaks, host: &str, log: Option<&Path>) -> Notice {
    let mut room = Room { words: WORDS, rows: ROWS };
    let matters = report.worst_first().into_iter().map(|e| matter(e, streaks, &mut room)).collect();
    Notice {
        occasion: Occasion::Run,
        env: report.env.clone(),
        db_path: report.db_path.clone(),
        host: host.to_owned(),
        invocation_id: report.invocation_id.clone(),
        at: report.finish,
        state: report.state(),
        sentence: line(&run_text::sentence(report), SENTENCE),
        matters,
        findings: findings(report),
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
        sentence: line(sentence, SENTENCE),
        matters: vec![],
        findings: vec![],
        log: None,
    }
}

fn findings(report: &Report) -> Vec<Said> {
    let mut findings: Vec<Said> = report.findings.iter().map(|f| said(f.state, &f.sentence)).collect();
    findings.extend(
        report.incomplete.iter().map(|why| said(State::Unknown, &format!("the run is incomplete: {why}"))),
    );
    findings.sort_by_key(|said| std::cmp::Reverse(said.state));
    let left_out = findings.split_off(findings.len().min(FINDINGS));
    if let Some(worst) = left_out.first() {
        findings.push(said(worst.state, &format!("and {} more findings; the log has them", left_out.len())));
    }
    findings
}

fn said(state: State, sentence: &str) -> Said {
    Said { state, sentence: line(sentence, LINE) }
}

/// What is left of the bounds.
struct Room {
    words: usize,
    rows: usize,
}

impl Room {
    /// The text, where there is room for it.
    fn words(&mut self, text: &str, bytes: usize) -> Option<String> {
        let text = line(text, bytes);
        self.words = self.words.checked_sub(text.len())?;
        Some(text)
    }
}

fn matter(evaluation: &Evaluation, streaks: &Streaks, room: &mut Room) -> Matter {
    let standing = match (&evaluation.outcome, evaluation.state()) {
        (Outcome::Skipped { .. }, _) | (_, None) => Standing::Skipped,
        (_, Some(State::Ok)) => Standing::Holds,
        (_, Some(State::Unknown)) => Standing::NotChecked,
        (_, Some(State::Warning | State::Critical)) => Standing::Violated,
    };
    Matter {
        id: evaluation.id.clone(),
        severity: evaluation.severity,
        standing,
        violations: evaluation.violations(),
        errors: errors(evaluation.errors(), room),
        failing_since: streaks.of(&evaluation.id).failing_since,
        title: room.words(&evaluation.title, TEXT).unwrap_or_default(),
        runbook: evaluation.runbook.as_ref().and_then(|runbook| room.words(runbook, LINE)),
        owner: evaluation.owner.as_ref().and_then(|owner| room.words(owner, TEXT)),
        rows: rows(evaluation.sample(), &mut room.rows),
    }
}

/// Never empty where there were errors: that not all was checked is what people must hear.
fn errors(errors: &[String], room: &mut Room) -> Vec<String> {
    let mut said: Vec<String> =
        errors.iter().take(ERRORS).map_while(|error| room.words(error, LINE)).collect();
    let left_out = errors.len() - said.len();
    if left_out > 0 {
        said.push(format!("{left_out} more; the log has them"));
    }
    said
}

fn rows(sample: &[SampleRow], room: &mut usize) -> Vec<Row> {
    let mut own = ROWS_OF_ONE.min(*room);
    let mut rows = vec![];
    for row in sample.iter().take(MOST_ROWS).map(row) {
        let cells = row.cells.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
        let size = cells + row.reason.as_ref().map_or(0, String::len);
        let Some(left) = own.checked_sub(size) else { break };
        own = left;
        *room = room.saturating_sub(size);
        rows.push(row);
    }
    rows
}

fn row(row: &SampleRow) -> Row {
    let mut left = ROW;
    let mut cells = vec![];
    for (name, cell) in &row.cells {
        let (name, words) = (value(name), value(&cell::words(cell)));
        let Some(less) = left.checked_sub(name.len() + words.len()) else {
            cells.push(("…".to_owned(), format!("{} more columns", row.cells.len() - cells.len())));
            break;
        };
        left = less;
        cells.push((name, words));
    }
    Row { cells, reason: row.reason.as_ref().map(|reason| value(reason)) }
}

/// A sentence. Cut first: nobody cleans megabytes for a line. Cut again: what is cleaned may be longer.
fn line(text: &str, bytes: usize) -> String {
    cut(&one_line(&cut(text, bytes)), bytes)
}

/// A value, as it is but for what cannot be seen.
fn value(text: &str) -> String {
    cut(&visible(&cut(text, TEXT)), TEXT)
}

#[cfg(test)]
mod tests;
