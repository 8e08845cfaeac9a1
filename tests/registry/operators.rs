//! An operator's own invariants: counted like the built-in ones, held to reading, and never a silent pass.

use std::fs;

use rusqlite::Connection;

use super::common::finish;
use super::listing::Listing;
use super::stage::{Stage, User};

/// A registry without one violation, so that the operator's invariants make the state.
pub fn clean() -> Stage {
    let stage = Stage::new();
    stage.sql(
        "DELETE FROM estimate_versions; DELETE FROM lane_overrides; UPDATE task_estimates SET kpi_formula = NULL;
         UPDATE project_runs SET run_id = 'run-' || id, run_kind = 'baseline', write_sandbox = 0,
                provider_matrix_json = '{\"a\":1}', strata_coverage = NULL",
    );
    stage.run(User::Owner, &[]).expect_status(0);
    stage
}

pub fn rows(stage: &Stage, table: &str) -> u64 {
    let registry = Connection::open(&stage.registry).unwrap();
    let sql = format!("SELECT count(*) FROM {table}");
    registry.query_row(&sql, [], |row| row.get::<_, i64>(0)).unwrap().unsigned_abs()
}

fn metric(stage: &Stage, series: &str) -> Option<f64> {
    let metrics = fs::read_to_string(stage.path("textfile/plms_invariants.prom")).unwrap();
    super::common::exposition::Exposition::read(&metrics).series.get(series).copied()
}

/// However many predicates share the pass over the runs, each counts its own rows and none counts for another.
#[test]
fn a_crowd_of_row_predicates_over_one_table_is_counted_one_by_one() {
    let mut stage = clean();
    let mut written = 0;
    // With the built-in ones the pass is full at 60, and has 63 bits.
    for crowd in [56, 57, 58, 59, 60, 61, 62, 64, 130] {
        for nth in written + 1..=crowd {
            let front = format!("table = \"project_runs\"\nviolates = \"id <= {nth}\"");
            stage.invariant(&format!("crowd_{nth}"), &front, "");
        }
        written = crowd;
        let night = stage.run(User::Owner, &[]).expect_status(1);
        let counts = night.counts();
        for (id, count) in &counts {
            let expected = id.strip_prefix("crowd_").map_or(0, |nth| nth.parse().unwrap());
            assert_eq!(*count, Some(expected), "{id} of {crowd}");
        }
        assert_eq!(counts.keys().filter(|id| id.starts_with("crowd_")).count(), crowd);
    }
}

#[test]
fn a_query_and_a_row_predicate_count_in_every_output() {
    let mut stage = clean();
    stage.invariant("mine_query", "", "SELECT id, name FROM projects WHERE id <= 2");
    let front = "severity = \"critical\"\ntable = \"task_estimates\"\nviolates = \"id % 2 = 0\"\nshow = [\"task_name\"]";
    let file = format!("/*---\nid = \"mine_rows\"\ntitle = \"Odd ids\"\nkey = [\"id\"]\n{front}\n---*/\n");
    stage.file("mine_rows.sql", &file);
    let even = rows(&stage, "task_estimates WHERE id % 2 = 0");
    let night = stage.run_untouched(User::Owner).expect_status(2);
    let night = night.expect_count("mine_query", 2).expect_count("mine_rows", even);
    assert_eq!(night.json["summary"]["total_violations"], even + 2);
    assert_eq!(night.json["checks"]["mine_rows"]["examined"], rows(&stage, "task_estimates"));
    assert_eq!(night.json["checks"]["mine_rows"]["sample"].as_array().unwrap().len(), 10);
    stage.expect_recorded("critical");
    for (id, severity, count) in [("mine_query", "warning", 2), ("mine_rows", "critical", even)] {
        let series =
            format!("plms_invariants_violations{{env=\"test\",invariant=\"{id}\",severity=\"{severity}\"}}");
        let shown = metric(&stage, &series).map(|number| number.to_string());
        assert_eq!(shown, Some(count.to_string()), "{series}");
    }
    let text = finish(&mut stage.command(User::Owner, &[])).expect_status(2);
    text.expect_stdout(&format!("mine_rows ({even})")).expect_stdout("WARNING: mine_query: 2 violations");
    // The same predicate found through an index on just the violating rows.
    stage.sql("CREATE INDEX even ON task_estimates (id) WHERE id % 2 = 0");
    stage.run_untouched(User::Owner).expect_count("mine_rows", even);
}

