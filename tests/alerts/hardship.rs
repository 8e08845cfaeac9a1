//! The state cannot be used for a while: what people were told then is taken back later, and nothing is told
//! again and again.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use rusqlite::Connection;

use super::common::{Finished, finish, real};
use super::fault_server::{FaultServer, Request, Step};
use super::stage::{PROGRAM, Stage, events, good_pagerduty, good_slack, library, texts};

/// The invocation of which systemd says that it failed.
const FAILED: &str = "0123456789abcdef0123456789abcdef";
const UNIT: &str = "alert flush --failed-unit plms-invariants.service";

/// Another program holds `state.db` until this is dropped.
fn locked(stage: &Stage) -> Connection {
    let state = Connection::open(stage.path("state/state.db")).unwrap();
    state.execute_batch("BEGIN EXCLUSIVE").unwrap();
    state
}

/// Started by systemd, since the unit failed.
fn after_failure(stage: &Stage, result: &str, status: &str) -> Finished {
    let mut command = stage.command(UNIT);
    command.env("MONITOR_INVOCATION_ID", FAILED).env("MONITOR_SERVICE_RESULT", result);
    let code = if result == "oom-kill" { "killed" } else { "exited" };
    finish(command.env("MONITOR_EXIT_CODE", code).env("MONITOR_EXIT_STATUS", status))
}

/// Keys of incidents that are open in the end.
fn open_incidents(pagerduty: &FaultServer) -> BTreeSet<String> {
    let mut open = BTreeSet::new();
    for (action, key) in events(&pagerduty.requests()) {
        if action == "trigger" {
            open.insert(key);
        } else {
            open.remove(&key);
        }
    }
    open
}

fn words(slack: &FaultServer, word: &str) -> usize {
    slack.requests().iter().map(Request::text).filter(|text| text.contains(word)).count()
}

#[test]
fn what_was_told_while_the_state_was_locked_is_taken_back_by_the_run_that_finds_all_well() {
    let (slack, pagerduty) = (good_slack(), good_pagerduty());
    let mut stage = Stage::new();
    stage.slack(&slack).pagerduty(&pagerduty);
    stage.plms("run").expect_status(0);
    stage.violate(3);
    let state = locked(&stage);
    stage.plms("run").expect_status(1).expect_stdout("it is kept in apart.db beside it");
    drop(state);
    assert_eq!(open_incidents(&pagerduty).len(), 2, "the rule, and that not all was written down");
    stage.violate(0);
    stage.plms("run").expect_status(0);
    assert_eq!(open_incidents(&pagerduty), BTreeSet::new(), "{:?}", events(&pagerduty.requests()));
    let told = texts(&slack.requests());
    assert!(told.len() == 3 && told[2].contains("Invariants OK (recovered) @ "), "{told:#?}");
    stage.plms("run").expect_status(0);
    assert!(texts(&slack.requests())[3].contains("Invariants OK @ "));
    assert!(stage.pending().is_empty() && !stage.path("state/apart.db").exists());
}

#[test]
fn what_was_not_taken_while_the_state_was_locked_is_not_lost() {
    let away = FaultServer::start(vec![Step::answer(503, "")]);
    let mut stage = Stage::new();
    stage.slack(&away).set("DELIVER_BUDGET", "1").violate(3);
    stage.plms("--deliver off").expect_status(1);
    // In the run, and left to the delivery.
    for line in ["run", "--deliver spool"] {
        let state = locked(&stage);
        stage.plms(line).expect_status(1);
        drop(state);
    }
    assert_eq!(stage.pending().len(), 2, "whoever looks sees it");
    let slack = good_slack();
    stage.slack(&slack);
    stage.plms("alert flush").expect_status(0).expect_stdout("2 alerts delivered, nothing waits");
    assert_eq!(words(&slack, "lane_overrides (3)"), 2, "{:#?}", texts(&slack.requests()));
}

