//! What do `alert`'s verbs, `status` and the metrics say of what waits?

use std::fs;
use std::process::Command;

use serde_json::Value;

use super::common::finish;
use super::stage::{HOOK, PROGRAM, Stage, events, good_pagerduty, good_slack, library, texts};
use crate::fault_server::{FaultServer, Request, Step};

const DEAD: &str = "00112233445566778899aabbccddeeff";

/// A far end at which nobody listens.
pub fn nobody() -> String {
    let far = good_slack();
    far.at(HOOK)
}

#[test]
fn pending_says_what_waits_for_whom_since_when_and_why() {
    let mut stage = Stage::new();
    stage.plms("alert pending").expect_status(0).expect_stdout("nothing waits: there is no state.db in ");
    assert!(!stage.path("state/state.db").exists(), "looking makes nothing");
    stage.violate(1);
    stage.plms("--deliver spool").expect_status(1);
    let seen = stage.plms("alert pending").expect_status(0);
    let seen = seen.expect_stdout("nobody who holds a channel's settings has looked since");
    seen.expect_stdout("unclaimed");
    let slack = FaultServer::start(vec![Step::answer(404, "no_service")]);
    stage.slack(&slack);
    stage.plms("alert flush").expect_status(2).expect_stdout("still waiting: 1 alert");
    let seen = stage.plms("alert pending").expect_status(0);
    seen.expect_stdout("slack")
        .expect_stdout("127.0.0.1 answered 404 not found: no_service; connect the webhook");
    let [line] = &stage.pending()[..] else { panic!("{:?}", stage.pending()) };
    assert_eq!((&line["channel"], &line["attempts"]), (&Value::from("slack"), &Value::from(1)));
    assert_eq!((&line["env"], &line["occasion"]), (&Value::from("test"), &Value::from("run")));
    // A broken state is no empty one.
    std::fs::write(stage.path("state/state.db"), "garbage").unwrap();
    stage.plms("alert pending").expect_status(3);
    assert_eq!(std::fs::read(stage.path("state/state.db")).unwrap(), b"garbage", "looking mends nothing");
}

#[test]
fn a_test_reaches_every_channel_says_what_the_far_end_said_and_closes_its_incident() {
    let (slack, pagerduty) = (good_slack(), good_pagerduty());
    let mut stage = Stage::new();
    stage.plms("alert test").expect_status(3).expect_stdout("no channel is configured");
    stage.slack(&slack).pagerduty(&pagerduty);
    let seen = stage.plms("alert test").expect_status(0).expect_stdout("slack took it: 200 ok: ok");
    seen.expect_stdout("pagerduty took it: 202 accepted").expect_stdout("2 channels took a test");
    let [one] = &texts(&slack.requests())[..] else { panic!("one message") };
    assert!(one.starts_with("[PLMS][test] Invariants TEST @ ") && one.contains("nothing is wrong"), "{one}");
    let seen = events(&pagerduty.requests());
    let [(open, key), (close, same)] = &seen[..] else { panic!("{seen:?}") };
    assert_eq!((open.as_str(), close.as_str(), key), ("trigger", "resolve", same));
    assert_eq!(pagerduty.requests()[0].json()["payload"]["severity"], "info");
    stage.plms("alert test --channel slack").expect_status(0).expect_stdout("1 channel took a test");
    assert_eq!((slack.requests().len(), pagerduty.requests().len()), (2, 2));
    assert!(!stage.path("state/state.db").exists(), "a test leaves nothing to tell");
    let json = stage.plms("alert test --json").expect_status(0);
    assert_eq!(serde_json::from_str::<Value>(&json.stdout).unwrap()["state"], "ok");
    stage.set("SLACK_WEBHOOK_URL", nobody());
    let seen = stage.plms("alert test").expect_status(2).expect_stdout("1 of 2 channels did not take a test");
    seen.expect_stdout("slack did not take it: cannot reach 127.0.0.1: connection refused");
}

