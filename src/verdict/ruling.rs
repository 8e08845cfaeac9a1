//! Which rule said what about a unit? A verdict is the worst of its rulings.

use std::fmt;

use super::{Finding, State};

/// Why a state is what it is: a stable word for programs (contract 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reason(pub &'static str);

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// What one rule found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruling {
    /// What it does to the state.
    pub state: State,
    /// Why.
    pub reason: Reason,
    /// For people; names the unit.
    pub sentence: String,
}

impl Ruling {
    /// A ruling with its reason word and sentence.
    pub fn new(state: State, reason: &'static str, sentence: impl Into<String>) -> Self {
        Self { state, reason: Reason(reason), sentence: sentence.into() }
    }

    /// A rule that is kept.
    pub fn ok(sentence: impl Into<String>) -> Self {
        Self::new(State::Ok, "ok", sentence)
    }

    /// As long output.
    #[must_use]
    pub fn finding(&self) -> Finding {
        Finding::new(self.state, self.sentence.clone())
    }
}

/// What a probe says about one unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// In the order in which the rules were asked; never empty.
    pub rulings: Vec<Ruling>,
    /// What is said where every rule is kept.
    pub when_ok: String,
}

impl Verdict {
    fn worst(&self) -> Option<&Ruling> {
        // max_by_key gives the last of equals; the first rule is the one to name.
        self.rulings.iter().rev().max_by_key(|ruling| ruling.state)
    }

    /// The worst state; a verdict without a ruling has looked at nothing.
    #[must_use]
    pub fn state(&self) -> State {
        self.worst().map_or(State::Unknown, |ruling| ruling.state)
    }

    /// The worst ruling's reason; where all are OK, that of one that is not plain (`running`, `skipped`).
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self.worst() {
            None => Reason("no-answer"),
            Some(worst) if worst.state != State::Ok => worst.reason,
            Some(_) => {
                let reasons = self.rulings.iter().map(|ruling| ruling.reason);
                reasons
                    .into_iter()
                    .find(|reason| !["ok", "loaded"].contains(&reason.0))
                    .unwrap_or(Reason("ok"))
            }
        }
    }

    /// The worst ruling's sentence.
    #[must_use]
    pub fn sentence(&self) -> &str {
        match self.worst() {
            Some(ruling) if ruling.state != State::Ok => &ruling.sentence,
            _ => &self.when_ok,
        }
    }
}
