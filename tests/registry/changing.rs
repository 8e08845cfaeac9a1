//! What if the registry changes while it is read without a lock?

use std::fs::{self, File};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use plms_invariants::demo::Journal;
use rusqlite::Connection;

use super::stage::{Night, Stage, User, wait_for};
use super::writer::{Scene, Writer};

const VIOLATE: &str =
    "INSERT INTO lane_overrides (task_estimate_id, predicted_lane, corrected_lane) VALUES (1, 7, 7)";

/// An invariant that holds, and takes its time over it.
pub fn slow(stage: &mut Stage, id: &str, steps: u32) {
    let sql = format!(
        "WITH RECURSIVE step (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM step WHERE n < {steps})
         SELECT n AS id FROM step WHERE n < 0"
    );
    stage.invariant(id, "timeout = \"2min\"", &sql);
}

#[test]
fn a_commit_during_the_reading_makes_it_start_over_and_counts() {
    for (journal, reading) in [
        (Journal::Rollback, "one state under a shared lock (rollback journal), 2 readers"),
        (Journal::Wal, "one WAL snapshot, 2 readers"),
    ] {
        let mut stage = Stage::with(|plan| plan.journal = journal);
        slow(&mut stage, "slow", 6_000_000);
        let mut running = stage.start(&["--json", "--jobs", "2"]);
        running.has_opened(&stage.registry);
        let writer = Writer::start(&stage.registry, VIOLATE);
        assert!(!running.is_over(), "the slow invariant is too quick to be written to");
        let night = Night::new(running.finish()).expect_status(2).expect_reading(reading);
        night.expect_counts(&stage.counts(&[("lane_overrides", 1), ("slow", 0)]));
        stage.expect_recorded("critical");
        writer.ends_well();
    }
}

#[test]
fn a_registry_that_changes_each_time_it_is_read_is_unknown() {
    let mut stage = Stage::with(|plan| plan.journal = Journal::Wal);
    slow(&mut stage, "slow", 2_000_000);
    let mut running = stage.start(&["--json"]);
    let file = File::options().append(true).open(&stage.registry).unwrap();
    wait_for("the run to end", || {
        // As a writer that comes, writes back its -wal, and goes, all between two looks.
        let now = file.metadata().unwrap().modified().unwrap() + Duration::from_millis(1);
        file.set_modified(now).unwrap();
        running.is_over().then_some(())
    });
    let night = Night::new(running.finish()).expect_status(3);
    night.expect_finding("it changed 3 times while it was read; keep one connection of the application open");
    stage.expect_recorded("unknown");
}

#[test]
fn writers_that_come_and_go_all_the_time_are_no_obstacle_and_no_untruth() {
    for journal in [Journal::Rollback, Journal::Wal] {
        let stage = Stage::with(|plan| plan.journal = journal);
        let writer = Writer::play("changing::comes_and_goes", &stage.registry, VIOLATE);
        let mut last = 0;
        let mut read = 0;
        for _ in 0..30 {
            let night = stage.run(User::Owner, &[]);
            let findings = night.json["findings"].to_string();
            match night.counts()["lane_overrides"] {
                Some(count) => {
                    assert!(count >= last, "{last} {count}");
                    last = count;
                    read += 1;
                }
                // A file that truly changed each time; nothing else may be made of it.
                None => assert!(findings.contains("while it was read; keep one connection"), "{findings}"),
            }
        }
        assert!(read >= 15, "{journal:?}: read {read} times of 30");
        writer.ends_well();
        let rows: i64 = Connection::open(&stage.registry)
            .unwrap()
            .query_row("SELECT count(*) FROM lane_overrides WHERE corrected_by IS NULL", [], |row| row.get(0))
            .unwrap();
        assert!(last <= rows.unsigned_abs() + stage.planted.violations["lane_overrides"]);
    }
}

#[test]
#[ignore = "the writer of the test above"]
fn comes_and_goes() {
    let Some(Scene { registry, sql }) = Scene::begin() else { return };
    registry.close().unwrap();
    let path = std::env::var_os("REGISTRY").unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&over);
    std::thread::spawn(move || {
        Scene::wait_for_the_end();
        told.store(true, Ordering::Relaxed);
    });
    Scene::ready();
    while !over.load(Ordering::Relaxed) {
        let registry = Connection::open(&path).unwrap();
        registry.execute_batch("PRAGMA synchronous = OFF").unwrap();
        registry.execute_batch(&sql).unwrap();
        registry.close().unwrap();
        // As an application that answers a request now and then.
        std::thread::sleep(Duration::from_millis(30));
    }
}

#[test]
fn a_registry_that_is_replaced_during_the_reading_is_read_anew() {
    let mut stage = Stage::new();
    slow(&mut stage, "slow", 6_000_000);
    let mut running = stage.start(&["--json"]);
    running.has_opened(&stage.registry);
    let other = stage.path("other.db");
    fs::copy(&stage.registry, &other).unwrap();
    Connection::open(&other).unwrap().execute_batch(VIOLATE).unwrap();
    fs::rename(&other, &stage.registry).unwrap();
    assert!(!running.is_over());
    let night = Night::new(running.finish()).expect_status(2);
    night.expect_counts(&stage.counts(&[("lane_overrides", 1), ("slow", 0)]));
}
