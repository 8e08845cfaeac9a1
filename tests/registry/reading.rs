//! What lies beside the registry, and how is it read? Every row of the table of situations, as its owner, who may
//! write beside it, and as a user who may not.

use std::fs;
use std::time::{Duration, Instant};

use plms_invariants::demo::Journal;

use super::common::finish;
use super::listing::Listing;
use super::stage::{Night, Stage, User};
use super::writer::Writer;

/// One more violation of `lane_overrides`.
const VIOLATE: &str =
    "INSERT INTO lane_overrides (task_estimate_id, predicted_lane, corrected_lane) VALUES (1, 7, 7);";
const WAL: &str = "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0;";

/// Runs as each user; nothing may change, every count is as planted and with `more`.
#[track_caller]
fn expect_right(stage: &Stage, more: &[(&str, u64)], reading: &str) {
    for user in User::both() {
        let night = stage.run_untouched(user).expect_status(2).expect_counts(&stage.counts(more));
        night.expect_reading(reading);
        stage.expect_recorded("critical");
        empty_outputs(stage);
    }
}

/// Runs as each user; nothing may change, nothing is counted, and the sentence ends with what to do.
#[track_caller]
fn expect_refused(stage: &Stage, sentence: &[&str]) {
    for user in User::both() {
        let night = refused(stage, user);
        sentence.iter().fold(night, |night, words| night.expect_finding(words));
    }
}

#[track_caller]
fn refused(stage: &Stage, user: User) -> Night {
    let nothing = stage.planted.violations.keys().map(|id| ((*id).to_owned(), None)).collect();
    let night = stage.run_untouched(user).expect_status(3).expect_counts(&nothing);
    stage.expect_recorded("unknown");
    empty_outputs(stage);
    night
}

/// What one user wrote, another may not be able to replace.
pub fn empty_outputs(stage: &Stage) {
    for name in ["state", "logs", "textfile"] {
        for file in Listing::names(&stage.path(name)) {
            fs::remove_file(stage.path(name).join(file)).unwrap();
        }
    }
}

fn beside(stage: &Stage) -> Vec<String> {
    Listing::names(stage.registry.parent().unwrap())
}

fn wal_stage() -> Stage {
    Stage::with(|plan| plan.journal = Journal::Wal)
}

#[test]
fn a_registry_that_nobody_writes_to_is_read_without_a_trace() {
    for journal in [Journal::Rollback, Journal::Wal] {
        let stage = Stage::with(|plan| plan.journal = journal);
        expect_right(&stage, &[], "an unchanged file, read without locks, 2 readers");
        assert_eq!(beside(&stage), ["registry.db"]);
    }
}

#[test]
fn a_live_wal_writer_is_followed_to_its_last_commit() {
    let stage = wal_stage();
    let sql = format!("{WAL} {VIOLATE} SELECT count(*) FROM lane_overrides; {VIOLATE}");
    let writer = Writer::start(&stage.registry, &sql);
    assert_eq!(beside(&stage), ["registry.db", "registry.db-shm", "registry.db-wal"]);
    expect_right(&stage, &[("lane_overrides", 2)], "one WAL snapshot, 2 readers");
    writer.ends_well();
    expect_right(&stage, &[("lane_overrides", 2)], "an unchanged file");
}

#[test]
fn a_writer_that_has_just_made_its_wal_is_followed() {
    let stage = Stage::new();
    let writer = Writer::start(&stage.registry, &format!("{WAL} {VIOLATE}"));
    expect_right(&stage, &[("lane_overrides", 1)], "one WAL snapshot, 2 readers");
    drop(writer);
}

#[test]
fn a_writer_in_the_middle_of_a_transaction_is_not_followed_into_it() {
    let stage = wal_stage();
    // A page cache of one page: what is not committed stands in the -wal already.
    let sql = format!("{WAL} PRAGMA cache_size = 1; {VIOLATE} BEGIN; DELETE FROM lane_overrides;");
    let writer = Writer::start(&stage.registry, &sql);
    expect_right(&stage, &[("lane_overrides", 1)], "one WAL snapshot, 2 readers");
    drop(writer);
}

#[test]
fn a_wal_without_a_transaction_is_read_by_one_reader_and_that_is_said() {
    let stage = wal_stage();
    let writer = Writer::start(&stage.registry, "SELECT count(*) FROM lane_overrides;");
    assert_eq!(fs::metadata(stage.registry.with_file_name("registry.db-wal")).unwrap().len(), 0);
    let fallback = "1 reader (fallback: no more could share it: the -wal holds no transaction yet)";
    expect_right(&stage, &[], &format!("one WAL snapshot, {fallback}"));
    drop(writer);
}