#[test]
fn a_run_that_left_its_record_is_not_told_as_dead_while_the_state_is_locked() {
    let slack = good_slack();
    let mut stage = Stage::new();
    stage.slack(&slack).violate(1);
    finish(stage.command("run --deliver spool").env("INVOCATION_ID", FAILED)).expect_status(1);
    let state = locked(&stage);
    after_failure(&stage, "exit-code", "1").expect_status(2).expect_stdout("stayed locked");
    assert_eq!(slack.requests().len(), 0, "{:?}", texts(&slack.requests()));
    drop(state);
    stage.plms("alert flush").expect_status(0);
    assert_eq!((slack.requests().len(), words(&slack, "lane_overrides (1)")), (1, 1));
    // One that could not leave it where it belongs left it beside, with the same word to the delivery.
    stage.violate(2);
    let state = locked(&stage);
    let id = FAILED.replace('0', "7");
    finish(stage.command("run --deliver spool").env("INVOCATION_ID", &id)).expect_status(1);
    finish(stage.command(UNIT).env("MONITOR_INVOCATION_ID", &id).env("MONITOR_SERVICE_RESULT", "exit-code"))
        .expect_status(2);
    drop(state);
    assert_eq!((slack.requests().len(), words(&slack, "lane_overrides (2)")), (2, 1));
    assert_eq!(words(&slack, "left no record"), 0);
}

#[test]
fn a_death_is_told_once_however_long_the_state_is_locked_and_taken_back_later() {
    let (slack, pagerduty) = (good_slack(), good_pagerduty());
    let mut stage = Stage::new();
    stage.slack(&slack).pagerduty(&pagerduty);
    stage.plms("run").expect_status(0);
    let dead = format!("4194999 2025-11-06T07:00:00Z {}\n", FAILED.replace('0', "1"));
    fs::write(stage.path("state/lock"), dead).unwrap();
    let state = locked(&stage);
    for _ in 0..2 {
        stage.plms(UNIT).expect_status(2);
        after_failure(&stage, "oom-kill", "KILL").expect_status(2);
    }
    assert_eq!(words(&slack, "left no record"), 2, "{:#?}", texts(&slack.requests()));
    assert_eq!(open_incidents(&pagerduty).len(), 1);
    drop(state);
    for _ in 0..2 {
        stage.plms(UNIT).expect_status(0);
        after_failure(&stage, "oom-kill", "KILL").expect_status(0);
    }
    stage.plms("run").expect_status(0);
    assert_eq!(words(&slack, "left no record"), 2);
    assert_eq!(open_incidents(&pagerduty), BTreeSet::new());
}

#[test]
fn where_it_cannot_be_known_whether_a_run_left_a_record_that_is_what_is_told() {
    let slack = good_slack();
    let mut stage = Stage::new();
    stage.slack(&slack).violate(1);
    finish(stage.command("run --deliver spool").env("INVOCATION_ID", FAILED)).expect_status(1);
    let state = locked(&stage);
    // So much that a part of it is in the file before it has ended.
    let many = "PRAGMA cache_size = 1;
                WITH RECURSIVE n(x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM n WHERE x < 2000)
                INSERT INTO set_aside SELECT x, hex(randomblob(200)) FROM n";
    state.execute_batch(many).unwrap();
    after_failure(&stage, "exit-code", "1").expect_status(2);
    let said = slack.requests()[0].text();
    assert!(said.contains("whether the check left a record is not known"), "{said}");
    assert!(said.contains("status.json it ended as WARNING") && !said.contains("left no record"), "{said}");
}

/// Nothing in the state folder can grow any more.
fn on_a_full_disk<'a>(stage: &Stage, command: &'a mut Command) -> &'a mut Command {
    command.env("LD_PRELOAD", library("full")).env("TEST_FULL", stage.state())
}

fn full(stage: &Stage, line: &str) -> Finished {
    finish(on_a_full_disk(stage, &mut stage.command(line)))
}

