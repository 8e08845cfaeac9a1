//! Did the last run succeed?

use std::time::Duration;

use chrono::TimeDelta;

use super::State;
use super::clock::{Clock, Stamp};
use super::duration::human;
use super::job::{Activity, Job};
use super::ruling::{Ruling, Verdict};
use super::timer::Timer;

/// A start or a stop that takes longer has hung, where the operator set no limit.
const LONGEST_START: Duration = Duration::from_secs(86_400);
/// A restarted run that lasts so long is no part of a crash loop.
const PROVEN: Duration = Duration::from_secs(600);
/// A timer that became active so soon after boot came with it.
const BOOT: TimeDelta = TimeDelta::minutes(10);

/// All that is seen for one service.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// The service.
    pub job: Job,
    /// The timers that start it, as far as they were asked for.
    pub timers: Vec<Timer>,
    /// When systemd came up.
    pub boot: Option<Stamp>,
}

/// What the operator allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The job's exit status 1, 2, 3 is WARNING, CRITICAL, UNKNOWN.
    pub nagios_status: bool,
    /// A longer run has hung.
    pub max_runtime: Option<Duration>,
    /// What no run on record means.
    pub never_run: State,
}

/// Judges the last run of one service.
#[must_use]
pub fn judge(seen: &Observation, limits: &Limits, now: &Clock) -> Verdict {
    let (job, id) = (&seen.job, &seen.job.unit.id);
    if let Some(ruling) = job.unjudgeable() {
        return Verdict { rulings: vec![ruling], when_ok: String::new() };
    }
    let ruling = match job.activity() {
        Activity::Running(since) => match rule_running(job, since, limits, now) {
            ruling if ruling.state == State::Ok => rule_restarts(job, now).unwrap_or(ruling),
            ruling => ruling,
        },
        // It began to run between two answers.
        Activity::WaitsForRestart
            if job.exec_main_exit.is_none() && job.result.as_deref() == Some("success") =>
        {
            let sentence = format!("{id} waits for a restart, and how it ended is not on record");
            Ruling::new(State::Unknown, "no-answer", sentence)
        }
        Activity::WaitsForRestart => {
            let waiting = format!("{id} waits for a restart; it");
            rule_result(seen, limits, now, &waiting)
        }
        Activity::Ended | Activity::Remains => rule_result(seen, limits, now, id),
    };
    let when_ok = ruling.sentence.clone();
    let mut rulings = vec![Ruling::new(State::Ok, "loaded", format!("{id} is loaded")), ruling];
    rulings.extend(rule_clock(job, now));
    Verdict { rulings, when_ok }
}

/// The ruling on a run in progress: how the one before ended is no longer on record.
#[must_use]
pub fn rule_running(job: &Job, since: Option<Stamp>, limits: &Limits, now: &Clock) -> Ruling {
    let id = &job.unit.id;
    let active_state = job.unit.active_state.as_str();
    let age = |stamp: Stamp| stamp.age(now).elapsed;
    // Of a daemon that stops, the stop may hang, however long it has been up; a oneshot that stops was never
    // active, and what is on record of that is older than its start.
    let stops =
        job.unit.active_exit.filter(|_| active_state == "deactivating" && limits.max_runtime.is_none());
    let stops = stops.filter(|stops| since.is_none_or(|since| age(*stops) <= age(since)));
    let phrase = match stops {
        Some(stops) => format!("stopping for {}", human(age(stops))),
        None => Job::running_phrase(since, now),
    };
    let is_short = matches!(active_state, "activating" | "deactivating");
    let limit = limits.max_runtime.or(is_short.then_some(LONGEST_START));
    match (stops.or(since), limit) {
        (Some(since), Some(limit)) if since.age(now).elapsed > limit => {
            let sentence = format!("{id} has been {phrase} (limit {})", human(limit));
            Ruling::new(State::Critical, "hung", sentence)
        }
        (None, Some(_)) => {
            let sentence = format!("{id} is running, and since when is not on record");
            Ruling::new(State::Unknown, "no-answer", sentence)
        }
        (Some(since), _) if since.age(now).ahead.is_some() => {
            let sentence = format!("{id} was started {}; was the clock set back?", since.age(now).phrase());
            Ruling::new(State::Warning, "clock", sentence)
        }
        (_, limit) => {
            let limit = limit.map(|limit| format!(" (limit {})", human(limit))).unwrap_or_default();
            Ruling::new(State::Ok, "running", format!("{id} is {phrase}{limit}"))
        }
    }
}

