//! Is a timer called well only when it is going to fire again?

mod common;
#[path = "common/fake_systemd.rs"]
mod fake_systemd;

use std::time::Duration;

use fake_systemd::{FakeSystemd, FakeUnit, Manners, Value, micros, service, timer};

const PROBE: &str = env!("CARGO_BIN_EXE_check_plms_timer");
const HOUR: u64 = 3_600_000_000;

fn now() -> u64 {
    micros(Duration::ZERO)
}

fn well() -> FakeUnit {
    timer(now() - HOUR, now() + 23 * HOUR + 500_000)
}

#[track_caller]
fn judged(timer: FakeUnit, status: i32, sentence: &str) {
    let fake = FakeSystemd::of(timer, service(now() - HOUR));
    let seen = fake.ask(PROBE, &["-u", "job"]).expect_status(status);
    assert!(seen.service_output().contains(sentence), "expected: {sentence}\n{seen:#}");
}

#[test]
fn a_timer_that_fires_again_is_well_and_says_when() {
    judged(well(), 0, "PLMS TIMER OK: job.timer is active, next ");
    judged(well(), 0, "(in 23h), last 1h ago | 'next'=82800s 'last'=3600s;;;0");
}

#[test]
fn an_elapse_in_the_past_is_a_warning() {
    judged(timer(now() - HOUR, now() - HOUR), 1, "job.timer should have fired ");
    // Within its accuracy it is not late yet.
    judged(timer(now() - HOUR, now() - 30_000_000), 0, "is active");
}

#[test]
fn an_elapse_over_400_days_ahead_is_a_warning_and_a_yearly_one_is_fine() {
    judged(timer(now(), now() + 366 * 24 * HOUR), 0, "is active");
    judged(timer(now(), now() + 401 * 24 * HOUR), 1, "was the clock wrong");
}

#[test]
fn neither_zero_nor_the_greatest_number_is_a_next_elapse() {
    for raw in [0, u64::MAX, u64::MAX - 1] {
        let timer = well().with_every_time(raw);
        let seen = FakeSystemd::of(timer, service(now() - HOUR)).ask(PROBE, &["-u", "job"]).expect_status(3);
        assert!(seen.service_output().contains("knows no next elapse"), "{seen:#}");
        assert!(seen.service_output().contains("'next'=U 'last'=U"), "{seen:#}");
    }
}

#[test]
fn words_of_a_newer_systemd_are_shown_and_never_ok() {
    judged(well().in_states(["loaded", "hibernating", "waiting"]), 3, "'hibernating'");
    judged(well().in_states(["loaded", "active", "snoozing"]), 3, "'snoozing'");
    judged(well().in_states(["half-loaded", "active", "waiting"]), 3, "'half-loaded'");
    judged(well().with("UnitFileState", Value::Text("blessed".into())), 3, "'blessed'");
    judged(well().with("Result", Value::Text("bored".into())), 2, "(bored)");
}

#[test]
fn a_service_in_an_unknown_state_is_unknown() {
    let service = service(now() - HOUR).in_states(["loaded", "levitating", "dead"]);
    let seen = FakeSystemd::of(well(), service).ask(PROBE, &["-u", "job"]).expect_status(3);
    assert!(seen.service_output().contains("'levitating'"), "{seen:#}");
}

#[test]
fn a_trigger_in_the_future_is_a_warning() {
    judged(timer(now() + HOUR + 1_000_000, now() + 2 * HOUR), 1, "last fired");
}

#[test]
fn only_a_timer_that_survives_a_reboot_is_well() {
    for (word, status) in [
        ("enabled", 0),
        ("generated", 0),
        ("disabled", 1),
        ("enabled-runtime", 1),
        ("linked", 1),
        ("transient", 1),
        ("", 1),
        // Nothing to enable, and systemd does not say what wants it.
        ("static", 3),
    ] {
        judged(well().with("UnitFileState", Value::Text(word.into())), status, "job.timer");
    }
    let is_static = || well().with("UnitFileState", Value::Text("static".into()));
    judged(is_static().with("WantedBy", Value::Texts(vec!["timers.target".into()])), 0, "is active");
    judged(is_static().with("WantedBy", Value::Texts(vec![])), 1, "not survive a reboot");
}

#[test]
fn the_zone_of_the_timer_is_the_zone_of_what_is_shown() {
    let spec = ("OnCalendar".to_owned(), "*-*-* 02:00:00 Asia/Kolkata".to_owned(), 0);
    // 2026-12-01T20:30:00Z is two in the morning there.
    let timer = timer(1_796_070_600_000_000, 1_796_157_000_000_000)
        .with("TimersCalendar", Value::Calendar(vec![spec]));
    let fake = FakeSystemd::of(timer, service(1_796_070_600_000_000)).at(1_796_120_000);
    let seen = fake.ask(PROBE, &["-u", "job"]).expect_status(0);
    assert!(seen.service_output().contains("next Wed 2026-12-02 02:00:00 IST (in 10h 16min)"), "{seen:#}");
    assert!(seen.stdout.contains("OK: job.timer last fired Tue 2026-12-01 02:00:00 IST"), "{seen:#}");
}

