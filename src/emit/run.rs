//! Where does a run's report go, and what does an output that fails do to the verdict?

use std::fmt::Display;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use super::state::{Recorded, StateError, StateFolder};
use super::{log, replace, textfile};
use crate::plain::plain;
use crate::report;
use crate::verdict::invariants::Report;
use crate::verdict::streaks::Streaks;
use crate::verdict::{Finding, State};

/// The default name of the runner's textfile.
pub const TEXTFILE: &str = "plms_invariants.prom";

/// Where a full run writes.
#[derive(Debug)]
pub struct Targets<'a> {
    /// `None` where it could not be entered; that is a finding of the report already.
    pub state: Option<&'a StateFolder>,
    /// `LOG_DIR`.
    pub log_folder: &'a Path,
    /// `TEXTFILE_DIR` or `--textfile`: a folder or a `.prom` file.
    pub textfile: Option<&'a Path>,
    /// The version of this program, for the metrics.
    pub version: &'a str,
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Outputs {
    /// The history, this run included; empty where it could not be read.
    pub streaks: Streaks,
    /// The log.
    pub log: Option<PathBuf>,
    /// The `state.db` that holds this run.
    pub state_db: Option<PathBuf>,
    /// The `status.json` of this run.
    pub status_file: Option<PathBuf>,
    /// The textfile.
    pub textfile: Option<PathBuf>,
}

/// Writes log, `state.db`, `status.json` and textfile of a full run; a partial run writes nothing.
///
/// Each output that fails is a finding more in the report: it lifts OK to UNKNOWN and lowers nothing,
/// and the outputs that were written before it are written anew, so that they say so.
pub fn run_outputs(report: &mut Report, targets: &Targets<'_>, now: DateTime<Utc>) -> Outputs {
    let mut outputs = Outputs::default();
    if report.partial.is_some() {
        return outputs;
    }
    write_log(report, targets, &mut outputs, now);
    let logged = report.findings.len();
    let mut recorded = record(report, targets, &mut outputs, now);
    write_status(report, targets, &mut outputs);
    let in_status = report.findings.len();
    restate(report, targets, &mut outputs, recorded.as_mut());
    write_textfile(report, targets, &mut outputs);
    restate(report, targets, &mut outputs, recorded.as_mut());

    if report.findings.len() > in_status && outputs.status_file.is_some() {
        write_status(report, targets, &mut outputs);
    }
    if let Some(path) = outputs.log.as_ref().filter(|_| report.findings.len() > logged)
        && let Err(error) = log::rewrite(path, &report::log::render(report))
    {
        not_written(report, "the end of the log", error, LOG_REMEDY);
    }
    outputs
}

const LOG_REMEDY: &str = "is LOG_DIR right and writable for this user, and is there room?";
const STATE_REMEDY: &str = "is STATE_DIR writable for this user, and is there room?";
const TEXTFILE_REMEDY: &str = "is TEXTFILE_DIR right and writable for this user, and is there room?";

fn not_written(report: &mut Report, what: &str, error: impl Display, remedy: &str) {
    let sentence = format!("{what} was not written: {error}; {remedy}");
    report.findings.push(Finding::new(State::Unknown, sentence));
}

/// The state's own sentences end with what to do.
fn not_recorded(report: &mut Report, what: &str, error: &StateError) {
    report.findings.push(Finding::new(State::Unknown, format!("{what} was not written: {error}")));
}

fn write_log(report: &mut Report, targets: &Targets<'_>, outputs: &mut Outputs, now: DateTime<Utc>) {
    // First, for the room they take; a folder that is not there is told by what follows.
    let forgotten = log::forget_old(targets.log_folder, now);
    match log::write(targets.log_folder, &report::log::render(report), report.finish) {
        Ok(path) => {
            outputs.log = Some(path);
            if let Err(error) = forgotten {
                let folder = targets.log_folder.display();
                let sentence = format!("logs older than 30 days stay in {folder}: {}", plain(&error));
                report.findings.push(Finding::new(State::Ok, sentence));
            }
        }
        Err(error) => not_written(report, "the log", error, LOG_REMEDY),
    }
}

/// A recorded run, and the state that it was recorded with.
struct InDb {
    recorded: Recorded,
    state: State,
}

fn record(
    report: &mut Report,
    targets: &Targets<'_>,
    outputs: &mut Outputs,
    now: DateTime<Utc>,
) -> Option<InDb> {
    let db = targets.state?.db();
    let state = report.state();
    match db.record(report, |_| None, now) {
        Ok(recorded) => {
            if let Some(aside) = &recorded.aside {
                let sentence = format!(
                    "the record of earlier runs could not be read ({}) and was set aside as {}; \
                     last success and incidents begin anew",
                    aside.why,
                    aside.path.display()
                );
                report.findings.push(Finding::new(State::Unknown, sentence));
            }
            outputs.state_db = Some(db.path().to_path_buf());
            outputs.streaks = recorded.streaks.clone();
            Some(InDb { recorded, state })
        }
        Err(error) => {
            not_recorded(report, "the record of this run", &error);
            None
        }
    }
}

/// What was recorded as a success must be none once an output has failed.
fn restate(report: &mut Report, targets: &Targets<'_>, outputs: &mut Outputs, in_db: Option<&mut InDb>) {
    let (Some(folder), Some(in_db)) = (targets.state, in_db) else { return };
    if in_db.state == report.state() {
        return;
    }
    match folder.db().restate(&mut in_db.recorded, report, |_| None) {
        Ok(()) => {
            in_db.state = report.state();
            outputs.streaks = in_db.recorded.streaks.clone();
        }
        Err(error) => not_recorded(report, "the final state of this run", &error),
    }
}

fn write_status(report: &mut Report, targets: &Targets<'_>, outputs: &mut Outputs) {
    let Some(folder) = targets.state else { return };
    let path = folder.status_file();
    match replace::replace(&path, report::run_json::render(report).as_bytes(), 0o644) {
        Ok(()) => outputs.status_file = Some(path),
        Err(error) => not_written(report, "the status file", error, STATE_REMEDY),
    }
}

fn write_textfile(report: &mut Report, targets: &Targets<'_>, outputs: &mut Outputs) {
    let Some(place) = targets.textfile else { return };
    let exposition = report::exposition::render(report, &outputs.streaks, targets.version);
    match textfile::write(place, TEXTFILE, &exposition) {
        Ok(path) => outputs.textfile = Some(path),
        Err(error) => not_written(report, "the textfile", error, TEXTFILE_REMEDY),
    }
}

#[cfg(test)]
mod hardship;
#[cfg(test)]
mod tests;
