//! What does a program read of a run? Contract 4: `--json`, and `status.json` in the state folder.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use serde_json::{Map, Value};

use super::{cell, json, run_text};
use crate::verdict::invariants::{Evaluation, Outcome, Report, Severity};
use crate::verdict::{Finding, State};

/// The run as one JSON document.
#[must_use]
pub fn render(report: &Report) -> String {
    json::document(&document(report))
}

/// `pass`, `fail` or `error`: violations outrank what could not be checked, and nothing but a run whose
/// state is OK is a pass.
#[must_use]
pub fn status(report: &Report) -> &'static str {
    if report.summary().failed > 0 {
        "fail"
    } else if report.is_success() {
        "pass"
    } else {
        "error"
    }
}

/// An instant as every JSON of this project has it: RFC 3339, UTC, milliseconds.
#[must_use]
pub fn instant(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

#[derive(Serialize)]
struct Document<'a> {
    timestamp: String,
    db_path: &'a str,
    strict_mode: bool,
    env: &'a str,
    state: State,
    partial: bool,
    incomplete: bool,
    start: String,
    finish: String,
    invocation_id: &'a str,
    checks: Map<String, Value>,
    summary: SummaryObject,
    sentence: String,
    findings: &'a [Finding],
    #[serde(skip_serializing_if = "Option::is_none")]
    partial_reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    incomplete_reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reading: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    database_size: Option<u64>,
}

#[derive(Serialize)]
struct Check<'a> {
    name: &'a str,
    passed: bool,
    violations: Option<u64>,
    errors: &'a [String],
    severity: Severity,
    state: &'static str,
    examined: Option<u64>,
    duration_seconds: Option<f64>,
    sample: Vec<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    skipped: Option<&'a str>,
    #[serde(skip_serializing_if = "no_text")]
    notes: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    runbook: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<&'a str>,
}

#[derive(Serialize)]
struct SummaryObject {
    total_checks: usize,
    passed_checks: usize,
    failed_checks: usize,
    error_checks: usize,
    skipped_checks: usize,
    total_violations: u64,
    status: &'static str,
}

fn no_text(texts: &&[String]) -> bool {
    texts.is_empty()
}

fn document(report: &Report) -> Document<'_> {
    let sum = report.summary();
    let checks = report.evaluations.iter().map(|evaluation| (evaluation.id.clone(), check(evaluation)));
    Document {
        timestamp: instant(report.finish),
        db_path: &report.db_path,
        strict_mode: report.strict,
        env: &report.env,
        state: report.state(),
        partial: report.partial.is_some(),
        incomplete: report.incomplete.is_some(),
        start: instant(report.start),
        finish: instant(report.finish),
        invocation_id: &report.invocation_id,
        checks: checks.collect(),
        summary: SummaryObject {
            total_checks: sum.total,
            passed_checks: sum.passed,
            failed_checks: sum.failed,
            error_checks: sum.error,
            skipped_checks: sum.skipped,
            total_violations: sum.violations,
            status: status(report),
        },
        sentence: run_text::sentence(report),
        findings: &report.findings,
        partial_reason: report.partial.as_deref(),
        incomplete_reason: report.incomplete.as_deref(),
        reading: report.reading.as_deref(),
        database_size: report.database_size,
    }
}

fn check(evaluation: &Evaluation) -> Value {
    let state = evaluation.state();
    let skipped = match &evaluation.outcome {
        Outcome::Skipped { reason } => Some(reason.as_str()),
        _ => None,
    };
    let check = Check {
        name: &evaluation.title,
        passed: matches!(state, None | Some(State::Ok)),
        violations: evaluation.violations(),
        errors: evaluation.errors(),
        severity: evaluation.severity,
        state: state.map_or("skipped", State::key),
        examined: evaluation.examined(),
        duration_seconds: evaluation.duration.map(|took| took.as_secs_f64()),
        sample: evaluation.sample().iter().map(cell::object).collect(),
        skipped,
        notes: &evaluation.notes,
        runbook: evaluation.runbook.as_deref(),
        owner: evaluation.owner.as_deref(),
    };
    // Fails for no value of this type; an object that lacks everything would be seen by any reader.
    serde_json::to_value(check).unwrap_or(Value::Null)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::{clean, evaluation, failed, hostile, hostile_run, mixed, run};
    use crate::report::golden;

    #[test]
    fn a_clean_and_a_mixed_run_read_as_contracted() {
        golden::compare("run_clean.json", &render(&clean()));
        golden::compare("run_mixed.json", &render(&mixed()));
    }

    #[test]
    fn hostile_text_is_exact_when_parsed_and_never_raw() {
        let text = render(&hostile_run());
        assert!(!text.contains(['\u{1b}', '\u{9b}', '\u{202e}', '\u{7f}', '\0', '\r']));
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["env"], hostile().as_str());
        let check = &value["checks"][format!("0{}", hostile())];
        assert_eq!(check["sample"][0][hostile()], hostile().as_str());
        assert_eq!(check["sample"][0]["reason"], hostile().as_str());
    }

    #[test]
    fn what_could_not_be_checked_makes_the_status_error_unless_others_fail() {
        let unknown = evaluation("x", Severity::Warning, failed("locked"));
        let mut report = run("2025-11-06T07:00:03Z", vec![unknown]);
        assert_eq!(status(&report), "error");
        report.evaluations.extend(mixed().evaluations);
        assert_eq!(status(&report), "fail");
        assert_eq!(status(&run("2025-11-06T07:00:03Z", vec![])), "error");
        let mut lifted = clean();
        assert_eq!(status(&lifted), "pass");
        lifted.findings.push(Finding::new(State::Unknown, "no room for the log"));
        assert_eq!(status(&lifted), "error");
    }
}
