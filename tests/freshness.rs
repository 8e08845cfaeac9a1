//! Is a job called fresh only when it really ran in time?
#![allow(clippy::unwrap_used, reason = "clippy.toml spares functions marked as tests alone")]

mod common;
#[path = "common/fake_systemd.rs"]
mod fake_systemd;
#[path = "freshness/record.rs"]
mod record;

use std::time::Duration;

use fake_systemd::{FakeSystemd, FakeUnit, Manners, Value, micros, never_started, service, timer};
use record::{status_json, with_file};

const PROBE: &str = env!("CARGO_BIN_EXE_check_plms_freshness");
const HOUR: u64 = 3600;

fn hours(hours: u64) -> Duration {
    Duration::from_secs(hours * HOUR)
}

/// A job that ended so long ago, and its daily timer.
fn ran(ago: Duration) -> FakeSystemd {
    let exit = micros(ago);
    FakeSystemd::of(timer(exit, micros(Duration::ZERO) + 1_000_000), service(exit))
}

#[test]
fn a_run_26_hours_ago_is_critical_and_one_24_hours_ago_is_fine() {
    let seen = ran(hours(26) + Duration::from_secs(240)).ask(PROBE, &["-u", "job"]).expect_status(2);
    let want =
        "PLMS FRESHNESS CRITICAL: job.service last ran 26h 4min ago (limit 25h 1min) | 'age'=93840s;;90060;0";
    assert_eq!(seen.service_output(), want);
    let seen = ran(hours(24)).ask(PROBE, &["-u", "job"]).expect_status(0);
    assert_eq!(
        seen.service_output(),
        "PLMS FRESHNESS OK: job.service last ran 24h ago (limit 25h 1min) | 'age'=86400s;;90060;0"
    );
}

#[test]
fn the_timers_own_delays_lengthen_the_limit() {
    let exit = micros(hours(25) + Duration::from_secs(600));
    let late = |delay: u64| timer(exit, exit).with("RandomizedDelayUSec", Value::Time(delay * 1_000_000));
    FakeSystemd::of(late(1800), service(exit)).ask(PROBE, &["-u", "job"]).expect_status(0);
    FakeSystemd::of(late(0), service(exit)).ask(PROBE, &["-u", "job"]).expect_status(2);
}

#[test]
fn a_run_in_the_future_is_a_warning_and_never_a_negative_age() {
    let exit = micros(Duration::ZERO) + 7_200_000_000;
    let seen = FakeSystemd::of(timer(exit, exit), service(exit)).ask(PROBE, &["-u", "job"]).expect_status(1);
    let line = seen.service_output();
    assert!(
        line.contains("job.service last ran 1h 59min in the future; was the clock set back?"),
        "{seen:#}"
    );
    assert!(line.contains("'age'=0s"), "{seen:#}");
}