#[test]
fn a_dry_run_sends_nothing_and_shows_no_secret() {
    let (slack, pagerduty) = (good_slack(), good_pagerduty());
    let mut stage = Stage::new();
    stage.slack(&slack).pagerduty(&pagerduty).violate(1);
    stage.plms("--deliver spool").expect_status(1);
    let before = fs::read(stage.path("state/state.db")).unwrap();
    for (line, word) in [("alert test --dry-run", "TEST"), ("alert flush --dry-run", "FAIL")] {
        let seen = stage.plms(line).expect_status(0).expect_stdout("POST http://127.0.0.1/…");
        let seen =
            seen.expect_stdout(&format!("Invariants {word} @ ")).expect_stdout("\"routing_key\": \"…\"");
        assert!(
            !format!("{seen}").replace(&format!("{:?}", stage.command(line)), "").contains("CANARY"),
            "{seen}"
        );
    }
    assert_eq!((slack.connections(), pagerduty.connections()), (0, 0));
    // Nor does it write down that these channels owe anybody a word, or that somebody died.
    stage.plms("alert flush --dry-run --failed-unit x.service").expect_status(0);
    fs::write(stage.path("state/lock"), format!("4194999 2025-11-06T07:00:00Z {DEAD}\n")).unwrap();
    let seen = stage.plms("alert flush --dry-run --failed-unit x.service").expect_status(0);
    seen.expect_stdout("died and left no record");
    assert_eq!(fs::read(stage.path("state/state.db")).unwrap(), before);
    fs::write(stage.path("state/lock"), "").unwrap();
    stage.plms("alert flush").expect_status(0).expect_stdout("2 alerts delivered, nothing waits");
}

#[test]
fn a_flush_without_channels_says_that_nobody_is_told() {
    let mut stage = Stage::new();
    stage.plms("alert flush").expect_status(0).expect_stdout("0 alerts delivered, nothing waits");
    stage.violate(1);
    stage.plms("--deliver spool").expect_status(1);
    stage.plms("alert flush").expect_status(2).expect_stdout("no channel is configured here");
    // Whoever holds settings one day hears of it, however many looked before.
    let slack = good_slack();
    stage.slack(&slack);
    stage.plms("alert flush").expect_status(0);
    assert_eq!(slack.requests().len(), 1);
    // A channel that is no longer used keeps flush from ever being done, until it is given up.
    let pagerduty = FaultServer::start(vec![Step::answer(404, "")]);
    stage.pagerduty(&pagerduty);
    stage.plms("run").expect_status(1);
    stage.set("PD_ROUTING_KEY", "").set("PD_EVENTS_URL", "");
    stage.plms("alert flush").expect_status(2);
    stage.plms("alert flush --discard pagerduty").expect_status(0).expect_stdout("given up");
    let alerts = stage.metrics("plms_alerts.prom");
    assert!(!alerts.contains("channel=\"pagerduty\"} 1\n"), "{alerts}");
    stage.plms("alert flush").expect_status(0);
}

#[test]
fn now_spool_and_off_are_what_they_say() {
    let slack = good_slack();
    let mut stage = Stage::new();
    stage.slack(&slack).violate(1);
    stage.plms("--deliver off").expect_status(1);
    assert!(stage.pending().is_empty() && slack.connections() == 0);
    stage.plms("--deliver spool").expect_status(1);
    assert_eq!((stage.pending().len(), slack.connections()), (1, 0));
    // Who is to deliver it may be dead: whoever watches the metrics sees that something waits, and since when.
    let alerts = stage.metrics("plms_alerts.prom");
    assert!(alerts.contains("plms_alerts_pending{env=\"test\",channel=\"unclaimed\"} 1\n"), "{alerts}");
    assert!(
        alerts.contains("plms_alerts_oldest_pending_timestamp_seconds{env=\"test\",channel=\"unclaimed\"} 1")
    );
    // The next run tells what waits first, then its own.
    stage.violate(2);
    stage.plms("--deliver now").expect_status(1);
    let told = texts(&slack.requests());
    assert!(told.len() == 2 && told[0].contains("(1)") && told[1].contains("(2)"), "{told:?}");
    assert!(stage.pending().is_empty());
}

