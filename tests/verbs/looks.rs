//! What do `list`, `config check`, `rows` and `explain` show of invariants and settings?

use std::fs;

use serde_json::{Value, json};

use super::common::{finish, program};
use super::{OWN, command, folder, json, plms, refused, registry};

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
fn an_explanation_names_the_pass_over_the_runs() {
    let folder = folder();
    registry(folder.path());
    let db = rusqlite::Connection::open(folder.path().join("artifacts/registry/registry.db")).unwrap();
    db.execute_batch(
        "DROP TABLE estimate_versions;
         CREATE TABLE estimate_versions (id INTEGER PRIMARY KEY, project_id, provider_name, created_at);
         DROP TABLE project_runs;
         CREATE TABLE project_runs (id INTEGER PRIMARY KEY, project_id, run_kind, write_sandbox, validation_pass)",
    )
    .unwrap();
    drop(db);
    let seen = plms(folder.path(), "explain calibration_pollution").expect_status(0);
    let seen = seen.expect_stdout("full scans    estimate_versions project_runs\n");
    seen.expect_stdout("one pass over project_runs finds out");
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
