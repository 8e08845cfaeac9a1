//! Are the judges total, and is OK never said where anything that was seen speaks against it?
#![allow(clippy::unwrap_used, reason = "clippy.toml spares functions marked as tests alone")]

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use plms_invariants::verdict::State;
use plms_invariants::verdict::clock::{Clock, Stamp};
use plms_invariants::verdict::freshness::Basis;
use plms_invariants::verdict::job::Job;
use plms_invariants::verdict::timer::Timer;
use plms_invariants::verdict::unit::Unit;
use plms_invariants::verdict::zone::Zone;
use plms_invariants::verdict::{exit, freshness, timer};
use proptest::prelude::*;

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

fn clock() -> Clock {
    Clock { realtime: now(), monotonic: Some(Duration::from_secs(500_000)), suspended: Duration::ZERO }
}

fn ago(seconds: i64) -> Stamp {
    Stamp { realtime: now() - TimeDelta::seconds(seconds), monotonic: None }
}

fn unit(states: [&str; 3]) -> Unit {
    let [load, active, sub] = states.map(String::from);
    Unit { id: "x.service".into(), load_state: load, active_state: active, sub_state: sub, ..Unit::default() }
}

fn job(in_states: [&str; 3], result: &str, code: i32, status: i32) -> Job {
    let has_run = code != 0;
    Job {
        unit: unit(in_states),
        result: Some(result.into()),
        exec_main_start: has_run.then(|| ago(7260)),
        exec_main_exit: has_run.then(|| ago(7200)),
        exec_main_code: Some(code),
        exec_main_status: Some(status),
        condition_result: Some(true),
        condition: Some(ago(7260)),
        assert_result: Some(true),
        assert: Some(ago(7260)),
        ..Job::default()
    }
}

const DEAD: [&str; 3] = ["loaded", "inactive", "dead"];
const FAILED: [&str; 3] = ["loaded", "failed", "failed"];

fn judge_exit(job: Job) -> (State, &'static str) {
    let limits = exit::Limits { nagios_status: false, max_runtime: None, never_run: State::Unknown };
    let verdict = exit::judge(&exit::Observation { job, timers: vec![], boot: None }, &limits, &clock());
    (verdict.state(), verdict.reason().0)
}

/// The table of section 4.6 of the facts about systemd 252, as literals.
#[test]
fn every_way_to_end_has_its_state_and_reason() {
    use State::{Critical, Ok, Unknown};
    let skipped = |mut job: Job| {
        (job.condition_result, job.exec_main_exit) = (Some(false), None);
        job
    };
    let asserted = |mut job: Job| {
        (job.assert_result, job.exec_main_exit) = (Some(false), None);
        job
    };
    let accepted = |job: Job| Job { accepts_ending: Some(true), ..job };
    let never = |job: Job| Job { condition: None, condition_result: Some(false), assert: None, ..job };
    let running = |sub| {
        let mut job = job(["loaded", "activating", sub], "success", 0, 0);
        job.unit.inactive_exit = Some(ago(60));
        job
    };
    let table = [
        (job(DEAD, "success", 1, 0), Ok, "ok"),
        (job(FAILED, "exit-code", 1, 3), Critical, "exit-code"),
        (running("start"), Ok, "running"),
        (running("start-pre"), Ok, "running"),
        (job(FAILED, "exit-code", 0, 0), Critical, "exit-code"),
        (job(FAILED, "exit-code", 1, 0), Critical, "exit-code"),
        (skipped(job(DEAD, "success", 0, 0)), Unknown, "skipped"),
        (asserted(job(DEAD, "success", 0, 0)), Unknown, "skipped"),
        (skipped(job(DEAD, "exec-condition", 0, 0)), Unknown, "skipped"),
        (never(job(DEAD, "success", 0, 0)), Unknown, "never-run"),
        (job(["not-found", "inactive", "dead"], "success", 0, 0), Critical, "not-found"),
        (job(["masked", "inactive", "dead"], "success", 0, 0), Critical, "masked"),
        (job(["bad-setting", "inactive", "dead"], "success", 0, 0), Critical, "bad-unit"),
        (job(FAILED, "signal", 2, 9), Critical, "signal"),
        (job(FAILED, "timeout", 2, 15), Critical, "timeout"),
        (job(FAILED, "exit-code", 1, 203), Critical, "exit-code"),
        (accepted(job(DEAD, "success", 1, 4)), Ok, "ok"),
        (job(FAILED, "start-limit-hit", 1, 0), Critical, "start-limit"),
        (job(["loaded", "active", "exited"], "success", 1, 0), Ok, "ok"),
        (job(["loaded", "activating", "auto-restart"], "exit-code", 1, 3), Critical, "exit-code"),
        (job(["loaded", "activating", "auto-restart-queued"], "exit-code", 1, 3), Critical, "exit-code"),
        // Reset after a failure, and nobody said that the unit accepts it.
        (job(DEAD, "success", 1, 3), Unknown, "no-answer"),
        (job(["loaded", "inactive", "pondering"], "success", 1, 0), Unknown, "unknown-word"),
    ];
    for (nth, (job, state, reason)) in table.into_iter().enumerate() {
        assert_eq!(judge_exit(job), (state, reason), "row {nth}");
    }
}

