//! How bad is it? The four states of a monitoring plugin, and a sentence that has one.

use serde::{Deserialize, Serialize};

/// A plugin's state; the order is the project's own, worst last: a check that could not be made
/// is worse than OK and gives way to a fault that was really seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Everything was checked and nothing is wrong.
    Ok,
    /// Something could not be checked.
    Unknown,
    /// Wrong, and can wait for the morning.
    Warning,
    /// Wrong, and someone should be woken.
    Critical,
}

impl State {
    /// The exit status that monitoring systems know for this state: 0, 1, 2 or 3.
    #[must_use]
    pub fn exit_status(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Warning => 1,
            Self::Critical => 2,
            Self::Unknown => 3,
        }
    }

    /// The word that service output begins with: `OK`, `WARNING`, `CRITICAL` or `UNKNOWN`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
            Self::Unknown => "UNKNOWN",
        }
    }

    /// The word in JSON and in the state file: `ok`, `warning`, `critical` or `unknown`.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Critical => "critical",
            Self::Unknown => "unknown",
        }
    }
}

/// One sentence with its own state: a line of the long output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What the sentence does to the state of the whole.
    pub state: State,
    /// Lower case, no full stop; may hold hostile text, which every rendering cleans for itself.
    pub sentence: String,
}

impl Finding {
    /// A finding with its state and sentence.
    pub fn new(state: State, sentence: impl Into<String>) -> Self {
        Self { state, sentence: sentence.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::State::{Critical, Ok, Unknown, Warning};

    #[test]
    fn states_are_ordered_by_what_they_mean_and_not_by_their_exit_status() {
        let mut states = [Critical, Ok, Warning, Unknown];
        states.sort();
        assert_eq!(states, [Ok, Unknown, Warning, Critical]);
        assert_eq!(states.map(super::State::exit_status), [0, 3, 1, 2]);
    }
}
