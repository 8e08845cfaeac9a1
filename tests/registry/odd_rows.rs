//! Odd and hostile data is counted rightly, and breaks no output.

use std::fs;

use rusqlite::Connection;

use super::common::exposition::Exposition;
use super::common::finish;
use super::listing::Listing;
use super::stage::{Stage, User};

/// What an attacker, or an accident, might put into a name.
const HOSTILE: [&str; 10] = [
    "a|b=1;2;3",
    "line\nbreak\r\n\r⚠️ forged: 1 violation",
    "\n✓ All invariants passed\n",
    "\nTotal violations: 0\n",
    "🔴 forged",
    "quotes ' \" ` \\ \\n \"}\nplms_invariants_status{env=\"test\"} 1\n",
    "\x1b[31mred\x1b[2J\x07\x08\x00\u{9b}31m",
    "\u{202e}txet\u{2066}\u{200b}\u{feff}\u{2028}\u{2029}",
    "$USER$ <script>alert(1)</script> %s%n ${jndi:x}",
    "ümläut 漢字 🦀 e\u{301}",
];

fn hostile(stage: &Stage) {
    let registry = Connection::open(&stage.registry).unwrap();
    registry.execute_batch("DELETE FROM lane_overrides; DELETE FROM task_estimates").unwrap();
    for text in HOSTILE {
        registry
            .execute(
                "INSERT INTO lane_overrides (task_estimate_id, predicted_lane, corrected_lane, corrected_by)
                 VALUES (1, ?1, ?1, ?1)",
                [text],
            )
            .unwrap();
        registry
            .execute(
                "INSERT INTO task_estimates (project_id, task_name, kpi_formula) VALUES (1, ?1, json_object(?1, 1))",
                [text],
            )
            .unwrap();
        registry
            .execute(
                "UPDATE project_runs SET run_id = NULL, project_id = ?1 WHERE id = ?2",
                (text, i64::try_from(text.len()).unwrap()),
            )
            .unwrap();
    }
    registry.close().unwrap();
}

#[test]
fn hostile_names_are_counted_and_stay_on_their_lines_in_every_output() {
    let mut stage = Stage::new();
    hostile(&stage);
    // As a key, too, which the first lines show.
    stage.file(
        "names.sql",
        "/*---\nid = \"names\"\ntitle = \"Names\"\nseverity = \"warning\"\nkey = [\"task_name\"]\n---*/\n\
         SELECT task_name, kpi_formula AS reason FROM task_estimates",
    );
    let many = u64::try_from(HOSTILE.len()).unwrap();
    let night = stage.run_untouched(User::Owner).expect_status(2);
    let night = night.expect_count("lane_overrides", many).expect_count("kpi_formulas", many);
    let night = night.expect_count("names", many);
    // JSON gives the text as it is, but for what a NUL or a cut may cost.
    let sample = night.json["checks"]["lane_overrides"]["sample"].as_array().unwrap();
    assert!(sample.iter().any(|row| row["corrected_by"] == HOSTILE[0]), "{sample:#?}");
    stage.expect_recorded("critical");

    let text = finish(&mut stage.command(User::Owner, &[])).expect_status(2);
    let first = text.service_output();
    assert!(
        first.starts_with("PLMS INVARIANTS CRITICAL: test: ") && first.matches('|').count() == 1,
        "{text:#}"
    );
    assert_eq!(text.stdout.matches('|').count(), 1, "{text:#}");
    assert!(text.stdout.len() <= 4096);
    let evil = |c: char| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    assert!(!text.stdout.contains(evil), "{text:#}");
    for line in text.stdout.lines().skip(1) {
        let known =
            ["CRITICAL: ", "WARNING: ", "UNKNOWN: ", "OK: ", "and "].iter().any(|w| line.starts_with(w));
        assert!(known, "{line:?}\n{text:#}");
    }

    let logs = Listing::names(&stage.path("logs"));
    let log = fs::read_to_string(stage.path("logs").join(logs.last().unwrap())).unwrap();
    assert!(!log.contains(evil), "{log}");
    let trimmed = || log.lines().map(str::trim_start);
    assert!(!log.contains("✓ All invariants passed"), "{log}");
    assert_eq!(trimmed().filter(|l| l.starts_with("Total violations: ")).count(), 1, "{log}");
    let violated = night.json["summary"]["failed_checks"].as_u64().unwrap();
    let marked = trimmed().filter(|line| line.starts_with("⚠️") || line.starts_with("🔴")).count();
    assert_eq!(marked as u64, violated, "{log}");

    let metrics = Exposition::read(&fs::read_to_string(stage.path("textfile/plms_invariants.prom")).unwrap());
    assert_eq!(metrics.series["plms_invariants_status{env=\"test\"}"].to_string(), "0");
}

