//! Which properties are asked of a unit, and which only when the first answers call for them?
//!
//! A question costs the bus more than systemd, so the first round has only what every verdict needs:
//! a fleet of healthy units must stay cheap.

use super::properties::Properties;
use super::query::Asked;
use super::units::{self, Listed};
use crate::verdict::freshness::Basis;

pub(super) const UNIT: &str = "org.freedesktop.systemd1.Unit";
pub(super) const TIMER: &str = "org.freedesktop.systemd1.Timer";
pub(super) const SERVICE: &str = "org.freedesktop.systemd1.Service";
pub(super) const MANAGER: &str = "org.freedesktop.systemd1.Manager";

/// One property and its type on the bus: a value of another type is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Property {
    pub interface: &'static str,
    pub name: &'static str,
    pub signature: &'static str,
    /// Not in every systemd, or for the sentence alone: its absence is no fault.
    pub is_optional: bool,
}

const fn unit(name: &'static str, signature: &'static str) -> Property {
    Property { interface: UNIT, name, signature, is_optional: false }
}

const fn service(name: &'static str, signature: &'static str) -> Property {
    Property { interface: SERVICE, name, signature, is_optional: false }
}

const fn of_timer(name: &'static str, signature: &'static str) -> Property {
    Property { interface: TIMER, name, signature, is_optional: false }
}

const fn optional(property: Property) -> Property {
    Property { is_optional: true, ..property }
}

const NEEDS_RELOAD: Property = unit("NeedDaemonReload", "b");
const TRIGGERED_BY: Property = unit("TriggeredBy", "as");
const ACTIVE_ENTER: [Property; 2] =
    [unit("ActiveEnterTimestamp", "t"), unit("ActiveEnterTimestampMonotonic", "t")];
const ACTIVE_EXIT: [Property; 2] =
    [unit("ActiveExitTimestamp", "t"), unit("ActiveExitTimestampMonotonic", "t")];
const INACTIVE_EXIT: [Property; 2] =
    [unit("InactiveExitTimestamp", "t"), unit("InactiveExitTimestampMonotonic", "t")];
const INACTIVE_ENTER: [Property; 2] =
    [unit("InactiveEnterTimestamp", "t"), unit("InactiveEnterTimestampMonotonic", "t")];
const JOB: [Property; 6] = [
    service("Result", "s"),
    service("ExecMainStartTimestamp", "t"),
    service("ExecMainExitTimestamp", "t"),
    service("ExecMainExitTimestampMonotonic", "t"),
    service("ExecMainCode", "i"),
    service("ExecMainStatus", "i"),
];
const CHECKS: [Property; 2] = [unit("ConditionResult", "b"), unit("AssertResult", "b")];
/// What the one question for a whole timer must bring.
pub(super) const WHOLE_TIMER: [Property; 10] = [
    of_timer("Unit", "s"),
    of_timer("Result", "s"),
    of_timer("NextElapseUSecRealtime", "t"),
    of_timer("NextElapseUSecMonotonic", "t"),
    of_timer("LastTriggerUSec", "t"),
    of_timer("LastTriggerUSecMonotonic", "t"),
    of_timer("TimersCalendar", "a(sst)"),
    of_timer("TimersMonotonic", "a(stt)"),
    of_timer("AccuracyUSec", "t"),
    of_timer("RandomizedDelayUSec", "t"),
];
const START_MONOTONIC: Property = service("ExecMainStartTimestampMonotonic", "t");
const SUCCESS_EXIT_STATUS: Property = service("SuccessExitStatus", "(aiai)");
/// Of `ExecStart` and its like: path, arguments, whether failure is ignored, four times, pid, code, status.
pub(super) const COMMANDS: &str = "a(sasbttttuii)";
/// The commands beside the main process, in the order in which they run.
pub(super) const BESIDE: [&str; 4] = ["ExecStartPre", "ExecStartPost", "ExecStop", "ExecStopPost"];
const CONDITIONS: &str = "a(sbbsi)";

/// The first round, beside the unit's states and, of a timer, the whole Timer interface.
pub(super) fn first(name: &str, asked: Asked, is_named: bool) -> Vec<Property> {
    match (asked, units::is_timer(name)) {
        (Asked::Timer, true) => vec![NEEDS_RELOAD, unit("UnitFileState", "s")],
        // A service that was named is found from its timers.
        (Asked::Timer, false) if is_named => vec![NEEDS_RELOAD, TRIGGERED_BY],
        (Asked::Timer, false) => vec![NEEDS_RELOAD],
        (Asked::Exit | Asked::Freshness(_), true) => vec![],
        // Of a target or a mount there is no run to ask for.
        (Asked::Exit | Asked::Freshness(_), false) if !units::is_service(name) => vec![],
        (Asked::Exit, false) => JOB.into_iter().chain(CHECKS).collect(),
        (Asked::Freshness(basis), false) => {
            let start = (basis == Basis::Start).then_some(START_MONOTONIC);
            JOB.into_iter().chain([TRIGGERED_BY]).chain(start).collect()
        }
    }
}

/// What the unit must have answered in the first round.
pub(super) fn needed(name: &str, asked: Asked) -> Vec<Property> {
    let whole: &[Property] = if units::is_timer(name) { &WHOLE_TIMER } else { &[] };
    whole.iter().copied().chain(first(name, asked, false)).collect()
}

