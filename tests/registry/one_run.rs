//! One run at a time; and a run that is stopped, or that nobody listens to, ends as it should.

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use super::common::{Finished, finish};
use super::listing::Listing;
use super::operators::clean;
use super::stage::{Night, Running, Stage, User, wait_for};
use super::writer::Writer;

const ENDLESS: &str =
    "WITH RECURSIVE n (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n) SELECT id FROM n WHERE id < 0";

/// Well below the five seconds that a lock is waited for; a busy machine needs some of it.
const SOON: Duration = Duration::from_secs(4);

fn with_endless(mut stage: Stage) -> Stage {
    stage.invariant("endless", "timeout = \"5min\"", ENDLESS);
    stage
}

/// Starts a run, and waits until it has done all that can be done, and is deep in the endless query.
fn start(stage: &Stage, args: &[&str]) -> Running {
    let mut running = stage.start(args);
    wait_for("the run to be in its endless query", || {
        assert!(!running.is_over(), "the run ended before");
        let stat = fs::read_to_string(format!("/proc/{}/stat", running.pid())).ok()?;
        // Ticks of 10 ms in user mode: field 14, the 12th after the name in parentheses (proc(5)).
        let ticks: u64 = stat.rsplit_once(')')?.1.split_whitespace().nth(11)?.parse().ok()?;
        (ticks > 60).then_some(())
    });
    running
}

#[track_caller]
fn expect_incomplete(stage: &Stage, night: Night, why: &str, state: &str) {
    let night = night.expect_unknown("endless", "not finished: ");
    assert_eq!((&night.json["incomplete"], &night.json["state"]), (&true.into(), &state.into()));
    assert!(night.json["incomplete_reason"].as_str().unwrap().contains(why), "{:#}", night.finished);
    // What was found before stands, to the row.
    let mut counts = stage.counts(&[]);
    if state == "unknown" {
        for count in counts.values_mut() {
            *count = Some(0);
        }
    }
    counts.insert("endless".into(), None);
    let night = night.expect_counts(&counts);
    let checks = night.json["checks"].as_object().unwrap();
    let errors =
        checks.iter().filter(|(id, check)| *id != "endless" && check["errors"] != serde_json::json!([]));
    assert_eq!(errors.count(), 0, "{:#}", night.finished);
    assert_eq!(checks["lane_overrides"]["sample"].as_array().unwrap().is_empty(), state == "unknown");
    stage.expect_recorded(state);
    let status: Value = serde_json::from_slice(&fs::read(stage.path("state/status.json")).unwrap()).unwrap();
    assert_eq!(status["incomplete"], true);
    let logs = Listing::names(&stage.path("logs"));
    let log = fs::read_to_string(stage.path("logs").join(logs.last().unwrap())).unwrap();
    assert!(log.contains(&format!("incomplete: {why}")), "{log}");
}

#[test]
fn a_signal_ends_a_run_cleanly_and_a_critical_that_was_found_stays() {
    for (signal, name) in [(Signal::TERM, "SIGTERM"), (Signal::INT, "SIGINT"), (Signal::HUP, "SIGHUP")] {
        for jobs in ["1", "2"] {
            let stage = with_endless(Stage::new());
            let running = start(&stage, &["--json", "--jobs", jobs]);
            running.signal(signal);
            let began = Instant::now();
            let night = Night::new(running.finish()).expect_status(2);
            assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
            expect_incomplete(&stage, night, &format!("stopped by {name}"), "critical");
        }
    }
}

#[test]
fn a_signal_ends_looking_closer_as_unknown_too() {
    let stage = with_endless(Stage::new());
    for verb in ["rows", "explain"] {
        let running = start(&stage, &[verb, "endless"]);
        running.signal(Signal::TERM);
        running.finish().expect_status(3).expect_stdout("stopped by a signal");
    }
}

#[test]
fn a_signal_in_a_clean_run_is_unknown_and_no_success() {
    let stage = with_endless(clean());
    let before = fs::read_to_string(stage.path("textfile/plms_invariants.prom")).unwrap();
    let last_success = |text: &str| {
        let line =
            text.lines().find(|line| line.starts_with("plms_invariants_last_success_timestamp_seconds{"));
        line.unwrap().to_owned()
    };
    let running = start(&stage, &["--json"]);
    running.signal(Signal::TERM);
    expect_incomplete(&stage, Night::new(running.finish()).expect_status(3), "stopped by SIGTERM", "unknown");
    let after = fs::read_to_string(stage.path("textfile/plms_invariants.prom")).unwrap();
    assert_eq!(last_success(&before), last_success(&after));
}

