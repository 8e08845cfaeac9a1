//! Does the runner's record (`--status-file`) speak for the job that is judged?

use std::path::Path;

use crate::observe::status_file::{self, StatusFileError};
use crate::report::status_record::StatusRecord;
use crate::verdict::clock::{Clock, Stamp};
use crate::verdict::exit::Observation;
use crate::verdict::freshness::Recorded;
use crate::verdict::ruling::Ruling;
use crate::verdict::{Finding, State};

/// Whose record it is where nobody says otherwise.
pub(super) const RUNNER: &str = "plms-invariants.service";

/// The record of the last run, as far as it can be read.
pub(super) enum Record {
    Read(Recorded),
    /// No run has ended yet, or the path is not where runs leave it: where its folder is not there either, and
    /// a run is on record elsewhere, it cannot be.
    Absent {
        error: String,
        has_folder: bool,
    },
    /// Why it cannot be read.
    Unreadable(String),
}

impl Record {
    pub fn read(path: &Path) -> Self {
        match status_file::read(path) {
            Ok(record) => Self::Read(recorded(&record)),
            Err(error @ StatusFileError::Absent(_)) => {
                let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
                Self::Absent { error: error.to_string(), has_folder: folder.is_none_or(Path::is_dir) }
            }
            Err(error) => Self::Unreadable(error.to_string()),
        }
    }

    pub fn run(&self) -> Option<&Recorded> {
        match self {
            Self::Read(run) => Some(run),
            Self::Absent { .. } | Self::Unreadable(_) => None,
        }
    }

    /// What a reader of the verdict must know about the file; `has_run`: systemd knows of a run that ended.
    pub fn finding(&self, has_run: bool) -> Option<Finding> {
        match self {
            Self::Read(_) => None,
            Self::Absent { error, has_folder } => {
                let is_wrong = has_run && !has_folder;
                Some(Finding::new(if is_wrong { State::Unknown } else { State::Ok }, error.clone()))
            }
            Self::Unreadable(error) => Some(Finding::new(State::Unknown, error.clone())),
        }
    }
}

fn recorded(record: &StatusRecord) -> Recorded {
    let stamp = |realtime| Stamp { realtime, monotonic: None };
    Recorded {
        start: stamp(record.start),
        finish: stamp(record.finish),
        is_success: record.state == State::Ok,
    }
}

/// Nothing in the record names the unit that it belongs to. Of the runner's own unit it is taken at its word: a
/// run by hand is a run. Of another one, which may be the runner under another name or anything else, it counts
/// for the time before systemd's memory of that unit. What came later systemd knows itself, or has forgotten for a
/// start since, which then is what there is to tell; the ruling says that the record does not count.
pub(super) fn foreign(run: &Recorded, seen: &Observation, now: &Clock) -> Option<Ruling> {
    let (job, id) = (&seen.job, &seen.job.unit.id);
    let active = seen.timers.iter().filter(|timer| timer.unit.active_state == "active");
    // A timer that is up keeps its service in memory.
    let watched = active.filter_map(|timer| timer.unit.active_enter);
    let begun = job.exec_main_start.into_iter().chain(job.unit.inactive_exit);
    let memory = watched.chain(begun).map(|stamp| stamp.realtime).min()?;
    let is_foreign = id != RUNNER && run.finish.realtime >= memory;
    is_foreign.then(|| {
        let ended = run.finish.age(now).phrase();
        Ruling::ok(format!(
            "the status file's run, which ended {ended}, is not taken for one of {id}: systemd knows of none then"
        ))
    })
}