#[test]
fn a_clock_that_was_set_back_hides_no_stale_run() {
    let mut job = job(DEAD, "success", 1, 0);
    // The wall says an hour ago, the clock that cannot be set says 30 hours.
    let then = clock().monotonic.and_then(|now| now.checked_sub(Duration::from_secs(30 * 3600)));
    job.exec_main_exit = Some(Stamp { monotonic: then, ..ago(3600) });
    let service = exit::Observation { job, timers: vec![], boot: None };
    let seen = freshness::Observation {
        name: "x".into(),
        service: Some(service),
        recorded: None,
        zone: Zone::utc(),
    };
    let (verdict, measured) = freshness::judge(&seen, &fresh_limits(Basis::Finish), &clock());
    assert_eq!((verdict.state(), verdict.reason().0), (State::Critical, "stale"));
    assert_eq!(measured.age, Some(Duration::from_secs(30 * 3600)));
}

fn fresh_limits(basis: Basis) -> freshness::Limits {
    freshness::Limits {
        warn: None,
        crit: "25h".parse().unwrap(),
        basis,
        max_runtime: None,
        never_run: State::Unknown,
    }
}

fn word(known: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop_oneof![9 => prop::sample::select(known).prop_map(String::from), 1 => "[a-z-]{0,12}"]
}

prop_compose! {
    fn any_stamp()(realtime in -200_000_000_i64..2_000_000, monotonic in prop::option::of(0_u64..600_000)) -> Stamp {
        Stamp { monotonic: monotonic.map(Duration::from_secs), ..ago(-realtime) }
    }
}

prop_compose! {
    fn any_unit()(
        load in word(&["loaded", "loaded", "loaded", "masked", "not-found", "error"]),
        active in word(&["active", "inactive", "failed", "activating", "deactivating", "maintenance", "refreshing"]),
        sub in word(&["dead", "waiting", "running", "elapsed", "failed", "start", "exited", "auto-restart"]),
        file in prop::option::of(word(&["enabled", "disabled", "static", "transient", "generated"])),
        is_wanted: Option<bool>,
        need_daemon_reload: Option<bool>,
        job in 0_u32..2,
        stamps in prop::array::uniform4(prop::option::of(any_stamp())),
    ) -> Unit {
        Unit {
            id: "x.service".into(), load_state: load, load_error: None, active_state: active, sub_state: sub, job,
            unit_file_state: file, is_wanted, need_daemon_reload,
            active_enter: stamps[0], inactive_exit: stamps[1], inactive_enter: stamps[2],
            active_exit: stamps[3],
        }
    }
}

prop_compose! {
    fn any_job()(
        unit in any_unit(),
        result in prop::option::of(word(&["success", "success", "exit-code", "signal", "timeout", "exec-condition", "start-limit-hit"])),
        stamps in prop::array::uniform4(prop::option::of(any_stamp())),
        handoff in prop::option::of(prop::option::of(any_stamp())),
        code in prop::option::of(-1_i32..5), status in prop::option::of(prop_oneof![Just(0), any::<i32>()]),
        condition_result: Option<bool>, assert_result: Option<bool>,
        accepts in prop::array::uniform2(any::<Option<bool>>()),
        restarts in prop::option::of(0_u32..3),
    ) -> Job {
        Job {
            unit, result, exec_main_start: stamps[0], exec_main_exit: stamps[1], exec_main_handoff: handoff,
            exec_main_code: code, exec_main_status: status, lists_ending: accepts[0], accepts_ending: accepts[1], restarts, condition_result,
            condition: stamps[2], assert_result, assert: stamps[3], ..Job::default()
        }
    }
}