#[test]
fn a_stopped_run_says_so_in_its_text() {
    let stage = with_endless(Stage::new());
    let running = start(&stage, &[]);
    running.signal(Signal::TERM);
    let text = running.finish().expect_status(2);
    assert!(text.service_output().starts_with("PLMS INVARIANTS CRITICAL: "), "{text:#}");
    assert!(text.service_output().contains("incomplete: stopped by SIGTERM"), "{text:#}");
    text.expect_stdout("UNKNOWN: the run is incomplete: stopped by SIGTERM");
}

#[test]
fn the_time_for_a_run_ends_it_as_a_signal_does() {
    for (stage, status, state) in
        [(with_endless(Stage::new()), 2, "critical"), (with_endless(clean()), 3, "unknown")]
    {
        for jobs in ["1", "2"] {
            let began = Instant::now();
            let night = stage.run(User::Owner, &["--timeout", "1s", "--jobs", jobs]).expect_status(status);
            assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
            expect_incomplete(&stage, night, "the run's time of 1s was over", state);
        }
    }
}

#[test]
fn the_time_for_a_run_and_a_signal_also_end_the_wait_for_a_lock() {
    for sql in ["BEGIN EXCLUSIVE", "PRAGMA journal_mode = PERSIST; CREATE TABLE x (y); BEGIN EXCLUSIVE"] {
        let stage = Stage::new();
        let writer = Writer::start(&stage.registry, sql);
        let began = Instant::now();
        stage.run(User::Owner, &["--timeout", "1s"]).expect_status(3);
        assert!(began.elapsed() < SOON, "{sql}: {:?}", began.elapsed());
        stage.expect_recorded("unknown");
        writer.dies();
    }
    let stage = Stage::new();
    let _writer = Writer::start(&stage.registry, "BEGIN EXCLUSIVE");
    let mut running = stage.start(&["--json"]);
    wait_for("the run to hold its lock", || {
        assert!(!running.is_over());
        fs::read(stage.path("state/lock")).ok().filter(|holder| !holder.is_empty())
    });
    running.signal(Signal::TERM);
    let began = Instant::now();
    Night::new(running.finish()).expect_status(3).expect_finding("stopped");
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
}

#[test]
fn a_reader_that_hangs_in_a_single_call_does_not_hold_up_the_end_of_the_run() {
    let mut stage = Stage::new();
    // One instruction of SQLite's for minutes, as a hung disk is: nothing can interrupt it.
    let sql = "SELECT 1 AS id WHERE instr(zeroblob(20000000), CAST(zeroblob(10000000) || x'01' AS BLOB)) > 0";
    stage.invariant("endless", "", sql);
    for jobs in ["1", "2"] {
        let began = Instant::now();
        let night = stage.run(User::Owner, &["--timeout", "1s", "--jobs", jobs]).expect_status(2);
        assert!(began.elapsed() < SOON + Duration::from_secs(2), "{:?}", began.elapsed());
        expect_incomplete(&stage, night, "the run's time of 1s was over", "critical");
    }
}

/// All outputs, to the byte.
fn outputs(stage: &Stage) -> [Listing; 3] {
    ["state", "logs", "textfile"].map(|name| Listing::of(&stage.path(name)))
}

#[test]
fn a_second_run_says_who_is_at_work_since_when_and_writes_nothing() {
    let stage = with_endless(clean());
    let running = start(&stage, &["--json"]);
    let before = outputs(&stage);
    let second = finish(&mut stage.command(User::Owner, &[])).expect_status(3);
    for (before, after) in before.iter().zip(outputs(&stage)) {
        before.expect_same(&after, "a second run");
    }
    let first = second.service_output();
    assert!(first.starts_with("PLMS INVARIANTS UNKNOWN: "), "{second:#}");
    let (_, since) = first.split_once(&format!("process {}, since ", running.pid())).expect(first);
    let (since, _) = since.split_once(';').expect(first);
    let started: chrono::DateTime<chrono::Utc> = since.parse().expect(since);
    running.signal(Signal::TERM);
    let night = Night::new(running.finish()).expect_status(3);
    let really: chrono::DateTime<chrono::Utc> = night.json["start"].as_str().unwrap().parse().unwrap();
    assert_eq!(started.timestamp(), really.timestamp());
}

