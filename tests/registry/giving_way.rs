//! With a rollback journal whoever reads keeps writers out: not for long, and never for want of a verdict.

use std::time::{Duration, Instant};

use plms_invariants::demo::Passports;
use rusqlite::Connection;

use super::stage::{Night, Running, Stage, User};

const ENDLESS: &str =
    "WITH RECURSIVE n (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n) SELECT id FROM n WHERE id < 0";

/// A registry whose writers keep their journal, and two rules: one that takes long, and one after it.
fn stage(timeout: &str) -> Stage {
    let mut stage = Stage::new();
    stage.sql("PRAGMA journal_mode = PERSIST; UPDATE projects SET name = 'x' WHERE id = 1");
    stage.invariant("a_long", &format!("timeout = \"{timeout}\""), ENDLESS);
    stage.invariant("behind", "", "SELECT id FROM projects WHERE name = 'written'");
    stage
}

/// Waits for its turn as an application does, and is one row more that violates.
fn write(stage: &Stage, running: &mut Running, project: i64) {
    running.has_opened(&stage.registry);
    let writer = Connection::open(&stage.registry).unwrap();
    writer.busy_timeout(Duration::from_secs(5)).unwrap();
    // What it writes it writes once the run has kept it waiting: before that the run has no lock yet.
    loop {
        let began = Instant::now();
        writer.execute_batch("BEGIN EXCLUSIVE").unwrap();
        if began.elapsed() > Duration::from_millis(500) {
            break;
        }
        writer.execute_batch("ROLLBACK").unwrap();
        std::thread::sleep(Duration::from_millis(5));
    }
    writer.execute("UPDATE projects SET name = 'written' WHERE id = ?1", [project]).unwrap();
    writer.execute_batch("COMMIT").unwrap();
}

#[test]
fn a_writer_is_let_in_and_all_is_asked_anew_of_what_it_has_written() {
    let stage = stage("5s");
    let mut running = stage.start(&["--json", "--jobs", "1"]);
    write(&stage, &mut running, 2);
    let night = Night::new(running.finish()).expect_status(2);
    let mut counts = stage.counts(&[("behind", 1)]);
    counts.insert("a_long".into(), None);
    night.expect_counts(&counts).expect_unknown("a_long", "its timeout of 5 s");
}

#[test]
fn a_rule_that_keeps_a_writer_waiting_twice_is_unknown_and_the_others_have_their_verdict() {
    let stage = stage("60s");
    let mut running = stage.start(&["--json", "--jobs", "1"]);
    let began = Instant::now();
    write(&stage, &mut running, 2);
    write(&stage, &mut running, 3);
    let night = Night::new(running.finish()).expect_status(2);
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    let mut counts = stage.counts(&[("behind", 1)]);
    counts.insert("a_long".into(), None);
    night
        .expect_counts(&counts)
        .expect_unknown("a_long", "not finished: somebody waits to write to the registry");
}

#[test]
fn passports_that_are_read_before_the_lock_are_counted_as_ever() {
    let mut stage = Stage::with(|plan| plan.passports = Passports::OnDisk);
    stage.sql("PRAGMA journal_mode = PERSIST; UPDATE projects SET name = 'x' WHERE id = 1");
    stage.set("ARTIFACTS_DIR", stage.planted.artifacts.clone().unwrap());
    let night = stage.run_untouched(User::Owner).expect_status(2).expect_reading("under a shared lock");
    night.expect_counts(&stage.counts(&[]));
}