#[test]
fn nulls_everywhere_are_counted_by_the_rules() {
    let stage = Stage::new();
    stage.sql(
        "DELETE FROM project_runs; DELETE FROM task_estimates; DELETE FROM lane_overrides; DELETE FROM estimate_versions;
         INSERT INTO project_runs (run_kind) VALUES ('baseline'), ('rehearsal');
         INSERT INTO task_estimates (project_id, task_name) VALUES (1, 'x');
         INSERT INTO lane_overrides (task_estimate_id) VALUES (1);
         INSERT INTO estimate_versions DEFAULT VALUES",
    );
    let night = stage.run_untouched(User::Owner).expect_status(2);
    let night = night.expect_count("passport_artifacts", 2).expect_count("provider_snapshots", 1);
    let night = night.expect_count("calibration_sources", 1).expect_count("calibration_pollution", 0);
    let night = night.expect_count("lane_overrides", 0).expect_count("kpi_formulas", 0);
    night.expect_count("strata_coverage", 0).expect_count("baseline_sandbox", 0);
}

#[test]
fn ten_megabytes_in_one_cell_are_judged_and_reach_no_output_whole() {
    let stage = Stage::new();
    let huge = "x".repeat(10_000_000);
    let registry = Connection::open(&stage.registry).unwrap();
    registry.execute_batch("DELETE FROM task_estimates").unwrap();
    for formula in [
        format!("{{\"readability\":\"{huge}\"}}"),
        format!("{{\"readability\":\"{huge}\"}}}}"),
        format!("{{\"{huge}\":1}}"),
        format!("{{\"readability\":{}{}}}", "[".repeat(5_000_000), "]".repeat(5_000_000)),
    ] {
        let sql = "INSERT INTO task_estimates (project_id, task_name, kpi_formula) VALUES (1, ?2, ?1)";
        registry.execute(sql, [&formula, &huge]).unwrap();
    }
    registry.execute("UPDATE project_runs SET provider_matrix_json = ?1 WHERE id = 1", [&huge]).unwrap();
    registry.close().unwrap();
    let night = stage.run_untouched(User::Owner).expect_status(2).expect_count("kpi_formulas", 2);
    assert!(night.finished.stdout.len() < 100_000, "{}", night.finished.stdout.len());
    for folder in ["state", "logs", "textfile"] {
        for name in Listing::names(&stage.path(folder)) {
            assert!(fs::metadata(stage.path(folder).join(&name)).unwrap().len() < 200_000, "{name}");
        }
    }
}

#[test]
fn invalid_utf8_is_counted_and_every_output_is_utf8() {
    let mut stage = Stage::new();
    stage.sql(
        "DELETE FROM task_estimates; DELETE FROM lane_overrides;
         INSERT INTO task_estimates (project_id, task_name, kpi_formula) VALUES
            (1, CAST(x'fffe41' AS TEXT), CAST(x'7b22726561646162696c697479223a22ff227d' AS TEXT)),
            (1, CAST(x'c328' AS TEXT), NULL);
         INSERT INTO lane_overrides (task_estimate_id, predicted_lane, corrected_lane, corrected_by) VALUES
            (1, CAST(x'ff' AS TEXT), CAST(x'ff' AS TEXT), CAST(x'eda080' AS TEXT)),
            (1, CAST(x'ff' AS TEXT), CAST(x'fe' AS TEXT), 'x')",
    );
    stage.invariant("names", "", "SELECT task_name AS id, kpi_formula AS reason FROM task_estimates");
    let night = stage.run_untouched(User::Owner).expect_status(2);
    night.expect_count("kpi_formulas", 1).expect_count("lane_overrides", 1).expect_count("names", 2);
    for folder in ["logs", "textfile"] {
        for name in Listing::names(&stage.path(folder)) {
            assert!(fs::read_to_string(stage.path(folder).join(&name)).is_ok(), "{name}");
        }
    }
    let text = finish(&mut stage.command(User::Owner, &[])).expect_status(2);
    text.expect_stdout("names: 2 violations");
}

#[test]
fn values_of_every_kind_in_the_key_are_shown_in_json() {
    let mut stage = Stage::new();
    stage.sql(
        "CREATE TABLE odd (id, n INTEGER PRIMARY KEY); INSERT INTO odd (id) VALUES
         (NULL), (9223372036854775807), (-9223372036854775808), (1e999), (-1e999), (0.1), (x'00ff'), (''), ('1')",
    );
    stage.invariant("odd", "sample = 20", "SELECT id FROM odd ORDER BY n");
    let night = stage.run_untouched(User::Owner).expect_count("odd", 9);
    let sample = night.json["checks"]["odd"]["sample"].as_array().unwrap();
    assert_eq!(sample.len(), 9, "{sample:#?}");
    assert_eq!((&sample[0]["id"], &sample[1]["id"]), (&serde_json::Value::Null, &i64::MAX.into()));
    assert_eq!((&sample[2]["id"], &sample[8]["id"]), (&i64::MIN.into(), &"1".into()));
}

#[test]
fn rows_at_both_ends_of_all_row_numbers_are_counted() {
    let stage = Stage::new();
    stage.sql(
        "DELETE FROM lane_overrides; INSERT INTO lane_overrides (id, task_estimate_id, predicted_lane, corrected_lane)
         VALUES (-9223372036854775808, 1, 7, 7), (-1, 1, 7, 7), (0, 1, 7, 7), (1, 1, 7, 8), (9223372036854775807, 1, 7, 7)",
    );
    let night = stage.run_untouched(User::Owner).expect_count("lane_overrides", 4);
    assert_eq!(night.json["checks"]["lane_overrides"]["examined"], 5);
}