/// The ruling on a run that systemd began by itself because the one before ended: it has yet to prove itself.
fn rule_restarts(job: &Job, now: &Clock) -> Option<Ruling> {
    let restarts = job.restarts_in_doubt();
    // A unit may stay up while its process is replaced, so the younger counts.
    let began = [job.unit.inactive_exit, job.exec_main_start].into_iter().flatten();
    let age = began.map(|stamp| stamp.age(now).elapsed).min()?;
    let times = if restarts == 1 { "once".into() } else { format!("{restarts} times") };
    let sentence = format!(
        "{} was restarted {times} by systemd, and has been running for {} since",
        job.unit.id,
        human(age)
    );
    (restarts > 0 && age < PROVEN).then(|| Ruling::new(State::Warning, "restarting", sentence))
}

fn rule_result(seen: &Observation, limits: &Limits, now: &Clock, who: &str) -> Ruling {
    let job = &seen.job;
    let ended = job.exec_main_exit.or(job.unit.inactive_enter).map(|at| format!(" {}", at.age(now).phrase()));
    let ended = ended.unwrap_or_default();
    let reported = || rule_nagios_status(job, who, &ended, limits.never_run);
    if let Some(ruling) = limits.nagios_status.then(reported).flatten() {
        return ruling;
    }
    if matches!(job.result.as_deref(), Some("success" | "exec-condition")) {
        if let Some(by) = job.skipped() {
            let sentence = format!("{who} was skipped: {by}; that is no run");
            return Ruling::new(limits.never_run, "skipped", sentence);
        }
        if job.unit.active_state == "failed" {
            let sentence = format!("{who} is failed, and systemd does not say why");
            return Ruling::new(State::Critical, "failed", sentence);
        }
        return match job.exec_main_exit {
            Some(_) if job.exit_status() == Some(0) => Ruling::ok(format!("{who} succeeded{ended}")),
            Some(_) if !job.has_ending() => Ruling::new(
                State::Unknown,
                "no-answer",
                format!("{who} ended{ended}, and how is not on record"),
            ),
            Some(_) if job.accepts_ending == Some(true) => {
                Ruling::ok(format!("{who} succeeded{ended} ({}, accepted by its unit)", job.ending()))
            }
            // reset-failed makes the result a success, and leaves how the main process ended.
            Some(_) if job.accepts_ending == Some(false) => {
                let sentence = format!("{who} failed: {}{} (reset-failed since)", job.ending(), ago(&ended));
                Ruling::new(State::Critical, "exit-code", sentence)
            }
            Some(_) => {
                let sentence = format!(
                    "{who} ended{ended} ({}), and whether its unit accepts that is not on record",
                    job.ending()
                );
                Ruling::new(State::Unknown, "no-answer", sentence)
            }
            None if job.is_up_without_command() => {
                Ruling::ok(format!("{who} is up; it has no main process that could fail"))
            }
            None => rule_nothing_on_record(seen, limits.never_run, now),
        };
    }
    let Some((reason, sentence)) = job.failure() else {
        let result = job.result.as_deref().unwrap_or_default();
        let sentence = format!("{who} ended with a result that this probe does not know: '{result}'");
        return Ruling::new(State::Unknown, "unknown-word", sentence);
    };
    Ruling::new(State::Critical, reason, format!("{who} {sentence}{}", ago(&ended)))
}

fn ago(ended: &str) -> String {
    if ended.is_empty() { String::new() } else { format!(",{ended}") }
}

