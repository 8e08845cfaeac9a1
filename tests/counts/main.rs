//! Does every count stand, made by another method, on registries that were planted and on ruined ones?
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on ends; clippy.toml allows it in test functions only"
)]

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
    for (runs, seed) in [(1, 1), (40, 2), (1_000, 1), (1_000, 3), (2_000, 4)] {
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
