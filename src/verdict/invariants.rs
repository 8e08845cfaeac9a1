//! What does a run over the registry amount to?

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Finding, State};

/// What a violation does to the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Can wait for the morning.
    Warning,
    /// Someone should be woken.
    Critical,
}

impl Severity {
    /// `warning` or `critical`: the word in JSON, metrics and front matter.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }

    /// The state that a violation of this severity gives.
    #[must_use]
    pub fn state(self) -> State {
        match self {
            Self::Warning => State::Warning,
            Self::Critical => State::Critical,
        }
    }
}

/// What one invariant came to in one run.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// The invariant's id.
    pub id: String,
    /// The invariant's title.
    pub title: String,
    /// The invariant's severity.
    pub severity: Severity,
    /// Where a person reads what to do.
    pub runbook: Option<String>,
    /// Who is asked.
    pub owner: Option<String>,
    /// The columns that name a violating row, in order.
    pub key: Vec<String>,
    /// What was seen.
    pub outcome: Outcome,
    /// Wall time of its scan, which predicates that share a scan share, too; `None` where it never began.
    pub duration: Option<Duration>,
    /// What a reader must know beside the outcome ("passport files were not looked at: …").
    pub notes: Vec<String>,
}

/// What was seen of one invariant.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Asked and answered, maybe in part.
    Checked {
        /// Distinct violating rows, exactly.
        violations: u64,
        /// Rows that were looked at, where that is known.
        examined: Option<u64>,
        /// The first violating rows.
        sample: Vec<SampleRow>,
        /// What stood in the way of a part of the answer; not empty: the count is a lower bound.
        errors: Vec<String>,
    },
    /// Could not be asked or was not answered.
    Failed {
        /// What stood in the way; never empty.
        errors: Vec<String>,
    },
    /// The registry is too old for this invariant.
    Skipped {
        /// What is missing.
        reason: String,
    },
}

/// A violating row, as people see it: key columns first, then what `show` names, then the reason.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct SampleRow {
    /// Column name and value, in order.
    pub cells: Vec<(String, Cell)>,
    /// Why the row is a violation, where the invariant says so.
    pub reason: Option<String>,
}

/// A value of a violating row; hostile text until a rendering has cleaned it.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// SQL NULL.
    Null,
    /// INTEGER.
    Integer(i64),
    /// REAL, finite or infinite (SQLite has no NaN).
    Real(f64),
    /// TEXT, cut to a length fit for people; bytes that are no UTF-8 are replaced.
    Text(String),
    /// BLOB: its length in bytes.
    Blob(usize),
    /// A column that the invariant does not show to anybody.
    Redacted,
}

impl Evaluation {
    /// The state of this invariant, `None` where it was skipped.
    #[must_use]
    pub fn state(&self) -> Option<State> {
        match &self.outcome {
            Outcome::Skipped { .. } => None,
            Outcome::Checked { violations: 1.., .. } => Some(self.severity.state()),
            Outcome::Checked { errors, .. } if errors.is_empty() => Some(State::Ok),
            Outcome::Checked { .. } | Outcome::Failed { .. } => Some(State::Unknown),
        }
    }

    /// Violating rows that were counted, at least; `None` where nothing was, and where none was found by
    /// looking at a part only: that is no zero.
    #[must_use]
    pub fn violations(&self) -> Option<u64> {
        match &self.outcome {
            Outcome::Checked { violations: 0, errors, .. } if !errors.is_empty() => None,
            Outcome::Checked { violations, .. } => Some(*violations),
            _ => None,
        }
    }

    /// Rows that were looked at, where that is known.
    #[must_use]
    pub fn examined(&self) -> Option<u64> {
        match self.outcome {
            Outcome::Checked { examined, .. } => examined,
            _ => None,
        }
    }

    /// What stood in the way of an answer.
    #[must_use]
    pub fn errors(&self) -> &[String] {
        match &self.outcome {
            Outcome::Checked { errors, .. } | Outcome::Failed { errors } => errors,
            Outcome::Skipped { .. } => &[],
        }
    }

    /// The first violating rows.
    #[must_use]
    pub fn sample(&self) -> &[SampleRow] {
        match &self.outcome {
            Outcome::Checked { sample, .. } => sample,
            _ => &[],
        }
    }
}

/// One run, complete: everything that any output says comes from here.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The registry, as an absolute path where it could be resolved.
    pub db_path: String,
    /// `ENV_NAME`.
    pub env: String,
    /// Both built-in groups were asked for.
    pub strict: bool,
    /// Why this run speaks of a part only (`--only lane_overrides`), and so touches no state.
    pub partial: Option<String>,
    /// Why this run stopped before its end (`stopped by SIGTERM`).
    pub incomplete: Option<String>,
    /// When the run began.
    pub start: DateTime<Utc>,
    /// When the last evaluation ended.
    pub finish: DateTime<Utc>,
    /// Systemd's invocation id, else one of our own: 32 hexadecimal digits.
    pub invocation_id: String,
    /// One per selected invariant, in the catalogue's order.
    pub evaluations: Vec<Evaluation>,
    /// What concerns the run as a whole: the registry could not be opened, an output failed.
    pub findings: Vec<Finding>,
    /// How all invariants saw one state of the registry ("one WAL snapshot, 2 readers").
    pub reading: Option<String>,
    /// Bytes, with the -wal beside it.
    pub database_size: Option<u64>,
}

