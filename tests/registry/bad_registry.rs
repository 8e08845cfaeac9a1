//! What cannot be checked: exit status 3, one sentence with what to do, recorded like any run, nothing touched.

use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::{Duration, Instant};

use plms_invariants::demo::Schema;

use super::common::{finish, real};
use super::listing::Listing;
use super::stage::{Night, Stage, User};

/// The run fails with this sentence, at once, and leaves what it finds as it was.
#[track_caller]
fn expect_unknown(stage: &Stage, user: User, sentence: &str) -> Night {
    let began = Instant::now();
    let night = stage.run_untouched(user).expect_status(3).expect_finding(sentence);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    let checks = night.json["checks"].as_object().unwrap();
    assert!(checks.values().all(|check| check["state"] == "unknown" && check["violations"].is_null()));
    assert_eq!((checks.len(), &night.json["summary"]["status"]), (8, &"error".into()));
    stage.expect_recorded("unknown");
    let metrics = fs::read_to_string(stage.path("textfile/plms_invariants.prom")).unwrap();
    assert!(metrics.contains("plms_invariants_status{env=\"test\"} 0\n"), "{metrics}");
    // What was not counted is absent, and no zero.
    assert!(!metrics.contains("plms_invariants_violations{"), "{metrics}");
    // The first line says it, too.
    let text = finish(&mut stage.command(user, &[])).expect_status(3);
    let first = text.service_output();
    assert!(first.starts_with("PLMS INVARIANTS UNKNOWN: test: ") && first.contains(sentence), "{text:#}");
    night
}

/// With something else in the registry's place.
#[track_caller]
fn with_in_its_place(make: impl FnOnce(&Stage), sentence: &str) {
    let stage = Stage::new();
    fs::remove_file(&stage.registry).unwrap();
    make(&stage);
    expect_unknown(&stage, User::Owner, sentence);
}

#[test]
fn no_file_at_the_path_is_unknown_and_none_is_made() {
    with_in_its_place(|_| {}, "there is no such file; is DB_PATH right?");
}

#[test]
fn a_link_to_nowhere_is_unknown() {
    let make = |stage: &Stage| symlink("/nowhere/registry.db", &stage.registry).unwrap();
    with_in_its_place(make, "there is no such file; is DB_PATH right?");
}

#[test]
fn a_folder_in_its_place_is_unknown() {
    let make = |stage: &Stage| fs::create_dir(&stage.registry).unwrap();
    with_in_its_place(make, "it is a folder; DB_PATH must name the database file in it");
}

#[test]
fn an_empty_file_is_unknown() {
    let make = |stage: &Stage| fs::write(&stage.registry, "").unwrap();
    with_in_its_place(make, "the file is empty; was it truncated, or never filled?");
}

#[test]
fn a_text_file_is_unknown() {
    let make = |stage: &Stage| fs::write(&stage.registry, "id,name\n".repeat(10_000)).unwrap();
    with_in_its_place(make, "it is no SQLite database, or an encrypted one");
}

#[test]
fn an_encrypted_database_is_unknown() {
    let mut rng = fastrand::Rng::with_seed(1);
    let bytes: Vec<u8> = std::iter::repeat_with(|| rng.u8(..)).take(65_536).collect();
    let make = |stage: &Stage| fs::write(&stage.registry, bytes).unwrap();
    with_in_its_place(make, "it is no SQLite database, or an encrypted one");
}