/// Whether what is on record of a job is enough to judge it by, and nobody asks its timer for its age.
pub(super) fn is_dated(job: &Properties, asked: Asked) -> bool {
    let counts = match asked {
        Asked::Freshness(Basis::Success) => {
            job.text("Result").as_deref() == Some("success") && !job.may_not_have_started()
        }
        Asked::Freshness(_) => !job.may_not_have_started(),
        Asked::Exit | Asked::Timer => true,
    };
    job.has_run() && counts
}

/// What the first answers call for. `is_remote`: the monotonic clock of that machine is not ours;
/// `is_dated`: of the job that a timer starts.
pub(super) fn details(
    listed: &Listed,
    seen: &Properties,
    name: &str,
    asked: Asked,
    is_remote: bool,
    is_dated: bool,
) -> Vec<Property> {
    let mut wanted = Vec::new();
    if !matches!(listed.load_state.as_str(), "loaded" | "not-found" | "masked") {
        wanted.push(optional(unit("LoadError", "(ss)")));
    }
    if listed.load_state != "loaded" {
        return wanted;
    }
    if units::is_timer(name) {
        let is_counted = is_remote && seen.duration("NextElapseUSecMonotonic").is_some();
        if (asked != Asked::Timer && !is_dated) || is_counted {
            wanted.extend(ACTIVE_ENTER);
        }
        let knows_next = seen.duration("NextElapseUSecMonotonic").or(seen.duration("NextElapseUSecRealtime"));
        if asked == Asked::Timer && listed.sub_state == "waiting" && knows_next.is_none() {
            wanted.extend(["OnClockChange", "OnTimezoneChange"].map(|name| optional(of_timer(name, "b"))));
        }
        if matches!(seen.text("UnitFileState").as_deref(), Some("static" | "indirect")) {
            // Without WantedBy the judge knows that it was not told.
            wanted.extend(["WantedBy", "RequiredBy", "UpheldBy"].map(|name| optional(unit(name, "as"))));
        }
        return wanted;
    }
    if asked != Asked::Timer && !units::is_service(name) {
        return wanted;
    }
    let has_ended = matches!(listed.active_state.as_str(), "inactive" | "failed" | "maintenance");
    if asked == Asked::Timer {
        wanted.extend(INACTIVE_EXIT.into_iter().filter(|_| !has_ended));
        return wanted;
    }
    if !has_ended || !seen.has_run() {
        wanted.extend(INACTIVE_EXIT.into_iter().chain([START_MONOTONIC]));
        let is_running =
            !has_ended && listed.sub_state != "exited" && !listed.sub_state.contains("auto-restart");
        wanted.extend(ACTIVE_EXIT.into_iter().filter(|_| listed.active_state == "deactivating"));
        if listed.sub_state == "exited" {
            wanted.push(optional(service("ExecStart", COMMANDS)));
        }
        if is_running {
            wanted.extend([optional(service("NRestarts", "u")), optional(service("Restart", "s"))]);
        } else {
            wanted.extend(INACTIVE_ENTER.into_iter().chain([TRIGGERED_BY]));
        }
    }
    // A run that was skipped makes no older run any older: freshness asks where there is none.
    if matches!(asked, Asked::Freshness(_)) && !seen.has_run() {
        let stamps = ["ConditionTimestamp", "AssertTimestamp"].map(|name| unit(name, "t"));
        let lists = ["Conditions", "Asserts"].map(|name| optional(unit(name, CONDITIONS)));
        wanted.extend(CHECKS.into_iter().chain(stamps).chain(lists));
    }
    let is_false = |name: &str| seen.is_set(name) == Some(false);
    if is_false("ConditionResult") {
        wanted.extend([unit("ConditionTimestamp", "t"), optional(unit("Conditions", CONDITIONS))]);
    }
    if is_false("AssertResult") {
        wanted.extend([unit("AssertTimestamp", "t"), optional(unit("Asserts", CONDITIONS))]);
    }
    let result = seen.text("Result").unwrap_or_default();
    if seen.may_not_have_started() {
        wanted.push(optional(service("ExecMainHandoffTimestamp", "t")));
        wanted.push(optional(SUCCESS_EXIT_STATUS));
    }
    // How old a run is does not depend on how it ended.
    if asked != Asked::Exit {
        return wanted;
    }
    // By what ended with a status or a signal: the main process, or a command beside it.
    let is_by_process = matches!(result.as_str(), "exit-code" | "signal" | "core-dump");
    if (result == "success" || is_by_process) && seen.ended_oddly() {
        // Without them the judge knows that it was not told.
        let accepts = [SUCCESS_EXIT_STATUS, service("ExecStart", COMMANDS), service("Type", "s")];
        wanted.extend(accepts.map(optional));
    }
    // Where the main process did not fail, or its unit accepts how it ended, a command beside it did.
    if is_by_process {
        wanted.extend(BESIDE.map(|list| optional(service(list, COMMANDS))));
    }
    if result == "timeout" {
        wanted.extend(INACTIVE_EXIT.into_iter().chain(INACTIVE_ENTER));
    }
    wanted
}
