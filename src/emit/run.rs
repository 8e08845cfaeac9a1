//! Where does a run's report go, and what does an output that fails do to the verdict?

use std::fmt::Display;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use super::state::{Aside, Recorded, StateError, StateFolder};
use super::{log, replace, textfile};
use crate::plain::plain;
use crate::report;
use crate::verdict::invariants::Report;
use crate::verdict::notice::Notice;
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
    /// The short name of this host, where people are to be told of the run.
    pub tell_from: Option<&'a str>,
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
    /// The notice that waits in the outbox of the state folder.
    pub notice: Option<i64>,
}

/// Whether a notice may still be changed.
#[derive(Clone, Copy, Debug)]
enum Telling {
    /// Nobody was told yet.
    IsAhead,
    /// What was found out in telling people is in the run's own outputs, and no news.
    IsOver,
}

/// What was written, and how to write it anew.
#[derive(Debug)]
pub struct Written<'a> {
    /// What was written.
    pub outputs: Outputs,
    targets: &'a Targets<'a>,
    recorded: Option<InDb>,
    findings_in_log: usize,
    findings_in_status: usize,
}

/// Writes log, `state.db`, `status.json` and textfile of a full run; a partial run writes nothing.
///
/// Each output that fails is a finding more in the report: it lifts OK to UNKNOWN and lowers nothing,
/// and the outputs that were written before it are written anew, so that they say so.
pub fn run_outputs<'a>(report: &mut Report, targets: &'a Targets<'a>, now: DateTime<Utc>) -> Written<'a> {
    let mut outputs = Outputs::default();
    if report.partial.is_some() {
        return Written { outputs, targets, recorded: None, findings_in_log: 0, findings_in_status: 0 };
    }
    write_log(report, targets, &mut outputs, now);
    let findings_in_log = report.findings.len();
    let recorded = record(report, targets, &mut outputs, now);
    write_status(report, targets, &mut outputs);
    let findings_in_status = report.findings.len();
    let mut written = Written { outputs, targets, recorded, findings_in_log, findings_in_status };
    written.settle(report, Telling::IsAhead);
    written
}

impl Written<'_> {
    /// Adds what was found out afterwards, and has all outputs say so.
    pub fn add(&mut self, report: &mut Report, findings: Vec<Finding>) {
        if findings.is_empty() {
            return;
        }
        report.findings.extend(findings);
        if report.partial.is_none() {
            self.settle(report, Telling::IsOver);
        }
    }

    /// The textfile, and whatever was written before with fewer findings.
    fn settle(&mut self, report: &mut Report, telling: Telling) {
        let Self { outputs, targets, recorded, .. } = self;
        restate(report, targets, outputs, recorded.as_mut(), telling);
        write_textfile(report, targets, outputs);
        restate(report, targets, outputs, recorded.as_mut(), telling);
        if report.findings.len() > self.findings_in_status && outputs.status_file.is_some() {
            write_status(report, targets, outputs);
            self.findings_in_status = report.findings.len();
        }
        if let Some(path) = outputs.log.as_ref().filter(|_| report.findings.len() > self.findings_in_log) {
            self.findings_in_log = report.findings.len();
            if let Err(error) = log::rewrite(path, &report::log::render(report)) {
                not_written(report, "the end of the log", error, LOG_REMEDY);
            }
        }
    }
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

/// What people are to hear of this run.
fn notice(report: &Report, streaks: &Streaks, targets: &Targets<'_>, log: Option<&Path>) -> Option<Notice> {
    targets.tell_from.map(|host| report::notice::compose(report, streaks, host, log))
}

/// A recorded run, and the state that it was recorded with.
#[derive(Debug)]
struct InDb {
    recorded: Recorded,
    state: State,
    findings: usize,
}

fn record(
    report: &mut Report,
    targets: &Targets<'_>,
    outputs: &mut Outputs,
    now: DateTime<Utc>,
) -> Option<InDb> {
    let db = targets.state?.db();
    let state = report.state();
    let log = outputs.log.clone();
    match db.record(report, |streaks| notice(report, streaks, targets, log.as_deref()), now) {
        Ok(recorded) => {
            // Counted before: the notice that was just composed does not know of the damage, and must.
            let findings = report.findings.len();
            report.findings.extend(recorded.aside.as_ref().map(Aside::finding));
            outputs.state_db = Some(db.path().to_path_buf());
            outputs.streaks = recorded.streaks.clone();
            outputs.notice = recorded.notice;
            Some(InDb { recorded, state, findings })
        }
        Err(error) => {
            not_recorded(report, "the record of this run", &error);
            None
        }
    }
}

/// What was recorded as a success must be none once an output has failed.
fn restate(
    report: &mut Report,
    targets: &Targets<'_>,
    outputs: &mut Outputs,
    in_db: Option<&mut InDb>,
    telling: Telling,
) {
    let (Some(folder), Some(in_db)) = (targets.state, in_db) else { return };
    let is_told = in_db.recorded.notice.is_some() && in_db.findings != report.findings.len();
    if in_db.state == report.state() && !is_told && in_db.recorded.aside.is_none() {
        return;
    }
    let log = outputs.log.clone();
    let restated = match telling {
        Telling::IsAhead => {
            let compose = |streaks: &Streaks| notice(report, streaks, targets, log.as_deref());
            folder.db().restate(&mut in_db.recorded, report, compose)
        }
        Telling::IsOver => folder.db().lift(&mut in_db.recorded, report),
    };
    match restated {
        Ok(()) => {
            outputs.notice = in_db.recorded.notice;
            in_db.state = report.state();
            in_db.findings = report.findings.len();
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
