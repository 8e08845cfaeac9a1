//! An operator's invariant that cannot be answered, or not in time: UNKNOWN with the reason, and the others are counted.

use std::time::{Duration, Instant};

use super::operators::{clean, rows};
use super::stage::{Night, Stage, User};

/// The others are counted, and this one is UNKNOWN with these words.
#[track_caller]
fn unknown(stage: &mut Stage, id: &str, front: &str, sql: &str, words: &str) -> Night {
    stage.invariant(id, front, sql);
    let mut counts = stage.counts(&[]);
    counts.insert(id.to_owned(), None);
    let night = stage.run_untouched(User::Owner).expect_status(2).expect_counts(&counts);
    stage.expect_recorded("critical");
    night.expect_unknown(id, words)
}

#[test]
fn a_typo_is_an_error_and_never_a_pass() {
    for (front, sql, words) in [
        ("", "SELECT id FROM projects WHERE statsu = 'x'", "no such column: statsu"),
        ("", "SELECT id FROM projects WHERE \"statsu\" = 'x'", "no such column: \"statsu\""),
        ("", "SELECT id FROM projects WHERE status = \"completed\"", "no such column: \"completed\""),
        ("", "SELECT id FROM projcts", "no such table: projcts"),
        ("", "SELECT id FROM projects WHERE lenght(name) = 0", "no such function: lenght"),
        ("", "SELECT name FROM projects", "returns no column id"),
        ("show = [\"nam\"]", "SELECT id, name FROM projects", "returns no column nam"),
        ("table = \"projects\"\nviolates = \"\\\"statsu\\\" = 'x'\"", "", "no such column"),
        ("table = \"projects\"\nviolates = \"statsu = 'x'\"", "", "no such column: statsu"),
        ("table = \"projects\"\nviolates = \"count(*) > 5\"", "", "misuse of aggregate"),
        ("table = \"projcts\"\nviolates = \"id = 1\"", "", "no table projcts"),
        (
            "table = \"projects\"\nviolates = \"id = 1\"\nshow = [\"nam\"]",
            "",
            "show column nam does not exist",
        ),
        ("needs = [\"projects.nam\"]", "SELECT id FROM projects", "no column projects.nam"),
    ] {
        unknown(&mut Stage::new(), "mine", front, sql, words);
    }
}

const ENDLESS: &str = "WITH RECURSIVE n (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n) SELECT id FROM n";

#[test]
fn an_endless_query_is_cancelled_by_its_timeout_and_the_others_are_counted() {
    for sql in [format!("{ENDLESS} WHERE id < 0"), format!("SELECT count(*) AS id FROM ({ENDLESS})")] {
        let mut stage = Stage::new();
        let began = Instant::now();
        unknown(&mut stage, "endless", "timeout = \"1s\"", &sql, "its timeout of 1 s");
        let took = began.elapsed();
        assert!(took > Duration::from_secs(1) && took < Duration::from_secs(5), "{took:?}");
    }
}

#[test]
fn a_query_that_returns_rows_for_ever_is_cancelled_too() {
    let mut stage = Stage::new();
    unknown(&mut stage, "endless", "timeout = \"1s\"\nsample = 3", ENDLESS, "its timeout of 1 s");
}

#[test]
fn an_endless_predicate_is_cancelled_and_those_that_share_its_scan_are_counted() {
    let mut stage = Stage::new();
    let violates = format!("(SELECT count(*) FROM ({ENDLESS})) < id");
    let front = format!("timeout = \"1s\"\ntable = \"project_runs\"\nviolates = \"{violates}\"");
    let began = Instant::now();
    unknown(&mut stage, "endless", &front, "", "its timeout of 1 s");
    // Once together with the others, and once alone.
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
}

#[test]
fn a_predicate_that_fails_on_one_row_is_unknown_and_those_that_share_its_scan_are_exact() {
    for runs in [200, 40_000] {
        let mut stage = Stage::with(|plan| plan.runs = runs);
        stage.sql(&format!(
            "ALTER TABLE project_runs ADD COLUMN extra TEXT; UPDATE project_runs SET extra = '[1]';
             UPDATE project_runs SET extra = 'torn' WHERE id = {runs} - 7"
        ));
        stage.invariant("neighbour", "table = \"project_runs\"\nviolates = \"id % 10 = 3\"", "");
        let mut counts = stage.counts(&[("neighbour", u64::from(runs) / 10)]);
        for (id, violates) in [
            ("torn", "json_extract(extra, '$[0]') = 2"),
            ("torn_each", "EXISTS (SELECT 1 FROM json_each(extra) WHERE value = 2)"),
        ] {
            stage.invariant(id, &format!("table = \"project_runs\"\nviolates = \"{violates}\""), "");
            counts.insert(id.into(), None);
        }
        let night = stage.run_untouched(User::Owner).expect_status(2).expect_counts(&counts);
        night.expect_unknown("torn", "malformed JSON").expect_unknown("torn_each", "malformed JSON");
    }
}

#[test]
fn fewer_rows_than_min_examined_are_no_pass() {
    let mut stage = clean();
    let projects = rows(&stage, "projects");
    let enough = format!("min_examined = {projects}\n");
    let too_many = format!("min_examined = {}\n", projects + 1);
    let rule = "table = \"projects\"\nviolates = \"id < 0\"";
    stage.invariant("enough", &format!("{enough}{rule}"), "");
    stage.invariant("query", &enough, "SELECT id FROM projects WHERE name = 'no such name'");
    stage.run_untouched(User::Owner).expect_status(0);
    stage.invariant("few", &format!("{too_many}{rule}"), "");
    let night = stage.run_untouched(User::Owner).expect_status(3);
    let words = format!("only {projects} rows were examined, of at least {}", projects + 1);
    night.expect_unknown("few", &words);
}

#[test]
fn where_it_is_not_known_how_many_rows_were_examined_no_number_is_given() {
    let unknown = [
        ("through_an_index", "SELECT id FROM projects WHERE id = -1"),
        (
            "two_tables",
            "SELECT id FROM lane_overrides WHERE id < 0 UNION ALL SELECT id FROM projects WHERE name = ''",
        ),
        ("joined", "SELECT a.id FROM projects a, projects b WHERE a.name = b.name || 'x'"),
        ("aside", "SELECT id FROM lane_overrides WHERE EXISTS (SELECT 1 FROM projects WHERE name = '')"),
        ("no_table", "SELECT value AS id FROM json_each('[1,2]') WHERE value = 3"),
        ("one_row", "SELECT id FROM one WHERE id = 2"),
        ("no_row", "SELECT id FROM lane_overrides WHERE task_estimate_id = -1"),
    ];
    let mut stage = clean();
    stage.sql("CREATE TABLE one (id); INSERT INTO one VALUES (1)");
    for (id, sql) in unknown {
        stage.invariant(id, "min_examined = 1", sql);
    }
    stage.invariant("predicate", "min_examined = 1\ntable = \"one\"\nviolates = \"id = 2\"", "");
    stage.invariant("sorted", "", "SELECT id FROM projects WHERE name = '' ORDER BY description");
    let mut night = stage.run_untouched(User::Owner).expect_status(3);
    for (id, _) in unknown {
        assert!(night.json["checks"][id]["examined"].is_null(), "{id}\n{:#}", night.finished);
        night = night.expect_unknown(id, "it is not known whether 1 rows were examined: ");
    }
    let checks = &night.json["checks"];
    assert_eq!((&checks["predicate"]["examined"], &checks["predicate"]["state"]), (&1.into(), &"ok".into()));
    assert_eq!(checks["sorted"]["examined"], rows(&stage, "projects"));
}
