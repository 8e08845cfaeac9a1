//! Where SQL says something else than its writer means: what is counted, what is an error, and what is neither.

use super::stage::{Stage, User};

#[test]
fn not_json_valid_skips_null_and_is_not_true_flags_it() {
    let mut stage = Stage::new();
    stage.sql(
        "DELETE FROM task_estimates; INSERT INTO task_estimates (project_id, task_name, kpi_formula) VALUES
         (1, 'a', NULL), (1, 'b', 'torn'), (1, 'c', '{}'), (1, 'd', NULL)",
    );
    stage.invariant("naive", "", "SELECT id FROM task_estimates WHERE NOT json_valid(kpi_formula)");
    stage.invariant("meant", "", "SELECT id FROM task_estimates WHERE json_valid(kpi_formula) IS NOT TRUE");
    let night = stage.run_untouched(User::Owner).expect_count("naive", 1).expect_count("meant", 3);
    // A task without a formula keeps the built-in rule.
    night.expect_count("kpi_formulas", 1);
}

#[test]
fn malformed_json_is_that_query_s_error_unless_it_is_guarded() {
    let mut stage = Stage::new();
    stage.sql("UPDATE task_estimates SET kpi_formula = 'torn' WHERE id = 5");
    let each =
        |json: &str| format!("SELECT t.id FROM task_estimates t, json_each({json}) e WHERE e.key = 'nosuch'");
    stage.invariant("naive", "", &each("t.kpi_formula"));
    stage.invariant("guarded", "", &each("CASE WHEN json_valid(t.kpi_formula) THEN t.kpi_formula END"));
    let night = stage.run_untouched(User::Owner).expect_status(2);
    let night = night.expect_unknown("naive", "malformed JSON").expect_count("guarded", 0);
    let others = stage.counts(&[]);
    let counts = night.counts();
    for (id, count) in others.iter().filter(|(id, _)| *id != "kpi_formulas") {
        assert_eq!(counts[id], *count, "{id}");
    }
}

#[test]
fn a_doubled_key_is_json_and_each_of_its_names_counts() {
    let stage = Stage::new();
    stage.sql(
        r#"DELETE FROM task_estimates; INSERT INTO task_estimates (project_id, task_name, kpi_formula) VALUES
           (1, 'both good', '{"readability":1,"readability":2}'),
           (1, 'both bad', '{"nosuch":1,"nosuch":2}'),
           (1, 'bad, then good', '{"nosuch":1,"readability":2,"readability":3}');
           UPDATE project_runs SET run_kind = 'replay';
           UPDATE project_runs SET run_kind = 'baseline', provider_matrix_json = '{"a":1,"a":2}' WHERE id = 1"#,
    );
    stage.run_untouched(User::Owner).expect_count("kpi_formulas", 2).expect_count("provider_snapshots", 0);
}

#[test]
fn not_in_with_a_null_is_never_true_and_not_exists_is() {
    let mut stage = Stage::new();
    stage.sql(
        "CREATE TABLE child (id, parent); CREATE TABLE parent (id);
         INSERT INTO child VALUES (1, 10), (2, 20), (3, NULL); INSERT INTO parent VALUES (10), (NULL)",
    );
    stage.invariant("naive", "", "SELECT id FROM child WHERE parent NOT IN (SELECT id FROM parent)");
    let exists = "SELECT id FROM child c WHERE NOT EXISTS (SELECT 1 FROM parent p WHERE p.id = c.parent)";
    stage.invariant("meant", "", exists);
    stage.invariant("unequal", "", "SELECT id FROM child WHERE parent <> 10");
    stage.invariant("distinct", "", "SELECT id FROM child WHERE parent IS DISTINCT FROM 10");
    let night = stage.run_untouched(User::Owner).expect_count("naive", 0).expect_count("meant", 2);
    night.expect_count("unequal", 1).expect_count("distinct", 2);
}

#[test]
fn text_in_number_columns_is_compared_as_sql_compares_it() {
    let stage = Stage::new();
    stage.sql(
        "DELETE FROM project_runs; DELETE FROM lane_overrides; DELETE FROM estimate_versions;
         -- Any text is greater than any number; what reads as a number is one.
         INSERT INTO project_runs (id, project_id, run_id, run_kind, strata_coverage, write_sandbox, validation_pass)
         VALUES (1, 1, 'a', 'rehearsal', 'abc', 'abc', 'abc'), (2, 1, 'b', 'rehearsal', '0.5', '1', '1'),
                (3, 1, 'c', 'rehearsal', 1, 1.0, 1), (4, 1, 'd', 'rehearsal', NULL, NULL, 1),
                (5, 1, 'e', 'rehearsal', x'00', x'01', 1), (6, 1, 'f', 'rehearsal', -1e308, 2, 1);
         INSERT INTO project_runs (id, project_id, run_id, run_kind, write_sandbox, provider_matrix_json)
         VALUES (7, 2, 'g', 'baseline', 'abc', '{\"a\":1}'), (8, 2, 'h', 'baseline', '1', '{\"a\":1}'),
                (9, 2, 'i', 'baseline', 1.0, '{\"a\":1}'), (10, 2, 'j', 'baseline', ' 1 ', '{\"a\":1}'),
                (11, 2, 'k', 'baseline', 1.5, '{\"a\":1}');
         INSERT INTO lane_overrides (task_estimate_id, predicted_lane, corrected_lane)
         VALUES (1, 'abc', 'abc'), (1, 7, '7'), (1, 7, 7.0), (1, 'x', 'X'), (1, NULL, NULL), (1, x'37', 7)",
    );
    let night = stage.run_untouched(User::Owner).expect_count("strata_coverage", 2);
    night.expect_count("baseline_sandbox", 3).expect_count("lane_overrides", 3);
}

#[test]
fn the_size_of_the_sample_never_caps_the_count() {
    for (runs, many) in [(200, 300), (20_000, 30_000)] {
        let mut stage = Stage::with(|plan| plan.runs = runs);
        stage.sql(&format!(
            "CREATE TABLE bad (id INTEGER PRIMARY KEY, n); INSERT INTO bad
             WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < {many}) SELECT n, n FROM c"
        ));
        for sample in [0, 1, 7] {
            let rule = "table = \"bad\"\nviolates = \"n > 0\"";
            stage.invariant(&format!("rows_{sample}"), &format!("sample = {sample}\n{rule}"), "");
            stage.invariant(&format!("query_{sample}"), &format!("sample = {sample}"), "SELECT id FROM bad");
        }
        let night = stage.run_untouched(User::Owner);
        for sample in [0, 1, 7] {
            for id in [format!("rows_{sample}"), format!("query_{sample}")] {
                let check = &night.json["checks"][&id];
                assert_eq!(check["violations"], many, "{id}");
                let shown: Vec<u64> = check["sample"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|row| row["id"].as_u64().unwrap())
                    .collect();
                assert_eq!(shown, (1..=sample).collect::<Vec<u64>>(), "{id}");
            }
        }
    }
}