#[test]
fn a_delivery_that_failed_is_seen_in_every_output_of_a_clean_run() {
    let slack = FaultServer::start(vec![Step::answer(410, "channel_is_archived")]);
    let mut stage = Stage::new();
    stage.slack(&slack);
    let why = "slack was not told: 127.0.0.1 answered 410 gone: channel_is_archived; connect the webhook again and \
               set SLACK_WEBHOOK_URL to its new URL; kept for the next try";
    let seen = stage.plms("run").expect_status(3).expect_stdout(why);
    assert!(seen.service_output().starts_with("PLMS INVARIANTS UNKNOWN: "), "{seen}");
    assert!(stage.metrics("plms_invariants.prom").contains("plms_invariants_state{env=\"test\"} 3\n"));
    let alerts = stage.metrics("plms_alerts.prom");
    assert!(alerts.contains("plms_alerts_pending{env=\"test\",channel=\"slack\"} 1\n"), "{alerts}");
    assert!(
        alerts.contains("plms_alerts_oldest_pending_timestamp_seconds{env=\"test\",channel=\"slack\"} 1")
    );
    assert!(!alerts.contains("plms_alerts_last_delivery_timestamp_seconds{"), "{alerts}");
    let logs: Vec<_> = std::fs::read_dir(stage.path("logs")).unwrap().collect();
    let log = std::fs::read_to_string(logs[0].as_ref().unwrap().path()).unwrap();
    assert!(log.contains(why) && !log.contains("✓ All invariants passed"), "{log}");
    let status = std::fs::read_to_string(stage.path("state/status.json")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&status).unwrap()["state"], "unknown");
    stage.plms("status").expect_status(3).expect_stdout("slack was not told");
    // A later failure of delivery is no news of the registry: nobody is told of it twice.
    let good = good_slack();
    stage.slack(&good);
    stage.plms("alert flush").expect_status(0);
    assert_eq!(texts(&good.requests()).len(), 1);
    let alerts = stage.metrics("plms_alerts.prom");
    assert!(alerts.contains("plms_alerts_pending{env=\"test\",channel=\"slack\"} 0\n"), "{alerts}");
    assert!(alerts.contains("plms_alerts_last_delivery_timestamp_seconds{env=\"test\",channel=\"slack\"} 1"));
    assert!(!alerts.contains("plms_alerts_oldest_pending_timestamp_seconds{"), "{alerts}");
}

/// Two hours ago, as the program sees it.
fn two_hours_ago(command: &mut Command) -> &mut Command {
    let then = chrono::Utc::now().timestamp() - 7200;
    command.env("LD_PRELOAD", library("clock")).env("TEST_CLOCK", then.to_string())
}

#[test]
fn status_is_not_ok_while_an_alert_has_waited_for_over_an_hour() {
    let stage = Stage::new();
    let seen = finish(two_hours_ago(&mut stage.command("--deliver spool"))).expect_status(0);
    assert!(seen.service_output().contains(" OK: "), "{seen}");
    let seen = stage.plms("status").expect_status(3);
    seen.expect_stdout("nobody has picked up 1 alert, the oldest of ")
        .expect_stdout("does `alert flush` run?");
    let mut stage = Stage::new();
    stage.set("SLACK_WEBHOOK_URL", nobody()).set("DELIVER_BUDGET", "1");
    stage.plms("--deliver spool").expect_status(0);
    stage.plms("status").expect_status(0);
    finish(two_hours_ago(&mut stage.command("run"))).expect_status(3);
    stage.plms("status").expect_status(3).expect_stdout("slack has not taken ");
}