/// 2027-11-07 06:00Z is when New York puts its clocks back, 2027-03-14 07:00Z when it puts them forward;
/// Berlin does both at 01:00Z, on 2026-10-25 and 2027-03-28; Lord Howe goes back half an hour on
/// 2027-04-03 15:00Z. Ages are real hours and minutes; the timer allows one minute.
#[test]
fn a_night_in_which_clocks_are_put_back_lengthens_the_limit_and_no_night_shortens_it() {
    let table = [
        ("America/New_York", "2027-11-06T06:00:00Z", "2027-11-07T07:00:00Z", 25 * 60, 0),
        ("America/New_York", "2027-11-06T06:00:00Z", "2027-11-07T07:59:00Z", 26 * 60 - 1, 0),
        ("America/New_York", "2027-11-06T06:00:00Z", "2027-11-07T08:02:00Z", 26 * 60 + 2, 2),
        ("America/New_York", "2027-11-07T07:00:00Z", "2027-11-08T08:02:00Z", 25 * 60 + 2, 2),
        ("America/New_York", "2027-03-13T07:00:00Z", "2027-03-14T08:00:00Z", 25 * 60, 0),
        ("America/New_York", "2027-03-13T07:00:00Z", "2027-03-14T08:02:00Z", 25 * 60 + 2, 2),
        ("Europe/Berlin", "2026-10-24T00:00:00Z", "2026-10-25T01:59:00Z", 26 * 60 - 1, 0),
        ("Europe/Berlin", "2026-10-24T00:00:00Z", "2026-10-25T02:02:00Z", 26 * 60 + 2, 2),
        ("Europe/Berlin", "2027-03-27T01:00:00Z", "2027-03-28T02:00:00Z", 25 * 60, 0),
        ("Europe/Berlin", "2027-03-27T01:00:00Z", "2027-03-28T02:02:00Z", 25 * 60 + 2, 2),
        ("Australia/Lord_Howe", "2027-04-02T15:30:00Z", "2027-04-03T17:00:00Z", 25 * 60 + 30, 0),
        ("Australia/Lord_Howe", "2027-04-02T15:30:00Z", "2027-04-03T17:02:00Z", 25 * 60 + 32, 2),
        ("Asia/Kolkata", "2027-11-06T06:00:00Z", "2027-11-07T07:02:00Z", 25 * 60 + 2, 2),
    ];
    for (zone, ran, now, minutes, status) in table {
        let instant = |text: &str| text.parse::<chrono::DateTime<chrono::Utc>>().unwrap();
        let (exit, now) = (instant(ran), instant(now));
        assert_eq!((now - exit).num_minutes(), minutes, "the table is wrong");
        let exit = u64::try_from(exit.timestamp_micros()).unwrap();
        let spec = format!("*-*-* 02:00:00 {zone}");
        let in_zone = Value::Calendar(vec![("OnCalendar".into(), spec, exit)]);
        // The timer names the zone; and where it names none, the operator does.
        for (timer, args) in [
            (timer(exit, exit).with("TimersCalendar", in_zone), vec!["-u", "job"]),
            (timer(exit, exit), vec!["-u", "job", "--timezone", zone]),
        ] {
            let seen = FakeSystemd::of(timer, service(exit)).at(now.timestamp()).ask(PROBE, &args);
            assert!(seen.service_output().contains("job.service last ran 2"), "{zone} at {now}\n{seen:#}");
            assert_eq!(seen.status, Some(status), "{zone} at {now}\n{seen:#}");
        }
    }
}

#[test]
fn the_operators_zone_outranks_the_timers() {
    let exit = 1_825_524_000_000_000; // 2027-11-06T18:00:00Z
    let in_new_york =
        Value::Calendar(vec![("OnCalendar".into(), "*-*-* 02:00:00 America/New_York".into(), exit)]);
    let fake = || {
        FakeSystemd::of(timer(exit, exit).with("TimersCalendar", in_new_york.clone()), service(exit))
            .at(1_825_524_000 + 25 * 3600 + 1800)
    };
    fake().ask(PROBE, &["-u", "job"]).expect_status(0);
    fake().ask(PROBE, &["-u", "job", "--timezone", "UTC"]).expect_status(2);
}

#[test]
fn a_zone_that_does_not_exist_is_refused_in_one_line() {
    let seen = ran(hours(1)).ask(PROBE, &["--timezone", "Mars/Olympus"]).expect_status(3);
    assert!(
        seen.stdout.starts_with("PLMS FRESHNESS UNKNOWN: there is no time zone 'Mars/Olympus'"),
        "{seen:#}"
    );
    assert_eq!(seen.stdout.lines().count(), 1, "{seen:#}");
}

/// A timer of a machine with other zone files: when its hour is put back is not known, and no other zone will do.
#[test]
fn a_timer_in_a_zone_that_is_not_known_here_is_unknown_until_the_operator_names_one() {
    let now = micros(Duration::ZERO);
    let spec = Value::Calendar(vec![("OnCalendar".into(), "*-*-* 02:00:00 Mars/Olympus".into(), now)]);
    let fake = FakeSystemd::of(timer(now, now).with("TimersCalendar", spec), service(now - 3_600_000_000));
    let seen = fake.ask(PROBE, &["-u", "job"]).expect_status(3);
    seen.expect_stdout("there is no time zone 'Mars/Olympus'");
    fake.ask(PROBE, &["-u", "job", "--timezone", "UTC"]).expect_status(0);
}

#[test]
fn neither_zero_nor_the_greatest_number_is_a_run() {
    for raw in [0, u64::MAX, u64::MAX - 1, 1 << 63] {
        let fake =
            FakeSystemd::of(timer(raw, raw).with_every_time(raw), service(1 << 40).with_every_time(raw));
        let seen = fake.ask(PROBE, &["-u", "job"]).expect_status(3);
        assert!(!seen.stdout.contains(&raw.to_string()) || raw == 0, "{seen:#}");
    }
}

fn forgotten(triggered: Duration) -> FakeSystemd {
    let last = micros(triggered);
    let timer = timer(last, micros(Duration::ZERO) + 1_000_000);
    // The timer itself is as young as the boot.
    FakeSystemd::of(timer.with("ActiveEnterTimestamp", Value::Time(micros(hours(1)))), never_started())
}