#[test]
fn a_wal_that_was_checkpointed_and_begun_again_is_followed() {
    let stage = wal_stage();
    let again = "PRAGMA wal_checkpoint(RESTART);";
    let writer = Writer::start(&stage.registry, &format!("{WAL} {VIOLATE} {again} {VIOLATE}"));
    expect_right(&stage, &[("lane_overrides", 2)], "one WAL snapshot, 2 readers");
    drop(writer);
}

#[test]
fn a_wal_that_was_checkpointed_to_its_end_is_followed() {
    for checkpoint in ["PASSIVE", "FULL", "RESTART", "TRUNCATE"] {
        let stage = wal_stage();
        let sql = format!("{WAL} {VIOLATE} PRAGMA wal_checkpoint({checkpoint});");
        let writer = Writer::start(&stage.registry, &sql);
        expect_right(&stage, &[("lane_overrides", 1)], "one WAL snapshot, 2 readers");
        writer.dies();
        expect_right(&stage, &[("lane_overrides", 1)], "one WAL snapshot");
    }
}

#[test]
fn what_a_crashed_wal_writer_committed_counts_and_its_files_stay_as_they_are() {
    let stage = wal_stage();
    Writer::start(&stage.registry, &format!("{WAL} {VIOLATE} BEGIN; {VIOLATE}")).dies();
    assert_eq!(beside(&stage), ["registry.db", "registry.db-shm", "registry.db-wal"]);
    expect_right(&stage, &[("lane_overrides", 1)], "one WAL snapshot, 2 readers");
}

#[test]
fn a_wal_without_its_index_is_unknown_with_the_remedy() {
    let stage = wal_stage();
    Writer::start(&stage.registry, &format!("{WAL} {VIOLATE}")).dies();
    fs::remove_file(stage.registry.with_file_name("registry.db-shm")).unwrap();
    expect_refused(&stage, &["-wal lies there without a readable -shm", "open it once with the application"]);
    // The remedy works.
    stage.sql("PRAGMA wal_checkpoint");
    expect_right(&stage, &[("lane_overrides", 1)], "an unchanged file");
}

#[test]
fn a_hot_journal_is_unknown_with_the_remedy() {
    let stage = Stage::new();
    let spilling = "PRAGMA cache_size = 1; BEGIN; UPDATE task_estimates SET kpi_formula = 'torn';";
    Writer::start(&stage.registry, spilling).dies();
    assert_eq!(beside(&stage), ["registry.db", "registry.db-journal"]);
    expect_refused(&stage, &["a hot -journal lies beside it", "open it once with the application"]);
    stage.sql("SELECT count(*) FROM projects");
    assert_eq!(beside(&stage), ["registry.db"]);
    expect_right(&stage, &[], "an unchanged file");
}

#[test]
fn a_journal_that_is_kept_between_transactions_is_no_obstacle() {
    for mode in ["PERSIST", "TRUNCATE"] {
        let stage = Stage::new();
        let sql = format!("PRAGMA journal_mode = {mode}; {VIOLATE}");
        let writer = Writer::start(&stage.registry, &sql);
        assert_eq!(beside(&stage), ["registry.db", "registry.db-journal"], "{mode}");
        let reading = "one state under a shared lock (rollback journal), 2 readers";
        expect_right(&stage, &[("lane_overrides", 1)], reading);
        writer.dies();
        expect_right(&stage, &[("lane_overrides", 1)], reading);
    }
}

#[test]
fn a_transaction_that_has_not_reached_the_file_does_not_count() {
    let stage = Stage::new();
    let writer = Writer::start(&stage.registry, &format!("BEGIN; {VIOLATE}"));
    assert_eq!(beside(&stage), ["registry.db", "registry.db-journal"]);
    expect_right(&stage, &[], "one state under a shared lock");
    writer.dies();
}