#[test]
fn on_a_full_disk_a_run_is_recorded_told_once_and_taken_back() {
    let (slack, pagerduty) = (good_slack(), good_pagerduty());
    let mut stage = Stage::new();
    stage.slack(&slack).pagerduty(&pagerduty);
    for _ in 0..2 {
        stage.plms("run").expect_status(0);
    }
    stage.violate(3);
    full(&stage, "run").expect_status(1).expect_stdout("the status file was not written");
    let dead = format!("4194999 2025-11-06T07:00:00Z {}\n", FAILED.replace('0', "1"));
    fs::write(stage.path("state/lock"), dead).unwrap();
    for _ in 0..3 {
        full(&stage, UNIT).expect_status(0);
        let mut command = stage.command(UNIT);
        command.env("MONITOR_INVOCATION_ID", FAILED).env("MONITOR_SERVICE_RESULT", "oom-kill");
        finish(on_a_full_disk(&stage, &mut command)).expect_status(0);
    }
    assert_eq!(words(&slack, "left no record"), 2, "each death once: {:#?}", texts(&slack.requests()));
    assert_eq!(open_incidents(&pagerduty).len(), 3);
    stage.violate(0);
    stage.plms("run").expect_status(0);
    assert_eq!(open_incidents(&pagerduty), BTreeSet::new(), "{:?}", events(&pagerduty.requests()));
}

#[test]
fn on_a_full_disk_what_waited_is_told_once_or_not_yet_and_never_with_every_try() {
    let mut stage = Stage::new();
    let away = FaultServer::start(vec![Step::answer(503, "")]);
    stage.slack(&away).set("DELIVER_BUDGET", "1");
    for rows in [0, 1, 2] {
        stage.violate(rows);
        stage.plms("run");
    }
    let slack = good_slack();
    stage.slack(&slack);
    let journal = stage.path("state/state.db-journal");
    fs::rename(&journal, stage.path("journal")).unwrap();
    // No room was kept: who cannot say what was taken sends nothing that waits, and says so.
    for _ in 0..2 {
        full(&stage, "alert flush -t 5").expect_status(2).expect_stdout("is full");
        let _empty = fs::remove_file(&journal);
    }
    assert_eq!((slack.requests().len(), stage.pending().len()), (0, 3));
    // What is new is told all the same.
    stage.violate(3);
    full(&stage, "run").expect_status(1).expect_stdout("what was not taken then is lost");
    assert_eq!(words(&slack, "lane_overrides (3)"), 1, "{:#?}", texts(&slack.requests()));
    let _empty = fs::remove_file(&journal);
    fs::rename(stage.path("journal"), &journal).unwrap();
    for _ in 0..3 {
        full(&stage, "alert flush").expect_status(0);
    }
    assert_eq!(slack.requests().len(), 4, "{:#?}", texts(&slack.requests()));
    assert!(stage.pending().is_empty());
}

#[test]
fn a_run_that_died_before_this_boot_is_told_although_its_number_is_in_use_again() {
    let slack = good_slack();
    let mut stage = Stage::new();
    stage.slack(&slack);
    for (pid, id) in [(1, FAILED.to_owned()), (std::process::id(), FAILED.replace('0', "1"))] {
        fs::write(stage.path("state/lock"), format!("{pid} 2020-11-06T07:00:00Z {id}\n")).unwrap();
        for _ in 0..2 {
            stage.plms(UNIT).expect_status(0);
        }
    }
    assert_eq!(words(&slack, "left no record"), 2, "{:#?}", texts(&slack.requests()));
}

/// The clock was a month ahead when the run ended; nobody can say for how long its alert has waited.
#[test]
fn an_alert_of_a_time_that_is_still_to_come_is_overdue() {
    let mut stage = Stage::new();
    let then = chrono::Utc::now().timestamp() + 30 * 86_400;
    let mut ahead = stage.command("--deliver spool");
    finish(ahead.env("LD_PRELOAD", library("clock")).env("TEST_CLOCK", then.to_string())).expect_status(0);
    // The record of a run of today is fresh; the alert of that run waits still.
    stage.plms("--deliver off").expect_status(0);
    let seen = stage.plms("status").expect_status(3);
    seen.expect_stdout("nobody has picked up 1 alert, the oldest of ")
        .expect_stdout("which is still to come");
    let slack = good_slack();
    stage.slack(&slack);
    stage.plms("alert flush").expect_status(0);
    stage.plms("status").expect_status(0);
}

