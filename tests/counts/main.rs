//! Does every count stand, made by another method, on registries that were planted and on ruined ones?
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on ends; clippy.toml allows it in test functions only"
)]

#[path = "../common/mod.rs"]
mod common;
mod grammar;
mod mutate;
mod tally;

use std::path::Path;

use plms_invariants::demo::{Passports, Plan, Planted, Schema, generate};
use tally::{Counts, count};

fn planted_counts(planted: &Planted) -> Counts {
    planted.violations.iter().map(|(&id, &count)| (id.to_owned(), count)).collect()
}

fn make(folder: &Path, runs: u32, seed: u64) -> Planted {
    generate(&Plan { seed, ..Plan::new(folder, runs) }).unwrap()
}

#[test]
fn what_was_planted_is_what_a_walk_over_the_rows_finds() {
    for (runs, seed) in [(1, 1), (40, 2), (1_000, 1), (600, 4)] {
        let folder = tempfile::tempdir().unwrap();
        let planted = make(folder.path(), runs, seed);
        let found = count(&planted.registry, planted.artifacts.as_deref());
        assert_eq!(found, planted_counts(&planted), "{runs} runs, seed {seed}");
        let without_files = count(&planted.registry, None)["passport_artifacts"];
        assert_eq!(without_files, planted.runs_without_id, "{runs} runs, seed {seed}");
    }
}

#[test]
fn an_older_registry_without_files_holds_what_was_planted_too() {
    let folder = tempfile::tempdir().unwrap();
    let plan = Plan { schema: Schema::Older, passports: Passports::None, ..Plan::new(folder.path(), 2_000) };
    let planted = generate(&plan).unwrap();
    assert_eq!(count(&planted.registry, None), planted_counts(&planted));
}

#[test]
fn the_program_finds_what_was_planted() {
    for (runs, seed) in [(1_000, 1), (500, 5)] {
        let folder = tempfile::tempdir().unwrap();
        let planted = make(folder.path(), runs, seed);
        let found = asked(&planted.registry, planted.artifacts.as_deref());
        assert_eq!(found, planted_counts(&planted), "{runs} runs, seed {seed}");
    }
}

#[test]
fn the_program_counts_a_ruined_registry_as_a_walk_over_its_rows_does() {
    for seed in 1..=8 {
        let folder = tempfile::tempdir().unwrap();
        let planted = make(folder.path(), 400, seed);
        let rng = &mut fastrand::Rng::with_seed(seed);
        mutate::registry(&planted.registry, rng);
        if seed == 1 {
            mutate::huge_cells(&planted.registry);
        }
        mutate::passports(planted.artifacts.as_deref().unwrap(), rng);
        let artifacts = planted.artifacts.as_deref().filter(|_| seed % 4 > 0);
        let walked = count(&planted.registry, artifacts);
        assert_ne!(walked, planted_counts(&planted), "nothing was ruined");
        assert_eq!(asked(&planted.registry, artifacts), walked, "seed {seed}, passports in {artifacts:?}");
    }
}

#[test]
fn the_benchmark_asks_the_sqlite3_shell_the_same_questions() {
    let folder = tempfile::tempdir().unwrap();
    let plan = Plan { passports: Passports::None, ..Plan::new(folder.path(), 1_000) };
    let planted = generate(&plan).unwrap();
    let database = rusqlite::Connection::open(&planted.registry).unwrap();
    let statements = include_str!("../../benches/shell.sql").split_inclusive(";\n");
    let answer = |sql| database.query_row(sql, [], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?)));
    let found = statements.map(|sql| answer(sql).unwrap()).map(|(id, count)| (id, count.unsigned_abs()));
    assert_eq!(found.collect::<Counts>(), planted_counts(&planted));
}

/// What the program's JSON says, where it could check everything.
fn asked(registry: &Path, artifacts: Option<&Path>) -> Counts {
    let folder = tempfile::tempdir().unwrap();
    let mut command = common::program(env!("CARGO_BIN_EXE_plms-invariants"), folder.path());
    command.args(["--env-file", "/dev/null", "--json", "--strict", "--db"]).arg(registry);
    command.args(["--log-dir", ".", "--state-dir", "."]);
    if let Some(artifacts) = artifacts {
        command.arg("--artifacts-dir").arg(artifacts);
    }
    let finished = common::finish(&mut command).expect_status(2);
    let run: serde_json::Value = serde_json::from_str(&finished.stdout).unwrap();
    let checks = run["checks"].as_object().unwrap();
    let counts = checks.iter().map(|(id, check)| {
        assert_eq!(check["errors"], serde_json::json!([]), "{finished}");
        (id.clone(), check["violations"].as_u64().unwrap())
    });
    counts.collect()
}
