//! What does a monitoring system, and whoever it wakes, read of a run?

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::cell;
use super::not_checked::{self, NotChecked, were_not_checked};
use super::plugin::ServiceOutput;
use super::text::cut;
use crate::verdict::duration::human;
use crate::verdict::invariants::{Evaluation, Outcome, Report, SampleRow, Severity};
use crate::verdict::perfdata::{Perf, Unit, Value};
use crate::verdict::range::Range;
use crate::verdict::streaks::Streaks;
use crate::verdict::{Finding, State};

/// How many ids the service output names; the long output has them all.
const NAMED: usize = 4;
/// How many rows stand in a finding; the log and the JSON have the whole sample.
const ROWS: usize = 3;
/// Bytes of a title, so that a long one does not push the runbook off the line.
const TITLE: usize = 120;
/// Above this many invariants perfdata is the four state counts (contract 1).
const UNITS: usize = 20;
/// A pager is not interested in less.
const MINUTE: Duration = Duration::from_secs(60);

/// Service output, one finding per invariant that is not simply OK, and perfdata.
///
/// `streaks` says how long an invariant has been failing; empty where the history is not known.
#[must_use]
pub fn output(report: &Report, streaks: &Streaks) -> ServiceOutput<'static> {
    let mut findings = report.findings.clone();
    if let Some(incomplete) = &report.incomplete {
        findings.push(Finding::new(State::Unknown, format!("the run is incomplete: {incomplete}")));
    }
    let unknown = with_state(report, &[State::Unknown]).into_iter().map(|evaluation| NotChecked {
        id: &evaluation.id,
        errors: evaluation.errors(),
        failing: since(evaluation, report, streaks),
    });
    not_checked::add(&mut findings, &unknown.collect::<Vec<_>>(), report.evaluations.len());
    for evaluation in report.worst_first() {
        findings.extend(describe(evaluation, report, streaks));
        let notes = evaluation.notes.iter();
        findings.extend(notes.map(|note| Finding::new(State::Ok, format!("{}: {note}", evaluation.id))));
    }
    if let Some(partial) = &report.partial {
        let sentence = format!("a partial run ({partial}): nothing of it was recorded");
        findings.push(Finding::new(State::Ok, sentence));
    }
    ServiceOutput {
        name: "PLMS INVARIANTS",
        state: report.state(),
        sentence: sentence(report),
        findings,
        perfdata: perfdata(report),
    }
}

/// What was seen, what was allowed, and what stood in the way, in one breath; hostile text still.
pub(super) fn sentence(report: &Report) -> String {
    let sum = report.summary();
    let of_total = |count: usize| format!("{count} of {}", counted(sum.total as u64, "invariant"));
    let mut parts = Vec::new();
    if sum.failed > 0 {
        let rows = counted(sum.violations, "row");
        let failed = with_state(report, &[State::Critical, State::Warning]);
        let failed = named(&failed, |e| format!("{} ({})", e.id, e.violations().unwrap_or(0)));
        parts.push(format!("{} violated by {rows} (0 allowed): {failed}", of_total(sum.failed)));
    }
    // Without violations this is what the state comes from, and so what a pager must say first.
    parts.extend(worst_finding(report));
    if sum.error > 0 {
        let unknown = with_state(report, &[State::Unknown]);
        let error = common_error(&unknown);
        if sum.error == sum.total && error.as_ref().is_some_and(|error| is_said(report, error)) {
            parts.push(were_not_checked(sum.error));
        } else {
            let ids = named(&unknown, |e| e.id.clone());
            parts.push(format!("{} not checked: {ids}", of_total(sum.error)));
            parts.extend(error.filter(|error| !is_said(report, error)));
        }
    }
    if sum.failed == 0 && sum.error == 0 && sum.passed > 0 {
        let hold = if sum.passed == 1 { "holds" } else { "hold" };
        parts.push(format!("{} {hold}", counted(sum.passed as u64, "invariant")));
    }
    if sum.total == sum.skipped {
        parts.push("no invariant was checked".into());
    }
    if sum.skipped > 0 {
        parts.push(format!("{} skipped", sum.skipped));
    }
    parts.extend(report.incomplete.iter().map(|why| format!("incomplete: {why}")));
    parts.extend(report.partial.iter().map(|why| format!("partial: {why}")));
    format!("{}: {}", report.env, parts.join("; "))
}

/// The first of the worst findings, and how many more there are.
fn worst_finding(report: &Report) -> Option<String> {
    let bad: Vec<&Finding> = report.findings.iter().filter(|f| f.state != State::Ok).collect();
    let worst = bad.iter().rev().max_by_key(|finding| finding.state)?;
    let more = if bad.len() > 1 { format!(" (and {} more below)", bad.len() - 1) } else { String::new() };
    Some(format!("{}{more}", worst.sentence))
}

fn with_state<'a>(report: &'a Report, states: &[State]) -> Vec<&'a Evaluation> {
    report.worst_first().into_iter().filter(|e| e.state().is_some_and(|s| states.contains(&s))).collect()
}

/// What stood in the way of all of them alike: a registry that cannot be opened, say.
fn common_error(unknown: &[&Evaluation]) -> Option<String> {
    let (first, others) = unknown.split_first()?;
    others.iter().all(|other| other.errors() == first.errors()).then(|| first.errors().join("; "))
}