#[test]
fn a_fifo_or_a_device_in_its_place_does_not_hold_up_the_run() {
    let fifo = |stage: &Stage| {
        let mode = rustix::fs::Mode::from_raw_mode(0o644);
        rustix::fs::mknodat(rustix::fs::CWD, &stage.registry, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    };
    let stage = Stage::new();
    fs::remove_file(&stage.registry).unwrap();
    fifo(&stage);
    // A listing would wait for the FIFO itself.
    let began = Instant::now();
    stage.run(User::Owner, &[]).expect_status(3).expect_finding("it is no regular file");
    assert!(began.elapsed() < Duration::from_secs(5));
    stage.expect_recorded("unknown");
    let zero = |stage: &Stage| symlink("/dev/zero", &stage.registry).unwrap();
    with_in_its_place(zero, "it is no regular file");
}

#[test]
fn a_truncated_database_is_unknown_wherever_it_ends() {
    let whole = fs::metadata(Stage::new().registry).unwrap().len();
    for (size, sentence) in [
        (50, "the database is damaged (truncated: 50 bytes of 100)"),
        (100, "the database is damaged (truncated: 100 bytes of "),
        (4_096, "the database is damaged (truncated: 4096 bytes of "),
        (whole / 2, "; restore it from a backup"),
        (whole - 1, "; restore it from a backup"),
    ] {
        let stage = Stage::new();
        File::options().write(true).open(&stage.registry).unwrap().set_len(size).unwrap();
        expect_unknown(&stage, User::Owner, sentence);
    }
}

#[test]
fn a_registry_that_may_not_be_read_is_unknown() {
    if !rustix::process::geteuid().is_root() {
        return real::skip("only root can run the program as a user who may not read");
    }
    let stage = Stage::new();
    fs::set_permissions(&stage.registry, Permissions::from_mode(0o640)).unwrap();
    let denied = "permission denied; is the unit's user in the registry's group?";
    expect_unknown(&stage, User::Nobody, denied);
    let stage = Stage::new();
    fs::set_permissions(stage.registry.parent().unwrap(), Permissions::from_mode(0o750)).unwrap();
    expect_unknown(&stage, User::Nobody, denied);
}

#[test]
fn a_wal_or_its_index_that_may_not_be_read_is_said_to_be_denied() {
    if !rustix::process::geteuid().is_root() {
        return real::skip("only root can run the program as a user who may not read");
    }
    for ending in ["-wal", "-shm", "-journal"] {
        let stage = Stage::new();
        let mode = if ending == "-journal" { "PERSIST" } else { "WAL" };
        let sql = format!("PRAGMA journal_mode = {mode}; CREATE TABLE x (y);");
        let _writer = super::writer::Writer::start(&stage.registry, &sql);
        let mut name = stage.registry.clone().into_os_string();
        name.push(ending);
        fs::set_permissions(&name, Permissions::from_mode(0o640)).unwrap();
        expect_unknown(&stage, User::Nobody, "permission denied");
    }
}

#[test]
fn a_missing_table_makes_its_invariants_unknown_and_the_others_are_counted() {
    let stage = Stage::new();
    stage.sql("DROP TABLE lane_overrides");
    let night = stage.run_untouched(User::Owner).expect_status(2);
    let night = night.expect_unknown("lane_overrides", "the registry has no table lane_overrides");
    let mut counts = stage.counts(&[]);
    counts.insert("lane_overrides".into(), None);
    night.expect_counts(&counts);
    stage.sql("DROP TABLE project_runs");
    let mut night = stage.run_untouched(User::Owner).expect_status(1);
    for id in stage.planted.violations.keys().filter(|id| !["kpi_formulas", "lane_overrides"].contains(id)) {
        night = night.expect_unknown(id, "the registry has no table project_runs");
    }
    night.expect_count("kpi_formulas", stage.planted.violations["kpi_formulas"]);
}

#[test]
fn a_missing_column_makes_its_invariants_unknown_and_the_others_are_counted() {
    let stage = Stage::new();
    stage.sql("ALTER TABLE project_runs RENAME COLUMN validation_pass TO validated");
    let night = stage.run_untouched(User::Owner);
    let sentence = "the registry has no column project_runs.validation_pass";
    let night = night
        .expect_unknown("calibration_sources", sentence)
        .expect_unknown("calibration_pollution", sentence);
    let mut counts = stage.counts(&[]);
    counts.extend(["calibration_sources", "calibration_pollution"].map(|id| (id.to_owned(), None)));
    night.expect_counts(&counts);
}

#[test]
fn an_older_registry_skips_strata_coverage_and_its_state_is_that_of_the_others() {
    let stage = Stage::with(|plan| plan.schema = Schema::Older);
    // Without a violation at all, so that the state can be OK.
    stage.sql(
        "DELETE FROM project_runs; DELETE FROM estimate_versions; DELETE FROM lane_overrides;
         UPDATE task_estimates SET kpi_formula = NULL",
    );
    let night = stage.run_untouched(User::Owner).expect_status(0);
    let check = &night.json["checks"]["strata_coverage"];
    assert_eq!((&check["state"], &check["passed"]), (&"skipped".into(), &true.into()), "{check:#}");
    assert_eq!(night.json["summary"]["skipped_checks"], 1);
    stage.expect_recorded("ok");
    let text = finish(&mut stage.command(User::Owner, &[])).expect_status(0);
    text.expect_stdout("1 skipped")
        .expect_stdout("strata_coverage: skipped: the registry has no column project_runs.strata_coverage");
}

#[test]
fn four_empty_tables_are_unknown_unless_they_are_allowed() {
    let stage = Stage::with(|plan| plan.runs = 0);
    let night = stage.run_untouched(User::Owner).expect_status(3);
    night.expect_finding("all four PLMS tables are empty: is this the right registry?");
    stage.expect_recorded("unknown");
    stage.run(User::Owner, &["--allow-empty"]).expect_status(0);
    // One row in one of them, and the registry is in use.
    stage.sql("INSERT INTO task_estimates (project_id, task_name) VALUES (1, 'x')");
    stage.run_untouched(User::Owner).expect_status(0);
}

#[test]
fn four_missing_tables_are_unknown_even_where_empty_ones_are_allowed() {
    let stage = Stage::new();
    fs::remove_file(&stage.registry).unwrap();
    stage.sql("CREATE TABLE other (x)");
    let night = stage.run(User::Owner, &["--allow-empty"]).expect_status(3);
    night.expect_unknown("lane_overrides", "the registry has no table lane_overrides");
}

#[test]
fn a_path_with_any_bytes_is_read_and_leaves_nothing_beside_it() {
    let names: [&[u8]; 6] = [
        b"a b.db",
        b"what?mode=rwc&x=1#y%41.db",
        b"file:x.db",
        "ü ☃ \u{202e}.db".as_bytes(),
        b"not \xff\xfe utf-8.db",
        b"line\nbreak|\x1b[31m.db",
    ];
    for name in names {
        let mut stage = Stage::new();
        let folder = stage.path("odd ?#% names");
        fs::create_dir(&folder).unwrap();
        let path = folder.join(OsStr::from_bytes(name));
        fs::rename(&stage.registry, &path).unwrap();
        stage.registry = path;
        stage.run_untouched(User::Owner).expect_status(2).expect_counts(&stage.counts(&[]));
        assert_eq!(Listing::names(&folder).len(), 1);
        stage.expect_recorded("critical");
        // In a sentence, too, such a name stays on its line.
        fs::write(&stage.registry, "").unwrap();
        let text = finish(&mut stage.command(User::Owner, &[])).expect_status(3);
        let first = text.service_output();
        assert!(first.contains("the file is empty") && first.matches('|').count() == 1, "{text:#}");
        assert!(!text.stdout.contains(|c: char| c.is_control() && c != '\n'), "{text:#}");
    }
}

#[test]
fn a_registry_behind_a_link_is_read_where_it_lies() {
    let mut stage = Stage::new();
    let folder = stage.path("links");
    fs::create_dir(&folder).unwrap();
    symlink(&stage.registry, folder.join("link.db")).unwrap();
    let registry = std::mem::replace(&mut stage.registry, folder.join("link.db"));
    let sql = "PRAGMA journal_mode = WAL; INSERT INTO lane_overrides
        (task_estimate_id, predicted_lane, corrected_lane) VALUES (1, 7, 7)";
    // The -wal lies beside the file, and none beside the link.
    let _writer = super::writer::Writer::start(&registry, sql);
    let before = Listing::of(registry.parent().unwrap());
    let night = stage.run_untouched(User::Owner).expect_reading("one WAL snapshot");
    before.expect_same(&Listing::of(registry.parent().unwrap()), "behind the link");
    night.expect_counts(&stage.counts(&[("lane_overrides", 1)]));
}

#[test]
fn a_registry_behind_a_linked_folder_is_the_same_one_in_the_night_in_which_it_is_missing() {
    let mut stage = Stage::new();
    symlink(stage.registry.parent().unwrap(), stage.path("link")).unwrap();
    let behind = stage.path("link").join(stage.registry.file_name().unwrap());
    let file = fs::canonicalize(std::mem::replace(&mut stage.registry, behind)).unwrap();
    let name =
        |stage: &Stage, status| stage.run(User::Owner, &[]).expect_status(status).json["db_path"].clone();
    let first = name(&stage, 2);
    assert_eq!(first, file.to_str().unwrap());
    fs::rename(&file, stage.path("away")).unwrap();
    assert_eq!(name(&stage, 3), first);
    fs::remove_dir(file.parent().unwrap()).unwrap();
    assert_eq!(name(&stage, 3), first, "a link to nowhere, too");
}
