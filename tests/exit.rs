//! Is a run called a success only when it was one?

mod common;
#[path = "common/fake_systemd.rs"]
mod fake_systemd;

use std::time::Duration;

use fake_systemd::{FakeSystemd, FakeUnit, Value, micros, never_started, service, timer};

const PROBE: &str = env!("CARGO_BIN_EXE_check_plms_exit");
const HOUR: u64 = 3_600_000_000;

fn ended(result: &str, code: i32, status: i32) -> FakeUnit {
    service(micros(Duration::ZERO) - HOUR - 500_000)
        .in_states(["loaded", "failed", "failed"])
        .with("Result", Value::Text(result.into()))
        .with("ExecMainCode", Value::Number(code))
        .with("ExecMainStatus", Value::Number(status))
}

#[track_caller]
fn judged(service: FakeUnit, status: i32, sentence: &str) {
    let now = micros(Duration::ZERO);
    let seen = FakeSystemd::of(timer(now - HOUR, now + HOUR), service).ask(PROBE, &["-u", "job"]);
    let seen = seen.expect_status(status);
    assert!(seen.service_output().contains(sentence), "expected: {sentence}\n{seen:#}");
}

#[test]
fn failures_that_a_test_cannot_make_are_critical_and_named() {
    judged(ended("oom-kill", 2, 9), 2, "job.service ran out of memory and was killed, 1h ago");
    judged(ended("watchdog", 2, 6), 2, "was killed by its watchdog");
    judged(ended("core-dump", 3, 11), 2, "failed: dumped core on SIGSEGV, 1h ago");
    judged(ended("resources", 0, 0), 2, "systemd lacked resources");
    judged(ended("protocol", 1, 0), 2, "protocol");
    judged(ended("timeout", 2, 15), 2, "timed out after 1min, 1h ago");
    judged(ended("start-limit", 1, 0), 2, "started too often");
}

#[test]
fn results_and_states_of_a_newer_systemd_are_shown_and_never_ok() {
    judged(ended("quantum-decay", 1, 0), 3, "'quantum-decay'");
    judged(ended("success", 1, 0).in_states(["loaded", "inactive", "dreaming"]), 3, "'dreaming'");
    judged(ended("success", 1, 0).in_states(["loaded", "dormant", "dead"]), 3, "'dormant'");
    judged(ended("", 1, 0), 3, "''");
}

#[test]
fn a_failed_unit_is_no_success_whatever_its_result_says() {
    judged(ended("success", 1, 0), 2, "is failed, and systemd does not say why");
}

#[test]
fn neither_zero_nor_the_greatest_number_is_a_run() {
    for raw in [0, u64::MAX, u64::MAX - 1] {
        judged(never_started().with_every_time(raw), 3, "UNKNOWN: job.service");
    }
}

#[test]
fn an_end_in_the_future_is_a_warning() {
    let exit = micros(Duration::ZERO) + HOUR + 500_000;
    judged(service(exit), 1, "job.service ended 1h in the future; was the clock set back?");
}

#[test]
fn since_systemd_256_a_program_that_exits_with_203_itself_is_told_from_one_that_never_ran() {
    let probe = env!("CARGO_BIN_EXE_check_plms_freshness");
    let now = micros(Duration::ZERO);
    let ask = |service: FakeUnit| {
        FakeSystemd::of(timer(now - HOUR, now + HOUR), service).ask(probe, &["-u", "job"])
    };
    let ended = || ended("exit-code", 1, 203);
    ask(ended()).expect_status(3);
    ask(ended().with("ExecMainHandoffTimestamp", Value::Time(0))).expect_status(3);
    let ran = ended().with("ExecMainHandoffTimestamp", Value::Time(now - HOUR));
    ask(ran).expect_status(0);
}

#[test]
fn a_run_before_this_boot_and_a_run_that_never_was_are_different_sentences() {
    let now = micros(Duration::ZERO);
    let ask =
        |timer: FakeUnit| FakeSystemd::of(timer, never_started()).ask(PROBE, &["-u", "job"]).expect_status(3);
    let stamped = ask(timer(now - 5 * HOUR, now + HOUR));
    assert!(stamped.stdout.contains("has not run since boot; its timer's stamp says 5h ago"), "{stamped:#}");
    let fired = timer(now - 5 * HOUR, now + HOUR).with("LastTriggerUSecMonotonic", Value::Time(1_000_000));
    let forgotten = ask(fired);
    assert!(
        forgotten.stdout.contains("job.service has not begun, though its timer fired ")
            && forgotten.stdout.contains("ago: a unit that it needs failed, or systemd forgot it"),
        "{forgotten:#}"
    );
    let never = ask(timer(now - 5 * HOUR, now + HOUR).with("LastTriggerUSec", Value::Time(0)));
    assert!(never.stdout.contains("never ran since its timer was started 5h ago"), "{never:#}");
}

