//! What is left to do in a run, and what has been found of each scan?

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::facts::Facts;
use super::plan::Scan;
use crate::verdict::invariants::Outcome;

/// A piece of work for one reader.
#[derive(Clone, Debug)]
pub enum Task {
    /// Rows of a scan from one number to another, both included; `None`: all.
    Scan(usize, Option<(i64, i64)>),
    /// How many rows a scan must come to, by an index.
    Entries(usize),
    /// The sample rows of a finished scan.
    Sample(usize),
    /// A whole statement.
    Query(usize),
}

/// What is known of one scan so far.
#[derive(Debug)]
pub struct ScanState {
    /// The scan.
    pub scan: Arc<Scan>,
    /// Per member: violations, and the lowest row numbers of them.
    pub found: Vec<Found>,
    /// Rows looked at.
    pub examined: u64,
    /// Rows that there are, by an index.
    pub entries: Option<u64>,
    /// Pieces that are not done.
    pub chunks_left: usize,
    /// When the first piece was begun.
    pub began: Option<Instant>,
    /// The fold of the runs.
    pub facts: Facts,
    /// The first failure.
    pub failed: Option<Failure>,
}

/// The violations of one predicate.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// How many.
    pub violations: u64,
    /// The numbers of the first of them, ascending.
    pub rows: Vec<i64>,
}

impl Found {
    /// Counts one violating row, and keeps its number among the `most` lowest.
    pub fn add(&mut self, row: i64, most: usize) {
        self.violations += 1;
        if self.rows.len() < most || self.rows.last().is_some_and(|&last| row < last) {
            let place = self.rows.partition_point(|&known| known < row);
            self.rows.insert(place, row);
            self.rows.truncate(most);
        }
    }

    pub(super) fn merge(&mut self, other: Self, most: usize) {
        self.violations += other.violations;
        self.rows.extend(other.rows);
        self.rows.sort_unstable();
        self.rows.truncate(most);
    }
}

/// Why a piece of work has no answer.
#[derive(Clone, Debug)]
pub enum Failure {
    /// The run as a whole was stopped: what was found until then counts.
    Stopped,
    /// It took longer than its invariant allows.
    Timeout,
    /// SQLite's words.
    Error(String),
    /// What was read cannot all be true: asking it in another way makes it no truer.
    Damaged(String),
}

/// What a reader brings back from rows of a scan.
#[derive(Debug, Default)]
pub struct Chunk {
    /// Per member.
    pub found: Vec<Found>,
    /// Rows looked at.
    pub examined: u64,
    /// The fold of the runs.
    pub facts: Facts,
    /// Rows came in another order than that of their numbers, in which a table keeps them.
    pub is_disordered: bool,
}

/// The outcome of one invariant and the wall time that it took.
pub type Settled = (Outcome, Option<Duration>);

/// Everything that readers share, behind one lock.
#[derive(Debug, Default)]
pub(super) struct Work {
    /// Not begun yet.
    pub tasks: VecDeque<Task>,
    /// Pieces in hand.
    pub busy: usize,
    /// By the number that tasks give.
    pub scans: Vec<ScanState>,
    /// Per invariant.
    pub settled: Vec<Option<Settled>>,
    /// Invariants that were in hand when the run had to stop.
    pub interrupted: Vec<usize>,
    /// How many took part.
    pub readers: usize,
    /// Pieces done, and pieces in all.
    pub steps: (usize, usize),
}

impl Work {
    pub(super) fn add_scan(&mut self, scan: Scan, ranges: Vec<Option<(i64, i64)>>) {
        let place = self.scans.len();
        let found = vec![Found::default(); scan.members.len()];
        let counts_entries = scan.entries.is_some();
        self.scans.push(ScanState {
            scan: Arc::new(scan),
            found,
            examined: 0,
            entries: None,
            chunks_left: ranges.len() + usize::from(counts_entries),
            began: None,
            facts: Facts::default(),
            failed: None,
        });
        for range in ranges {
            self.add_task(Task::Scan(place, range));
        }
        if counts_entries {
            self.add_task(Task::Entries(place));
        }
    }

    pub(super) fn add_task(&mut self, task: Task) {
        self.tasks.push_back(task);
        self.steps.1 += 1;
    }

    pub(super) fn done(&mut self) {
        self.busy = self.busy.saturating_sub(1);
        self.steps.0 += 1;
    }

    pub(super) fn settle(&mut self, invariant: usize, outcome: Outcome, elapsed: Duration) {
        if let Some(slot) = self.settled.get_mut(invariant) {
            *slot = Some((outcome, Some(elapsed)));
        }
    }
}

impl ScanState {
    /// Why what was read cannot be all, where that is seen.
    pub(super) fn damage(&self) -> Option<Failure> {
        let (read, counted) = (self.examined, self.entries.filter(|&entries| entries != self.examined)?);
        let table = &self.scan.table;
        let words = format!("{read} rows of {table} were read, and an index of it has {counted}");
        Some(Failure::damaged(&words))
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.began.map_or(Duration::ZERO, |began| began.elapsed())
    }
}

impl Failure {
    pub(super) fn damaged(seen: &str) -> Self {
        Self::Damaged(format!(
            "the database is damaged: {seen}; restore it from a backup, or look with PRAGMA integrity_check on a copy"
        ))
    }

    pub(super) fn is_stop(&self) -> bool {
        matches!(self, Self::Stopped)
    }

    pub(super) fn sentence(&self) -> String {
        match self {
            Self::Stopped => "stopped".to_owned(),
            Self::Timeout => "it took longer than its timeout".to_owned(),
            Self::Error(words) | Self::Damaged(words) => words.clone(),
        }
    }
}

impl Outcome {
    pub(super) fn failed(failure: &Failure, timeout: Option<Duration>) -> Self {
        let error = match (failure, timeout) {
            (Failure::Timeout, Some(timeout)) => {
                format!("cancelled: it took longer than its timeout of {} s", timeout.as_secs_f64())
            }
            _ => failure.sentence(),
        };
        Self::Failed { errors: vec![error] }
    }
}