fn is_said(report: &Report, sentence: &str) -> bool {
    report.findings.iter().any(|finding| finding.sentence == sentence)
}

/// `1 row`, `2 rows`.
#[must_use]
pub fn counted(count: u64, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

fn named(evaluations: &[&Evaluation], name: impl Fn(&Evaluation) -> String) -> String {
    let mut names: Vec<String> = evaluations.iter().take(NAMED).map(|e| name(e)).collect();
    if evaluations.len() > NAMED {
        names.push(format!("{} more", evaluations.len() - NAMED));
    }
    names.join(", ")
}

/// One line that a person can act on: what is wrong, since when, where to read on; then, because a
/// long line is cut at its end, which rows.
fn describe(evaluation: &Evaluation, report: &Report, streaks: &Streaks) -> Option<Finding> {
    let Evaluation { id, title, .. } = evaluation;
    if let Outcome::Skipped { reason } = &evaluation.outcome {
        return Some(Finding::new(State::Ok, format!("{id}: skipped: {reason}")));
    }
    let state = evaluation.state().filter(|state| *state > State::Unknown)?;
    let violations = evaluation.violations().unwrap_or(0);
    let since = since(evaluation, report, streaks);
    let rule = cut(title, TITLE);
    let mut parts = vec![format!("{id}: {}{since}; rule: {rule}", counted(violations, "violation"))];
    parts.extend(evaluation.runbook.as_ref().map(|runbook| format!("runbook {runbook}")));
    parts.extend(evaluation.owner.as_ref().map(|owner| format!("owner {owner}")));
    if !evaluation.errors().is_empty() {
        parts.push(format!("not all was checked: {}", evaluation.errors().join("; ")));
    }
    let rows = evaluation.sample().iter().take(ROWS);
    let more = violations.saturating_sub(rows.len() as u64);
    parts.extend(rows.map(|row| key(evaluation, row)));
    if more > 0 {
        parts.push(format!("and {more} more"));
    }
    Some(Finding::new(state, parts.join("; ")))
}

/// ` for 5d, since 2025-11-01 07:00 UTC`; nothing where it is not known.
pub(super) fn since(evaluation: &Evaluation, report: &Report, streaks: &Streaks) -> String {
    failing_since(streaks.of(&evaluation.id).failing_since, report.finish)
}

/// The same of any incident, as a run sees it that ended at `now`.
pub(super) fn failing_since(since: Option<DateTime<Utc>>, now: DateTime<Utc>) -> String {
    let Some(since) = since else { return String::new() };
    // Set back, the clock says nothing about an age.
    let Ok(age) = (now - since).to_std() else { return String::new() };
    // The history keeps microseconds, a clock has more.
    if age.as_millis() == 0 {
        return ", new in this run".into();
    }
    let age = if age < MINUTE { "less than a minute".into() } else { human(age) };
    format!(" for {age}, since {}", since.format("%Y-%m-%d %H:%M UTC"))
}

/// The key columns of a row and its reason.
pub(super) fn key(evaluation: &Evaluation, row: &SampleRow) -> String {
    let is_key = |name: &String| evaluation.key.contains(name);
    let mut cells: Vec<_> = row.cells.iter().filter(|(name, _)| is_key(name)).cloned().collect();
    if cells.is_empty() {
        cells.clone_from(&row.cells);
    }
    cell::row(&SampleRow { cells, reason: row.reason.clone() })
}

/// The most important first; what does not fit is left out from the end.
fn perfdata(report: &Report) -> Vec<Perf> {
    let took = (report.finish - report.start).as_seconds_f64();
    let time = Perf::new("time", Value::Real(took), Unit::Seconds);
    if report.evaluations.len() > UNITS {
        let count = |state: State| {
            let of_state = report.evaluations.iter().filter(|e| e.state() == Some(state)).count();
            number(&state.word().to_lowercase(), Some(of_state as u64))
        };
        let mut counts = [State::Ok, State::Warning, State::Critical, State::Unknown].map(count).to_vec();
        counts.push(time);
        return counts;
    }
    let anything_counted = report.evaluations.iter().any(|e| e.violations().is_some());
    let violations = anything_counted.then(|| report.summary().violations);
    let mut perfdata = vec![number("violations", violations), time];
    let checked = report.evaluations.iter().filter(|e| e.state().is_some());
    perfdata.extend(checked.clone().map(|evaluation| {
        let limit = Some(Range::up_to(0.0));
        let (warn, crit) = match evaluation.severity {
            Severity::Warning => (limit, None),
            Severity::Critical => (None, limit),
        };
        Perf { warn, crit, ..number(&evaluation.id, evaluation.violations()) }
    }));
    perfdata.extend(checked.filter_map(|evaluation| {
        let took = Value::Real(evaluation.duration?.as_secs_f64());
        Some(Perf::new(format!("time_{}", evaluation.id), took, Unit::Seconds))
    }));
    perfdata
}

fn number(label: &str, count: Option<u64>) -> Perf {
    let value = count.map(|count| i64::try_from(count).unwrap_or(i64::MAX));
    Perf::new(label, value.into(), Unit::Count)
}

#[cfg(test)]
mod tests;