#[test]
fn a_plugins_exit_status_is_its_state_even_where_its_unit_calls_it_a_success() {
    let now = micros(Duration::ZERO);
    let ask = |result: &str, status: i32, args: &[&str]| {
        let service = if result == "success" {
            ended(result, 1, status).in_states(["loaded", "inactive", "dead"])
        } else {
            ended(result, 1, status).with("SuccessExitStatus", Value::ExitStatuses(vec![], vec![]))
        };
        let fake = FakeSystemd::of(timer(now - HOUR, now + HOUR), service);
        fake.ask(PROBE, &[&["-u", "job"], args].concat()).status
    };
    for result in ["exit-code", "success"] {
        for (status, state) in [(1, 1), (2, 2), (3, 3)] {
            assert_eq!(ask(result, status, &["--nagios-status"]), Some(state), "{result} {status}");
        }
    }
    assert_eq!(ask("exit-code", 4, &["--nagios-status"]), Some(2));
    assert_eq!(ask("timeout", 1, &["--nagios-status"]), Some(2));
    assert_eq!(ask("exit-code", 1, &[]), Some(2));
    // Neither SuccessExitStatus nor a - before the command is on record for it.
    assert_eq!(ask("success", 1, &[]), Some(3));
    assert_eq!(ask("success", 0, &["--nagios-status"]), Some(0));
}

