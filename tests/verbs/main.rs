//! Verbs that check nothing, through the real program.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper that fails fails its test"
)]
#![allow(clippy::disallowed_methods, reason = "the program under test reads the real clock")]

#[path = "../common/mod.rs"]
mod common;
mod looks;
mod records;
mod refusals;

use std::fs;
use std::path::Path;

use common::{Finished, finish, runner as command};
use serde_json::Value;

fn plms(folder: &Path, line: &str) -> Finished {
    finish(&mut command(folder, line))
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn json(finished: &Finished) -> Value {
    serde_json::from_str(&finished.stdout).unwrap_or_else(|e| panic!("{e}\n{finished:#}"))
}

const OWN: &str = "/*---\nid = \"own\"\ntitle = \"Own \u{202e}rule\"\nseverity = \"critical\"\ntags = [\"night\"]\n\
                   key = [\"id\"]\n---*/\nSELECT id FROM lane_overrides WHERE 0\n";

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

/// UNKNOWN with this sentence, and nothing is left in the folder.
#[track_caller]
fn refused(folder: &Path, line: &str, sentence: &str) {
    let before: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name()).collect();
    let seen = plms(folder, line).expect_status(3);
    assert!(seen.service_output().starts_with("PLMS INVARIANTS UNKNOWN: "), "{seen:#}");
    assert!(seen.service_output().contains(sentence), "expected: {sentence}\n{seen:#}");
    let after: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(before, after, "{seen:#}");
}
