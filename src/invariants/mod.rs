//! Which rules must every row keep? The catalogue: built-in invariants and an operator's own.

mod format;
mod front;
mod load;
mod select;
mod sql;

pub use format::Problem;
pub use load::{Catalogue, CatalogueError};
pub use select::{Choice, Selection, SelectionError};

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::verdict::invariants::{Evaluation, Outcome, Severity};

/// One rule, as its `.sql` file states it (contract 7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invariant {
    /// Stable name: flag value, metric label, key of its history. `[a-z][a-z0-9_]{0,63}`.
    pub id: String,
    /// One line for people.
    pub title: String,
    /// What a violation does to the state.
    pub severity: Severity,
    /// Groups; `standard` and `strict` are the two built-in ones.
    pub tags: Vec<String>,
    /// The columns that name a violating row.
    pub key: Vec<String>,
    /// How many violating rows are kept for people; the count is always exact.
    pub sample: usize,
    /// How long one evaluation may take before it is UNKNOWN.
    pub timeout: Duration,
    /// Where a person reads what to do.
    pub runbook: Option<String>,
    /// Who is asked.
    pub owner: Option<String>,
    /// More than a title can say.
    pub description: Option<String>,
    /// Further columns of a sample, after the key.
    pub show: Vec<String>,
    /// Columns of a sample whose values are never shown.
    pub redact: Vec<String>,
    /// Fewer examined rows than this is UNKNOWN: an empty table is no pass.
    pub min_examined: Option<u64>,
    /// Columns without which the rule cannot be asked.
    pub needs: Vec<Column>,
    /// What a registry without those columns means.
    pub on_missing: OnMissing,
    /// The question itself.
    pub body: Body,
    /// Where the file lies.
    pub source: Source,
}

/// A column that an invariant needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Table name as written.
    pub table: String,
    /// Column name as written.
    pub column: String,
}

/// What a missing needed column means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum OnMissing {
    /// The invariant could not be checked: UNKNOWN.
    #[default]
    Error,
    /// The registry is too old for the invariant: skipped, and no state is changed.
    Skip,
}

/// The question that an invariant asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// A condition over the rows of one table; such conditions share one scan.
    Rows {
        /// The table.
        table: String,
        /// SQL expression; a row for which it is true is a violation.
        violates: String,
        /// SQL expression that tells a person why; evaluated for the sample only.
        reason: Option<String>,
    },
    /// A statement that returns the violating rows.
    Query {
        /// The statement, without front matter.
        sql: String,
    },
}

/// Where an invariant's file lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// In the program.
    Builtin(&'static str),
    /// In an operator's folder.
    File(PathBuf),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Builtin(name) => write!(f, "builtin/{name}"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

impl Invariant {
    /// What one run saw of this invariant.
    #[must_use]
    pub fn evaluation(&self, outcome: Outcome, duration: Option<Duration>) -> Evaluation {
        Evaluation {
            id: self.id.clone(),
            title: self.title.clone(),
            severity: self.severity,
            runbook: self.runbook.clone(),
            owner: self.owner.clone(),
            key: self.key.clone(),
            outcome,
            duration,
            notes: vec![],
        }
    }
}
