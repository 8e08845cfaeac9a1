//! What does a later reader learn from `status.json`? Contract 4 backwards; knows no SQL, so that a probe
//! may use it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Deserialize;

use crate::verdict::State;

/// The last full run, as far as others ask for it. Keys that are not listed here are allowed.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct StatusRecord {
    /// The state of the whole run.
    pub state: State,
    /// When the run began.
    pub start: DateTime<Utc>,
    /// When its last evaluation ended.
    pub finish: DateTime<Utc>,
    /// `ENV_NAME` then.
    pub env: String,
    /// The registry; hostile text.
    pub db_path: String,
    /// The run; empty where another program wrote the file.
    #[serde(default)]
    pub invocation_id: String,
    /// Stopped before its end.
    pub incomplete: bool,
    /// By invariant id.
    pub checks: BTreeMap<String, CheckRecord>,
    /// The counts.
    pub summary: SummaryRecord,
    /// What its service output said; hostile text.
    #[serde(default)]
    pub sentence: String,
    /// What concerned the run as a whole.
    #[serde(default)]
    pub findings: Vec<FindingRecord>,
}

/// One invariant of the last run.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct CheckRecord {
    /// Its title; hostile text.
    pub name: String,
    /// `ok`, `warning`, `critical`, `unknown` or `skipped`.
    pub state: CheckState,
    /// `None` where nothing was counted.
    pub violations: Option<u64>,
    /// What stood in the way; hostile text.
    pub errors: Vec<String>,
    /// What a reader must know beside it; hostile text.
    #[serde(default)]
    pub notes: Vec<String>,
    /// Why it was skipped; hostile text.
    #[serde(default)]
    pub skipped: Option<String>,
}

/// The state of one invariant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckState {
    /// Checked, and no violation.
    Ok,
    /// Could not be checked.
    Unknown,
    /// Violated, severity warning.
    Warning,
    /// Violated, severity critical.
    Critical,
    /// The registry was too old for it.
    Skipped,
}

impl CheckState {
    /// The state, `None` where the invariant was skipped.
    #[must_use]
    pub fn state(self) -> Option<State> {
        match self {
            Self::Ok => Some(State::Ok),
            Self::Unknown => Some(State::Unknown),
            Self::Warning => Some(State::Warning),
            Self::Critical => Some(State::Critical),
            Self::Skipped => None,
        }
    }
}

/// How many invariants came to what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct SummaryRecord {
    /// Selected invariants.
    pub total_checks: usize,
    /// Checked, and no violation.
    pub passed_checks: usize,
    /// With at least one violation.
    pub failed_checks: usize,
    /// Could not be checked.
    pub error_checks: usize,
    /// The registry was too old for them.
    pub skipped_checks: usize,
    /// Violating rows over all invariants.
    pub total_violations: u64,
}

/// A sentence with its state.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct FindingRecord {
    /// What it did to the state.
    pub state: State,
    /// Hostile text.
    pub sentence: String,
}

impl StatusRecord {
    /// Reads the text of a `status.json`.
    ///
    /// # Errors
    ///
    /// Text that is cut off, is no JSON, or lacks what is asked for; says where.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::{clean, hostile_run, mixed};
    use crate::report::run_json;

    #[test]
    fn a_record_says_what_the_run_said() {
        for report in [clean(), mixed(), hostile_run()] {
            let record = StatusRecord::parse(&run_json::render(&report)).unwrap();
            assert_eq!(record.state, report.state());
            assert_eq!((record.start, record.finish), (report.start, report.finish));
            assert_eq!((&record.env, &record.db_path), (&report.env, &report.db_path));
            assert_eq!(record.incomplete, report.incomplete.is_some());
            assert_eq!(record.summary.total_violations, report.summary().violations);
            assert_eq!(record.sentence, crate::report::run_text::sentence(&report));
            assert_eq!(record.findings.len(), report.findings.len());
            for evaluation in &report.evaluations {
                let check = &record.checks[&evaluation.id];
                assert_eq!(check.state.state(), evaluation.state());
                assert_eq!(check.violations, evaluation.violations());
                assert_eq!((&check.name, check.errors.as_slice()), (&evaluation.title, evaluation.errors()));
            }
        }
    }

    #[test]
    fn a_torn_or_strange_record_is_an_error() {
        let whole = run_json::render(&clean());
        let half = whole.split_at(whole.len() / 2).0;
        let newer = whole.replacen("\"ok\"", "\"splendid\"", 1);
        for text in ["", "{}", "[]", "null", half, &newer] {
            StatusRecord::parse(text).unwrap_err();
        }
    }
}
