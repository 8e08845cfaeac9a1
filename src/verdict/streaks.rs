//! Since when does an invariant fail, and how long did its last mend take?

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::State;
use super::invariants::Evaluation;

/// What the history of one registry says beside this run.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Streaks {
    /// When the last run ended whose state was OK; `None` where none is known.
    pub last_success: Option<DateTime<Utc>>,
    /// By invariant id; an invariant that never failed is absent.
    pub invariants: BTreeMap<String, Streak>,
}

/// The incidents of one invariant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Streak {
    /// The run that first saw the violations which are not mended yet.
    pub failing_since: Option<DateTime<Utc>>,
    /// From first failure to recovery, the last time there was one.
    pub last_time_to_fix: Option<Duration>,
}

impl Streaks {
    /// The streak of one invariant; empty where nothing is known.
    #[must_use]
    pub fn of(&self, id: &str) -> Streak {
        self.invariants.get(id).copied().unwrap_or_default()
    }
}

/// What one evaluation does to the incident of its invariant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Violations were seen: an incident is opened unless one is open.
    Fails,
    /// Everything was looked at and nothing is wrong: an open incident ends.
    Holds,
    /// Not checked or not in full: says nothing about an incident.
    Unseen,
}

impl Turn {
    /// What this evaluation says; UNKNOWN and skipped say nothing.
    #[must_use]
    pub fn of(evaluation: &Evaluation) -> Self {
        match evaluation.state() {
            Some(State::Warning | State::Critical) => Self::Fails,
            Some(State::Ok) => Self::Holds,
            Some(State::Unknown) | None => Self::Unseen,
        }
    }
}
