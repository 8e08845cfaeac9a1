//! What is on record about a service's last run: did it run, was it skipped, is it running now?

use std::time::Duration;

use serde::Serialize;

use super::clock::{Clock, Stamp};
use super::duration::human;
use super::exit_names;
use super::ruling::Ruling;
use super::state::State;
use super::unit::Unit;

/// A service as systemd shows it; names are systemd's own. As in [`Unit`], what is not known is not shown.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Job {
    /// The unit itself.
    #[serde(flatten)]
    pub unit: Unit,
    /// `success`, `exit-code`, …: an open set. `success` also where nothing ever ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
    /// When the main process was started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exec_main_start: Option<Stamp>,
    /// When the main process ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exec_main_exit: Option<Stamp>,
    /// From systemd 256: when the main process became the job's own program; the outer `None`: older.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exec_main_handoff: Option<Option<Stamp>>,
    /// 0 none, 1 exited, 2 killed, 3 dumped core.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exec_main_code: Option<i32>,
    /// An exit status, or a signal where the code says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exec_main_status: Option<i32>,
    /// Where it is up without a run on record: whether it has a command of its own at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub has_command: Option<bool>,
    /// Where it ended otherwise than with 0: whether `SuccessExitStatus=` lists that as a success.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lists_ending: Option<bool>,
    /// Whether that or a `-` before its command makes it a success.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accepts_ending: Option<bool>,
    /// Whether the last start's conditions were met; says nothing without its time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub condition_result: Option<bool>,
    /// When they were looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub condition: Option<Stamp>,
    /// As for conditions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assert_result: Option<bool>,
    /// As for conditions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assert: Option<Stamp>,
    /// `ConditionPathExists=/some/file`, …: what was not met at the last start.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unmet: Vec<String>,
    /// `ExecStartPre=/some/command: exit status 7`: what failed beside the main process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed_command: Option<String>,
    /// How often systemd has restarted it by itself since somebody started it; asked where it runs.
    #[serde(rename = "NRestarts", skip_serializing_if = "Option::is_none")]
    pub restarts: Option<u32>,
    /// `always`, `on-failure`, …: when systemd does so; asked where it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart: Option<String>,
    /// The units that start it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub triggered_by: Vec<String>,
}

/// What the job is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// Nothing.
    Ended,
    /// Its processes run; since when, where that is on record.
    Running(Option<Stamp>),
    /// Waits for an automatic restart.
    WaitsForRestart,
    /// Its process has ended and the unit stays active: no timer starts it again.
    Remains,
}

impl Job {
    /// What the job is doing now.
    #[must_use]
    pub fn activity(&self) -> Activity {
        match (self.unit.active_state.as_str(), self.unit.sub_state.as_str()) {
            (_, sub) if sub.contains("auto-restart") => Activity::WaitsForRestart,
            ("active", "exited") => Activity::Remains,
            // A target or a mount has no process that will end.
            ("active" | "reloading" | "refreshing", _) if self.unit.is_of_another_type() => Activity::Remains,
            ("inactive" | "failed" | "maintenance", _) => Activity::Ended,
            // When the unit began to start: a hung ExecStartPre has no main process yet.
            _ => Activity::Running(self.unit.inactive_exit.or(self.exec_main_start)),
        }
    }

    /// The ruling where no run can be asked for: it is not loaded, its state is a new word, or it is no service.
    #[must_use]
    pub fn unjudgeable(&self) -> Option<Ruling> {
        let id = &self.unit.id;
        let of_another_type = || {
            let sentence =
                format!("{id} is no service: systemd records neither when it ran nor how it ended");
            self.unit.is_of_another_type().then(|| Ruling::new(State::Unknown, "no-service", sentence))
        };
        let loaded = self.unit.load_ruling(id).or_else(|| self.unit.word_ruling(id));
        loaded.or_else(of_another_type)
    }

    /// Why the last start was no run: `ConditionPathExists=/x was not met`.
    #[must_use]
    pub fn skipped(&self) -> Option<String> {
        let by = |kind: &str| {
            let unmet = self.unmet.join(", ");
            if unmet.is_empty() { format!("{kind} was not met") } else { format!("{unmet} was not met") }
        };
        if self.result.as_deref() == Some("exec-condition") {
            return Some("its ExecCondition said no".into());
        }
        // Without its time, a false result is the default of a unit that never started.
        if self.condition.is_some() && self.condition_result != Some(true) {
            return Some(by("a condition"));
        }
        (self.assert.is_some() && self.assert_result != Some(true)).then(|| by("an assertion"))
    }

    /// It is up, and has no main process that could have failed: a unit with an `ExecStop=` alone.
    #[must_use]
    pub fn is_up_without_command(&self) -> bool {
        self.activity() == Activity::Remains && self.has_command == Some(false)
    }

    /// How often it was restarted, unless each restart followed a success.
    #[must_use]
    pub fn restarts_in_doubt(&self) -> u32 {
        let follows_success = self.restart.as_deref() == Some("on-success");
        self.restarts.filter(|_| !follows_success).unwrap_or_default()
    }