#[test]
fn a_unit_that_died_without_a_record_is_told_once_and_one_that_left_one_is_not() {
    let slack = good_slack();
    let mut stage = Stage::new();
    stage.slack(&slack);
    let monitor = |stage: &Stage, result: &str, code: &str, status: &str| {
        let mut command = stage.command("alert flush --failed-unit plms-invariants.service");
        command.env("MONITOR_INVOCATION_ID", DEAD).env("MONITOR_UNIT", "plms-invariants.service");
        command.env("MONITOR_SERVICE_RESULT", result).env("MONITOR_EXIT_CODE", code);
        finish(command.env("MONITOR_EXIT_STATUS", status)).expect_status(0)
    };
    monitor(&stage, "oom-kill", "killed", "KILL");
    monitor(&stage, "oom-kill", "killed", "KILL");
    let [told] = &texts(&slack.requests())[..] else { panic!("once: {:?}", texts(&slack.requests())) };
    assert!(told.starts_with("[PLMS][test] Invariants FAIL (could not check) @ "), "{told}");
    let why = format!(
        "the check died and left no record: plms-invariants.service was killed by SIGKILL (oom-kill); see journalctl \
         -u plms-invariants.service _SYSTEMD_INVOCATION_ID={DEAD}"
    );
    assert!(slack.requests()[0].text().contains(&why), "{}", slack.requests()[0].text());
    // Its own way to fail: the invariants. It left a record, and told people of it.
    let mut stage = Stage::new();
    let slack = good_slack();
    stage.slack(&slack).violate(1);
    finish(stage.command("run").env("INVOCATION_ID", DEAD)).expect_status(1);
    monitor(&stage, "exit-code", "exited", "1");
    assert_eq!(slack.requests().len(), 1);
    // A binary that is not there leaves nothing, not even a state folder's file.
    let mut stage = Stage::new();
    let slack = good_slack();
    stage.slack(&slack);
    monitor(&stage, "exit-code", "exited", "203");
    let told = texts(&slack.requests());
    assert!(told.len() == 1 && told[0].contains("exited with status 203 (exit-code)"), "{told:?}");
}

#[test]
fn a_death_that_cannot_be_written_down_is_told_at_once() {
    let slack = good_slack();
    let mut stage = Stage::new();
    stage.slack(&slack).set("STATE_DIR", "/proc/no-such-folder");
    let mut command = stage.command("alert flush --failed-unit plms-invariants.service");
    command.env("MONITOR_INVOCATION_ID", DEAD).env("MONITOR_SERVICE_RESULT", "exit-code");
    command.env("MONITOR_EXIT_CODE", "exited").env("MONITOR_EXIT_STATUS", "3");
    let seen = finish(&mut command).expect_status(2).expect_stdout("could not be written down");
    let told = texts(&slack.requests());
    assert!(told.len() == 1 && told[0].contains("exited with status 3 (exit-code)"), "{told:?}\n{seen:#}");
}

/// The lock file or the state may not be read, or another program holds the state: what is not known is said.
#[test]
fn a_death_that_cannot_be_looked_for_is_unknown_and_one_that_can_is_told_past_a_lock() {
    let unit = "alert flush --failed-unit plms-invariants.service";
    let slack = good_slack();
    let mut stage = Stage::new();
    stage.slack(&slack);
    stage.plms("run").expect_status(0);
    for torn in ["4194999 2025-11-", "\0\0\0\0\0\0"] {
        fs::write(stage.path("state/lock"), torn).unwrap();
        stage
            .plms(unit)
            .expect_status(3)
            .expect_stdout("whether an earlier check died without a record is not known");
        stage.plms(&format!("{unit} --dry-run")).expect_status(3).expect_stdout("is not known");
    }
    // The next run says so, too, and once.
    stage.plms("run").expect_status(3).expect_stdout("a line of the lock file names no run");
    stage.plms("run").expect_status(0);
    // A link is not followed, so what it leads to is not known.
    fs::remove_file(stage.path("state/lock")).unwrap();
    std::os::unix::fs::symlink("elsewhere", stage.path("state/lock")).unwrap();
    stage.plms(unit).expect_status(3).expect_stdout("is not known");
    fs::remove_file(stage.path("state/lock")).unwrap();
    // Locked by another program, and the dead known by the lock file alone.
    fs::write(stage.path("state/lock"), format!("4194999 2025-11-06T07:00:00Z {DEAD}\n")).unwrap();
    let heard = slack.requests().len();
    let state = rusqlite::Connection::open(stage.path("state/state.db")).unwrap();
    state.execute_batch("BEGIN EXCLUSIVE").unwrap();
    stage.plms(unit).expect_status(2).expect_stdout("stayed locked by another program");
    drop(state);
    let told: Vec<_> = slack.requests().iter().skip(heard).map(Request::text).collect();
    assert!(told.len() == 1 && told[0].contains("process 4194999, begun at"), "{told:#?}");
}