#[test]
fn a_predicate_that_ends_in_a_remark_counts_alone_and_shared() {
    let mut stage = clean();
    stage.sql("CREATE VIEW seen AS SELECT id FROM task_estimates");
    for (id, table) in [("a", "task_estimates"), ("b", "project_runs"), ("c", "seen")] {
        let remark = "reason = \"'even' -- every second\"";
        stage.invariant(id, &format!("table = \"{table}\"\nviolates = \"id % 2 = 0 -- even\"\n{remark}"), "");
    }
    let even = |table| rows(&stage, &format!("{table} WHERE id % 2 = 0"));
    let night = stage.run_untouched(User::Owner).expect_status(1).expect_count("a", even("task_estimates"));
    night.expect_count("b", even("project_runs")).expect_count("c", even("task_estimates"));
}

#[test]
fn what_a_predicate_looks_up_elsewhere_does_not_hide_how_many_rows_were_examined() {
    let mut stage = clean();
    stage.sql("CREATE INDEX by_project ON task_estimates (project_id)");
    let front = "table = \"projects\"\nviolates = \"EXISTS (SELECT 1 FROM task_estimates t WHERE t.project_id = projects.id)\"";
    stage.invariant("busy", front, "");
    let projects = rows(&stage, "projects");
    let busy = rows(&stage, "projects WHERE id IN (SELECT project_id FROM task_estimates)");
    let night = stage.run_untouched(User::Owner).expect_status(1).expect_count("busy", busy);
    assert_eq!(night.json["checks"]["busy"]["examined"], projects);
}

#[test]
fn a_predicate_over_a_view_or_a_table_without_row_numbers_counts() {
    let mut stage = clean();
    stage.sql(
        "CREATE TABLE plain (id TEXT PRIMARY KEY, n) WITHOUT ROWID; INSERT INTO plain VALUES ('a', 1), ('b', 2);
         CREATE VIEW seen AS SELECT id, n FROM plain;
         CREATE TABLE named (id, rowid, oid); INSERT INTO named VALUES (1, 5, 5), (2, 5, 5), (3, NULL, 5);",
    );
    for (id, table, violates) in
        [("a", "plain", "n > 0"), ("b", "seen", "n > 1"), ("c", "named", "rowid = 5")]
    {
        stage.invariant(id, &format!("table = \"{table}\"\nviolates = \"{violates}\""), "");
    }
    let night = stage.run_untouched(User::Owner).expect_status(1);
    night.expect_count("a", 2).expect_count("b", 1).expect_count("c", 2);
}

/// The file is refused with these words, and nothing is written anywhere.
#[track_caller]
fn refused(front: &str, sql: &str, words: &str) {
    let mut stage = Stage::new();
    stage.invariant("mine", front, sql);
    let folder = stage.registry.parent().unwrap();
    let before = Listing::of(folder);
    let finished = finish(&mut stage.command(User::Owner, &[])).expect_status(3);
    let finished = finished.expect_stdout("PLMS INVARIANTS UNKNOWN: ").expect_stdout("mine.sql");
    finished.expect_stdout(words);
    before.expect_same(&Listing::of(folder), sql);
    expect_no_trace(&stage);
}

/// No run was recorded anywhere; that one asked to is seen from the lock alone.
#[track_caller]
fn expect_no_trace(stage: &Stage) {
    for name in ["state", "logs", "textfile"] {
        let names = Listing::names(&stage.path(name));
        assert!(names.is_empty() || names == ["lock"], "{name}: {names:?}");
    }
}