#[test]
fn where_systemd_forgot_the_stamp_bounds_the_age_from_below() {
    let seen = forgotten(hours(30)).ask(PROBE, &["-u", "job"]).expect_status(2);
    let want = "job.service has not run for 30h at least, says its timer's last trigger (limit 25h)";
    assert!(seen.service_output().contains(want), "{seen:#}");
    let seen = forgotten(hours(3)).ask(PROBE, &["-u", "job"]).expect_status(3);
    assert!(
        seen.service_output().contains("has not run since boot; its timer's stamp says 3h ago"),
        "{seen:#}"
    );
    forgotten(hours(3)).ask(PROBE, &["-u", "job", "--never-run", "warning"]).expect_status(1);
}

#[test]
fn a_timer_that_was_active_for_longer_than_the_limit_without_a_run_is_critical() {
    let fake = |since: Duration| {
        let timer = timer(micros(since), micros(Duration::ZERO)).with("LastTriggerUSec", Value::Time(0));
        FakeSystemd::of(timer, never_started())
    };
    let seen = fake(hours(26)).ask(PROBE, &["-u", "job", "--never-run", "ok"]).expect_status(2);
    assert!(seen.service_output().contains("its timer has been active for 26h (limit 25h)"), "{seen:#}");
    fake(hours(20)).ask(PROBE, &["-u", "job"]).expect_status(3);
}

fn running_since(ago: Duration) -> FakeUnit {
    let since = micros(ago);
    never_started()
        .in_states(["loaded", "activating", "start"])
        .with("ExecMainStartTimestamp", Value::Time(since))
        .with("InactiveExitTimestamp", Value::Time(since))
        .with("ConditionResult", Value::Truth(true))
        .with("AssertResult", Value::Truth(true))
}

#[test]
fn a_run_in_progress_is_fine_until_it_takes_too_long() {
    let fake = |ago| FakeSystemd::of(timer(micros(ago), micros(ago)), running_since(ago));
    fake(hours(2)).ask(PROBE, &["-u", "job"]).expect_status(0).expect_stdout("job.service is running for 2h");
    let seen = fake(hours(2)).ask(PROBE, &["-u", "job", "--max-runtime", "1h"]).expect_status(2);
    assert!(seen.stdout.contains("has been running for 2h (limit 1h)"), "{seen:#}");
    // Nobody set a limit, and no run has ended for longer than is allowed.
    fake(hours(26)).ask(PROBE, &["-u", "job", "--max-runtime", "100h"]).expect_status(2);
}

/// A start at which systemd could not run the program; what it says of it later varies.
fn refused(status: i32, result: &str) -> FakeUnit {
    service(micros(hours(1)))
        .with("Result", Value::Text(result.into()))
        .with("ExecMainStatus", Value::Number(status))
        .with("SuccessExitStatus", Value::ExitStatuses(vec![], vec![]))
        .with("ExecStart", Value::Commands(vec![("/job", true, 1, status)]))
}

#[test]
fn neither_reset_failed_nor_a_minus_before_the_command_makes_a_run_of_a_program_that_was_never_started() {
    let now = micros(Duration::ZERO);
    let fake = |service| FakeSystemd::of(timer(now, now), service);
    for unit in [refused(203, "exit-code"), refused(203, "success"), refused(217, "success")] {
        let seen = fake(unit).ask(PROBE, &["-u", "job"]).expect_status(3);
        assert!(seen.stdout.contains("was started, and its main process never ran"), "{seen:#}");
    }
    // A program that exits so itself, says its unit.
    let listed = refused(203, "success").with("SuccessExitStatus", Value::ExitStatuses(vec![203], vec![]));
    fake(listed).ask(PROBE, &["-u", "job"]).expect_status(0);
}

/// An active timer of 40 days, which has just started its job.
fn old_timer() -> FakeUnit {
    let now = micros(Duration::ZERO);
    timer(now, now).with("ActiveEnterTimestamp", Value::Time(micros(hours(40 * 24))))
}

#[test]
fn a_job_that_has_not_succeeded_for_longer_than_the_limit_is_critical_whatever_never_run_says() {
    let failed = service(micros(hours(1)))
        .in_states(["loaded", "failed", "failed"])
        .with("Result", Value::Text("exit-code".into()))
        .with("ExecMainStatus", Value::Number(4));
    let table = [
        (refused(203, "exit-code"), "finish", "its main process never ran"),
        (refused(217, "success"), "start", "its main process never ran"),
        (failed, "success", "has no success on record"),
    ];
    for (unit, basis, why) in table {
        let args = ["-u", "job", "--basis", basis, "--never-run", "ok"];
        let seen = FakeSystemd::of(old_timer(), unit).ask(PROBE, &args).expect_status(2);
        let line = seen.service_output();
        let want = "its timer has been active for 40d (limit 25h";
        assert!(line.contains(why) && line.contains(want), "{basis}\n{seen:#}");
    }
}