/// A run whose main process ended with 4, as systemd shows it: `commands` with whether a `-` stands before
/// each, and how it ended.
fn ended_with_4(commands: Vec<(&'static str, bool, i32, i32)>) -> FakeUnit {
    service(micros(Duration::ZERO) - HOUR - 500_000)
        .with("ExecMainStatus", Value::Number(4))
        .with("Type", Value::Text("oneshot".into()))
        .with("SuccessExitStatus", Value::ExitStatuses(vec![], vec![]))
        .with("ExecStart", Value::Commands(commands))
}

#[test]
fn a_reload_of_systemd_makes_no_failure_of_a_success() {
    judged(ended_with_4(vec![("/job", true, 1, 4)]), 0, "(exit status 4, accepted by its unit)");
    // A reload: how each command ended is no longer on record.
    judged(ended_with_4(vec![("/job", true, 0, 0)]), 0, "(exit status 4, accepted by its unit)");
    judged(ended_with_4(vec![("/a", true, 0, 0), ("/b", true, 0, 0)]), 0, "accepted by its unit");
    // Which of two it was that ended so is not known.
    judged(ended_with_4(vec![("/a", true, 0, 0), ("/b", false, 0, 0)]), 3, "is not on record");
    judged(ended_with_4(vec![("/a", true, 1, 0), ("/b", false, 1, 4)]), 2, "(reset-failed since)");
    judged(ended_with_4(vec![("/job", false, 0, 0)]), 2, "(reset-failed since)");
}

/// A daemon that systemd has restarted so often, and that has been running for so long since.
fn restarted(times: u32, when: &str, seconds: u64) -> FakeUnit {
    let since = micros(Duration::from_secs(seconds));
    never_started()
        .in_states(["loaded", "active", "running"])
        .with("InactiveExitTimestamp", Value::Time(since))
        .with("ExecMainStartTimestamp", Value::Time(since))
        .with("ConditionResult", Value::Truth(true))
        .with("AssertResult", Value::Truth(true))
        .with("NRestarts", Value::Count(times))
        .with("Restart", Value::Text(when.into()))
}

#[test]
fn a_daemon_that_dies_and_is_restarted_again_and_again_is_no_ok() {
    let want = "job.service was restarted 5 times by systemd, and has been running for ";
    judged(restarted(5, "always", 1), 1, want);
    judged(restarted(1, "on-failure", 300), 1, "was restarted once by systemd");
    // Once, long ago; or never; or after successes alone.
    judged(restarted(1, "always", 30 * 86_400), 0, "is running for 30d");
    judged(restarted(0, "always", 1), 0, "is running for");
    judged(restarted(5, "on-success", 1), 0, "is running for");
    // Its process is replaced while the unit stays up.
    let since = Value::Time(micros(Duration::from_secs(86_400)));
    judged(restarted(5, "always", 1).with("InactiveExitTimestamp", since), 1, want);
    // Asked just as the next run began.
    let waiting = ["loaded", "activating", "auto-restart"];
    judged(restarted(5, "always", 1).in_states(waiting), 3, "waits for a restart, and how it ended is not");
}

#[test]
fn a_daemon_that_is_up_for_days_may_reload_and_stop() {
    let days = |active: &str, sub: &str| restarted(0, "no", 2 * 86_400).in_states(["loaded", active, sub]);
    let stops = |seconds: u64| Value::Time(micros(Duration::from_secs(seconds)));
    let stopping = |seconds| days("deactivating", "stop").with("ActiveExitTimestamp", stops(seconds));
    let stopping = |seconds| stopping(seconds).with("ActiveExitTimestampMonotonic", Value::Time(0));
    judged(days("reloading", "reload"), 0, "job.service is running for 2d");
    judged(stopping(3), 0, "job.service is stopping for 3");
    judged(stopping(25 * 3600), 2, "job.service has been stopping for 25h (limit 24h)");
    // A oneshot: when it last was active is older than its start.
    judged(stopping(3 * 86_400), 2, "job.service has been running for 2d (limit 24h)");
    judged(days("activating", "start"), 2, "job.service has been running for 2d (limit 24h)");
}

/// A failure whose main process ended with `status`, which its unit accepts, and the command that failed.
fn failed_beside(status: i32, list: &str, commands: Vec<(&'static str, bool, i32, i32)>) -> FakeUnit {
    ended("exit-code", 1, status)
        .with("SuccessExitStatus", Value::ExitStatuses(vec![1, 3, 5], vec![]))
        .with(list, Value::Commands(commands))
}

#[test]
fn a_command_that_fails_beside_the_main_process_is_named_and_no_plugins_status() {
    let post = || vec![("/a", false, 1, 0), ("/post", false, 1, 8)];
    for status in [0, 5] {
        let want = "job.service failed after its main process: ExecStartPost=/post: exit status 8, 1h ago";
        judged(failed_beside(status, "ExecStartPost", post()), 2, want);
    }
    let want = "failed after its main process: ExecStopPost=/post: exit status 8";
    judged(failed_beside(0, "ExecStopPost", post()), 2, want);
    let killed = failed_beside(0, "ExecStartPost", vec![("/post", false, 2, 9)]);
    let killed = killed.with("Result", Value::Text("signal".into()));
    judged(killed, 2, "failed after its main process: ExecStartPost=/post: killed by SIGKILL");
    // A reload: how it ended is no longer on record.
    let forgotten = failed_beside(0, "ExecStopPost", vec![("/post", false, 0, 0)]);
    judged(forgotten, 2, "failed after its main process: ExecStopPost failed");
    let stopped = ended("exit-code", 0, 0).with("ExecStop", Value::Commands(post()));
    judged(stopped, 2, "job.service failed: ExecStop=/post: exit status 8");
    // The main process failed, and nothing else was the cause.
    judged(failed_beside(4, "ExecStopPost", post()), 2, "job.service failed: exit status 4, 1h ago");
    let now = micros(Duration::ZERO);
    for status in [1, 3] {
        let fake = FakeSystemd::of(timer(now, now), failed_beside(status, "ExecStartPost", post()));
        fake.ask(PROBE, &["-u", "job", "--nagios-status"]).expect_status(2).expect_stdout("ExecStartPost=");
    }
}

#[test]
fn what_timed_out_took_as_long_as_the_whole_run() {
    let start = micros(Duration::ZERO) - HOUR - 61_000_000;
    let hung = ended("timeout", 1, 0).with("ExecMainExitTimestamp", Value::Time(start + 1_000_000));
    judged(hung.with("InactiveExitTimestamp", Value::Time(start)), 2, "timed out after 1min");
}

#[test]
fn a_skipped_start_is_no_run_and_undoes_no_warning() {
    let now = micros(Duration::ZERO);
    let ask = |status: i32, never_run: &str| {
        let service = ended("exit-code", 1, status)
            .with("SuccessExitStatus", Value::ExitStatuses(vec![], vec![]))
            .with("ConditionResult", Value::Truth(false));
        let args = ["-u", "job", "--nagios-status", "--never-run", never_run];
        let seen = FakeSystemd::of(timer(now, now), service).ask(PROBE, &args);
        assert!(seen.stdout.contains("was skipped: a condition was not met; that is no run; the one before"));
        seen.status
    };
    assert_eq!(ask(1, "unknown"), Some(3));
    assert_eq!(ask(1, "critical"), Some(2));
    assert_eq!(ask(1, "ok"), Some(1));
    assert_eq!(ask(2, "ok"), Some(2));
}

#[test]
fn a_service_that_is_up_and_has_nothing_to_run_has_not_failed() {
    let up = |commands: Vec<(&'static str, bool, i32, i32)>| {
        never_started()
            .in_states(["loaded", "active", "exited"])
            .with("InactiveExitTimestamp", Value::Time(micros(Duration::from_secs(60))))
            .with("ConditionResult", Value::Truth(true))
            .with("AssertResult", Value::Truth(true))
            .with("ExecStart", Value::Commands(commands))
    };
    judged(up(vec![]), 0, "job.service is up; it has no main process that could fail");
    judged(up(vec![("/job", false, 0, 0)]), 3, "systemd forgot how it ended");
}
