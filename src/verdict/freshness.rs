//! Did the job really run within its limit? Ages of real runs, and what bounds them where none is on record.

use std::time::Duration;

use serde::Serialize;

use super::State;
use super::clock::{Age, Clock, Stamp};
use super::duration::human;
use super::exit;
use super::job::{Activity, Job};
use super::range::Range;
use super::ruling::{Ruling, Verdict};
use super::timer::Timer;
use super::zone::Zone;

/// Which moment of a run counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Basis {
    /// The end of a run that succeeded.
    Success,
    /// The end of a run.
    #[default]
    Finish,
    /// The start of a run.
    Start,
}

/// A run as the runner itself recorded it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Recorded {
    /// When it began.
    pub start: Stamp,
    /// When it ended.
    pub finish: Stamp,
    /// Everything was checked and nothing is wrong.
    pub is_success: bool,
}

/// All that is seen for one job.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// How the job is called in sentences.
    pub name: String,
    /// The service and its timers; `None`: the file alone is asked (a host with cron).
    pub service: Option<exit::Observation>,
    /// What the runner left; `None`: not asked, or not there.
    pub recorded: Option<Recorded>,
    /// Whose clock changes count.
    pub zone: Zone,
}

/// What the operator allows.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Ages that warn, in seconds.
    pub warn: Option<Range>,
    /// Ages that are critical, in seconds.
    pub crit: Range,
    /// Which moment of a run counts.
    pub basis: Basis,
    /// A longer run has hung.
    pub max_runtime: Option<Duration>,
    /// What no run on record means.
    pub never_run: State,
}

/// A judged age, for perfdata and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Measured {
    /// Seconds since the run; `None`: not known.
    pub age: Option<Duration>,
    /// The limits with the slack that was given.
    pub warn: Option<Range>,
    /// As for `warn`.
    pub crit: Option<Range>,
}

struct Evidence {
    at: Stamp,
    source: &'static str,
}

/// Judges the freshness of one job.
#[must_use]
pub fn judge(seen: &Observation, limits: &Limits, now: &Clock) -> (Verdict, Measured) {
    let mut rulings = Vec::new();
    let mut measured = Measured { age: None, warn: limits.warn, crit: Some(limits.crit) };
    if let Some(service) = &seen.service {
        let job = &service.job;
        if let Some(ruling) = job.unjudgeable() {
            return (Verdict { rulings: vec![ruling], when_ok: String::new() }, measured);
        }
        if let Activity::Running(since) = job.activity() {
            // A start that is tried again and again before its main process is no run in progress.
            let is_loop = job.restarts_in_doubt() > 0 && job.exec_main_start.is_none();
            let ruling = rule_running(job, since, seen, limits, now);
            rulings.extend(Some(ruling).filter(|ruling| !is_loop || ruling.state != State::Ok));
        }
    }
    let is_running = !rulings.is_empty();
    if let Some(evidence) = newest(seen, limits) {
        let age = evidence.at.age(now);
        let slack = slack(seen, evidence.at, now);
        let range = |range: Range| range.lengthened(slack.as_secs_f64());
        measured =
            Measured { age: Some(age.elapsed), warn: limits.warn.map(range), crit: Some(range(limits.crit)) };
        // A run in progress is itself the answer: of the one before it systemd keeps nothing.
        if !is_running {
            rulings.push(rule_age(seen, &evidence, age, &measured, limits.basis));
            rulings.extend(rule_clock(seen, &evidence, age));
            rulings.extend(rule_leap(seen, &evidence, age, &measured));
        }
    } else if !is_running {
        rulings.push(rule_no_run(seen, limits, now));
    }
    let worst = rulings.iter().rev().max_by_key(|ruling| ruling.state);
    let when_ok = worst.map(|ruling| ruling.sentence.clone()).unwrap_or_default();
    (Verdict { rulings, when_ok }, measured)
}

fn newest(seen: &Observation, limits: &Limits) -> Option<Evidence> {
    let job = seen.service.as_ref().map(|service| &service.job);
    let on_bus = job.and_then(|job| match limits.basis {
        Basis::Start => job.started(),
        Basis::Finish => job.finished(),
        Basis::Success => {
            let is_success = job.result.as_deref() == Some("success") && job.unit.active_state != "failed";
            job.finished().filter(|_| is_success)
        }
    });
    let in_file = seen.recorded.as_ref().and_then(|run| match limits.basis {
        Basis::Start => Some(run.start),
        Basis::Finish => Some(run.finish),
        Basis::Success => run.is_success.then_some(run.finish),
    });
    let on_bus = on_bus.map(|at| Evidence { at, source: "" });
    let in_file = in_file.map(|at| Evidence { at, source: ", says the status file" });
    [on_bus, in_file].into_iter().flatten().max_by_key(|evidence| evidence.at.realtime)
}

/// What the limit is lengthened by: the hour that was put back since, and what the timer may be late.
fn slack(seen: &Observation, since: Stamp, now: &Clock) -> Duration {
    let timers = seen.service.iter().flat_map(|service| &service.timers);
    let late = timers.map(Timer::slack).max().unwrap_or_default();
    seen.zone.gained(since.realtime, now.realtime).saturating_add(late)
}

fn rule_age(seen: &Observation, evidence: &Evidence, age: Age, measured: &Measured, basis: Basis) -> Ruling {
    let verb = match basis {
        Basis::Success => "last succeeded",
        Basis::Finish => "last ran",
        Basis::Start => "last started",
    };
    let elapsed = age.elapsed.as_secs_f64();
    let is_alert = |range: Option<Range>| range.is_some_and(|range| range.is_alert(elapsed));
    let (state, range) = if is_alert(measured.crit) {
        (State::Critical, measured.crit)
    } else if is_alert(measured.warn) {
        (State::Warning, measured.warn)
    } else {
        (State::Ok, measured.crit)
    };
    let reason = if state == State::Ok { "ok" } else { "stale" };
    let ago = Age { ahead: None, ..age }.phrase();
    let sentence = format!("{} {verb} {ago}{}{}", seen.name, evidence.source, limit_phrase(range));
    Ruling::new(state, reason, sentence)
}