#[test]
fn without_word_from_systemd_the_dead_are_known_by_the_lock_file() {
    let slack = good_slack();
    let mut stage = Stage::new();
    stage.slack(&slack);
    stage.plms("run").expect_status(0);
    std::fs::write(stage.path("state/lock"), format!("4194999 2025-11-06T07:00:00Z {DEAD}\n")).unwrap();
    for _ in 0..2 {
        stage.plms("alert flush --failed-unit plms-invariants.service").expect_status(0);
    }
    assert_eq!(texts(&slack.requests()).len(), 2, "the run, and its death once");
    // Under cron: by the next run, once.
    stage.plms("run").expect_status(0);
    stage.plms("run").expect_status(0);
    let told = texts(&slack.requests());
    assert_eq!(told.iter().filter(|text| text.contains("died and left no record")).count(), 1, "{told:#?}");
    assert_eq!(told.len(), 4, "{told:#?}");
    std::fs::write(
        stage.path("state/lock"),
        format!("4194999 2025-11-07T07:00:00Z {}\n", DEAD.replace('0', "1")),
    )
    .unwrap();
    stage.plms("run").expect_status(0);
    stage.plms("run").expect_status(0);
    let told = texts(&slack.requests());
    assert_eq!(told.iter().filter(|text| text.contains("died and left no record")).count(), 2, "{told:#?}");
    assert!(told[4].contains("process 4194999, begun at 2025-11-07T07:00:00Z"), "{}", told[4]);
}

#[test]
fn a_run_that_was_killed_after_it_had_left_its_record_is_told_as_what_it_found_and_not_as_dead() {
    let slack = good_slack();
    let mut stage = Stage::new();
    stage.slack(&slack).violate(1);
    finish(stage.command("run").env("INVOCATION_ID", DEAD)).expect_status(1);
    for verb in ["run", "alert flush --failed-unit plms-invariants.service"] {
        fs::write(stage.path("state/lock"), format!("4194999 2025-11-06T07:00:00Z {DEAD}\n")).unwrap();
        stage.plms(verb);
    }
    let told = texts(&slack.requests());
    assert!(told.len() == 2 && told.iter().all(|text| text.contains("Invariants FAIL @ ")), "{told:#?}");
}

/// Nothing was checked that night, and nobody else would say so: the delivery does, by what else is set.
#[test]
fn settings_by_which_a_run_is_refused_are_told_by_the_delivery() {
    for (broken, why) in [
        ("ENV_NAME=a b\n", "broken.env:1: "),
        ("DB_PATH='${REGISTRY}'\n", "DB_PATH (broken.env:1) still holds an unexpanded variable"),
        ("SLACK_NOTIFY=sometimes\n", "SLACK_NOTIFY (broken.env:1) must be "),
    ] {
        let slack = good_slack();
        let mut stage = Stage::new();
        stage.slack(&slack);
        stage.env_file = stage.path("broken.env");
        fs::write(&stage.env_file, broken).unwrap();
        let command = |line: &str| {
            let mut command = stage.command(line);
            command.env_remove("DB_PATH").env("MONITOR_INVOCATION_ID", DEAD);
            command.env("MONITOR_SERVICE_RESULT", "exit-code").env("MONITOR_EXIT_CODE", "exited");
            finish(command.env("MONITOR_EXIT_STATUS", "3"))
        };
        command("run").expect_status(3).expect_stdout("broken.env:1");
        assert_eq!(slack.requests().len(), 0);
        // What is refused there is no more than said here, and that it was told makes it no better.
        for _ in 0..2 {
            let seen = command("alert flush --failed-unit plms-invariants.service").expect_status(3);
            seen.expect_stdout("broken.env:1");
        }
        let told: Vec<_> = slack.requests().iter().map(Request::text).collect();
        let [told] = &told[..] else { panic!("{broken}: not once: {told:#?}") };
        let why = why.replace("broken.env", &stage.env_file.display().to_string());
        assert!(told.contains("exited with status 3 (exit-code)") && told.contains(&why), "{told}");
        // Whoever asks for it by hand is told to mend them first.
        command("alert flush").expect_status(3);
        command("alert pending").expect_status(3);
    }
}

#[test]
fn a_command_that_is_wrong_is_unknown_and_sends_nothing() {
    for line in
        ["alert", "alert flushh", "alert test --channel fax", "--deliver later", "--deliver-budget -1"]
    {
        let stage = Stage::new();
        let seen =
            finish(Command::new(PROGRAM).args(line.split_whitespace()).current_dir(stage.folder.path()));
        seen.expect_status(3);
    }
}