    /// It was restarted, and its settings allow that after failures alone.
    #[must_use]
    pub fn retries(&self) -> bool {
        let follows_failure = self.restart.as_deref().is_some_and(|when| when.starts_with("on-"));
        self.restarts_in_doubt() > 0 && follows_failure
    }

    /// When the main process of the last run ended, where it really was the job's own program.
    #[must_use]
    pub fn finished(&self) -> Option<Stamp> {
        self.exec_main_exit.filter(|_| self.main_process_ran())
    }

    /// When the main process of the last run was started, likewise.
    #[must_use]
    pub fn started(&self) -> Option<Stamp> {
        self.exec_main_start.filter(|_| self.main_process_ran())
    }

    fn main_process_ran(&self) -> bool {
        if let Some(handoff) = self.exec_main_handoff {
            return handoff.is_some() || !self.has_ending();
        }
        // Before 256 the statuses by which systemd says that it could not start it are all there is. Neither a
        // `-` before the command nor reset-failed makes it a run; a program whose unit lists it exits so itself.
        let is_refused = self.exit_status().is_some_and(exit_names::is_not_started);
        !is_refused || self.lists_ending == Some(true)
    }

    /// With what status the last run's main process exited by itself.
    #[must_use]
    pub fn exit_status(&self) -> Option<i32> {
        self.exec_main_status.filter(|_| self.exec_main_code == Some(1))
    }

    /// Whether it is on record how the main process ended.
    #[must_use]
    pub fn has_ending(&self) -> bool {
        self.exec_main_code.is_some_and(|code| code != 0)
    }

    /// How the last run ended, as systemd names it: `exit status 203/EXEC`, `killed by SIGKILL`.
    #[must_use]
    pub fn ending(&self) -> String {
        match self.exec_main_code.zip(self.exec_main_status) {
            Some((1, status)) => format!("exit status {}", exit_names::exit_status(status)),
            Some((2, signal)) => format!("killed by {}", exit_names::signal(signal)),
            Some((3, signal)) => format!("dumped core on {}", exit_names::signal(signal)),
            _ => "no main process".into(),
        }
    }

    /// How long the last run took: its main process, or where there was none, the unit from its first process
    /// to its end.
    #[must_use]
    pub fn took(&self) -> Option<Duration> {
        let main = self.exec_main_start.zip(self.exec_main_exit);
        main.map_or_else(|| self.whole(), |(start, end)| between(start, end))
    }

    fn whole(&self) -> Option<Duration> {
        self.unit.inactive_exit.zip(self.unit.inactive_enter).and_then(|(start, end)| between(start, end))
    }

    /// The main process ended as it should, or as its unit accepts.
    fn main_process_did_well(&self) -> bool {
        self.exit_status() == Some(0) || (self.has_ending() && self.accepts_ending == Some(true))
    }

    /// Which process failed: the main one, or a command beside it.
    fn failed_process(&self, otherwise: &str) -> String {
        let beside = self.failed_command.as_deref();
        match beside {
            _ if self.has_ending() && !self.main_process_did_well() => format!("failed: {}", self.ending()),
            _ if self.has_ending() => {
                let beside = beside.unwrap_or("a command after it failed");
                format!("failed after its main process: {beside}")
            }
            // Where there is none to be before or after.
            Some(stop) if stop.starts_with("ExecStop") => format!("failed: {stop}"),
            _ => format!("failed before its main process: {}", beside.unwrap_or(otherwise)),
        }
    }

    /// A sentence about a failed run, and its reason word; `None` for a `Result` that is not known.
    #[must_use]
    pub fn failure(&self) -> Option<(&'static str, String)> {
        Some(match self.result.as_deref()? {
            "exit-code" => ("exit-code", self.failed_process("ExecStartPre failed")),
            "signal" => ("signal", self.failed_process("killed by a signal")),
            "core-dump" => ("core-dump", self.failed_process("dumped core")),
            "timeout" => {
                // What hung may be a command beside the main process.
                let took = self.whole().or_else(|| self.took());
                let after = took.map(|took| format!(" after {}", human(took))).unwrap_or_default();
                ("timeout", format!("timed out{after}"))
            }
            "watchdog" => ("watchdog", "was killed by its watchdog".into()),
            "oom-kill" => ("oom-kill", "ran out of memory and was killed".into()),
            "start-limit-hit" | "start-limit" => {
                ("start-limit", "was started too often and is held back".into())
            }
            "resources" => ("resources", "could not be started: systemd lacked resources or files".into()),
            "protocol" => ("protocol", "failed: it did not keep the protocol of its service type".into()),
            _ => return None,
        })
    }

    /// `running for 3min`.
    #[must_use]
    pub fn running_phrase(since: Option<Stamp>, now: &Clock) -> String {
        since.map_or_else(
            || "running".into(),
            |since| format!("running for {}", human(since.age(now).elapsed)),
        )
    }
}

fn between(start: Stamp, end: Stamp) -> Option<Duration> {
    let monotonic = end.monotonic.zip(start.monotonic).and_then(|(end, start)| end.checked_sub(start));
    monotonic.or_else(|| (end.realtime - start.realtime).to_std().ok())
}
