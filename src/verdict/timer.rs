//! Is the timer active, enabled, and going to fire again?

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use super::State;
use super::clock::{Clock, Stamp, maybe_seconds, seconds};
use super::duration::human;
use super::job::{Activity, Job};
use super::ruling::{Ruling, Verdict};
use super::unit::Unit;
use super::zone::Zone;

/// Later than its accuracy allows by this much, an elapse was missed.
const GRACE: TimeDelta = TimeDelta::minutes(1);
/// A yearly timer is fine; what is further away was set by a wrong clock.
const FAR: TimeDelta = TimeDelta::days(400);

/// A timer as systemd shows it; names are systemd's own.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Timer {
    /// The unit itself.
    #[serde(flatten)]
    pub unit: Unit,
    /// The unit that it starts.
    pub triggers: String,
    /// `success`, or what made the timer fail: an open set.
    pub result: String,
    /// The next elapse of its calendar.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_realtime: Option<DateTime<Utc>>,
    /// The next elapse that counts from an event.
    #[serde(serialize_with = "maybe_seconds", skip_serializing_if = "Option::is_none")]
    pub next_monotonic: Option<Duration>,
    /// When it last started its unit; no monotonic time: read from the stamp file of a persistent timer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_trigger: Option<Stamp>,
    /// Normalized calendar expressions.
    pub calendar: Vec<String>,
    /// `OnBootUSec`, `OnUnitActiveUSec`, …
    pub bases: Vec<String>,
    /// It fires when the clock is set, or its zone changes; asked where no next elapse is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_clock_change: Option<bool>,
    /// How late it may elapse.
    #[serde(serialize_with = "seconds")]
    pub accuracy: Duration,
    /// How late besides, by chance.
    #[serde(serialize_with = "seconds")]
    pub randomized_delay: Duration,
}

/// All that is seen for one timer.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// The timer.
    pub timer: Timer,
    /// The unit that it starts.
    pub job: Option<Job>,
    /// In which times are shown.
    pub zone: Zone,
}

/// What the operator allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// A timer that will not survive a reboot is fine.
    pub allow_disabled: bool,
    /// A one-shot timer that has done its work is fine.
    pub allow_elapsed: bool,
    /// A run that takes longer blocks its timer.
    pub max_runtime: Duration,
}