/// How many invariants came to what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Summary {
    /// Selected invariants.
    pub total: usize,
    /// Checked, and no violation.
    pub passed: usize,
    /// With at least one violation.
    pub failed: usize,
    /// Could not be checked, and no violation was seen.
    pub error: usize,
    /// The registry is too old for them.
    pub skipped: usize,
    /// Violating rows over all invariants.
    pub violations: u64,
}

impl Report {
    /// The worst of all invariants and findings; an incomplete run, or one that checked nothing,
    /// is at least UNKNOWN.
    #[must_use]
    pub fn state(&self) -> State {
        let floor = if self.incomplete.is_some() || self.evaluations.iter().all(|e| e.state().is_none()) {
            State::Unknown
        } else {
            State::Ok
        };
        let invariants = self.evaluations.iter().filter_map(Evaluation::state);
        let findings = self.findings.iter().map(|f| f.state);
        invariants.chain(findings).fold(floor, State::max)
    }

    /// The counts of the whole run.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let mut sum = Summary { total: self.evaluations.len(), ..Summary::default() };
        for evaluation in &self.evaluations {
            sum.violations = sum.violations.saturating_add(evaluation.violations().unwrap_or(0));
            match evaluation.state() {
                None => sum.skipped += 1,
                Some(State::Ok) => sum.passed += 1,
                Some(State::Unknown) => sum.error += 1,
                Some(State::Warning | State::Critical) => sum.failed += 1,
            }
        }
        sum
    }

    /// The order of every rendering for people: CRITICAL, WARNING, UNKNOWN, passed, skipped; within a
    /// state as in the catalogue.
    #[must_use]
    pub fn worst_first(&self) -> Vec<&Evaluation> {
        let mut evaluations: Vec<&Evaluation> = self.evaluations.iter().collect();
        evaluations.sort_by_key(|e| std::cmp::Reverse(e.state()));
        evaluations
    }

    /// Everything was checked, and there is no violation: the run that counts as a success.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.state() == State::Ok
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    fn evaluation(severity: Severity, outcome: Outcome) -> Evaluation {
        fixture::evaluation("x", severity, outcome)
    }

    fn checked(violations: u64, errors: &[&str]) -> Outcome {
        let errors = errors.iter().map(ToString::to_string).collect();
        Outcome::Checked { violations, examined: None, sample: vec![], errors }
    }

    fn report(evaluations: Vec<Evaluation>) -> Report {
        fixture::run("2025-11-06T07:00:03Z", evaluations)
    }

    #[test]
    fn a_partly_answered_invariant_without_a_violation_is_unknown_and_with_one_has_its_severity() {
        let unanswered = evaluation(Severity::Critical, checked(0, &["timed out"]));
        assert_eq!((unanswered.state(), unanswered.violations()), (Some(State::Unknown), None));
        let found = evaluation(Severity::Critical, checked(3, &["timed out"]));
        assert_eq!((found.state(), found.violations()), (Some(State::Critical), Some(3)));
    }

    #[test]
    fn a_run_that_checked_nothing_is_unknown() {
        assert_eq!(report(vec![]).state(), State::Unknown);
        let skipped = evaluation(Severity::Critical, Outcome::Skipped { reason: "too old".into() });
        assert_eq!(report(vec![skipped]).state(), State::Unknown);
    }

    #[test]
    fn an_incomplete_run_is_at_least_unknown_and_keeps_a_critical() {
        let mut run = report(vec![evaluation(Severity::Critical, checked(0, &[]))]);
        assert_eq!(run.state(), State::Ok);
        run.incomplete = Some("stopped by SIGTERM".into());
        assert_eq!(run.state(), State::Unknown);
        run.evaluations.push(evaluation(Severity::Critical, checked(1, &[])));
        assert_eq!(run.state(), State::Critical);
    }

    #[test]
    fn a_warning_outranks_what_could_not_be_checked() {
        let run = report(vec![
            evaluation(Severity::Critical, Outcome::Failed { errors: vec!["no such column".into()] }),
            evaluation(Severity::Warning, checked(2, &[])),
        ]);
        assert_eq!(run.state(), State::Warning);
        let want = Summary { total: 2, failed: 1, error: 1, violations: 2, ..Summary::default() };
        assert_eq!(run.summary(), want);
    }
}
