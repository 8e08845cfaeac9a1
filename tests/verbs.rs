//! Verbs that check nothing, through the real program.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper that fails fails its test"
)]
#![allow(clippy::disallowed_methods, reason = "the program under test reads the real clock")]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use common::{Finished, finish, program, runner as command};
use plms_invariants::emit::state::StateDb;
use plms_invariants::report::run_json;
use plms_invariants::verdict::invariants::{Evaluation, Outcome, Report, Severity};
use plms_invariants::verdict::{Finding, State};
use serde_json::{Value, json};

fn plms(folder: &Path, line: &str) -> Finished {
    finish(&mut command(folder, line))
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn json(finished: &Finished) -> Value {
    serde_json::from_str(&finished.stdout).unwrap_or_else(|e| panic!("{e}\n{finished:#}"))
}

fn evaluation(id: &str, severity: Severity, violations: u64) -> Evaluation {
    Evaluation {
        id: id.into(),
        title: format!("Title of {id}"),
        severity,
        runbook: None,
        owner: None,
        key: vec!["id".into()],
        outcome: Outcome::Checked { violations, examined: Some(10), sample: vec![], errors: vec![] },
        duration: Some(Duration::from_millis(5)),
        notes: vec![],
    }
}

fn run(folder: &Path, finish: DateTime<Utc>, evaluations: Vec<Evaluation>) -> Report {
    Report {
        db_path: fs::canonicalize(folder)
            .unwrap()
            .join("artifacts/registry/registry.db")
            .display()
            .to_string(),
        env: "test".into(),
        strict: true,
        partial: None,
        incomplete: None,
        start: finish - TimeDelta::seconds(3),
        finish,
        invocation_id: "0123456789abcdef0123456789abcdef".into(),
        evaluations,
        findings: vec![],
        reading: None,
        database_size: None,
    }
}

fn leave_status(folder: &Path, report: &Report) {
    fs::write(folder.join("status.json"), run_json::render(report)).unwrap();
}

// ---- status

#[test]
fn status_is_the_last_runs_state_and_its_age() {
    let folder = folder();
    let hour_ago = Utc::now() - TimeDelta::minutes(61);
    for (evaluations, status, sentence) in [
        (
            vec![evaluation("a", Severity::Warning, 0)],
            0,
            "PLMS INVARIANTS OK: test: 1 invariant holds; last ran 1h 1min ago | 'age'=",
        ),
        (
            vec![evaluation("a", Severity::Warning, 1)],
            1,
            "PLMS INVARIANTS WARNING: test: 1 of 1 invariant violated by 1 row (0 allowed): a (1); last ran",
        ),
        (
            vec![
                evaluation("a", Severity::Warning, 3),
                evaluation("b", Severity::Critical, 4),
                evaluation("c", Severity::Critical, 0),
            ],
            2,
            "PLMS INVARIANTS CRITICAL: test: 2 of 3 invariants violated by 7 rows (0 allowed): b (4), a (3); last ran",
        ),
    ] {
        leave_status(folder.path(), &run(folder.path(), hour_ago, evaluations));
        let seen = plms(folder.path(), "status").expect_status(status);
        assert!(seen.service_output().starts_with(sentence), "{seen:#}");
    }
    let seen = plms(folder.path(), "status");
    assert!(
        seen.stdout.contains(
            "\nCRITICAL: b: 4 violations; rule: Title of b\nWARNING: a: 3 violations; rule: Title of a\n"
        ),
        "{seen:#}"
    );
}

#[test]
fn a_run_older_than_25_hours_is_critical_and_one_just_under_is_not() {
    let folder = folder();
    let good = |age| run(folder.path(), Utc::now() - age, vec![evaluation("a", Severity::Warning, 0)]);
    leave_status(folder.path(), &good(TimeDelta::minutes(25 * 60 - 1)));
    plms(folder.path(), "status").expect_status(0);
    leave_status(folder.path(), &good(TimeDelta::minutes(25 * 60 + 61)));
    let seen = plms(folder.path(), "status").expect_status(2);
    let want = "CRITICAL: test: last ran 26h 1min ago (limit 25h); then: 1 invariant holds | ";
    assert!(seen.service_output().contains(want), "{seen:#}");
    leave_status(folder.path(), &good(TimeDelta::days(400)));
    plms(folder.path(), "status").expect_status(2).expect_stdout("400d");
}

#[test]
fn a_run_in_the_future_is_a_warning() {
    let folder = folder();
    let ahead =
        run(folder.path(), Utc::now() + TimeDelta::hours(2), vec![evaluation("a", Severity::Warning, 0)]);
    leave_status(folder.path(), &ahead);
    plms(folder.path(), "status").expect_status(1).expect_stdout("was the clock set back?");
}

#[test]
fn what_a_run_could_not_check_or_write_is_still_said() {
    let folder = folder();
    let mut report = run(folder.path(), Utc::now(), vec![evaluation("a", Severity::Warning, 0)]);
    report.incomplete = Some("stopped by SIGTERM".into());
    leave_status(folder.path(), &report);
    plms(folder.path(), "status").expect_status(3).expect_stdout("UNKNOWN: the last run is incomplete");

    let mut report = run(folder.path(), Utc::now(), vec![]);
    leave_status(folder.path(), &report);
    plms(folder.path(), "status").expect_status(3).expect_stdout("no invariant was checked; last ran");
    report.findings.push(Finding::new(State::Unknown, "cannot open registry | \u{1b}[31m\n0"));
    leave_status(folder.path(), &report);
    let seen = plms(folder.path(), "status").expect_status(3);
    assert!(
        seen.service_output().contains("cannot open registry / ?[31m; 0; no invariant was checked; last ran"),
        "{seen:#}"
    );
}

#[test]
fn no_record_a_torn_one_and_something_else_in_its_place_are_unknown() {
    let folder = folder();
    let path = folder.path().join("status.json");
    let unknown = |sentence: &str| {
        let seen = plms(folder.path(), "status").expect_status(3);
        assert!(
            seen.service_output().starts_with("PLMS INVARIANTS UNKNOWN: ") && seen.stdout.contains(sentence),
            "{seen:#}"
        );
        let seen = plms(folder.path(), "status -o json").expect_status(3);
        assert_eq!(json(&seen)["state"], "unknown");
    };
    unknown("no run is recorded in ");
    let whole =
        run_json::render(&run(folder.path(), Utc::now(), vec![evaluation("a", Severity::Warning, 0)]));
    for text in ["", "{}", "null", whole.split_at(whole.len() / 2).0] {
        fs::write(&path, text).unwrap();
        unknown("the record of the last run ");
    }
    fs::remove_file(&path).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    unknown("it is no regular file");
}

#[test]
fn status_in_json_holds_the_run_as_it_was_recorded() {
    let folder = folder();
    let report =
        run(folder.path(), Utc::now() - TimeDelta::hours(30), vec![evaluation("a", Severity::Warning, 3)]);
    leave_status(folder.path(), &report);
    let seen = json(&plms(folder.path(), "status -o json").expect_status(2));
    let recorded: Value = serde_json::from_str(&run_json::render(&report)).unwrap();
    assert_eq!((&seen["state"], &seen["run"]), (&json!("critical"), &recorded));
    assert!(seen["age_seconds"].as_f64().unwrap() >= 30.0 * 3600.0);
}

#[test]
fn a_user_who_cannot_write_to_the_systems_state_folder_is_told_where_theirs_is() {
    let folder = folder();
    let own = folder.path().join("s/plms-invariants");
    fs::create_dir_all(&own).unwrap();
    leave_status(&own, &run(folder.path(), Utc::now(), vec![evaluation("a", Severity::Warning, 0)]));
    // Nobody may enter the folders of whoever builds this.
    let copy = folder.path().join("plms-invariants");
    fs::copy(env!("CARGO_BIN_EXE_plms-invariants"), &copy).unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = program(&copy, folder.path());
    command.args(["status", "--env-file", "/dev/null"]).env("XDG_STATE_HOME", folder.path().join("s"));
    if rustix::process::geteuid().is_root() {
        command.uid(65_534).gid(65_534);
    }
    let seen = finish(&mut command).expect_status(0);
    seen.expect_stderr(
        "note: STATE_DIR: this user cannot write to /var/lib/plms-invariants, so state is in ",
    );
}

// ---- history

#[test]
fn history_shows_runs_and_the_time_from_first_failure_to_recovery() {
    let folder = folder();
    let state = StateDb::in_folder(folder.path());
    let start: DateTime<Utc> = "2025-11-01T07:00:00Z".parse().unwrap();
    // Violations per night, of two invariants.
    for (night, (a, b)) in [(0, 0), (2, 0), (5, 1), (0, 1)].into_iter().enumerate() {
        let finish = start + TimeDelta::days(i64::try_from(night).unwrap());
        let report = run(
            folder.path(),
            finish,
            vec![evaluation("a", Severity::Warning, a), evaluation("b", Severity::Critical, b)],
        );
        state.record(&report, |_| None, finish).unwrap();
    }
    let seen = plms(folder.path(), "history").expect_status(0);
    let squeezed: Vec<String> =
        seen.stdout.lines().map(|l| l.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    let expected = [
        "START STATE TOOK PASSED VIOLATED UNKNOWN SKIPPED VIOLATIONS",
        "2025-11-04T06:59:57Z CRITICAL 3s 1 1 0 0 1",
        "2025-11-03T06:59:57Z CRITICAL 3s 0 2 0 0 6",
        "2025-11-02T06:59:57Z WARNING 3s 1 1 0 0 2",
        "2025-11-01T06:59:57Z OK 3s 2 0 0 0 0",
        "",
        "INVARIANT FIRST FAILURE RECOVERY TIME TO FIX",
    ];
    assert_eq!(squeezed[..7], expected);
    assert!(squeezed[7].starts_with("b 2025-11-03T07:00:00Z - open for "), "{seen:#}");
    assert_eq!(squeezed[8], "a 2025-11-02T07:00:00Z 2025-11-04T07:00:00Z 2d");

    let seen = json(&plms(folder.path(), "history -o json -n 1").expect_status(0));
    assert_eq!(seen["runs"].as_array().unwrap().len(), 1);
    assert_eq!(seen["runs"][0]["checks"]["b"]["violations"], 1);
    assert_eq!(seen["incidents"][1]["time_to_fix_seconds"], 172_800.0);
    assert_eq!(seen["incidents"][0]["recovered"], Value::Null);

    // Another environment has no history.
    let other = finish(command(folder.path(), "history").env("ENV_NAME", "other")).expect_status(0);
    assert!(other.stdout.starts_with("no run of other on "), "{other:#}");
}

#[test]
fn without_a_history_there_is_no_answer() {
    let folder = folder();
    let seen = plms(folder.path(), "history").expect_status(3);
    assert!(seen.service_output().starts_with("PLMS INVARIANTS UNKNOWN: no run is recorded in "), "{seen:#}");
    assert!(fs::read_dir(folder.path()).unwrap().next().is_none(), "a reading verb leaves nothing behind");
}

// ---- list

const OWN: &str = "/*---\nid = \"own\"\ntitle = \"Own \u{202e}rule\"\nseverity = \"critical\"\ntags = [\"night\"]\n\
                   key = [\"id\"]\n---*/\nSELECT id FROM lane_overrides WHERE 0\n";

#[test]
fn list_names_the_invariants_of_a_run_and_where_they_come_from() {
    let folder = folder();
    fs::create_dir(folder.path().join("i")).unwrap();
    fs::write(folder.path().join("i/own.sql"), OWN).unwrap();
    let seen = plms(folder.path(), "list --invariants i").expect_status(0);
    let lines: Vec<&str> = seen.stdout.lines().collect();
    assert_eq!((lines.len(), lines[10]), (11, "9 invariants".trim_end()), "{seen:#}");
    let own: Vec<&str> = lines[9].split_whitespace().collect();
    assert_eq!(own, ["own", "critical", "night", "Own", "\\u{202e}rule", "i/own.sql"]);

    let seen = plms(folder.path(), "list --invariants i --standard").expect_status(0);
    assert!(seen.stdout.ends_with("5 of 9 invariants\n"), "{seen:#}");
    let seen =
        finish(command(folder.path(), "list --invariants i").env("INVARIANT_TAGS", "night")).expect_status(0);
    assert!(seen.stdout.ends_with("1 of 9 invariants (INVARIANT_TAGS is set)\n"), "{seen:#}");

    let seen = json(&plms(folder.path(), "list --invariants i --only own -o json").expect_status(0));
    let want = json!({
        "id": "own", "title": "Own \u{202e}rule", "severity": "critical", "tags": ["night"], "key": ["id"],
        "sample": 10, "timeout_seconds": 60.0, "runbook": null, "owner": null, "description": null, "show": [],
        "redact": [], "min_examined": null, "needs": [], "on_missing": "error", "source": "i/own.sql",
        "sql": "SELECT id FROM lane_overrides WHERE 0",
    });
    assert_eq!((&seen["invariants"], &seen["left_out"]), (&json!([want]), &json!(8)));
}

// ---- config check

#[test]
fn config_check_shows_each_setting_and_its_origin_and_no_secret() {
    let folder = folder();
    let env = "DB_PATH=registry.db\nSLACK_WEBHOOK_URL=https://hooks.example/hunter2\nALERT_EMIAL=x@y.example\n\
               SMTP_URL=smtps://u:hunter2@mail.example\n";
    fs::write(folder.path().join("env"), env).unwrap();
    fs::write(folder.path().join("pd_routing_key"), "hunter2").unwrap();
    let mut command = command(folder.path(), "config check --env-file env --log-dir .");
    command.env("CREDENTIALS_DIRECTORY", folder.path()).env("SMTP_PASSWORD_FILE", "missing");
    let seen = finish(&mut command).expect_status(0);
    assert!(!seen.stdout.contains("hunter2") && !seen.stderr.contains("hunter2"), "{seen:#}");
    let squeezed = seen
        .stdout
        .lines()
        .map(|l| l.split_whitespace().collect::<Vec<_>>().join(" ") + "\n")
        .collect::<String>();
    for line in [
        "env file: env (read)",
        "DB_PATH registry.db env:1",
        "ENV_NAME test environment",
        "LOG_DIR . --log-dir",
        "TEXTFILE_DIR - not set",
        "SLACK_WEBHOOK_URL (secret) env:2",
        "SMTP_URL smtps://…@mail.example env:4",
        "SMTP_PASSWORD (secret) file missing (environment)",
        "slack configured",
        "pagerduty configured",
        "mail not configured",
        "8 invariants",
        "note: line 3 of the env file: unknown key ALERT_EMIAL; did you mean `ALERT_EMAIL`?",
        "note: SMTP_PASSWORD is configured and cannot be used: cannot read missing: it is not there",
        "note: everybody can read env, which holds SLACK_WEBHOOK_URL: chmod o-r it",
        "note: DB_PATH: registry.db is not there",
    ] {
        assert!(squeezed.contains(&format!("{line}\n")), "{line}\n{seen:#}");
    }
    let credential =
        format!("PD_ROUTING_KEY (secret) credential {}/pd_routing_key\n", folder.path().display());
    assert!(squeezed.contains(&credential), "{seen:#}");

    let seen = json(&finish(command.args(["-o", "json"])).expect_status(0));
    assert_eq!(seen["settings"]["DB_PATH"], json!({ "value": "registry.db", "from": "env:1" }));
    assert_eq!(
        seen["settings"]["SLACK_WEBHOOK_URL"],
        json!({ "value": null, "from": "env:2", "configured": true })
    );
    assert_eq!(seen["channels"], json!({ "slack": true, "pagerduty": true, "mail": false }));
    assert_eq!(seen["unknown_keys"], json!(["ALERT_EMIAL"]));
}

// ---- explain and rows

/// Three overrides of which two violate, one with a hostile name; the other tables are empty but one.
fn registry(folder: &Path) {
    fs::create_dir_all(folder.join("artifacts/registry")).unwrap();
    let db = rusqlite::Connection::open(folder.join("artifacts/registry/registry.db")).unwrap();
    db.execute_batch(
        "CREATE TABLE lane_overrides (id INTEGER PRIMARY KEY, task_estimate_id INTEGER, predicted_lane INTEGER,
                                      corrected_lane INTEGER, corrected_by TEXT);
         INSERT INTO lane_overrides VALUES (1, 10, 4, 4, 'x' || char(27) || '[31m' || char(10) || '\"y\",|z'),
                                           (2, 11, 4, 5, 'good'), (3, 12, 6, 6, NULL);
         CREATE TABLE project_runs (id INTEGER PRIMARY KEY, project_id INTEGER, run_id TEXT);
         CREATE TABLE task_estimates (id INTEGER PRIMARY KEY);
         CREATE TABLE estimate_versions (id INTEGER PRIMARY KEY);",
    )
    .unwrap();
}

#[test]
fn rows_are_all_violating_rows_as_table_json_lines_or_csv() {
    let folder = folder();
    registry(folder.path());
    let seen = plms(folder.path(), "rows lane_overrides").expect_status(0);
    let expected = "\
id  task_estimate_id  predicted_lane  corrected_lane  corrected_by              reason
1   10                4               4               x\\u{1b}[31m\\n\"y\",|z  predicted and corrected lane are the same
3   12                6               6               NULL                  predicted and corrected lane are the same
2 rows
";
    let squeeze = |text: &str| {
        text.lines().map(|l| l.split_whitespace().collect::<Vec<_>>().join(" ") + "\n").collect::<String>()
    };
    assert_eq!(squeeze(&seen.stdout), squeeze(expected), "{seen:#}");

    let seen = plms(folder.path(), "rows lane_overrides -o json").expect_status(0);
    let rows: Vec<Value> = seen.stdout.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let reason = "predicted and corrected lane are the same";
    let hostile = "x\u{1b}[31m\n\"y\",|z";
    let row = |id: i64, task: i64, lane: i64, by: Option<&str>| json!({ "id": id, "task_estimate_id": task, "predicted_lane": lane, "corrected_lane": lane, "corrected_by": by, "reason": reason });
    assert_eq!(rows, [row(1, 10, 4, Some(hostile)), row(3, 12, 6, None)]);

    let seen = plms(folder.path(), "rows lane_overrides --format csv").expect_status(0);
    let header = "id,task_estimate_id,predicted_lane,corrected_lane,corrected_by,reason\n";
    let first = format!("1,10,4,4,\"x\\u{{1b}}[31m\n\"\"y\"\",|z\",{reason}\n");
    assert_eq!(seen.stdout, format!("{header}{first}3,12,6,6,NULL,{reason}\n"));
}

#[test]
fn rows_take_no_more_memory_than_one_of_them() {
    let folder = folder();
    registry(folder.path());
    let db = rusqlite::Connection::open(folder.path().join("artifacts/registry/registry.db")).unwrap();
    // 40 MB of violating rows for a program that may have 50, its own code included.
    db.execute_batch(
        "WITH RECURSIVE n(i) AS (SELECT 100 UNION ALL SELECT i + 1 FROM n WHERE i < 4099)
         INSERT INTO lane_overrides SELECT i, i, 3, 3, printf('%.*c', 10000, 'x') FROM n;",
    )
    .unwrap();
    drop(db);
    for format in ["table", "jsonl", "csv"] {
        let mut command = program("/bin/sh", folder.path());
        let plms = env!("CARGO_BIN_EXE_plms-invariants");
        let script = format!(
            "ulimit -v 50000; '{plms}' rows lane_overrides --format {format} --env-file /dev/null | tail -n 1"
        );
        let seen = finish(command.args(["-c", &script]));
        let last = if format == "table" { "4002 rows" } else { "4099" };
        assert!(
            seen.stdout.contains(last) && seen.stderr.is_empty(),
            "{:.200}\n{}",
            seen.stdout,
            seen.stderr
        );
    }
}

#[test]
fn rows_that_cannot_be_had_are_unknown_and_no_row_is_made_up() {
    let folder = folder();
    refused(folder.path(), "rows lane_overrides", "cannot open registry");
    for format in ["jsonl", "csv"] {
        let seen = plms(folder.path(), &format!("rows lane_overrides --format {format}")).expect_status(3);
        assert_eq!(seen.stdout, "", "{seen:#}");
        seen.expect_stderr("UNKNOWN: cannot open registry");
    }
    registry(folder.path());
    refused(folder.path(), "rows kpi_formulas", "kpi_formula");
    refused(folder.path(), "rows strata_coverage", "strata_coverage");
}

#[test]
fn redacted_columns_are_shown_by_no_verb() {
    let folder = folder();
    registry(folder.path());
    fs::create_dir(folder.path().join("i")).unwrap();
    let own = "/*---\nid = \"own\"\ntitle = \"Own\"\nseverity = \"warning\"\nkey = [\"id\"]\nshow = [\"corrected_by\"]\n\
               redact = [\"corrected_by\"]\n---*/\nSELECT id, corrected_by FROM lane_overrides WHERE corrected_by = 'good'\n";
    fs::write(folder.path().join("i/own.sql"), own).unwrap();
    for line in ["rows own", "rows own --format csv", "rows own -o json", "--only own", "--only own --json"] {
        let seen = plms(folder.path(), &format!("--invariants i {line}"));
        assert!(!seen.stdout.contains("good"), "{seen:#}");
        assert!(line == "--only own" || seen.stdout.contains("redacted"), "{seen:#}");
    }
}

#[test]
fn an_explanation_has_the_question_its_plan_its_cost_and_the_index_that_would_help() {
    let folder = folder();
    registry(folder.path());
    let seen = plms(folder.path(), "explain lane_overrides").expect_status(0);
    let index =
        "CREATE INDEX lane_overrides_violations ON lane_overrides (id) WHERE predicted_lane = corrected_lane";
    for line in [
        "severity      warning",
        "file          builtin/lane_overrides.sql",
        "Query plan\n  SCAN lane_overrides\n",
        "full scans    lane_overrides",
        "rows examined 3",
        "violations    2",
        index,
    ] {
        assert!(seen.stdout.contains(line), "{line}\n{seen:#}");
    }
    let object = json(&plms(folder.path(), "explain lane_overrides -o json").expect_status(0));
    assert_eq!(
        (&object["violations"], &object["examined"], &object["index"]),
        (&json!(2), &json!(3), &json!(index))
    );
    assert_eq!(object["invariant"]["violates"], "predicted_lane = corrected_lane");

    // The index does what was promised: SQLite uses it, and the run says the same.
    let db = rusqlite::Connection::open(folder.path().join("artifacts/registry/registry.db")).unwrap();
    db.execute_batch(index).unwrap();
    drop(db);
    let seen = plms(folder.path(), "explain lane_overrides").expect_status(0);
    assert!(
        seen.stdout.contains("USING INDEX lane_overrides_violations")
            || seen.stdout.contains("COVERING INDEX lane_overrides_violations"),
        "{seen:#}"
    );
    assert!(
        seen.stdout.contains("full scans    none\n") && seen.stdout.contains("violations    2\n"),
        "{seen:#}"
    );
}

#[test]
fn an_explanation_without_a_registry_says_what_the_file_says_and_is_unknown() {
    let folder = folder();
    let seen = plms(folder.path(), "explain lane_overrides").expect_status(3);
    assert!(
        seen.stdout.contains("full scans    not known\n")
            && seen.stdout.contains("error: cannot open registry"),
        "{seen:#}"
    );
    registry(folder.path());
    let seen = plms(folder.path(), "explain kpi_formulas").expect_status(3);
    assert!(seen.stdout.contains("error: ") && seen.stdout.contains("kpi_formula"), "{seen:#}");
}

// ---- bad invocation: exit 3, one clear sentence, nothing touched

#[track_caller]
fn refused(folder: &Path, line: &str, sentence: &str) {
    let before: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name()).collect();
    let seen = plms(folder, line).expect_status(3);
    assert!(seen.service_output().starts_with("PLMS INVARIANTS UNKNOWN: "), "{seen:#}");
    assert!(seen.service_output().contains(sentence), "expected: {sentence}\n{seen:#}");
    let after: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(before, after, "{seen:#}");
}

/// Every verb that reads the catalogue, and a run.
const ASKING: [&str; 3] = ["", "list", "config check"];

#[test]
fn an_unknown_flag_or_verb_is_unknown() {
    let folder = folder();
    refused(folder.path(), "--nonsense", "unexpected argument '--nonsense' found");
    refused(folder.path(), "nonsense", "unrecognized subcommand 'nonsense'");
    refused(folder.path(), "-t never", "invalid value 'never' for '--timeout <DURATION>'");
    refused(folder.path(), "--standard --strict", "'--standard' cannot be used with '--strict'");
    refused(folder.path(), "rows", "required arguments were not provided");
    plms(folder.path(), "--help").expect_status(3).expect_stdout("Usage: plms-invariants");
    plms(folder.path(), "--version").expect_status(3).expect_stdout(env!("CARGO_PKG_VERSION"));
}

#[test]
fn an_unknown_id_or_nothing_selected_is_unknown() {
    let folder = folder();
    for verb in ["", "list"] {
        refused(
            folder.path(),
            &format!("{verb} --only lane_override"),
            "no invariant is named `lane_override`; did you mean `lane_overrides`?",
        );
        refused(folder.path(), &format!("{verb} --skip x"), "no invariant is named `x`");
        refused(folder.path(), &format!("{verb} --tag nigth"), "--tag nigth: no invariant has this tag");
        refused(
            folder.path(),
            &format!("{verb} --only lane_overrides --skip lane_overrides"),
            "--only lane_overrides: another flag leaves this invariant out",
        );
        refused(
            folder.path(),
            &format!("{verb} --tag strict --standard"),
            "no invariant is selected: nothing would be checked",
        );
    }
    refused(folder.path(), "explain lane_override", "did you mean `lane_overrides`?");
    refused(folder.path(), "rows lane_override", "did you mean `lane_overrides`?");
}

#[test]
fn a_file_that_is_no_invariant_stops_everything_with_its_file_and_line() {
    let with = |key: &str, line: &str| OWN.replace(key, line);
    let cases = [
        (
            "unknown.sql",
            with("tags = ", "tagz = "),
            "unknown.sql:5: unknown key `tagz`; did you mean `tags`?",
        ),
        ("noid.sql", with("id = \"own\"\n", ""), "noid.sql:2: `id` is missing"),
        (
            "taken.sql",
            with("\"own\"", "\"lane_overrides\""),
            "taken.sql:2: id `lane_overrides` is taken by builtin/lane_overrides.sql",
        ),
        ("nosql.sql", OWN.split("SELECT").next().unwrap().into(), "nosql.sql:8: no SQL"),
        ("two.sql", with("WHERE 0", "WHERE 0;\nSELECT 2"), "two.sql:9: a second statement"),
        ("insert.sql", with("SELECT id FROM", "INSERT INTO"), "insert.sql:8: `INSERT` does not read"),
        (
            "attach.sql",
            with("SELECT id FROM lane_overrides WHERE 0", "ATTACH 'x' AS y"),
            "attach.sql:8: `ATTACH` does not read",
        ),
        (
            "pragma.sql",
            with("SELECT id FROM lane_overrides WHERE 0", "PRAGMA user_version=3"),
            "pragma.sql:8: `PRAGMA` does not read",
        ),
        ("plain.sql", "SELECT 1;\n".into(), "plain.sql:1: no front matter"),
    ];
    for (name, text, sentence) in cases {
        let folder = folder();
        fs::create_dir(folder.path().join("i")).unwrap();
        fs::write(folder.path().join("i").join(name), text).unwrap();
        for verb in ASKING {
            refused(folder.path(), &format!("{verb} --invariants i"), &format!("i/{sentence}"));
        }
    }
    let folder = folder();
    refused(
        folder.path(),
        "list --invariants none",
        "cannot list the invariants in none: no such file or directory",
    );
}

#[test]
fn an_endless_statement_is_cancelled_by_its_timeout_and_unknown() {
    let folder = folder();
    registry(folder.path());
    fs::create_dir(folder.path().join("i")).unwrap();
    let endless =
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i AS id FROM n WHERE i < 0";
    let text = OWN
        .replace("key = ", "timeout = \"100ms\"\nkey = ")
        .replace("SELECT id FROM lane_overrides WHERE 0", endless);
    fs::write(folder.path().join("i/own.sql"), text).unwrap();
    let seen = plms(folder.path(), "--invariants i --only own").expect_status(3);
    assert!(seen.stdout.contains("\nUNKNOWN: own: not checked: cancelled: "), "{seen:#}");
    // The verb that streams rows has the time of the whole invocation.
    plms(folder.path(), "--invariants i rows own -t 0.1")
        .expect_status(3)
        .expect_stdout("(--timeout) is over");
}

#[test]
fn an_env_file_that_is_none_stops_everything_with_its_line_and_without_its_value() {
    let folder = folder();
    let path = folder.path().join("env");
    for (text, sentence) in [
        ("\u{feff}DB_PATH=hunter2\n".to_owned(), "env:1: a byte-order mark"),
        ("A=1\nDB_PATH=hunter2\r\n".into(), "env:2: a carriage return"),
        ("export DB_PATH=hunter2\n".into(), "env:1: `export`"),
        ("DB_PATH=hunter2 # c\n".into(), "env:1: a comment after the value"),
        ("A=hunter2\nA=hunter2\n".into(), "env:2: A is set a second time (first on line 1)"),
        (format!("#\n#\nA={}\n", "hunter2".repeat(150_000)), "env:3: a line of more than 8192 bytes"),
        ("DB_PATH='x${hunter2}'\n".into(), "DB_PATH (env:1) still holds an unexpanded variable in braces"),
        ("DB_PATH=postgres://u:hunter2@h/x\n".into(), "DB_PATH (env:1) names a PostgreSQL database"),
    ] {
        fs::write(&path, text).unwrap();
        // Service output has no `$`: Icinga takes it for a macro.
        let sentence = sentence.replace('$', "?");
        for verb in ["", "list", "status", "history", "config check"] {
            refused(folder.path(), &format!("{verb} --env-file env"), &sentence);
            let seen = plms(folder.path(), &format!("{verb} --env-file env -v -o json")).expect_status(3);
            assert!(!seen.stdout.contains("hunter2") && !seen.stderr.contains("hunter2"), "{seen:#}");
        }
    }
    fs::remove_file(&path).unwrap();
    refused(folder.path(), "list --env-file env", "cannot read env file env: it is not there");
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    refused(folder.path(), "list --env-file env", "cannot read env file env: it is no regular file");
    refused(folder.path(), "list --env-file .", "cannot read env file .: it is a folder, not a file");
}