/// A state folder into which nothing can be written: the disk is full, the file system is read-only, the folder
/// is a file.
#[test]
fn fault_15_people_are_told_even_where_nothing_can_be_written_down() {
    let (slack, pagerduty) = (good_slack(), good_pagerduty());
    let mut stage = Stage::new();
    stage.slack(&slack).pagerduty(&pagerduty).violate(1);
    let (file, state) = (stage.registry.display().to_string(), stage.state().display().to_string());
    stage.set("STATE_DIR", file);
    let lost = "the alert of this run could not be written down: it was tried at once, and what was not taken then \
                is lost";
    stage.plms("run").expect_status(1).expect_stdout(lost);
    // Two incidents: the violation, and that not all could be written.
    assert_eq!((slack.requests().len(), pagerduty.requests().len()), (1, 2));
    if !rustix::process::geteuid().is_root() {
        real::skip("only root can fill a file system of its own");
        return;
    }
    stage.set("STATE_DIR", state);
    for (mount, told) in [("size=4k", 2), ("size=1m,ro", 3)] {
        let inner = stage.command("run");
        let mut command = Command::new("unshare");
        let script = format!("mount -t tmpfs -o {mount} none \"$STATE_DIR\" && exec \"$@\"");
        command.args(["--mount", "sh", "-c", &script, "sh", PROGRAM]).args(inner.get_args());
        command.current_dir(stage.folder.path()).env_clear();
        command.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
        finish(&mut command).expect_status(1).expect_stdout(lost);
        assert_eq!((slack.requests().len(), pagerduty.requests().len()), (told, 2 * told), "{mount}");
    }
}

/// What is damaged, and how.
pub type Damage<'a> = (&'a str, &'a dyn Fn(&Stage));

/// The state file is cut, foreign, of the future: it is kept, what waits in it is told, and so is that it was so.
#[test]
fn fault_16_a_state_that_cannot_be_read_is_kept_saved_from_and_told() {
    let future = "PRAGMA user_version = 99; ALTER TABLE notices ADD COLUMN mood TEXT";
    let sql = |stage: &Stage, sql: &str| {
        rusqlite::Connection::open(stage.path("state/state.db")).unwrap().execute_batch(sql).unwrap();
    };
    // With whether what waits can still be read.
    let damages: [(Damage<'_>, bool); 5] = [
        (("newer", &|stage| sql(stage, future)), true),
        (("table missing", &|stage| sql(stage, "DROP TABLE incidents")), true),
        (("garbage", &|stage| fs::write(stage.path("state/state.db"), "garbage").unwrap()), false),
        (("empty", &|stage| fs::write(stage.path("state/state.db"), "").unwrap()), false),
        (
            ("cut", &|stage| {
                let bytes = fs::read(stage.path("state/state.db")).unwrap();
                fs::write(stage.path("state/state.db"), &bytes[..4096]).unwrap();
            }),
            false,
        ),
    ];
    for ((name, damage), is_saved) in damages {
        for verb in ["run", "alert flush", "run after a death"] {
            let slack = good_slack();
            let mut stage = Stage::new();
            stage.violate(1);
            stage.plms("--deliver spool").expect_status(1);
            damage(&stage);
            if verb == "run after a death" {
                let line = "4194999 2025-11-06T07:00:00Z 00112233445566778899aabbccddeeff\n";
                fs::write(stage.path("state/lock"), line).unwrap();
            }
            stage.slack(&slack);
            let seen = stage.plms(verb.split(" after").next().unwrap());
            assert!(seen.stdout.contains("set aside as "), "{name} {verb}: {seen}");
            let told = texts(&slack.requests());
            let bodies: String = slack.requests().iter().map(crate::fault_server::Request::text).collect();
            assert!(bodies.contains("was set aside as "), "{name} {verb}: {told:#?}");
            let of_violation = told.iter().filter(|text| text.contains("lane_overrides (1)")).count();
            let own = usize::from(verb != "alert flush");
            assert_eq!(of_violation, own + usize::from(is_saved), "{name} {verb}: {told:#?}");
            let aside = fs::read_dir(stage.state()).unwrap().map(|entry| entry.unwrap().file_name());
            assert_eq!(aside.filter(|f| f.to_string_lossy().starts_with("state.db.set-aside-")).count(), 1);
            // The next run is as usual.
            let next = stage.plms("run").expect_status(1);
            assert!(!next.stdout.contains("set aside"), "{name} {verb}: {next}");
        }
    }
}