#[test]
fn a_lock_that_a_dead_run_left_is_none() {
    let stage = with_endless(Stage::new());
    let running = start(&stage, &["--json"]);
    running.signal(Signal::KILL);
    assert_eq!(running.finish().status, None);
    assert_ne!(fs::read(stage.path("state/lock")).unwrap(), b"");
    fs::remove_file(stage.path("invariants/endless.sql")).unwrap();
    stage.run_untouched(User::Owner).expect_status(2).expect_counts(&stage.counts(&[]));
    stage.expect_recorded("critical");
}

#[test]
fn a_part_of_a_run_waits_for_nobody_and_records_nothing() {
    let stage = with_endless(clean());
    let running = start(&stage, &["--json"]);
    let before = outputs(&stage);
    stage.run(User::Owner, &["--only", "lane_overrides"]).expect_status(0);
    for (before, after) in before.iter().zip(outputs(&stage)) {
        before.expect_same(&after, "a partial run");
    }
    running.signal(Signal::TERM);
    running.finish();
}

/// With its standard streams as the shell makes them.
#[track_caller]
fn redirected(stage: &Stage, redirection: &str, args: &[&str]) -> Finished {
    let command = stage.command(User::Owner, args);
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(format!("exec \"$0\" \"$@\" {redirection}")).arg(command.get_program());
    shell.args(command.get_args()).env_clear().current_dir(stage.folder.path()).stdin(Stdio::null());
    for (name, value) in command.get_envs() {
        shell.env(name, value.unwrap());
    }
    let finished = finish(&mut shell);
    assert!(!finished.stderr.contains("panicked"), "{finished:#}");
    finished
}

#[test]
fn a_verdict_that_nobody_could_read_is_no_longer_ok() {
    let (good, bad) = (clean(), Stage::new());
    for redirection in [">&-", ">/dev/full", ">&- 2>&-", "2>&- >/dev/full", "</dev/null >&- 2>/dev/full"] {
        for args in [&[][..], &["--json"], &["-v"]] {
            let seen = redirected(&good, redirection, args).expect_status(3);
            let is_named =
                seen.stderr.contains("PLMS INVARIANTS: standard output did not take what was said: ");
            assert!(is_named || redirection.contains("2>"), "{seen:#}");
            // A verdict that is worse stands.
            redirected(&bad, redirection, args).expect_status(2);
        }
    }
    for redirection in ["2>&-", "2>/dev/full", "<&-"] {
        redirected(&good, redirection, &["-v"]).expect_status(0);
    }
}

#[test]
fn a_reader_that_goes_away_turns_ok_into_unknown() {
    for (stage, status) in [(clean(), 3), (Stage::new(), 2)] {
        for args in [&[][..], &["--json"]] {
            let mut running = stage.start(args);
            running.close_stdout();
            let finished = running.finish().expect_status(status);
            assert!(!finished.stderr.contains("panicked"), "{finished:#}");
            assert!(finished.stderr.contains("did not take what was said: broken pipe\n"), "{finished:#}");
        }
    }
}

#[test]
fn an_output_that_fails_leaves_the_verdict_and_turns_ok_into_unknown() {
    for (mut stage, status) in [(clean(), 3), (Stage::new(), 2)] {
        stage.set("LOG_DIR", "/nowhere/logs");
        let night = stage.run_untouched(User::Owner).expect_status(status);
        night.expect_finding("the log was not written: ");
        // The state folder cannot be one where a file is.
        File::create(stage.path("file")).unwrap();
        stage.set("STATE_DIR", stage.path("file"));
        stage.set("TEXTFILE_DIR", stage.path("file/x"));
        let night = stage.run_untouched(User::Owner).expect_status(status);
        night.expect_finding("the textfile was not written: ").expect_finding("/file");
    }
}

/// A user who may have no further thread, as under a unit's `TasksMax`: slower, and no less true.
#[test]
fn without_a_thread_to_be_had_all_is_checked_all_the_same() {
    let stage = Stage::new();
    // No limit holds for root.
    let user = if rustix::process::geteuid().is_root() { User::Nobody } else { User::Owner };
    let command = stage.command(user, &["--json"]);
    let mut limited = super::common::program("prlimit", stage.folder.path());
    limited.arg("--nproc=1").arg(command.get_program()).args(command.get_args());
    limited.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    if user == User::Nobody {
        limited.uid(65_534).gid(65_534);
    }
    let seen = finish(&mut limited).expect_status(2);
    let json: Value = serde_json::from_str(&seen.stdout).unwrap();
    for (id, count) in stage.counts(&[]) {
        assert_eq!(json["checks"][&id]["violations"].as_u64(), count, "{id}\n{seen:#}");
    }
}
