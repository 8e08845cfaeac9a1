//! Does the history survive what happens to a file over 400 nights?

use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::report::fixture::{at, checked, clean, evaluation, failed, hostile_run, mixed, run};
use crate::verdict::invariants::{Outcome, Severity};
use crate::verdict::streaks::Streak;

struct Place {
    folder: tempfile::TempDir,
    db: StateDb,
}

fn place() -> Place {
    let folder = tempfile::tempdir().unwrap();
    let db = StateDb::in_folder(folder.path());
    Place { folder, db }
}

impl Place {
    /// One run of one invariant, recorded.
    fn night(&self, finish: &str, outcome: Outcome) -> Streaks {
        let report = run(finish, vec![evaluation("x", Severity::Warning, outcome)]);
        self.record(&report).streaks
    }

    fn record(&self, report: &Report) -> Recorded {
        self.db.record(report, |_| None, report.finish).unwrap()
    }

    fn history(&self, of: &Report) -> History {
        self.db.history(&of.env, &of.db_path, 1000).unwrap()
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn skipped() -> Outcome {
    Outcome::Skipped { reason: "too old".into() }
}

#[test]
fn an_incident_lasts_from_the_first_failure_to_the_first_full_pass() {
    let place = place();
    assert_eq!(place.night("2025-11-01T07:00:00Z", checked(0)).of("x"), Streak::default());
    let since = Some(at("2025-11-02T07:00:00Z"));
    assert_eq!(place.night("2025-11-02T07:00:00Z", checked(3)).of("x").failing_since, since);
    assert_eq!(place.night("2025-11-03T07:00:00Z", checked(5)).of("x").failing_since, since);
    let mended = place.night("2025-11-04T07:00:00Z", checked(0)).of("x");
    let two_days = Some(std::time::Duration::from_secs(172_800));
    assert_eq!(mended, Streak { failing_since: None, last_time_to_fix: two_days });
    let again = place.night("2025-11-05T07:00:00Z", checked(1)).of("x");
    assert_eq!(again, Streak { failing_since: Some(at("2025-11-05T07:00:00Z")), last_time_to_fix: two_days });
}

#[test]
fn unknown_skipped_and_unselected_neither_open_nor_close_an_incident() {
    let place = place();
    assert_eq!(place.night("2025-11-01T07:00:00Z", failed("no such column")).of("x"), Streak::default());
    assert_eq!(place.night("2025-11-01T08:00:00Z", skipped()).of("x"), Streak::default());
    let open = place.night("2025-11-02T07:00:00Z", checked(3)).of("x");
    assert_eq!(open.failing_since, Some(at("2025-11-02T07:00:00Z")));
    let half = Outcome::Checked { violations: 0, examined: None, sample: vec![], errors: vec!["cut".into()] };
    for outcome in [failed("locked"), skipped(), half] {
        assert_eq!(place.night("2025-11-03T07:00:00Z", outcome).of("x"), open);
    }
    place.record(&run("2025-11-04T07:00:00Z", vec![evaluation("y", Severity::Warning, checked(0))]));
    assert_eq!(place.night("2025-11-05T07:00:00Z", failed("locked")).of("x"), open);
}

#[test]
fn a_failing_run_keeps_the_last_success() {
    let place = place();
    assert_eq!(place.night("2025-11-01T07:00:00Z", checked(1)).last_success, None);
    let success = Some(at("2025-11-02T07:00:00Z"));
    assert_eq!(place.night("2025-11-02T07:00:00Z", checked(0)).last_success, success);
    assert_eq!(place.night("2025-11-03T07:00:00Z", failed("locked")).last_success, success);
    assert_eq!(place.night("2027-11-03T07:00:00Z", checked(2)).last_success, success, "two years later");
}

#[test]
fn a_success_that_is_lifted_afterwards_is_none() {
    let place = place();
    place.night("2025-11-01T07:00:00Z", checked(0));
    let mut report = clean();
    let mut recorded = place.record(&report);
    assert_eq!(recorded.streaks.last_success, Some(report.finish));
    report.findings.push(crate::verdict::Finding::new(State::Unknown, "no room for the textfile"));
    place.db.restate(&mut recorded, &report, |_| None).unwrap();
    assert_eq!(recorded.streaks.last_success, Some(at("2025-11-01T07:00:00Z")));
    assert_eq!(place.history(&report).runs[0].state, State::Unknown);
}

#[test]
fn environments_and_registries_do_not_mix() {
    let place = place();
    let failing = run("2025-11-01T07:00:00Z", vec![evaluation("x", Severity::Warning, checked(2))]);
    place.record(&failing);
    let passing = vec![evaluation("x", Severity::Warning, checked(0))];
    let staging = Report { env: "staging".into(), ..run("2025-11-02T07:00:00Z", passing.clone()) };
    let other = Report { db_path: "/srv/other.db".into(), ..run("2025-11-02T07:00:00Z", passing) };
    assert_eq!(place.record(&staging).streaks.of("x"), Streak::default());
    assert_eq!(place.record(&other).streaks.of("x"), Streak::default());
    assert_eq!(place.history(&failing).incidents.len(), 1);
    assert_eq!(place.history(&failing).runs.len(), 1);
    assert_eq!(place.history(&staging).incidents, []);
}

#[test]
fn history_tells_what_was_recorded() {
    let place = place();
    let report = mixed();
    place.record(&report);
    place.record(&hostile_run());
    let history = place.history(&report);
    let [record] = history.runs.as_slice() else { panic!("{history:?}") };
    assert_eq!((record.start, record.finish), (report.start, report.finish));
    assert_eq!((record.state, record.summary), (State::Critical, report.summary()));
    let seen: Vec<_> = record.evaluations.iter().map(|e| (e.id.as_str(), e.state, e.violations)).collect();
    let want = [
        ("calibration_pollution", Some(State::Unknown), None),
        ("lane_overrides", Some(State::Warning), Some(12_408)),
        ("passport_artifacts", Some(State::Ok), Some(0)),
        ("provider_snapshots", Some(State::Critical), Some(2)),
        ("strata_coverage", None, None),
    ];
    assert_eq!(seen, want);
    assert_eq!(history.incidents.len(), 2);
    let hostile = hostile_run();
    assert_eq!(place.history(&hostile).runs[0].incomplete, hostile.incomplete, "text is kept exactly");
}

#[test]
fn runs_are_forgotten_after_400_days_and_an_open_incident_is_not() {
    let place = place();
    place.night("2024-01-01T07:00:00Z", checked(1));
    place.night("2024-01-02T07:00:00Z", checked(1));
    place.night("2025-02-04T07:00:00Z", checked(1)); // 399 days after the second
    let report = run("2025-02-05T07:00:01Z", vec![]);
    assert_eq!(place.history(&report).runs.len(), 3, "400 days to the second are kept");
    place.record(&report);
    let history = place.history(&report);
    let finishes: Vec<_> = history.runs.iter().map(|r| r.finish).collect();
    assert_eq!(finishes, [report.finish, at("2025-02-04T07:00:00Z")]);
    assert_eq!(history.incidents[0].opened, at("2024-01-01T07:00:00Z"));
}

#[test]
fn a_clock_set_back_makes_the_time_to_fix_unknown() {
    let place = place();
    place.night("2025-11-05T07:00:00Z", checked(1));
    assert_eq!(place.night("2025-11-04T07:00:00Z", checked(0)).of("x"), Streak::default());
}

#[test]
fn the_file_and_its_journal_are_private_and_nothing_else_stays_in_the_folder() {
    let place = place();
    place.record(&clean());
    assert_eq!(place.names(), ["state.db", "state.db-journal"]);
    let journal = place.folder.path().join("state.db-journal");
    assert_eq!(std::fs::metadata(journal).unwrap().permissions().mode() & 0o777, 0o600);
    std::fs::set_permissions(place.db.path(), std::fs::Permissions::from_mode(0o644)).unwrap();
    place.record(&clean());
    assert_eq!(std::fs::metadata(place.db.path()).unwrap().permissions().mode() & 0o777, 0o600);
}

#[track_caller]
fn is_set_aside(damage: impl FnOnce(&Path), says: &str) {
    let place = place();
    place.night("2025-11-01T07:00:00Z", checked(1));
    damage(place.db.path());
    let report = clean();
    let recorded = place.record(&report);
    let aside = recorded.aside.expect("the damaged file is set aside");
    assert!(aside.why.contains(says), "{}", aside.why);
    assert!(std::fs::symlink_metadata(&aside.path).is_ok());
    assert_eq!(aside.path.file_name().unwrap(), "state.db.set-aside-2025-11-06T07:00:03Z");
    assert_eq!(place.history(&report).runs.len(), 1, "a fresh file was begun");
    assert_eq!(place.record(&report).aside, Some(aside), "and says so");
    let mut again = place.record(&report);
    place.db.restate(&mut again, &report, |_| None).unwrap();
    assert_eq!(place.record(&report).aside, None, "until it was told");
}

#[test]
fn an_empty_a_foreign_and_a_garbage_file_are_set_aside() {
    is_set_aside(|path| std::fs::write(path, "").unwrap(), "no state of this program");
    is_set_aside(|path| std::fs::write(path, "x".repeat(9000)).unwrap(), "not a database");
    is_set_aside(
        |path| {
            std::fs::remove_file(path).unwrap();
            Connection::open(path).unwrap().execute_batch("CREATE TABLE runs (x)").unwrap();
        },
        "no state of this program",
    );
}

#[test]
fn a_truncated_file_is_set_aside() {
    let cut = |path: &Path| {
        let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
        file.set_len(file.metadata().unwrap().len() / 2).unwrap();
    };
    is_set_aside(cut, "malformed");
}

#[test]
fn a_newer_version_is_set_aside_and_so_is_one_whose_tables_are_missing() {
    let sql =
        |sql: &'static str| move |path: &Path| Connection::open(path).unwrap().execute_batch(sql).unwrap();
    is_set_aside(sql("PRAGMA user_version = 4"), "a newer program wrote it");
    is_set_aside(sql("DROP TABLE incidents"), "tables are not those of version 3");
}

#[test]
fn a_folder_or_a_link_in_its_place_is_set_aside_and_the_links_target_is_untouched() {
    is_set_aside(
        |path| {
            std::fs::remove_file(path).unwrap();
            std::fs::create_dir(path).unwrap();
        },
        "not a regular file",
    );
    let elsewhere = tempfile::tempdir().unwrap();
    let target = elsewhere.path().join("dangling");
    is_set_aside(
        |path| {
            std::fs::remove_file(path).unwrap();
            std::os::unix::fs::symlink(&target, path).unwrap();
        },
        "not a regular file",
    );
    assert!(!target.exists());
}

#[test]
fn a_journal_beside_a_useless_file_goes_with_it() {
    let place = place();
    place.record(&clean());
    std::fs::remove_file(place.db.path()).unwrap();
    std::fs::create_dir(place.db.path()).unwrap();
    std::fs::write(place.db.path().with_file_name("state.db-journal"), "journal").unwrap();
    let aside = place.record(&clean()).aside.unwrap();
    let journal = PathBuf::from(format!("{}-journal", aside.path.display()));
    assert_eq!(std::fs::read_to_string(journal).unwrap(), "journal");
}

#[test]
fn what_a_crash_left_of_a_first_run_does_not_stand_in_the_way() {
    let place = place();
    std::fs::write(place.folder.path().join("state.db.new"), "half").unwrap();
    place.record(&clean());
    assert_eq!(place.names(), ["state.db", "state.db-journal"]);
}

#[test]
fn a_file_that_somebody_locks_is_an_error_and_is_not_set_aside() {
    let place = place();
    place.record(&clean());
    let other = Connection::open(place.db.path()).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let error = place.db.record(&clean(), |_| None, clean().finish).unwrap_err();
    assert!(matches!(error, StateError::Busy { .. }), "{error}");
    drop(other);
    assert_eq!(place.names(), ["state.db", "state.db-journal"]);
}

#[test]
fn history_of_a_folder_without_state_makes_none() {
    let place = place();
    let error = place.db.history("production", "/x", 10).unwrap_err();
    assert!(matches!(error, StateError::Absent { .. }), "{error}");
    assert_eq!(place.names(), [""; 0]);
}

#[test]
fn history_of_a_useless_file_is_an_error_that_leaves_it_alone() {
    let place = place();
    std::fs::write(place.db.path(), "garbage, and long enough to be looked at ".repeat(300)).unwrap();
    let error = place.db.history("production", "/x", 10).unwrap_err();
    assert!(matches!(error, StateError::Unreadable { .. }), "{error}");
    assert_eq!(place.names(), ["state.db"]);
}