#[test]
fn a_clock_that_was_set_back_makes_no_start_younger() {
    // The wall says an hour ago, the clock that cannot be set says since boot.
    let monotonic = |name: &str, unit: FakeUnit| unit.with(name, Value::Time(1));
    let exit = micros(Duration::from_millis(50));
    let unit = monotonic("ExecMainStartTimestampMonotonic", service(exit))
        .with("ExecMainStartTimestamp", Value::Time(exit));
    let args = ["-u", "job", "--basis", "start", "-c", "10"];
    let seen = FakeSystemd::of(timer(exit, exit), unit).ask(PROBE, &args).expect_status(2);
    assert!(seen.stdout.contains("last started"), "{seen:#}");
}

#[test]
fn a_start_that_is_tried_again_and_again_is_no_run() {
    let again = |unit: FakeUnit| {
        unit.with("NRestarts", Value::Count(9)).with("Restart", Value::Text("on-failure".into()))
    };
    let looping = || {
        again(running_since(Duration::from_secs(1)))
            .in_states(["loaded", "activating", "start-pre"])
            .with("ExecMainStartTimestamp", Value::Time(0))
    };
    let seen = FakeSystemd::of(old_timer(), looping()).ask(PROBE, &["-u", "job"]).expect_status(2);
    let want =
        "was restarted by systemd, and its main process has not run; its timer has been active for 40d";
    assert!(seen.service_output().contains(want), "{seen:#}");
    let now = micros(Duration::ZERO);
    FakeSystemd::of(timer(now, now), looping()).ask(PROBE, &["-u", "job"]).expect_status(3);
    // Better evidence than systemd's: the runner's own record.
    let fake = FakeSystemd::serve(Manners::Good, [("plms-invariants.service".to_owned(), looping())]);
    let path = with_file(&fake, &status_json(hours(3), "ok"));
    fake.ask(PROBE, &["--status-file", &path]).expect_status(0).expect_stdout("status file");
    // The first start is a run in progress, and so is one whose main process runs.
    let first = looping().with("NRestarts", Value::Count(0));
    FakeSystemd::of(old_timer(), first).ask(PROBE, &["-u", "job"]).expect_status(0);
    let running = || again(running_since(Duration::from_secs(1)));
    FakeSystemd::of(old_timer(), running()).ask(PROBE, &["-u", "job"]).expect_status(0);
    // None of its tries succeeded since its timer fired.
    let fired = timer(micros(hours(1)), now).with("LastTriggerUSecMonotonic", Value::Time(1));
    for (limit, status) in [("10000h", 0), ("5", 2)] {
        let args = ["-u", "job", "--basis", "success", "-c", limit];
        FakeSystemd::of(fired.clone(), running()).ask(PROBE, &args).expect_status(status);
    }
}

/// A host without a clock on battery boots in the past, and NTP sets it right; so looks a machine that was paused.
#[test]
fn where_a_clock_was_set_forwards_a_run_is_neither_stale_nor_fresh() {
    let read = |clock| u64::try_from(rustix::time::clock_gettime(clock).tv_sec).unwrap();
    let monotonic = read(rustix::time::ClockId::Monotonic);
    // What suspends may account for is no clock that was set.
    let limit = 25 * HOUR + read(rustix::time::ClockId::Boottime) - monotonic;
    let (long_ago, a_moment_ago) = (micros(hours(50) + Duration::from_secs(limit)), monotonic * 1_000_000);
    let args = ["-u", "job", "-c", &limit.to_string()];
    let ran = service(long_ago).with("ExecMainExitTimestampMonotonic", Value::Time(a_moment_ago));
    let seen = FakeSystemd::of(timer(long_ago, long_ago), ran).ask(PROBE, &args).expect_status(3);
    seen.expect_stdout("was that set forwards, or the machine paused?");
    let active = timer(0, micros(Duration::ZERO))
        .with("ActiveEnterTimestamp", Value::Time(long_ago))
        .with("ActiveEnterTimestampMonotonic", Value::Time(a_moment_ago));
    FakeSystemd::of(active, never_started()).ask(PROBE, &args).expect_status(3);
}
