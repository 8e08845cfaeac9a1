//! What do the tests of all renderings look at? Literal reports of a clean, a bad and a hostile run.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::verdict::invariants::{Cell, Evaluation, Outcome, Report, SampleRow, Severity};
use crate::verdict::{Finding, State};

/// A newline, an escape sequence, a pipe, quotes, a mark that turns the writing direction, forged
/// lines of the log, of long output and of the metrics; then 10 KB.
pub fn hostile() -> String {
    let start = "a|b\nTotal violations: 0\n✓ All invariants passed\r\n🔴 forged\n⚠️ forged\n\u{1b}[31mred\u{9b}0m\
                 \"'`$<&>\u{202e}evil\u{2066}\u{200f}\0\u{7f}\u{85}\u{2028}\\n | x=1;2\nplms_forged 1\n";
    start.to_owned() + &"ü".repeat(5000) + &String::from_utf8_lossy(b"\xff\xfe")
}

pub fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// Checked in full, with that many violations and as many rows of sample, at most three.
pub fn checked(violations: u64) -> Outcome {
    let sample =
        (1..=violations.min(3)).map(|id| row(&[("id", Cell::Integer(i64::try_from(id).unwrap()))], None));
    Outcome::Checked { violations, examined: Some(1000), sample: sample.collect(), errors: vec![] }
}

pub fn failed(error: &str) -> Outcome {
    Outcome::Failed { errors: vec![error.into()] }
}

pub fn row(cells: &[(&str, Cell)], reason: Option<&str>) -> SampleRow {
    let cells = cells.iter().map(|(name, cell)| ((*name).to_owned(), cell.clone())).collect();
    SampleRow { cells, reason: reason.map(str::to_owned) }
}

pub fn evaluation(id: &str, severity: Severity, outcome: Outcome) -> Evaluation {
    Evaluation {
        id: id.into(),
        title: format!("Title of {id}"),
        severity,
        runbook: None,
        owner: None,
        key: vec!["id".into()],
        duration: (!matches!(outcome, Outcome::Skipped { .. })).then(|| Duration::from_millis(12)),
        outcome,
        notes: vec![],
    }
}

/// A run that ended at that time, three seconds long.
pub fn run(finish: &str, evaluations: Vec<Evaluation>) -> Report {
    Report {
        db_path: "/opt/lnsp-phase-4/artifacts/registry/registry.db".into(),
        env: "production".into(),
        strict: true,
        partial: None,
        incomplete: None,
        start: at(finish) - TimeDelta::milliseconds(3412),
        finish: at(finish),
        invocation_id: "0123456789abcdef0123456789abcdef".into(),
        evaluations,
        findings: vec![],
        reading: Some("one WAL snapshot, 2 readers".into()),
        database_size: Some(662_000_000),
    }
}

/// Everything was checked and nothing is wrong; one invariant does not apply.
pub fn clean() -> Report {
    let skipped = Outcome::Skipped { reason: "no column project_runs.strata_coverage".into() };
    run(
        "2025-11-06T07:00:03.412Z",
        vec![
            evaluation("kpi_formulas", Severity::Warning, checked(0)),
            evaluation("provider_snapshots", Severity::Critical, checked(0)),
            evaluation("strata_coverage", Severity::Warning, skipped),
        ],
    )
}

/// Every outcome that there is.
pub fn mixed() -> Report {
    let mut overrides = evaluation("lane_overrides", Severity::Warning, checked(0));
    overrides.title = "A lane override changes the lane".into();
    overrides.runbook = Some("https://wiki.example/plms/lane_overrides".into());
    overrides.outcome = Outcome::Checked {
        violations: 12_408,
        examined: Some(500_000),
        sample: vec![
            row(
                &[("id", Cell::Integer(7)), ("corrected_by", Cell::Text("ann".into()))],
                Some("lane 3 stays 3"),
            ),
            row(&[("id", Cell::Integer(9)), ("corrected_by", Cell::Redacted)], None),
        ],
        errors: vec![],
    };
    let mut snapshots = evaluation("provider_snapshots", Severity::Critical, checked(0));
    snapshots.title = "Every baseline run names its providers".into();
    snapshots.owner = Some("plms-core".into());
    snapshots.outcome = Outcome::Checked {
        violations: 2,
        examined: None,
        sample: vec![
            row(
                &[("id", Cell::Integer(41)), ("run_id", Cell::Null)],
                Some("provider_matrix_json is not JSON"),
            ),
            row(&[("id", Cell::Real(0.5)), ("run_id", Cell::Blob(16))], None),
        ],
        errors: vec!["2 passports could not be read: permission denied".into()],
    };
    let mut passports = evaluation("passport_artifacts", Severity::Warning, checked(0));
    passports.notes = vec!["passport files were not looked at: ARTIFACTS_DIR is not set".into()];
    let pollution = failed("timed out after 30 s while counting");
    let skipped = Outcome::Skipped { reason: "no column project_runs.strata_coverage".into() };
    run(
        "2025-11-06T07:00:03.412Z",
        vec![
            passports,
            overrides,
            evaluation("calibration_pollution", Severity::Critical, pollution),
            snapshots,
            evaluation("strata_coverage", Severity::Warning, skipped),
        ],
    )
}

/// Hostile text in every place that takes any.
pub fn hostile_run() -> Report {
    let text = hostile();
    let outcomes = [
        Outcome::Checked {
            violations: 3,
            examined: Some(5),
            sample: vec![row(&[(&text, Cell::Text(text.clone()))], Some(&text))],
            errors: vec![text.clone()],
        },
        Outcome::Failed { errors: vec![text.clone()] },
        Outcome::Skipped { reason: text.clone() },
        checked(0),
    ];
    let evaluations = outcomes.into_iter().enumerate().map(|(n, outcome)| Evaluation {
        id: format!("{n}{text}"),
        title: text.clone(),
        severity: Severity::Critical,
        runbook: Some(text.clone()),
        owner: Some(text.clone()),
        key: vec![text.clone()],
        outcome,
        duration: Some(Duration::from_secs(1)),
        notes: vec![text.clone()],
    });
    Report {
        db_path: text.clone(),
        env: text.clone(),
        partial: None,
        incomplete: Some(text.clone()),
        invocation_id: text.clone(),
        findings: vec![Finding::new(State::Unknown, text.clone())],
        reading: Some(text.clone()),
        ..run("2025-11-06T07:00:03Z", evaluations.collect())
    }
}