/// ` (limit 25h)`; ranges that are more than one limit are shown as they were written.
fn limit_phrase(range: Option<Range>) -> String {
    let Some(range) = range else { return String::new() };
    let limit = range.limit().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    limit.map_or_else(|| format!(" (range {range} s)"), |limit| format!(" (limit {})", human(limit)))
}

fn rule_clock(seen: &Observation, evidence: &Evidence, age: Age) -> Option<Ruling> {
    age.ahead?;
    let sentence =
        format!("{} last ran {}{}; was the clock set back?", seen.name, age.phrase(), evidence.source);
    Some(Ruling::new(State::Warning, "clock", sentence))
}

/// The clock of this boot says that it is fresh, the wall clock that it is stale: one of them is wrong.
fn rule_leap(seen: &Observation, evidence: &Evidence, age: Age, measured: &Measured) -> Option<Ruling> {
    let by_wall = age.elapsed.saturating_add(age.leapt);
    let is_stale = |elapsed: Duration| measured.crit.is_some_and(|crit| crit.is_alert(elapsed.as_secs_f64()));
    if is_stale(age.elapsed) || !is_stale(by_wall) {
        return None;
    }
    let sentence = format!(
        "{} last ran {} by the clock that cannot be set, and {} ago by the other{}: was that set forwards, or the \
         machine paused?",
        seen.name,
        age.phrase(),
        human(by_wall),
        evidence.source
    );
    Some(Ruling::new(State::Unknown, "clock", sentence))
}

fn rule_running(job: &Job, since: Option<Stamp>, seen: &Observation, limits: &Limits, now: &Clock) -> Ruling {
    let exit_limits =
        exit::Limits { nagios_status: false, max_runtime: limits.max_runtime, never_run: limits.never_run };
    let ruling = exit::rule_running(job, since, &exit_limits, now);
    if ruling.state != State::Ok {
        return ruling;
    }
    // Whatever ran before has ended before this run began; where a success is asked for, that is before the
    // first of several tries, which the timer began.
    let tries = job.retries() && limits.basis == Basis::Success;
    let timers = seen.service.iter().flat_map(|service| &service.timers).filter(|_| tries);
    let fired = timers.filter_map(|timer| timer.last_trigger).filter(|last| last.monotonic.is_some());
    let Some(since) = fired.chain(since).min_by_key(|stamp| stamp.realtime) else { return ruling };
    let age = since.age(now).elapsed;
    if limits.crit.lengthened(slack(seen, since, now).as_secs_f64()).is_alert(age.as_secs_f64()) {
        let sentence =
            format!("{} has been running for {}{}", seen.name, human(age), limit_phrase(Some(limits.crit)));
        return Ruling::new(State::Critical, "stale", sentence);
    }
    ruling
}

/// No real run is on record: what bounds its age from below?
fn rule_no_run(seen: &Observation, limits: &Limits, now: &Clock) -> Ruling {
    let Some(service) = &seen.service else {
        let sentence = format!("{} has no run on record in its status file", seen.name);
        return Ruling::new(limits.never_run, "never-run", sentence);
    };
    let job = &service.job;
    let is_over = |stamp: Stamp| {
        let range = limits.crit.lengthened(slack(seen, stamp, now).as_secs_f64());
        range.is_alert(stamp.age(now).elapsed.as_secs_f64())
    };
    let why = if let Some(by) = job.skipped() {
        Ruling::new(limits.never_run, "skipped", format!("{} was skipped: {by}; that is no run", seen.name))
    } else if limits.basis == Basis::Success && job.finished().is_some() {
        let sentence = format!("{} has no success on record: its last run did not succeed", seen.name);
        Ruling::new(limits.never_run, "no-success", sentence)
    } else if job.restarts_in_doubt() > 0 {
        let sentence = format!("{} was restarted by systemd, and its main process has not run", seen.name);
        Ruling::new(limits.never_run, "never-run", sentence)
    } else if job.exec_main_start.is_some() || job.result.as_deref() != Some("success") {
        let sentence = format!("{} was started, and its main process never ran", seen.name);
        Ruling::new(limits.never_run, "never-run", sentence)
    } else {
        exit::rule_nothing_on_record(service, limits.never_run, now)
    };
    // The stamp of a persistent timer is older than anything that ran since.
    let stamps = service.timers.iter().filter_map(|timer| timer.last_trigger);
    if let Some(last) = stamps.max_by_key(|stamp| stamp.realtime).filter(|last| is_over(*last)) {
        let sentence = format!(
            "{} has not run for {} at least, says its timer's last trigger{}",
            seen.name,
            human(last.age(now).elapsed),
            limit_phrase(Some(limits.crit))
        );
        return Ruling::new(State::Critical, "stale", sentence);
    }
    let active = service.timers.iter().filter(|timer| timer.unit.active_state == "active");
    let since = active.filter_map(|timer| timer.unit.active_enter).min_by_key(|stamp| stamp.realtime);
    match since.filter(|since| is_over(*since)) {
        Some(since) => {
            let sentence = format!(
                "{}; its timer has been active for {}{}",
                why.sentence,
                human(since.age(now).elapsed),
                limit_phrase(Some(limits.crit))
            );
            Ruling { state: State::Critical, reason: why.reason, sentence }
        }
        None => why,
    }
}