/// Runs as each user at the same time, since each waits for the busy time-out.
#[track_caller]
fn expect_locked(stage: &Stage, sentence: &[&str]) {
    let folder = stage.registry.parent().unwrap();
    let before = Listing::of(folder);
    let began = Instant::now();
    for user in User::both() {
        let night = stage.run(user, &[]).expect_status(3);
        sentence.iter().fold(night, |night, words| night.expect_finding(words));
        stage.expect_recorded("unknown");
        empty_outputs(stage);
    }
    let each = began.elapsed() / u32::try_from(User::both().len()).unwrap();
    assert!(each > Duration::from_secs(5) && each < Duration::from_secs(15), "{each:?}");
    before.expect_same(&Listing::of(folder), "locked");
}

#[test]
fn a_lock_that_outlasts_the_busy_time_out_is_unknown_and_names_its_holder() {
    let stage = Stage::new();
    let writer = Writer::start(&stage.registry, "BEGIN EXCLUSIVE;");
    let holder = format!("locked exclusively by process {} for over 5 s", writer.pid());
    expect_locked(&stage, &[&holder, "locking_mode=EXCLUSIVE"]);
    writer.dies();
    expect_right(&stage, &[], "an unchanged file");
}

#[test]
fn a_rollback_writer_in_exclusive_mode_is_unknown() {
    let stage = Stage::new();
    let writer = Writer::start(&stage.registry, &format!("PRAGMA locking_mode = EXCLUSIVE; {VIOLATE}"));
    expect_locked(&stage, &["locked exclusively", "locking_mode=EXCLUSIVE"]);
    writer.ends_well();
    expect_right(&stage, &[("lane_overrides", 1)], "an unchanged file");
}

#[test]
fn a_wal_writer_in_exclusive_mode_is_unknown() {
    let stage = wal_stage();
    let writer = Writer::start(&stage.registry, &format!("PRAGMA locking_mode = EXCLUSIVE; {WAL} {VIOLATE}"));
    assert_eq!(beside(&stage), ["registry.db", "registry.db-wal"]);
    expect_locked(&stage, &["locked exclusively", "locking_mode=EXCLUSIVE"]);
    writer.ends_well();
    expect_right(&stage, &[("lane_overrides", 1)], "an unchanged file");
}

#[test]
fn a_lock_that_is_let_go_in_time_is_waited_for() {
    for journal in [Journal::Rollback, Journal::Wal] {
        let stage = Stage::with(|plan| plan.journal = journal);
        let writer = Writer::start(
            &stage.registry,
            &format!("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; {VIOLATE} COMMIT;"),
        );
        let mut running = stage.start(&["--json"]);
        running.has_opened(&stage.registry);
        writer.ends_well();
        let night = Night::new(running.finish()).expect_status(2);
        night.expect_counts(&stage.counts(&[("lane_overrides", 1)]));
    }
}

#[test]
fn reading_as_root_gives_no_file_to_anybody() {
    if !rustix::process::geteuid().is_root() {
        return super::common::real::skip(
            "only root can give files away, and so only root could do so by mistake",
        );
    }
    for (sql, endings) in [(WAL, &["-wal", "-shm"][..]), ("PRAGMA journal_mode = PERSIST;", &["-journal"])] {
        let stage = Stage::new();
        let _writer = Writer::start(&stage.registry, &format!("{sql} {VIOLATE}"));
        for ending in endings {
            let file = stage.registry.with_file_name(format!("registry.db{ending}"));
            std::os::unix::fs::chown(file, Some(12_345), Some(12_346)).unwrap();
        }
        expect_right(&stage, &[("lane_overrides", 1)], "one ");
    }
}

#[test]
fn looking_closer_leaves_no_trace_either() {
    for (sql, dies) in [("", true), (WAL, false), (WAL, true), ("PRAGMA journal_mode = PERSIST;", false)] {
        let stage = wal_stage();
        let writer = Writer::start(&stage.registry, &format!("{sql} {VIOLATE}"));
        let writer = if dies { writer.dies() } else { Some(writer) };
        let folder = stage.registry.parent().unwrap();
        let before = Listing::of(folder);
        for user in User::both() {
            let rows = finish(&mut stage.command(user, &["rows", "lane_overrides", "--format", "jsonl"]));
            let expected = stage.planted.violations["lane_overrides"] + 1;
            assert_eq!(rows.stdout.lines().count() as u64, expected, "{sql}\n{rows:#}");
            rows.expect_status(0);
            let explained = finish(&mut stage.command(user, &["explain", "lane_overrides"]));
            explained.expect_status(0).expect_stdout("predicted_lane = corrected_lane");
        }
        before.expect_same(&Listing::of(folder), sql);
        drop(writer);
    }
}