fn rule_nagios_status(job: &Job, who: &str, ended: &str, never_run: State) -> Option<Ruling> {
    match job.result.as_deref() {
        Some("success") => {}
        // Where its unit accepts that status, or may, it is a command beside it that failed.
        Some("exit-code") if job.accepts_ending == Some(false) => {}
        _ => return None,
    }
    let status = job.exit_status()?;
    let state = match status {
        1 => State::Warning,
        2 => State::Critical,
        3 => State::Unknown,
        _ => return None,
    };
    let reported = format!("reported {} (exit status {status}){}", state.word(), ago(ended));
    // A condition that was not met later than that run leaves its status where it was: no run, and none undone.
    if let Some(by) = job.skipped() {
        let sentence = format!("{who} was skipped: {by}; that is no run; the one before {reported}");
        let is_worse = state == State::Critical || never_run == State::Ok;
        return Some(Ruling::new(if is_worse { state } else { never_run }, "skipped", sentence));
    }
    let sentence = format!("{who} {reported}");
    Some(Ruling::new(state, "exit-code", sentence))
}

/// Never ran, not since boot, forgotten: three sentences, one state.
#[must_use]
pub fn rule_nothing_on_record(seen: &Observation, never_run: State, now: &Clock) -> Ruling {
    let id = &seen.job.unit.id;
    let (reason, sentence) = nothing_on_record(seen, now);
    Ruling::new(never_run, reason, format!("{id} {sentence}"))
}

fn nothing_on_record(seen: &Observation, now: &Clock) -> (&'static str, String) {
    let active = seen.timers.iter().filter(|timer| timer.unit.active_state == "active");
    let since = active.filter_map(|timer| timer.unit.active_enter).min_by_key(|stamp| stamp.realtime);
    let fired = seen.timers.iter().filter_map(|timer| timer.last_trigger).max_by_key(|stamp| stamp.realtime);
    let was_begun = seen.job.unit.inactive_exit.is_some();
    match (fired, since) {
        _ if seen.job.is_up_without_command() => {
            ("never-run", "is up, and has no main process whose run could be dated".into())
        }
        // An active timer keeps systemd from forgetting that its service has begun, but it may have been
        // stopped since.
        (Some(fired), _) if fired.monotonic.is_some() && !was_begun => {
            let sentence = format!(
                "has not begun, though its timer fired {}: a unit that it needs failed, or systemd forgot it",
                fired.age(now).phrase()
            );
            ("never-run", sentence)
        }
        (Some(fired), _) if fired.monotonic.is_some() => {
            let sentence = format!(
                "has no run on record, though its timer fired {}: systemd forgot it",
                fired.age(now).phrase()
            );
            ("forgotten", sentence)
        }
        _ if was_begun => ("forgotten", "has begun, and systemd forgot how it ended (reset-failed?)".into()),
        (Some(fired), _) => {
            let sentence =
                format!("has not run since boot; its timer's stamp says {}", fired.age(now).phrase());
            ("not-since-boot", sentence)
        }
        (None, Some(since)) if seen.boot.is_some_and(|boot| since.realtime - boot.realtime < BOOT) => {
            let sentence = format!(
                "has not run since boot, {}; what was before is not on record",
                since.age(now).phrase()
            );
            ("not-since-boot", sentence)
        }
        (None, Some(since)) => {
            ("never-run", format!("never ran since its timer was started {}", since.age(now).phrase()))
        }
        (None, None) => {
            let sentence =
                "never ran, or systemd forgot it: without an active timer it keeps no record of a success";
            ("never-run", sentence.into())
        }
    }
}

fn rule_clock(job: &Job, now: &Clock) -> Option<Ruling> {
    let exit = job.exec_main_exit.filter(|exit| exit.age(now).ahead.is_some())?;
    let sentence = format!("{} ended {}; was the clock set back?", job.unit.id, exit.age(now).phrase());
    Some(Ruling::new(State::Warning, "clock", sentence))
}