#[test]
fn whatever_does_more_than_read_is_refused_at_start() {
    for (sql, words) in [
        ("INSERT INTO projects (name) VALUES ('x')", "`INSERT` does not read"),
        ("WITH x AS (SELECT 1) INSERT INTO projects (name, created_at) SELECT 'x', 'y'", "`INSERT` writes"),
        ("WITH x AS (SELECT 1) UPDATE projects SET name = 'x'", "`UPDATE` writes"),
        ("WITH x AS (SELECT 1) DELETE FROM projects", "`DELETE` writes"),
        ("REPLACE INTO projects (id) VALUES (1)", "`REPLACE` does not read"),
        (
            "WITH x AS (SELECT 1) REPLACE INTO projects (id, name, created_at) VALUES (1, 'x', 'y')",
            "authorizer",
        ),
        ("ATTACH 'other.db' AS other", "`ATTACH` does not read"),
        ("PRAGMA user_version = 7", "`PRAGMA` does not read"),
        ("VACUUM INTO 'copy.db'", "`VACUUM` does not read"),
        ("SELECT 1 AS id; SELECT 2", "a second statement"),
        ("SELECT 1 AS id; DROP TABLE projects", "a second statement"),
        ("-- nothing", "no SQL"),
        ("SELECT load_extension('x') AS id", "not authorized to use function: load_extension"),
        ("SELECT LOAD_EXTENSION('x', 'y') AS id", "not authorized to use function: LOAD_EXTENSION"),
        ("SELECT name AS id FROM pragma_table_info('projects')", "authorizer"),
        ("SELECT 1 AS id FROM pragma_user_version", "authorizer"),
    ] {
        refused("", sql, words);
    }
}

#[test]
fn what_the_registry_itself_calls_a_pragma_is_read_as_the_table_that_it_is() {
    let mut stage = Stage::new();
    stage.sql(
        "ALTER TABLE lane_overrides RENAME TO pragma_user_version;
         CREATE VIEW lane_overrides AS SELECT * FROM pragma_user_version",
    );
    stage.invariant("mine", "", "SELECT id FROM Pragma_User_Version WHERE id = 1");
    let counts = stage.counts(&[("mine", 1)]);
    stage.run_untouched(User::Owner).expect_counts(&counts);
}

#[test]
fn a_view_that_does_more_than_read_makes_its_invariants_unknown_and_the_others_are_counted() {
    let mut stage = Stage::new();
    stage.sql(
        "DROP TABLE lane_overrides; CREATE VIEW lane_overrides AS
         SELECT 1 AS id, 1 AS task_estimate_id, 1 AS predicted_lane, 1 AS corrected_lane, load_extension('x') AS y",
    );
    stage.invariant("mine", "", "SELECT id FROM lane_overrides WHERE y = 1");
    let mut counts = stage.counts(&[]);
    counts.insert("lane_overrides".into(), None);
    counts.insert("mine".into(), None);
    let night = stage.run_untouched(User::Owner).expect_status(2).expect_counts(&counts);
    night.expect_unknown("mine", "load_extension").expect_unknown("lane_overrides", "load_extension");
}

#[test]
fn a_row_predicate_that_does_more_than_read_is_refused_at_start() {
    for (violates, words) in [
        ("load_extension('x') IS NULL", "not authorized to use function: load_extension"),
        ("id IN (SELECT cid FROM pragma_table_info('projects'))", "authorizer"),
        ("id = 1; DROP TABLE projects", "`;` in an expression"),
        ("1) OR (1", "parentheses do not match"),
    ] {
        refused(&format!("table = \"projects\"\nviolates = \"{violates}\""), "", words);
    }
}

#[test]
fn an_unknown_key_and_a_duplicate_id_are_refused_at_start() {
    refused("severty = \"warning\"", "SELECT 1 AS id", "unknown key `severty`");
    let mut stage = Stage::new();
    stage.invariant("lane_overrides", "", "SELECT 1 AS id");
    finish(&mut stage.command(User::Owner, &[])).expect_status(3).expect_stdout("lane_overrides");
    expect_no_trace(&stage);
}

