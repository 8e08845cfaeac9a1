//! What did the last full run say, and is that still worth anything?

use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::{Asked, NAME, say_notes, say_unknown};
use crate::cli::Output;
use crate::config::file::{self, ReadError};
use crate::report::json;
use crate::report::plugin::ServiceOutput;
use crate::report::status_record::StatusRecord;
use crate::verdict::duration::human;
use crate::verdict::perfdata::{Perf, Unit, Value as Measured};
use crate::verdict::range::Range;
use crate::verdict::{Finding, State};

/// Freshness's limit: a nightly run, and an hour.
const LIMIT: Duration = Duration::from_secs(25 * 3600);
/// Samples are capped, and texts in them are cut.
const LARGEST: u64 = 64 * 1024 * 1024;

/// `status`: the last run's state, or a worse one where that run is too old to say anything.
pub fn status(asked: &Asked<'_>, out: &mut Output) -> State {
    say_notes(asked.settings);
    let path = asked.settings.state_dir.value.join("status.json");
    let (text, record) = match read(&path) {
        Ok(read) => read,
        Err(sentence) => return say_unknown(&sentence, asked.common.is_json(), out),
    };
    let output = output(&record, asked.now);
    if asked.common.is_json() {
        let run: Value = serde_json::from_str(&text).unwrap_or_default();
        let findings = &output.findings;
        let age = (asked.now - record.finish).as_seconds_f64();
        let whole = json!({ "state": output.state, "sentence": output.sentence, "age_seconds": age,
                            "findings": findings, "run": run });
        out.say(&json::document(&whole));
    } else {
        out.say(&output.render());
    }
    output.state
}

fn read(path: &Path) -> Result<(String, StatusRecord), String> {
    let text = file::read(path, LARGEST).map_err(|error| match error {
        ReadError::NotThere => {
            format!("no run is recorded in {}; has a full run ended with this state folder?", path.display())
        }
        error => format!("cannot read the last run in {}: {error}", path.display()),
    })?;
    let record = StatusRecord::parse(&text)
        .map_err(|error| format!("cannot understand the last run in {}: {error}", path.display()))?;
    Ok((text, record))
}

fn output(record: &StatusRecord, now: DateTime<Utc>) -> ServiceOutput<'static> {
    let mut findings: Vec<Finding> = Vec::new();
    let age = (now - record.finish).to_std();
    let phrase = match age {
        Ok(age) if age > LIMIT => {
            let sentence = format!("the last run is {} old (limit {})", human(age), human(LIMIT));
            findings.push(Finding::new(State::Critical, sentence));
            format!("last ran {} ago (limit {})", human(age), human(LIMIT))
        }
        Ok(age) => format!("last ran {} ago", human(age)),
        Err(_) => {
            let ahead = human((record.finish - now).to_std().unwrap_or_default());
            let sentence = format!("the last run ended {ahead} in the future; was the clock set back?");
            findings.push(Finding::new(State::Warning, sentence));
            format!("last ran {ahead} in the future")
        }
    };
    if record.incomplete {
        findings.push(Finding::new(State::Unknown, "the last run is incomplete"));
    }
    findings.extend(record.findings.iter().map(|f| Finding::new(f.state, f.sentence.clone())));
    findings.extend(record.checks.iter().filter_map(|(id, check)| {
        let state = check.state.state().filter(|s| *s != State::Ok)?;
        let violations = check.violations.map(|n| format!("{n} violations: ")).unwrap_or_default();
        let parts: Vec<&str> =
            std::iter::once(&check.name).chain(&check.errors).map(String::as_str).collect();
        Some(Finding::new(state, format!("{id}: {violations}{}", parts.join("; "))))
    }));
    // The record's own state, too: it knows of findings that this program does not.
    let state = findings.iter().map(|f| f.state).fold(record.state, State::max);
    ServiceOutput {
        name: NAME,
        state,
        sentence: format!("{}: {}; {phrase}", record.env, counts(record)),
        findings,
        perfdata: perfdata(record, age.ok()),
    }
}

fn counts(record: &StatusRecord) -> String {
    let sum = &record.summary;
    let mut parts = Vec::new();
    if sum.failed_checks > 0 {
        let rows = if sum.total_violations == 1 { "row" } else { "rows" };
        parts.push(format!(
            "{} of {} invariants violated by {} {rows}",
            sum.failed_checks, sum.total_checks, sum.total_violations
        ));
    }
    if sum.error_checks > 0 {
        parts.push(format!("{} of {} invariants not checked", sum.error_checks, sum.total_checks));
    }
    if sum.total_checks == 0 {
        parts.push("no invariant was checked".into());
    } else if parts.is_empty() {
        parts.push(format!("{} of {} invariants hold", sum.passed_checks, sum.total_checks));
    }
    if sum.skipped_checks > 0 {
        parts.push(format!("{} skipped", sum.skipped_checks));
    }
    let worst = record.findings.iter().filter(|f| f.state != State::Ok).max_by_key(|f| f.state);
    parts.extend(worst.map(|f| f.sentence.clone()));
    parts.join("; ")
}

fn perfdata(record: &StatusRecord, age: Option<Duration>) -> Vec<Perf> {
    let seconds = age.and_then(|age| i64::try_from(age.as_secs()).ok());
    let age = Perf::new("age", seconds.into(), Unit::Seconds);
    let violations = i64::try_from(record.summary.total_violations).unwrap_or(i64::MAX);
    vec![
        Perf { crit: Some(Range::up_to(LIMIT.as_secs_f64())), ..age },
        Perf::new("violations", Measured::Integer(violations), Unit::Count),
    ]
}