impl Timer {
    /// When it elapses next, as `systemctl list-timers` computes it.
    #[must_use]
    pub fn next(&self, now: &Clock) -> Option<DateTime<Utc>> {
        let monotonic = self.next_monotonic.and_then(|next| {
            // Of another machine the monotonic clock is not known; a pair of its own stamps tells it.
            let here = now.monotonic.map(|monotonic| (now.realtime, monotonic));
            let there = || self.unit.active_enter.and_then(|stamp| Some((stamp.realtime, stamp.monotonic?)));
            let (realtime, monotonic) = here.or_else(there)?;
            let ahead = TimeDelta::from_std(next).ok()? - TimeDelta::from_std(monotonic).ok()?;
            realtime.checked_add_signed(ahead)
        });
        match (self.next_realtime, monotonic) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// One of its specifications comes again and again.
    fn recurs(&self) -> bool {
        let bases = ["OnUnitActiveUSec", "OnUnitInactiveUSec"];
        self.calendar.iter().any(|spec| !is_one_date(spec))
            || self.bases.iter().any(|b| bases.contains(&b.as_str()))
    }

    /// The zone that its calendar names, where it names one.
    #[must_use]
    pub fn zone_name(&self) -> Option<&str> {
        self.calendar.iter().find_map(|spec| spec.split(' ').skip_while(|word| !word.contains(':')).nth(1))
    }

    /// How much later than by its calendar a run may begin.
    #[must_use]
    pub fn slack(&self) -> Duration {
        self.accuracy.saturating_add(self.randomized_delay)
    }
}

/// A normalized calendar expression that names one instant: `2027-01-01 00:00:00 UTC`.
fn is_one_date(spec: &str) -> bool {
    let date = spec.split(' ').find(|word| word.starts_with(|c: char| c.is_ascii_digit() || c == '*'));
    let time = spec.split(' ').find(|word| word.contains(':'));
    let is_fixed =
        |word: &str| word.bytes().all(|b| b.is_ascii_digit() || b"-:.".contains(&b)) && !word.contains("..");
    date.is_some_and(|word| word.contains('-') && is_fixed(word)) && time.is_some_and(is_fixed)
}

/// Judges one timer: worst ruling first asked, every rule asked.
#[must_use]
pub fn judge(seen: &Observation, limits: &Limits, now: &Clock) -> Verdict {
    let timer = &seen.timer;
    let mut rulings = Vec::new();
    if let Some(ruling) = timer.unit.load_ruling(&timer.unit.id) {
        return Verdict { rulings: vec![ruling], when_ok: String::new() };
    }
    rulings.push(Ruling::new(State::Ok, "loaded", format!("{} is loaded", timer.unit.id)));
    rulings.push(rule_active(timer));
    rulings.extend(rule_job(seen));
    let is_active = timer.unit.active_state == "active";
    if is_active {
        let held = rule_held_up(seen, limits, now);
        let is_held = held.as_ref().is_some_and(|ruling| ruling.state != State::Ok);
        rulings.extend(held);
        if !is_held {
            rulings.push(rule_next(seen, limits, now));
        }
    }
    rulings.push(rule_enabled(timer, limits));
    rulings.extend(timer.unit.reload_ruling());
    rulings.extend(seen.job.as_ref().and_then(|job| job.unit.reload_ruling()));
    rulings.extend(rule_last(seen, now));
    let next = timer.next(now).map(|at| format!(", next {}", when(seen, at, now)));
    let last = timer.last_trigger.map(|at| format!(", last {}", at.age(now).phrase()));
    let awaits = timer.unit.sub_state == "elapsed" && awaits_job(seen);
    let running = (awaits || timer.unit.sub_state == "running").then_some(", its job is running");
    let tail = [next.as_deref(), running, last.as_deref()].into_iter().flatten().collect::<String>();
    let done = if timer.unit.sub_state == "elapsed" && !awaits { " and has done its work" } else { "" };
    Verdict { rulings, when_ok: format!("{} is active{done}{tail}", timer.unit.id) }
}

fn when(seen: &Observation, at: DateTime<Utc>, now: &Clock) -> String {
    let distance = match (at - now.realtime).to_std() {
        Ok(ahead) => format!("in {}", human(ahead)),
        Err(_) => format!("{} ago", human((now.realtime - at).to_std().unwrap_or_default())),
    };
    format!("{} ({distance})", seen.zone.render(at))
}

fn rule_active(timer: &Timer) -> Ruling {
    let id = &timer.unit.id;
    if let Some(ruling) = timer.unit.word_ruling(id) {
        return ruling;
    }
    let why = match timer.result.as_str() {
        "success" | "" => String::new(),
        result => format!(" ({result})"),
    };
    match timer.unit.active_state.as_str() {
        "active" if why.is_empty() => Ruling::ok(format!("{id} is active ({})", timer.unit.sub_state)),
        "active" => Ruling::new(State::Critical, "failed", format!("{id} is active, but failed{why}")),
        "failed" => {
            Ruling::new(State::Critical, "failed", format!("{id} failed{why} and will not fire again"))
        }
        "inactive" if timer.unit.job != 0 => {
            let sentence =
                format!("{id} is inactive: its start waits in systemd's queue (job {})", timer.unit.job);
            Ruling::new(State::Critical, "inactive", sentence)
        }
        "inactive" => Ruling::new(State::Critical, "inactive", format!("{id} is inactive and will not fire")),
        other => Ruling::new(State::Unknown, "in-between", format!("{id} is {other}; ask again")),
    }
}

fn rule_job(seen: &Observation) -> Option<Ruling> {
    let id = &seen.timer.unit.id;
    let Some(job) = &seen.job else {
        return Some(Ruling::new(
            State::Unknown,
            "no-answer",
            format!("systemd did not say what {id} starts"),
        ));
    };
    let who = format!("{id} starts {}, which", job.unit.id);
    job.unit.load_ruling(&who).or_else(|| job.unit.word_ruling(&who))
}

/// What keeps an active timer from firing again: a run that does not end.
fn rule_held_up(seen: &Observation, limits: &Limits, now: &Clock) -> Option<Ruling> {
    let (id, job) = (&seen.timer.unit.id, seen.job.as_ref()?);
    let name = &job.unit.id;
    let fires_behind = seen.timer.unit.sub_state == "running";
    let since = match job.activity() {
        // It fires once more, and what it starts may be stopped before: systemd waits from then on.
        Activity::Remains if job.unit.is_of_another_type() && !fires_behind => return None,
        Activity::Remains => {
            let why = if job.unit.is_of_another_type() {
                "it stays active until somebody stops it"
            } else {
                "it stays active after it has ended (RemainAfterExit)"
            };
            let sentence = format!("{id} cannot start {name} again: {why}");
            return Some(Ruling::new(State::Critical, "remain-after-exit", sentence));
        }
        Activity::Running(since) => since,
        Activity::WaitsForRestart | Activity::Ended => None,
    };
    // A timer that has fired waits for its job from that moment on, through restarts and queues.
    let fired = seen.timer.last_trigger.filter(|stamp| fires_behind && stamp.monotonic.is_some());
    let ages = [since, fired].into_iter().flatten().map(|stamp| stamp.age(now).elapsed);
    let Some(age) = ages.max() else {
        return fires_behind.then(|| {
            Ruling::new(
                State::Unknown,
                "no-answer",
                format!("{id} waits for {name}, and since when is not on record"),
            )
        });
    };
    let (age_text, limit) = (human(age), human(limits.max_runtime));
    Some(if age > limits.max_runtime {
        let sentence = format!("{id} is held up: {name} has been running for {age_text} (limit {limit})");
        Ruling::new(State::Critical, "hung", sentence)
    } else {
        Ruling::ok(format!("{name} has been running for {age_text} (limit {limit})"))
    })
}

fn rule_next(seen: &Observation, limits: &Limits, now: &Clock) -> Ruling {
    let (timer, id) = (&seen.timer, &seen.timer.unit.id);
    match (timer.unit.sub_state.as_str(), timer.next(now)) {
        ("elapsed", _) if limits.allow_elapsed && !timer.recurs() => {
            Ruling::ok(format!("{id} has elapsed, as a one-shot timer may"))
        }
        ("elapsed", _) if awaits_job(seen) => {
            Ruling::ok(format!("{id} waits for its job to end, and counts from then"))
        }
        ("elapsed", _) => {
            Ruling::new(State::Critical, "elapsed", format!("{id} has elapsed and will never fire again"))
        }
        ("running", _) => Ruling::ok(format!("{id} has fired and waits for its job to end")),
        ("waiting", None) if timer.on_clock_change == Some(true) => {
            Ruling::ok(format!("{id} fires when the clock is set"))
        }
        ("waiting", None) => Ruling::new(
            State::Unknown,
            "no-next",
            format!("{id} is waiting, and systemd knows no next elapse"),
        ),
        ("waiting", Some(next)) => {
            let slack = TimeDelta::from_std(timer.accuracy).unwrap_or_default() + GRACE;
            let text = when(seen, next, now);
            if next + slack < now.realtime {
                Ruling::new(State::Warning, "overdue", format!("{id} should have fired {text}"))
            } else if next - now.realtime > FAR {
                let sentence = format!("{id} fires next {text}; was the clock wrong when that was computed?");
                Ruling::new(State::Warning, "far-future", sentence)
            } else {
                Ruling::ok(format!("{id} fires next {text}"))
            }
        }
        (other, _) => Ruling::new(
            State::Unknown,
            "unknown-word",
            format!("{id} is active and '{other}', which no timer should be"),
        ),
    }
}

/// `OnUnitInactiveSec=` has nothing to count from until a job that something else started has ended.
fn awaits_job(seen: &Observation) -> bool {
    let counts_from_end = seen.timer.bases.iter().any(|base| base == "OnUnitInactiveUSec");
    let will_end = |job: &Job| matches!(job.activity(), Activity::Running(_) | Activity::WaitsForRestart);
    counts_from_end && seen.job.as_ref().is_some_and(will_end)
}

fn rule_enabled(timer: &Timer, limits: &Limits) -> Ruling {
    let id = &timer.unit.id;
    let file_state = timer.unit.unit_file_state.as_deref().unwrap_or_default();
    let survives = match file_state {
        "enabled" | "generated" | "alias" => true,
        // Nothing to enable, or enabled by another name: it is up after a boot if something wants it.
        "static" | "indirect" => {
            let Some(is_wanted) = timer.unit.is_wanted else {
                let sentence = format!("systemd did not say what starts {id}");
                return Ruling::new(State::Unknown, "no-answer", sentence);
            };
            is_wanted
        }
        "disabled" | "enabled-runtime" | "linked" | "linked-runtime" | "transient" | "masked"
        | "masked-runtime" | "bad" | "" => false,
        other => {
            let sentence = format!("{id} is '{other}', which this probe does not know");
            return Ruling::new(State::Unknown, "unknown-word", sentence);
        }
    };
    let shown = if file_state.is_empty() { "without a unit file" } else { file_state };
    if survives {
        Ruling::ok(format!("{id} is {shown}"))
    } else if limits.allow_disabled {
        Ruling::ok(format!("{id} is {shown}, which is allowed"))
    } else {
        Ruling::new(
            State::Warning,
            "disabled",
            format!("{id} is {shown}, not enabled: it will not survive a reboot"),
        )
    }
}

fn rule_last(seen: &Observation, now: &Clock) -> Option<Ruling> {
    let (id, last) = (&seen.timer.unit.id, seen.timer.last_trigger?);
    let text = format!("{} ({})", seen.zone.render(last.realtime), last.age(now).phrase());
    Some(match (last.age(now).ahead, last.monotonic) {
        (Some(_), _) => {
            let sentence = format!("{id} last fired {text}; was the clock set back?");
            Ruling::new(State::Warning, "clock", sentence)
        }
        (None, None) => Ruling::ok(format!("{id} last fired {text}, says its stamp file; not since boot")),
        (None, Some(_)) => Ruling::ok(format!("{id} last fired {text}")),
    })
}
