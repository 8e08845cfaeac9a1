//! How do answers become what a judge looks at?

use super::properties::Properties;
use super::query::{Answers, Asked, Seen};
use super::questions;
use super::units::{self, Listed};
use super::{Bus, BusError};
use crate::verdict::job::Job;
use crate::verdict::timer::Timer;
use crate::verdict::unit::Unit;

impl Answers {
    pub fn seen(&self, bus: &Bus, unit: &str) -> Vec<(String, Result<Seen, BusError>)> {
        let is_timer = units::is_timer(unit);
        let (related, asked) = (self.related(unit), self.asked);
        if asked == Asked::Timer && !is_timer {
            // The timers of a service, each in its own right; none is a finding about the service.
            let timers = related.iter().flat_map(|timer| self.seen(bus, timer));
            let timers: Vec<_> = timers.collect();
            if !timers.is_empty() {
                return timers;
            }
            let seen = self.job(bus, unit).map(|job| self.of(unit, vec![], Some(job)));
            return vec![(unit.to_owned(), seen)];
        }
        let seen = if is_timer {
            self.timer(bus, unit).and_then(|timer| {
                let job = related.first().filter(|_| timer.unit.load_state == "loaded");
                let job = job.map(|job| self.job(bus, job)).transpose()?;
                let name = match &job {
                    Some(job) if asked != Asked::Timer => job.unit.id.clone(),
                    _ => timer.unit.id.clone(),
                };
                Ok(self.of(&name, vec![timer], job))
            })
        } else {
            self.job(bus, unit).and_then(|job| {
                let known = related.iter().filter(|timer| self.listed.contains_key(*timer));
                let timers = known.map(|timer| self.timer(bus, timer)).collect::<Result<Vec<_>, _>>()?;
                Ok(self.of(&job.unit.id.clone(), timers, Some(job)))
            })
        };
        let name = seen.as_ref().map_or_else(|_| unit.to_owned(), |seen| seen.name.clone());
        vec![(name, seen)]
    }

    fn of(&self, name: &str, timers: Vec<Timer>, job: Option<Job>) -> Seen {
        Seen { name: name.to_owned(), timers, job, boot: self.boot.stamp("UserspaceTimestamp") }
    }

    /// The answers about one unit, all there and all of their type.
    fn complete(&self, bus: &Bus, unit: &str) -> Result<(&Listed, &Properties), BusError> {
        if let Some(refusal) = self.failures.get(unit) {
            return Err(bus.refused(unit, refusal));
        }
        if let Some(name) = self.garbage.get(unit) {
            return Err(bus.garbage(&format!("{name} of {unit}")));
        }
        let found = self.listed.get(unit).zip(self.properties.get(unit));
        let (listed, seen) = found.ok_or_else(|| bus.garbage(unit))?;
        // What is not loaded has nothing to tell, and its load state is the verdict.
        if listed.load_state == "loaded" {
            let first = questions::needed(unit, self.asked);
            let details = self.details(unit);
            for property in first.into_iter().chain(details).filter(|property| !property.is_optional) {
                if !seen.is_of_type(property.name, property.signature) {
                    return Err(bus.garbage(&format!("{} of {unit}", property.name)));
                }
            }
        }
        Ok((listed, seen))
    }

    fn timer(&self, bus: &Bus, name: &str) -> Result<Timer, BusError> {
        let (listed, properties) = self.complete(bus, name)?;
        Ok(Timer {
            unit: unit_of(listed, properties),
            triggers: properties.text("Unit").unwrap_or_default(),
            result: properties.text("Result").unwrap_or_default(),
            next_realtime: properties.instant("NextElapseUSecRealtime"),
            next_monotonic: properties.duration("NextElapseUSecMonotonic"),
            last_trigger: properties.stamp("LastTriggerUSec"),
            calendar: properties.texts("TimersCalendar"),
            bases: properties.texts("TimersMonotonic"),
            on_clock_change: ["OnClockChange", "OnTimezoneChange"]
                .iter()
                .filter_map(|name| properties.is_set(name))
                .reduce(|clock, zone| clock || zone),
            accuracy: properties.duration("AccuracyUSec").unwrap_or_default(),
            randomized_delay: properties.duration("RandomizedDelayUSec").unwrap_or_default(),
        })
    }

    fn job(&self, bus: &Bus, name: &str) -> Result<Job, BusError> {
        let (listed, properties) = self.complete(bus, name)?;
        let handoff = "ExecMainHandoffTimestamp";
        let unmet = |name: &str| {
            let conditions = properties.array::<(String, bool, bool, String, i32)>(name);
            // Negative: looked at, and not met.
            let unmet = conditions.into_iter().filter(|condition| condition.4 < 0);
            unmet.map(|(what, _, is_negated, of, _)| {
                format!("{what}={}{of}", if is_negated { "!" } else { "" })
            })
        };
        Ok(Job {
            unit: unit_of(listed, properties),
            result: properties.text("Result"),
            exec_main_start: properties.stamp("ExecMainStartTimestamp"),
            exec_main_exit: properties.stamp("ExecMainExitTimestamp"),
            exec_main_handoff: properties.has(handoff).then(|| properties.stamp(handoff)),
            exec_main_code: properties.number("ExecMainCode"),
            exec_main_status: properties.number("ExecMainStatus"),
            has_command: properties.has_command(),
            lists_ending: properties.lists_ending(),
            accepts_ending: properties.accepts_ending(),
            condition_result: properties.is_set("ConditionResult"),
            condition: properties.stamp("ConditionTimestamp"),
            assert_result: properties.is_set("AssertResult"),
            assert: properties.stamp("AssertTimestamp"),
            unmet: unmet("Conditions").chain(unmet("Asserts")).collect(),
            failed_command: properties.failed_command(),
            restarts: properties.count("NRestarts"),
            restart: properties.text("Restart"),
            triggered_by: properties.texts("TriggeredBy"),
        })
    }
}

fn unit_of(listed: &Listed, properties: &Properties) -> Unit {
    let is_wanted = properties.has("WantedBy").then(|| {
        ["WantedBy", "RequiredBy", "UpheldBy"].iter().any(|name| !properties.texts(name).is_empty())
    });
    Unit {
        id: listed.id.clone(),
        load_state: listed.load_state.clone(),
        load_error: properties.load_error(),
        active_state: listed.active_state.clone(),
        sub_state: listed.sub_state.clone(),
        job: listed.job,
        unit_file_state: properties.text("UnitFileState"),
        is_wanted,
        need_daemon_reload: properties.is_set("NeedDaemonReload"),
        active_enter: properties.stamp("ActiveEnterTimestamp"),
        active_exit: properties.stamp("ActiveExitTimestamp"),
        inactive_exit: properties.stamp("InactiveExitTimestamp"),
        inactive_enter: properties.stamp("InactiveEnterTimestamp"),
    }
}