prop_compose! {
    fn any_timer()(
        unit in any_unit(),
        result in word(&["success", "success", "success", "resources"]),
        next_realtime in prop::option::of(any_stamp()), next_monotonic in prop::option::of(any::<Duration>()),
        last_trigger in prop::option::of(any_stamp()),
        spec in prop::option::of("[-0-9*:. A-Z]{0,20}"),
        accuracy: Duration, randomized_delay: Duration, on_clock_change: Option<bool>,
    ) -> Timer {
        Timer {
            unit, triggers: "x.service".into(), result, next_realtime: next_realtime.map(|stamp| stamp.realtime),
            next_monotonic, last_trigger, calendar: spec.into_iter().collect(), bases: vec![], on_clock_change, accuracy, randomized_delay,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn no_success_is_seen_where_there_was_none(job in any_job(), max_runtime: Option<Duration>) {
        let limits = exit::Limits { nagios_status: false, max_runtime, never_run: State::Unknown };
        let seen = exit::Observation { job, timers: vec![], boot: None };
        let verdict = exit::judge(&seen, &limits, &clock());
        prop_assert!(!verdict.sentence().is_empty());
        if verdict.state() == State::Ok {
            let job = &seen.job;
            prop_assert_eq!(&job.unit.load_state, "loaded");
            let is_running = verdict.reason().0 == "running";
            prop_assert!(is_running || (job.result.as_deref() == Some("success") && job.exec_main_exit.is_some() && job.skipped().is_none()));
            prop_assert!(is_running || job.exec_main_status == Some(0) || job.accepts_ending == Some(true));
        }
    }

    #[test]
    fn no_timer_is_well_that_does_not_fire_again(timer in any_timer(), job in prop::option::of(any_job())) {
        let limits = timer::Limits { allow_disabled: false, allow_elapsed: false, max_runtime: Duration::from_secs(3600) };
        let seen = timer::Observation { timer, job, zone: Zone::utc() };
        let verdict = timer::judge(&seen, &limits, &clock());
        prop_assert!(!verdict.sentence().is_empty());
        if verdict.state() == State::Ok {
            let unit = &seen.timer.unit;
            prop_assert_eq!((unit.load_state.as_str(), unit.active_state.as_str()), ("loaded", "active"));
            prop_assert_eq!(&seen.timer.result, "success");
            let will_fire = seen.timer.next(&clock()).is_some() || seen.timer.on_clock_change == Some(true);
            let waits = unit.sub_state == "waiting" && will_fire;
            prop_assert!(waits || unit.sub_state == "running");
            prop_assert!(seen.job.is_some_and(|job| job.unit.load_state == "loaded"));
        }
    }

    #[test]
    fn no_job_is_fresh_without_a_real_run(
        job in any_job(),
        timers in prop::collection::vec(any_timer(), 0..3),
        basis in prop::sample::select(&[Basis::Success, Basis::Finish, Basis::Start]),
    ) {
        let service = exit::Observation { job, timers, boot: Some(ago(400_000)) };
        let seen = freshness::Observation { name: "x".into(), service: Some(service), recorded: None, zone: Zone::utc() };
        let (verdict, _) = freshness::judge(&seen, &fresh_limits(basis), &clock());
        prop_assert!(!verdict.sentence().is_empty());
        let job = &seen.service.as_ref().unwrap().job;
        if verdict.state() == State::Ok && verdict.reason().0 != "running" {
            let ran = if basis == Basis::Start { job.started() } else { job.finished() };
            let age = ran.unwrap().age(&clock());
            prop_assert!(age.ahead.is_none());
            let slack = seen.service.as_ref().unwrap().timers.iter().map(Timer::slack).max().unwrap_or_default();
            prop_assert!(age.elapsed <= Duration::from_secs(25 * 3600).saturating_add(slack));
        }
    }
}
