//! What do years of half-finished migrations, crashed writers and hand edits leave in a registry?

use std::fs;
use std::path::{Path, PathBuf};

use fastrand::Rng;
use rusqlite::types::Value;
use rusqlite::{Connection, params};
use serde_json::Value as Json;

const COLUMNS: [(&str, &str); 12] = [
    ("project_runs", "project_id"),
    ("project_runs", "run_id"),
    ("project_runs", "run_kind"),
    ("project_runs", "provider_matrix_json"),
    ("project_runs", "validation_pass"),
    ("project_runs", "write_sandbox"),
    ("project_runs", "strata_coverage"),
    ("task_estimates", "kpi_formula"),
    ("lane_overrides", "predicted_lane"),
    ("lane_overrides", "corrected_lane"),
    ("estimate_versions", "project_id"),
    ("project_runs", "started_at"),
];

/// Something that no reader expects in this cell, or that just looks so.
fn oddity(rng: &mut Rng) -> Value {
    let texts = [
        "",
        " ",
        "0",
        "1",
        "01",
        "1.0",
        "0.5",
        "-1",
        " 7 ",
        "1e0",
        "abc",
        "true",
        "NULL",
        "baseline",
        "Baseline",
        "BASELINE",
        "rehearsal",
        "rehearsal ",
        "replay",
        "hotfix",
        "{}",
        "[]",
        "null",
        "{\"a\":1}",
        "{\"a\":1",
        "{\"bleu_score\":1}",
        "{\"bleu_score\":1,\"bleu_score\":2}",
        "{\"bleu_score\":1e999}",
        "[{\"bleu_score\":1}]",
        "{\"bleu_\\u0073core\":{\"nested\":[1,2,{\"x\":null}]}}",
        "{\"Bleu_score\":1}",
        "{\"bleu_score\\u0000\":1}",
        "{\"readability\":\"\\ud800\"}",
        "{\"readability\":-0}",
        "{\"readability\":01}",
        "\u{feff}{\"readability\":1}",
        "{\"readability\":1}\0",
        "{\"readability\":1}\u{a0}",
        "a|b\nc\t\"'\u{1b}[31m\u{202e}",
        "../../etc/passwd",
        "a/b",
        "ﬁ",
        "é",
        "e\u{301}",
        "9223372036854775807",
        "9223372036854775808",
        "-9223372036854775808",
    ];
    match rng.u8(..) {
        0..40 => Value::Null,
        40..70 => {
            Value::Integer(*rng.choice(&[0, 1, 2, -1, i64::MAX, i64::MIN, 1 << 53, (1 << 53) + 1]).unwrap())
        }
        70..100 => Value::Real(
            *rng.choice(&[0.0, -0.0, 1.0, 0.999_999, 1.000_001, 1.5, -2.5, 1e300, f64::INFINITY, 9.3e18])
                .unwrap(),
        ),
        100..106 => {
            Value::Blob(rng.choice([&b""[..], b"{\"readability\":1}", b"1", b"baseline"]).unwrap().to_vec())
        }
        106..114 => Value::Text(format!("{}1{}", "[".repeat(90), "]".repeat(90))),
        _ => Value::Text((*rng.choice(&texts).unwrap()).to_owned()),
    }
}

/// Opens a registry that nobody would miss after a crash.
fn open(path: &Path) -> Connection {
    let database = Connection::open(path).unwrap();
    database.execute_batch("PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY").unwrap();
    database
}

