//! How many rows violate each invariant, counted by walking over whole tables, one row at a time?
//!
//! Shares nothing with the program: every table is read with `SELECT *`, SQL's comparisons are spelled out here.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;

use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags};
use serde_json::Value as Json;

use crate::grammar::{Text, read};

pub type Counts = BTreeMap<String, u64>;

/// One row: column name and value.
type Row = HashMap<String, Value>;

const VALIDATORS: [&str; 7] = [
    "test_pass_rate",
    "linter_pass",
    "schema_diff",
    "row_count_delta",
    "graph_edge_count_delta",
    "bleu_score",
    "readability",
];

const IDS: [&str; 8] = [
    "passport_artifacts",
    "kpi_formulas",
    "baseline_sandbox",
    "calibration_sources",
    "lane_overrides",
    "calibration_pollution",
    "provider_snapshots",
    "strata_coverage",
];

/// Counts everything; looks at passports where `artifacts` is given.
pub fn count(registry: &Path, artifacts: Option<&Path>) -> Counts {
    let database = Connection::open_with_flags(registry, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let mut counts: Counts = IDS.iter().map(|id| ((*id).to_owned(), 0)).collect();
    let mut projects: HashMap<Key, Vec<Row>> = HashMap::new();
    if database.prepare("SELECT strata_coverage FROM project_runs").is_err() {
        counts.remove("strata_coverage");
    }
    each_row(&database, "project_runs", |run| {
        let kind = text(&run["run_kind"]).unwrap_or_default();
        let passport = !has_run_id(&run) || artifacts.is_some_and(|folder| !has_passport(folder, &run));
        note(&mut counts, "passport_artifacts", passport);
        note(
            &mut counts,
            "baseline_sandbox",
            kind == "baseline" && number(&run["write_sandbox"]) == Some(1.0),
        );
        let snapshot =
            matches!(formula(&run["provider_matrix_json"]), Some(Text::Object(keys)) if !keys.is_empty());
        note(&mut counts, "provider_snapshots", (kind == "baseline" || kind == "hotfix") && !snapshot);
        if let Some(share) = run.get("strata_coverage") {
            let partly = number(share).is_some_and(|share| share < 1.0);
            note(&mut counts, "strata_coverage", kind == "rehearsal" && partly);
        }
        if let Some(key) = key(&run["project_id"]) {
            projects.entry(key).or_default().push(run);
        }
    });
    each_row(&database, "task_estimates", |task| {
        let cell = &task["kpi_formula"];
        let good = match formula(cell) {
            Some(Text::Object(keys)) => keys.iter().all(|key| VALIDATORS.contains(&key.as_str())),
            _ => *cell == Value::Null,
        };
        note(&mut counts, "kpi_formulas", !good);
    });
    each_row(&database, "lane_overrides", |lanes| {
        let (predicted, corrected) = (&lanes["predicted_lane"], &lanes["corrected_lane"]);
        note(&mut counts, "lane_overrides", *predicted != Value::Null && predicted == corrected);
    });
    each_row(&database, "estimate_versions", |version| {
        let runs =
            key(&version["project_id"]).and_then(|key| projects.get(&key)).map_or(&[][..], Vec::as_slice);
        let zero = |run: &Row| number(&run["validation_pass"]) == Some(0.0);
        let unvalidated = |run: &Row| run["validation_pass"] == Value::Null || zero(run);
        note(&mut counts, "calibration_sources", runs.is_empty() || runs.iter().any(unvalidated));
        let pollutes = |run: &Row| {
            let kind = text(&run["run_kind"]).unwrap_or_default();
            kind == "rehearsal" || kind == "replay" || number(&run["write_sandbox"]) == Some(1.0) || zero(run)
        };
        note(&mut counts, "calibration_pollution", runs.iter().any(pollutes));
    });
    counts
}

fn note(counts: &mut Counts, id: &str, violates: bool) {
    *counts.entry(id.to_owned()).or_default() += u64::from(violates);
}

fn each_row(database: &Connection, table: &str, mut visit: impl FnMut(Row)) {
    let mut statement = database.prepare(&format!("SELECT * FROM {table}")).unwrap();
    let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let mut rows = statement.query([]).unwrap();
    while let Some(row) = rows.next().unwrap() {
        let cell = |at| match row.get_ref(at).unwrap() {
            // TEXT that is no UTF-8 is no text that an invariant could name: as good as a blob.
            rusqlite::types::ValueRef::Text(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => Value::Text(text.to_owned()),
                Err(_) => Value::Blob(bytes.to_owned()),
            },
            _ => row.get(at).unwrap(),
        };
        visit(names.iter().cloned().enumerate().map(|(at, name)| (name, cell(at))).collect());
    }
}

fn text(cell: &Value) -> Option<&str> {
    match cell {
        Value::Text(text) => Some(text),
        _ => None,
    }
}

#[expect(clippy::cast_precision_loss, reason = "only compared with 0 and 1")]
fn number(cell: &Value) -> Option<f64> {
    match cell {
        Value::Integer(number) => Some(*number as f64),
        Value::Real(number) => Some(*number),
        _ => None,
    }
}

fn formula(cell: &Value) -> Option<Text> {
    text(cell).map(|text| read(text.as_bytes()))
}

/// What two ids must share to be equal in SQL; NULL is equal to nothing.
#[derive(PartialEq, Eq, Hash)]
enum Key {
    Integer(i64),
    Real(u64),
    Text(String),
    Blob(Vec<u8>),
}

fn key(cell: &Value) -> Option<Key> {
    Some(match cell.clone() {
        Value::Null => return None,
        Value::Integer(number) => Key::Integer(number),
        Value::Real(number) => Key::Real(number.to_bits()),
        Value::Text(text) => Key::Text(text),
        Value::Blob(bytes) => Key::Blob(bytes),
    })
}

fn has_run_id(run: &Row) -> bool {
    run["run_id"] != Value::Null && text(&run["run_id"]) != Some("")
}

/// Exactly one passport, and a good one.
fn has_passport(artifacts: &Path, run: &Row) -> bool {
    let (Some(run_id), Some(project)) = (text(&run["run_id"]), project_text(&run["project_id"])) else {
        return false;
    };
    let folder = artifacts.join(format!("project-{project}"));
    let named = fs::read(folder.join(format!("replay_passport_{run_id}.json"))).ok();
    let older = fs::read(folder.join("replay_passport.json")).ok();
    let older = older.filter(|bytes| {
        let held = serde_json::from_slice::<Json>(bytes).unwrap_or_default();
        held.get("run_id").and_then(Json::as_str) == Some(run_id)
    });
    match (named, older) {
        (Some(bytes), None) | (None, Some(bytes)) => is_good(&bytes, run_id, &project),
        _ => false,
    }
}

fn project_text(cell: &Value) -> Option<String> {
    match cell {
        Value::Integer(number) => Some(number.to_string()),
        Value::Text(text) => Some(text.clone()),
        // Bytes name a folder as letters do.
        Value::Blob(bytes) => String::from_utf8(bytes.clone()).ok(),
        _ => None,
    }
}

fn is_good(bytes: &[u8], run_id: &str, project: &str) -> bool {
    let passport: Json = match serde_json::from_slice(bytes) {
        Ok(passport) => passport,
        Err(_) => return false,
    };
    let required = [
        "/project_id",
        "/run_id",
        "/run_kind",
        "/provider_matrix",
        "/capabilities",
        "/prd_sha",
        "/env/git_commit",
        "/env/python_version",
        "/started_at",
    ];
    let has_all =
        required.into_iter().all(|path| passport.pointer(path).is_some_and(|value| !value.is_null()));
    let names_project = match &passport["project_id"] {
        Json::String(text) => text == project,
        Json::Number(number) => number.to_string() == project,
        _ => false,
    };
    has_all && names_project && passport["run_id"] == run_id && passport.is_object()
}