/// A timer in a sub state, and a unit that is no service, which it starts.
fn of_another_type(timer: &FakeUnit, sub_state: &str, name: &str, states: [&str; 3]) -> FakeSystemd {
    let timer = timer.clone().in_states(["loaded", "active", sub_state]);
    let timer = timer.with("Unit", Value::Text(name.into()));
    let properties = ["InactiveExitTimestamp", "InactiveExitTimestampMonotonic"];
    let unit = FakeUnit {
        states: states.map(String::from),
        properties: properties.map(|name| (name.into(), Value::Time(now() - HOUR))).into(),
    };
    let unit = unit.with("NeedDaemonReload", Value::Truth(false));
    FakeSystemd::serve(Manners::Good, [("job.timer".into(), timer), (name.into(), unit)])
}

#[test]
fn a_timer_whose_target_or_socket_stays_active_never_fires_again() {
    let held = well().with("NextElapseUSecRealtime", Value::Time(u64::MAX));
    for (name, sub) in [
        ("job.target", "active"),
        ("job.path", "waiting"),
        ("job.socket", "listening"),
        ("job.mount", "mounted"),
    ] {
        let states = ["loaded", "active", sub];
        let seen = of_another_type(&held, "running", name, states).ask(PROBE, &["-u", "job"]);
        let want = format!("job.timer cannot start {name} again: it stays active until somebody stops it");
        assert!(seen.expect_status(2).service_output().contains(&want));
        // It waits still, and what it starts may be stopped before.
        let seen = of_another_type(&well(), "waiting", name, states).ask(PROBE, &["-u", "job"]);
        assert!(seen.expect_status(0).service_output().contains("job.timer is active, next "));
    }
    let states = ["loaded", "inactive", "unplugged"];
    of_another_type(&well(), "waiting", "job.swap", states).ask(PROBE, &["-u", "job"]).expect_status(0);
}

#[test]
fn the_run_of_what_is_no_service_is_unknown_and_that_is_said() {
    for probe in [env!("CARGO_BIN_EXE_check_plms_exit"), env!("CARGO_BIN_EXE_check_plms_freshness")] {
        let fake = of_another_type(&well(), "waiting", "job.target", ["loaded", "active", "active"]);
        let seen = fake.ask(probe, &["-u", "job.timer"]).expect_status(3);
        let want = "job.target is no service: systemd records neither when it ran nor how it ended";
        assert!(seen.service_output().contains(want), "{seen:#}");
        let fake = of_another_type(&well(), "waiting", "job.target", ["not-found", "inactive", "dead"]);
        fake.ask(probe, &["-u", "job.timer"]).expect_status(2).expect_stdout("does not exist");
    }
}

#[test]
fn a_timer_that_counts_from_the_end_of_a_job_that_still_runs_is_no_dead_timer() {
    let bases = |name: &str| Value::Monotonic(vec![(name.into(), HOUR, 0)]);
    let timer = |base: &str| {
        well()
            .in_states(["loaded", "active", "elapsed"])
            .with("NextElapseUSecRealtime", Value::Time(u64::MAX))
            .with("TimersCalendar", Value::Calendar(vec![]))
            .with("TimersMonotonic", bases(base))
    };
    let ask = |base: &str, states: [&str; 3], limit: &str| {
        let job = service(now() - HOUR).in_states(states);
        let fake = FakeSystemd::of(timer(base), job);
        fake.ask(PROBE, &["-u", "job", "--max-runtime", limit])
    };
    let runs = ["loaded", "activating", "start"];
    let seen = ask("OnUnitInactiveUSec", runs, "3h").expect_status(0);
    assert!(seen.service_output().contains("job.timer is active, its job is running"), "{seen:#}");
    ask("OnUnitInactiveUSec", ["loaded", "activating", "auto-restart"], "3h").expect_status(0);
    let seen = ask("OnUnitInactiveUSec", runs, "1h").expect_status(2);
    assert!(seen.service_output().contains("job.timer is held up: job.service has been running for 1h"));
    // Nothing runs, or nothing counts from the end.
    ask("OnUnitInactiveUSec", ["loaded", "inactive", "dead"], "3h").expect_status(2);
    ask("OnBootUSec", runs, "3h").expect_status(2).expect_stdout("has elapsed and will never fire again");
}

#[test]
fn a_timer_that_fires_when_the_clock_is_set_has_no_next_elapse_and_is_well() {
    let timer = || well().with("NextElapseUSecRealtime", Value::Time(0));
    judged(timer().with("OnClockChange", Value::Truth(true)), 0, "job.timer is active");
    judged(timer().with("OnTimezoneChange", Value::Truth(true)), 0, "job.timer is active");
    let neither = timer().with("OnClockChange", Value::Truth(false));
    judged(neither.with("OnTimezoneChange", Value::Truth(false)), 3, "knows no next elapse");
}