#[test]
fn on_missing_says_what_a_missing_column_means() {
    let mut stage = clean();
    let sql = "SELECT id FROM projects WHERE later IS NULL";
    stage.invariant("newer", "needs = [\"projects.later\"]\non_missing = \"skip\"", sql);
    let night = stage.run_untouched(User::Owner).expect_status(0);
    assert_eq!(night.json["checks"]["newer"]["state"], "skipped");
    stage.invariant("strict", "needs = [\"projects.later\"]\non_missing = \"error\"", sql);
    stage.run_untouched(User::Owner).expect_status(3).expect_unknown("strict", "no column projects.later");
    // A table that is not there at all is no older registry.
    let mut stage = clean();
    stage.invariant("gone", "needs = [\"gone.x\"]\non_missing = \"skip\"", "SELECT x AS id FROM gone");
    stage.run_untouched(User::Owner).expect_status(3).expect_unknown("gone", "no table gone");
}

#[test]
fn what_is_redacted_reaches_no_output() {
    let mut stage = clean();
    stage.sql("UPDATE projects SET name = 'geheim-' || id, description = 'geheim too'");
    let columns = "show = [\"name\", \"description\"]\nredact = [\"name\", \"description\"]";
    stage.invariant("kept_back", columns, "SELECT id, name, description FROM projects");
    stage.invariant("rows", &format!("table = \"projects\"\nviolates = \"TRUE\"\n{columns}"), "");
    let key = "redact = [\"name\"]";
    let file = format!(
        "/*---\nid = \"key\"\ntitle = \"key\"\nseverity = \"warning\"\nkey = [\"name\"]\n{key}\n---*/\n"
    );
    stage.file("key.sql", &format!("{file}SELECT name FROM projects"));
    let night = stage.run_untouched(User::Owner).expect_status(1);
    night.expect_count("rows", rows(&stage, "projects"));
    let mut outputs = vec![];
    for args in [
        &["--json", "-v"][..],
        &["-v"],
        &["rows", "kept_back"],
        &["rows", "rows", "--format", "jsonl"],
        &["rows", "key", "--format", "csv"],
        &["explain", "rows"],
        &["status"],
        &["history"],
    ] {
        let finished = finish(&mut stage.command(User::Owner, args));
        outputs.push((format!("{args:?}"), [finished.stdout, finished.stderr].concat().into_bytes()));
    }
    for folder in ["state", "logs", "textfile"] {
        for name in Listing::names(&stage.path(folder)) {
            outputs.push((name.clone(), fs::read(stage.path(folder).join(name)).unwrap()));
        }
    }
    for (name, output) in outputs {
        assert!(!output.windows(6).any(|window| window == b"geheim"), "{name}");
    }
}

#[test]
fn the_functions_of_the_built_in_files_are_open_to_operators() {
    let mut stage = Stage::new();
    let planted = stage.planted.violations.clone();
    for (id, sql) in [
        ("formulas", "SELECT id FROM task_estimates WHERE formula_fault(kpi_formula) IS NOT NULL"),
        ("polluted", "SELECT id FROM estimate_versions WHERE project_is_polluted(project_id)"),
        ("sources", "SELECT id FROM estimate_versions WHERE NOT project_is_validated(project_id)"),
        (
            "snapshots",
            "SELECT id FROM project_runs WHERE run_kind IN ('baseline', 'hotfix')
             AND coalesce(object_entries(provider_matrix_json), 0) = 0",
        ),
    ] {
        stage.invariant(id, "", sql);
    }
    let night = stage.run_untouched(User::Owner).expect_status(2);
    night
        .expect_count("formulas", planted["kpi_formulas"])
        .expect_count("polluted", planted["calibration_pollution"])
        .expect_count("sources", planted["calibration_sources"])
        .expect_count("snapshots", planted["provider_snapshots"]);
}
