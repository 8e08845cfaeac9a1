//! What is asked about a timer and its job? All of it at once, and a guess spares a round trip.

use std::collections::HashMap;

use super::properties::Properties;
use super::units::{self, Listed, Names};
use super::{Body, Bus, BusError, Call, Refusal};
use crate::verdict::clock::Stamp;
use crate::verdict::job::Job;
use crate::verdict::timer::Timer;
use crate::verdict::unit::Unit;

const UNIT: &str = "org.freedesktop.systemd1.Unit";
const TIMER: &str = "org.freedesktop.systemd1.Timer";
const SERVICE: &str = "org.freedesktop.systemd1.Service";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";

/// Which probe asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// `check_plms_timer`.
    Timer,
    /// `check_plms_exit`.
    Exit,
    /// `check_plms_freshness`.
    Freshness,
}

/// A job and its timers.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// The unit that is judged: the timer for the timer probe, else the service.
    pub name: String,
    /// The timer, or, for a service, all that start it.
    pub timers: Vec<Timer>,
    /// What they start.
    pub job: Option<Job>,
    /// When systemd came up.
    pub boot: Option<Stamp>,
}

/// One property and its type on the bus: a value of another type is no answer.
type Property = (&'static str, &'static str, &'static str);

const TIMER_PROBE_TIMER: &[Property] = &[
    (UNIT, "UnitFileState", "s"),
    (UNIT, "NeedDaemonReload", "b"),
    (UNIT, "ActiveEnterTimestamp", "t"),
    (UNIT, "ActiveEnterTimestampMonotonic", "t"),
];
const TIMER_PROBE_JOB: &[Property] = &[
    (UNIT, "NeedDaemonReload", "b"),
    (UNIT, "InactiveExitTimestamp", "t"),
    (UNIT, "InactiveExitTimestampMonotonic", "t"),
];
const JOB_TIMER: &[Property] =
    &[(UNIT, "ActiveEnterTimestamp", "t"), (UNIT, "ActiveEnterTimestampMonotonic", "t")];
const JOB: &[Property] = &[
    (SERVICE, "Result", "s"),
    (SERVICE, "ExecMainStartTimestamp", "t"),
    (SERVICE, "ExecMainStartTimestampMonotonic", "t"),
    (SERVICE, "ExecMainExitTimestamp", "t"),
    (SERVICE, "ExecMainExitTimestampMonotonic", "t"),
    (SERVICE, "ExecMainCode", "i"),
    (SERVICE, "ExecMainStatus", "i"),
    (UNIT, "ConditionResult", "b"),
    (UNIT, "ConditionTimestamp", "t"),
    (UNIT, "AssertResult", "b"),
    (UNIT, "AssertTimestamp", "t"),
    (UNIT, "InactiveExitTimestamp", "t"),
    (UNIT, "InactiveExitTimestampMonotonic", "t"),
    (UNIT, "InactiveEnterTimestamp", "t"),
    (UNIT, "InactiveEnterTimestampMonotonic", "t"),
    (UNIT, "TriggeredBy", "as"),
];
const COMMANDS: &str = "a(sasbttttuii)";
const TIMER_ALL: &[(&str, &str)] = &[
    ("Unit", "s"),
    ("Result", "s"),
    ("NextElapseUSecRealtime", "t"),
    ("NextElapseUSecMonotonic", "t"),
    ("LastTriggerUSec", "t"),
    ("LastTriggerUSecMonotonic", "t"),
    ("TimersCalendar", "a(sst)"),
    ("TimersMonotonic", "a(stt)"),
    ("AccuracyUSec", "t"),
    ("RandomizedDelayUSec", "t"),
];

/// All answers so far, by the name that was asked for.
#[derive(Default)]
struct Answers {
    listed: HashMap<String, Listed>,
    properties: HashMap<String, Properties>,
    failures: HashMap<String, Refusal>,
    garbage: HashMap<String, &'static str>,
    boot: Properties,
}

struct Question {
    unit: String,
    /// All of the Timer interface.
    is_timer: bool,
    single: &'static [Property],
}

/// Asks everything that `asked` needs to know about the units that `names` mean.
///
/// # Errors
/// The conversation as a whole failed; what concerns one unit alone is in its own place.
pub async fn observe(
    bus: &mut Bus,
    names: &Names,
    asked: Asked,
) -> Result<Vec<(String, Result<Seen, BusError>)>, BusError> {
    let units = bus.expand(names).await?;
    bus.stage("asking systemd");
    let mut answers = Answers::default();
    // A timer and its job mostly share a name; where they do not, the answer says so.
    let first = units.iter().flat_map(|unit| {
        let other = match unit.strip_suffix(".timer") {
            Some(stem) => format!("{stem}.service"),
            None => format!("{}.timer", unit.strip_suffix(".service").unwrap_or(unit)),
        };
        let wants_other = asked != Asked::Exit || unit.ends_with(".timer");
        [Some(unit.clone()), wants_other.then_some(other)].into_iter().flatten()
    });
    answers.fetch(bus, asked, first.collect(), true).await?;
    let related: Vec<String> = units.iter().flat_map(|unit| answers.related(unit)).collect();
    answers.fetch(bus, asked, related, false).await?;
    if asked == Asked::Exit {
        // Timers tell what no service remembers; where it remembers, nobody needs them.
        let forgotten = units.iter().filter(|unit| unit.ends_with(".service") && answers.has_no_run(unit));
        let timers = forgotten.flat_map(|unit| answers.related(unit)).collect();
        answers.fetch(bus, asked, timers, false).await?;
    }
    answers.fetch_details(bus).await?;
    Ok(units.iter().flat_map(|unit| answers.seen(bus, unit, asked)).collect())
}

impl Answers {
    async fn fetch(
        &mut self,
        bus: &mut Bus,
        asked: Asked,
        names: Vec<String>,
        with_boot: bool,
    ) -> Result<(), BusError> {
        let mut names: Vec<String> =
            names.into_iter().filter(|name| !self.listed.contains_key(name)).collect();
        names.sort();
        names.dedup();
        if names.is_empty() {
            return Ok(());
        }
        let questions: Vec<Question> = names
            .iter()
            .map(|unit| {
                let is_timer = unit.ends_with(".timer");
                let single = match (asked, is_timer) {
                    (Asked::Timer, true) => TIMER_PROBE_TIMER,
                    (Asked::Timer, false) => TIMER_PROBE_JOB,
                    (_, true) => JOB_TIMER,
                    (_, false) => JOB,
                };
                Question { unit: unit.clone(), is_timer, single }
            })
            .collect();
        let mut calls = vec![units::by_names(names.clone())];
        let mut keys: Vec<(&str, Option<Property>)> = Vec::new();
        for question in &questions {
            let path = units::path_of(&question.unit);
            if question.is_timer {
                calls.push(properties_call(&path, "GetAll", Body::Text(TIMER)));
                keys.push((&question.unit, None));
            }
            // Not in every systemd, and so not in the lists: its absence is no fault.
            let handoff = (SERVICE, "ExecMainHandoffTimestamp", "t");
            let triggers = (UNIT, "TriggeredBy", "as");
            let extra =
                (!question.is_timer).then_some(if asked == Asked::Timer { triggers } else { handoff });
            for property in question.single.iter().copied().chain(extra) {
                calls.push(get(&path, property));
                keys.push((&question.unit, Some(property)));
            }
        }
        let boot = [(MANAGER, "UserspaceTimestamp", "t"), (MANAGER, "UserspaceTimestampMonotonic", "t")];
        if with_boot && asked != Asked::Timer {
            calls.extend(boot.map(|property| get("/org/freedesktop/systemd1", property)));
        }
        let mut replies = bus.ask(&calls).await?.into_iter();
        let list = replies.next().ok_or_else(|| bus.garbage("units"))?;
        let list = list.map_err(|refusal| match refusal.name.as_str() {
            "org.freedesktop.DBus.Error.InvalidArgs" => BusError::BadName(names.join("', '")),
            _ => bus.refused("units", &refusal),
        })?;
        let list = units::read_list(bus, &list)?;
        if list.len() != names.len() {
            return Err(bus.garbage("units"));
        }
        self.listed.extend(names.iter().cloned().zip(list));
        for ((unit, property), reply) in keys.into_iter().zip(replies.by_ref()) {
            self.take(unit, property, reply);
        }
        for (property, reply) in boot.iter().zip(replies) {
            if let Some(value) = reply.ok().and_then(|message| variant(&message)) {
                self.boot.insert(property.1, value);
            }
        }
        Ok(())
    }

    fn take(&mut self, unit: &str, property: Option<Property>, reply: Result<zbus::Message, Refusal>) {
        let properties = self.properties.entry(unit.to_owned()).or_default();
        match (reply, property) {
            (Ok(message), Some((_, name, _))) => match variant(&message) {
                Some(value) => properties.insert(name, value),
                None => drop(self.garbage.insert(unit.to_owned(), name)),
            },
            (Ok(message), None) => {
                match message.body().deserialize::<HashMap<String, zbus::OwnedVariant>>() {
                    Ok(all) => properties.extend(all),
                    Err(_) => drop(self.garbage.insert(unit.to_owned(), "Timer")),
                }
            }
            // A unit of another type, or an older systemd: missed where it is needed.
            (Err(refusal), _) if refusal.is_absence() => {}
            (Err(refusal), _) => drop(self.failures.insert(unit.to_owned(), refusal)),
        }
    }

    /// What a unit starts, or what starts it.
    fn related(&self, unit: &str) -> Vec<String> {
        let Some(properties) = self.properties.get(unit) else { return Vec::new() };
        if unit.ends_with(".timer") {
            return properties.text("Unit").filter(|name| !name.is_empty()).into_iter().collect();
        }
        properties.texts("TriggeredBy").into_iter().filter(|name| name.ends_with(".timer")).collect()
    }

    fn has_no_run(&self, unit: &str) -> bool {
        self.properties.get(unit).is_some_and(|p| p.stamp("ExecMainExitTimestamp").is_none())
    }

    /// What only some units need: why one is not loaded, what kept it from running, what starts it at boot.
    async fn fetch_details(&mut self, bus: &mut Bus) -> Result<(), BusError> {
        let mut calls = Vec::new();
        let mut keys = Vec::new();
        for (unit, listed) in &self.listed {
            let Some(properties) = self.properties.get(unit) else { continue };
            let mut wanted: Vec<Property> = Vec::new();
            if !matches!(listed.load_state.as_str(), "loaded" | "not-found" | "masked") {
                wanted.push((UNIT, "LoadError", "(ss)"));
            }
            if matches!(properties.text("UnitFileState").as_deref(), Some("static" | "indirect")) {
                wanted.extend([
                    (UNIT, "WantedBy", "as"),
                    (UNIT, "RequiredBy", "as"),
                    (UNIT, "UpheldBy", "as"),
                ]);
            }
            let is_false = |name: &str| properties.is_set(name) == Some(false);
            if is_false("ConditionResult") && properties.instant("ConditionTimestamp").is_some() {
                wanted.push((UNIT, "Conditions", "a(sbbsi)"));
            }
            if is_false("AssertResult") && properties.instant("AssertTimestamp").is_some() {
                wanted.push((UNIT, "Asserts", "a(sbbsi)"));
            }
            let result = properties.text("Result");
            let is_odd = result.as_deref() == Some("success") && properties.ended_oddly();
            if is_odd {
                wanted.extend([
                    (SERVICE, "SuccessExitStatus", "(aiai)"),
                    (SERVICE, "ExecStart", COMMANDS),
                    (SERVICE, "Type", "s"),
                ]);
            }
            let main_is_fine = properties.number("ExecMainStatus") == Some(0);
            if !unit.ends_with(".timer") && result.is_some_and(|r| r != "success") && main_is_fine {
                wanted.extend([(SERVICE, "ExecStartPre", COMMANDS), (SERVICE, "ExecStartPost", COMMANDS)]);
            }
            calls.extend(wanted.iter().map(|property| get(&units::path_of(unit), *property)));
            keys.extend(wanted.into_iter().map(|property| (unit.clone(), property)));
        }
        if calls.is_empty() {
            return Ok(());
        }
        bus.stage("asking systemd for details");
        for ((unit, property), reply) in keys.into_iter().zip(bus.ask(&calls).await?) {
            self.take(&unit, Some(property), reply);
        }
        Ok(())
    }

    fn seen(&self, bus: &Bus, unit: &str, asked: Asked) -> Vec<(String, Result<Seen, BusError>)> {
        let is_timer = unit.ends_with(".timer");
        let related = self.related(unit);
        if asked == Asked::Timer && !is_timer {
            // The timers of a service, each in its own right; none is a finding about the service.
            let timers = related.iter().flat_map(|timer| self.seen(bus, timer, asked));
            let timers: Vec<_> = timers.collect();
            if !timers.is_empty() {
                return timers;
            }
            let seen = self.job(bus, unit, asked).map(|job| self.of(unit, vec![], Some(job)));
            return vec![(unit.to_owned(), seen)];
        }
        let seen = if is_timer {
            self.timer(bus, unit).and_then(|timer| {
                let job = related.first().filter(|_| timer.unit.load_state == "loaded");
                let job = job.map(|job| self.job(bus, job, asked)).transpose()?;
                let name = match &job {
                    Some(job) if asked != Asked::Timer => job.unit.id.clone(),
                    _ => timer.unit.id.clone(),
                };
                Ok(self.of(&name, vec![timer], job))
            })
        } else {
            self.job(bus, unit, asked).and_then(|job| {
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
    fn complete(
        &self,
        bus: &Bus,
        unit: &str,
        needed: &[(&str, &str)],
    ) -> Result<(&Listed, &Properties), BusError> {
        if let Some(refusal) = self.failures.get(unit) {
            return Err(bus.refused(unit, refusal));
        }
        if let Some(name) = self.garbage.get(unit) {
            return Err(bus.garbage(&format!("{name} of {unit}")));
        }
        let found = self.listed.get(unit).zip(self.properties.get(unit));
        let (listed, properties) = found.ok_or_else(|| bus.garbage(unit))?;
        // What is not loaded has nothing to tell, and its load state is the verdict.
        for (name, signature) in needed.iter().filter(|_| listed.load_state == "loaded") {
            if !properties.is_of_type(name, signature) {
                return Err(bus.garbage(&format!("{name} of {unit}")));
            }
        }
        Ok((listed, properties))
    }

    fn timer(&self, bus: &Bus, name: &str) -> Result<Timer, BusError> {
        let (listed, properties) = self.complete(bus, name, TIMER_ALL)?;
        let calendar = properties.array::<(String, String, u64)>("TimersCalendar");
        let monotonic = properties.array::<(String, u64, u64)>("TimersMonotonic");
        Ok(Timer {
            unit: unit_of(listed, properties),
            triggers: properties.text("Unit").unwrap_or_default(),
            result: properties.text("Result").unwrap_or_default(),
            next_realtime: properties.instant("NextElapseUSecRealtime"),
            next_monotonic: properties.duration("NextElapseUSecMonotonic"),
            last_trigger: properties.stamp("LastTriggerUSec"),
            calendar: calendar.into_iter().map(|(_, spec, _)| spec).collect(),
            bases: monotonic.into_iter().map(|(base, _, _)| base).collect(),
            accuracy: properties.duration("AccuracyUSec").unwrap_or_default(),
            randomized_delay: properties.duration("RandomizedDelayUSec").unwrap_or_default(),
        })
    }

    fn job(&self, bus: &Bus, name: &str, asked: Asked) -> Result<Job, BusError> {
        let needed = if asked == Asked::Timer { TIMER_PROBE_JOB } else { JOB };
        let needed: Vec<(&str, &str)> =
            needed.iter().map(|(_, name, signature)| (*name, *signature)).collect();
        let (listed, properties) = self.complete(bus, name, &needed)?;
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
            result: properties.text("Result").unwrap_or_default(),
            exec_main_start: properties.stamp("ExecMainStartTimestamp"),
            exec_main_exit: properties.stamp("ExecMainExitTimestamp"),
            exec_main_handoff: properties.has(handoff).then(|| properties.stamp(handoff)),
            exec_main_code: properties.number("ExecMainCode").unwrap_or_default(),
            exec_main_status: properties.number("ExecMainStatus").unwrap_or_default(),
            accepts_ending: properties.accepts_ending(),
            condition_result: properties.is_set("ConditionResult").unwrap_or_default(),
            condition: properties.stamp("ConditionTimestamp"),
            assert_result: properties.is_set("AssertResult").unwrap_or_default(),
            assert: properties.stamp("AssertTimestamp"),
            unmet: unmet("Conditions").chain(unmet("Asserts")).collect(),
            failed_command: properties.failed_command(),
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
        need_daemon_reload: properties.is_set("NeedDaemonReload").unwrap_or_default(),
        active_enter: properties.stamp("ActiveEnterTimestamp"),
        inactive_exit: properties.stamp("InactiveExitTimestamp"),
        inactive_enter: properties.stamp("InactiveEnterTimestamp"),
    }
}

fn get(path: &str, (interface, name, _): Property) -> Call {
    properties_call(path, "Get", Body::Property(interface, name))
}

fn properties_call(path: &str, member: &'static str, body: Body) -> Call {
    Call { path: path.to_owned(), interface: "org.freedesktop.DBus.Properties", member, body }
}

fn variant(message: &zbus::Message) -> Option<zbus::OwnedVariant> {
    message.body().deserialize().ok()
}
