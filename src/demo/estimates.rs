//! What was estimated for each task, and what did a person correct?

use fastrand::Rng;
use rusqlite::{Connection, params};

use super::projects::Fleet;
use super::words::{self, Turns, iso, once_in, pick};
use super::{Plan, Planted};

/// Formulas by which no KPI can be computed, each for its own reason; the last ones have several.
const BROKEN: [&str; 22] = [
    "",
    " ",
    "test_pass_rate >= 0.9",
    r#"{"test_pass_rate":{">=":0.9}"#,
    r#"{"test_pass_rate":{">=":0.9},}"#,
    r#"{test_pass_rate:{">=":0.9}}"#,
    r"{'test_pass_rate':{'>=':0.9}}",
    r#"{"test_pass_rate":{">=":.9}}"#,
    r#"{"test_pass_rate":NaN}"#,
    r#"{"schema_diff":{"==":0}} // none"#,
    "null",
    "true",
    "0.9",
    r#""test_pass_rate""#,
    r#"[{"test_pass_rate":{">=":0.9}}]"#,
    r#"{"coverage":{">=":0.8}}"#,
    r#"{"Test_Pass_Rate":{">=":0.9}}"#,
    r#"{"test_pass_rate ":{">=":0.9}}"#,
    r#"{"":{">=":0.9}}"#,
    r#"{"test_pass_rate":{">=":0.9},"bleu":{">=":0.4}}"#,
    r#"{"coverage":{">=":0.8},"bleu":{">=":0.4},"Readability":{">=":60}}"#,
    r#"[{"coverage":{">=":0.8}},{"bleu":"#,
];

/// Formulas that look wrong and are not.
const ODD: [&str; 7] = [
    "{}",
    " {\n\t\"schema_diff\" : {\"==\" : 0}\r\n} ",
    r#"{"test_pass_rate":{">=":0.9},"test_pass_rate":{">=":0.8}}"#,
    r#"{"test_\u0070ass_rate":{">=":0.9}}"#,
    r#"{"readability":{"coverage":{">=":60}}}"#,
    r#"{"linter_pass":null}"#,
    r#"{"bleu_score":{">=":4e-1}}"#,
];

const USUAL: [&str; 9] = [
    r#"{"test_pass_rate":{">=":0.9},"schema_diff":{"==":0}}"#,
    r#"{"test_pass_rate":{">=":0.95},"linter_pass":{"==":true}}"#,
    r#"{"row_count_delta":{"<=":0.01},"schema_diff":{"==":0}}"#,
    r#"{"graph_edge_count_delta":{"<=":0.05}}"#,
    r#"{"bleu_score":{">=":0.4},"readability":{">=":60}}"#,
    r#"{"linter_pass":{"==":true}}"#,
    r#"{"test_pass_rate":{">=":0.9}}"#,
    r#"{"test_pass_rate":{">=":0.8},"linter_pass":{"==":true},"readability":{">=":50}}"#,
    r#"{"row_count_delta":{"==":0}}"#,
];

const LANES: i64 = 12;

/// Writes `task_estimates`: two for each run.
pub(super) fn write_tasks(
    plan: &Plan,
    database: &Connection,
    fleet: &Fleet,
    planted: &mut Planted,
) -> rusqlite::Result<()> {
    let mut rng = Rng::with_seed(plan.seed ^ 0x54_61_73_6b);
    let mut broken = Turns::new(&BROKEN);
    let mut insert =
        database.prepare("INSERT INTO task_estimates VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13)")?;
    let tasks = i64::from(plan.runs) * 2;
    for id in 1..=tasks {
        let rng = &mut rng;
        let project = nearby_project(rng, fleet, id, tasks);
        let formula = match rng.u16(..1_000) {
            0..8 => {
                planted.violation("kpi_formulas");
                broken.next()
            }
            8..14 => Some(pick(rng, &ODD)),
            14..260 => None,
            _ => Some(pick(rng, &USUAL)),
        };
        let tokens = rng.i64(200..40_000);
        insert.execute(params![
            id,
            project,
            words::task_name(rng),
            once_in(rng, 3).then(|| (id - rng.i64(1..9)).max(1)),
            rng.u8(0..40),
            rng.i64(1..=LANES),
            pick(rng, &["", "sqlite", "vector", "graph"]),
            pick(rng, &["trivial", "simple", "moderate", "complex"]),
            tokens,
            f64::from(rng.u32(1..240)),
            words::cents(rng, 1..900),
            pick(rng, &["done", "done", "pending", "in_progress", "blocked"]),
            formula,
        ])?;
    }
    planted.rows.insert("task_estimates", tasks.unsigned_abs());
    Ok(())
}

/// A project that was being worked on when this share of the table was written.
fn nearby_project(rng: &mut Rng, fleet: &Fleet, row: i64, rows: i64) -> i64 {
    (fleet.last() * row / rows.max(1) + rng.i64(-40..40)).clamp(1, fleet.last().max(1))
}

/// Writes `lane_overrides`: one for every second run.
pub(super) fn write_overrides(
    plan: &Plan,
    database: &Connection,
    planted: &mut Planted,
) -> rusqlite::Result<()> {
    let mut rng = Rng::with_seed(plan.seed ^ 0x4c_61_6e_65);
    let mut insert = database.prepare("INSERT INTO lane_overrides VALUES (?1,?2,?3,?4,?5,?6,?7)")?;
    let overrides = i64::from(plan.runs) / 2;
    for id in 1..=overrides {
        let rng = &mut rng;
        let predicted = rng.i64(1..=LANES);
        let other = (predicted + rng.i64(1..LANES) - 1) % LANES + 1;
        let lanes = match rng.u16(..1_000) {
            0..15 => {
                planted.violation("lane_overrides");
                (Some(predicted), Some(predicted))
            }
            // Nothing is equal to nothing known.
            15..20 => (None, None),
            20..30 => (None, Some(other)),
            30..35 => (Some(predicted), None),
            _ => (Some(predicted), Some(other)),
        };
        let at = words::moment(rng, id, overrides);
        insert.execute(params![
            id,
            rng.i64(1..=i64::from(plan.runs) * 2),
            words::task_name(rng),
            lanes.0,
            lanes.1,
            words::person(rng),
            iso(at),
        ])?;
    }
    planted.rows.insert("lane_overrides", overrides.unsigned_abs());
    Ok(())
}
