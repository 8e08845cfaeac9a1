//! What is there to tell people of, whichever channel carries it?

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::State;
use super::invariants::Severity;

/// A message to people, neutral as to channels: what the outbox keeps until every channel has taken it.
///
/// Texts may be hostile still; every rendering cleans them for itself. Whoever composes a notice bounds
/// it: at most [`MOST_ROWS`] rows per matter, and texts cut or, where there are too many, empty; never is
/// an invariant left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// What gave the occasion.
    pub occasion: Occasion,
    /// `ENV_NAME`.
    pub env: String,
    /// The registry, as in the report.
    pub db_path: String,
    /// The short name of the host that ran the check.
    pub host: String,
    /// The run that it speaks of: systemd's invocation id, else one of our own.
    pub invocation_id: String,
    /// When the run ended, or when it was found to have died.
    pub at: DateTime<Utc>,
    /// The state of the run.
    pub state: State,
    /// The run's service output, without name, state and perfdata.
    pub sentence: String,
    /// One per invariant of the run, worst first.
    pub matters: Vec<Matter>,
    /// What concerns the run as a whole, worst first: outputs that failed, why it is incomplete.
    pub findings: Vec<Said>,
    /// Where the log of the run lies.
    pub log: Option<String>,
}

/// Rows of a matter that a notice holds at most; the log and the JSON have the whole sample.
pub const MOST_ROWS: usize = 10;

/// What gave the occasion for a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Occasion {
    /// A full run has ended.
    Run,
    /// A run was started and left no record.
    Died,
    /// An operator tests the channels.
    Test,
}

/// What one invariant came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Matter {
    /// The invariant's id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// Its severity.
    pub severity: Severity,
    /// What was seen of it.
    pub standing: Standing,
    /// Violating rows; `None` where nothing was counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub violations: Option<u64>,
    /// What stood in the way of an answer, or of a part of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<String>,
    /// The run that first saw the violations which are not mended yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing_since: Option<DateTime<Utc>>,
    /// Where a person reads what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runbook: Option<String>,
    /// Who is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// The first violating rows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<Row>,
}

/// A violating row as people are shown it: redacted columns are so already.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Column name and value, in order.
    pub cells: Vec<(String, String)>,
    /// Why the row is a violation, where the invariant says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What a run saw of an invariant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// Everything was looked at and nothing is wrong.
    Holds,
    /// Violations were seen.
    Violated,
    /// It could not be checked, and no violation was seen.
    NotChecked,
    /// The registry is too old for it.
    Skipped,
}

/// A sentence with its state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// What it does to the state of the whole.
    pub state: State,
    /// Lower case, no full stop.
    pub sentence: String,
}