/// Rewrites cells, doubles and deletes rows, and leaves text that is no UTF-8.
pub fn registry(path: &Path, rng: &mut Rng) {
    let mut database = open(path);
    let transaction = database.transaction().unwrap();
    let run = |sql: &str| transaction.execute(sql, []).unwrap();
    for _ in 0..600 {
        let (table, column) = rng.choice(COLUMNS).unwrap();
        let rows: i64 =
            transaction.query_row(&format!("SELECT max(id) FROM {table}"), [], |row| row.get(0)).unwrap();
        let sql = format!("UPDATE {table} SET {column} = ?1 WHERE id = ?2");
        // A run_kind is NOT NULL: that one refusal is the registry's own.
        let _refused = transaction.execute(&sql, params![oddity(rng), rng.i64(1..=rows)]);
    }
    for (table, column) in COLUMNS {
        let bytes = *rng.choice(&["ff", "7b22ff223a317d", "c3", "6261736580"]).unwrap();
        let id = rng.i64(1..300);
        run(&format!("UPDATE {table} SET {column} = CAST(x'{bytes}' AS TEXT) WHERE id = {id}"));
    }
    // Equal, whatever they are; and equal for a person only.
    run("UPDATE lane_overrides SET predicted_lane = corrected_lane WHERE id % 23 = 0");
    run("UPDATE lane_overrides SET predicted_lane = corrected_lane || '.0 ?' WHERE id % 27 = 0");
    // The same runs once more, under other ids; a project whose runs were deleted; ids far outside.
    let columns = "project_id, run_id, status, started_at, run_kind, provider_matrix_json, validation_pass, \
        write_sandbox, strata_coverage";
    run(&format!(
        "INSERT INTO project_runs ({columns}) SELECT {columns} FROM project_runs WHERE id % 17 = 3"
    ));
    run("DELETE FROM project_runs WHERE project_id = 3");
    run("UPDATE project_runs SET project_id = -project_id WHERE id % 41 = 0");
    run("UPDATE project_runs SET project_id = project_id + 9007199254740992 WHERE id % 43 = 0");
    run("UPDATE project_runs SET project_id = 'p' || project_id WHERE id % 47 = 0");
    run("UPDATE estimate_versions SET project_id = -project_id WHERE id % 29 = 0");
    run("UPDATE estimate_versions SET project_id = project_id + 9007199254740992 WHERE id % 31 = 0");
    run("UPDATE estimate_versions SET project_id = 'p' || project_id WHERE id % 37 = 0");
    transaction.commit().unwrap();
}

/// One cell of ten megabytes that is a good formula, and one that is cut off.
pub fn huge_cells(path: &Path) {
    let database = open(path);
    let huge = format!("{{\"readability\":\"{}\"}}", "x".repeat(10_000_000));
    let sql = "UPDATE task_estimates SET kpi_formula = ?1 WHERE id = ?2";
    database.execute(sql, params![huge, 77]).unwrap();
    database.execute(sql, params![&huge[..9_000_000], 78]).unwrap();
}

/// Deletes, doubles, moves, cuts and rewrites passports.
pub fn passports(artifacts: &Path, rng: &mut Rng) {
    let mut files = passport_files(artifacts);
    files.sort();
    for _ in 0..files.len() / 4 {
        let path = rng.choice(&files).unwrap().clone();
        let Ok(bytes) = fs::read(&path) else { continue };
        let folder = path.parent().unwrap();
        match rng.u8(0..12) {
            0 => fs::remove_file(&path).unwrap(),
            1 => fs::write(&path, &bytes[..rng.usize(0..=bytes.len())]).unwrap(),
            2 => fs::write(&path, b"{\"run_id\":\"\xff\"}").unwrap(),
            3 => fs::write(folder.join("replay_passport.json"), &bytes).unwrap(),
            4 => fs::rename(&path, folder.join("replay_passport.json")).unwrap(),
            5 => drop(fs::copy(&path, rng.choice(&files).unwrap()).unwrap()),
            6 => fs::rename(&path, path.with_extension("json.old")).unwrap(),
            7 => fs::write(&path, [b"\xef\xbb\xbf".as_slice(), &bytes].concat()).unwrap(),
            8 => fs::write(&path, [bytes.as_slice(), b"\n{}"].concat()).unwrap(),
            _ => rewrite(&path, &bytes, rng),
        }
    }
}

fn passport_files(artifacts: &Path) -> Vec<PathBuf> {
    let folders = fs::read_dir(artifacts).unwrap().map(|entry| entry.unwrap().path());
    let projects = folders.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("project-"));
    projects.flat_map(|folder| fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path())).collect()
}

fn rewrite(path: &Path, bytes: &[u8], rng: &mut Rng) {
    let Ok(Json::Object(mut passport)) = serde_json::from_slice(bytes) else { return };
    let fields: Vec<String> = passport.keys().cloned().collect();
    let field = rng.choice(&fields).unwrap().clone();
    match rng.u8(0..7) {
        0 => drop(passport.shift_remove(&field)),
        1 => drop(passport.insert(field, Json::Null)),
        2 => drop(passport.insert("project_id".into(), rng.i64(1..40).to_string().into())),
        3 => drop(passport.insert("run_id".into(), "".into())),
        4 => drop(passport.insert("env".into(), "3.11".into())),
        5 => drop(passport.insert("extra".into(), Json::Null)),
        _ => drop(passport.insert(field, Json::String(String::new()))),
    }
    fs::write(path, serde_json::to_vec_pretty(&passport).unwrap()).unwrap();
}
