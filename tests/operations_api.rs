//! Does the operations API, which greps our logs, still read the truth out of them? Contract 5, by a reader of its own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "clippy.toml spares functions marked as tests alone"
)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{finish, runner};
use rusqlite::Connection;

/// An installation in a throw-away folder, whose registry keeps every invariant.
struct Site(tempfile::TempDir);

impl Site {
    fn new() -> Self {
        let site = Self(tempfile::tempdir().unwrap());
        finish(&mut runner(site.folder(), "demo --runs 50 --keep demo")).expect_status(0);
        site.ask(
            "UPDATE task_estimates SET kpi_formula = NULL;
             UPDATE project_runs SET strata_coverage = 1.0;
             DELETE FROM estimate_versions;
             DELETE FROM lane_overrides WHERE predicted_lane = corrected_lane;",
        );
        fs::create_dir(site.logs()).unwrap();
        fs::create_dir(site.folder().join("own")).unwrap();
        site
    }

    fn folder(&self) -> &Path {
        self.0.path()
    }

    fn logs(&self) -> PathBuf {
        self.folder().join("logs")
    }

    fn registry(&self) -> PathBuf {
        self.folder().join("demo/artifacts/registry/registry.db")
    }

    /// Writes to the registry as the application would.
    fn ask(&self, sql: &str) {
        Connection::open(self.registry()).unwrap().execute_batch(sql).unwrap();
    }

    /// A full run, and what the API then reads, whichever way it looks for the newest log.
    #[track_caller]
    fn night(&self, status: i32) -> (String, Vec<String>) {
        self.night_as("site", &self.registry(), status)
    }

    #[track_caller]
    fn night_as(&self, env: &str, registry: &Path, status: i32) -> (String, Vec<String>) {
        let mut run = runner(self.folder(), "--log-dir logs --invariants own --deliver off");
        run.env("DB_PATH", registry).env("ENV_NAME", env);
        let seen = finish(&mut run).expect_status(status);
        let read = self.read("name");
        assert_eq!(read, self.read("mtime"), "{seen:#}");
        read
    }

    fn read(&self, by: &str) -> (String, Vec<String>) {
        let reader = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/operations-api");
        let seen = finish(Command::new(reader).arg(self.logs()).arg(by)).expect_status(0);
        let mut lines = seen.stdout.lines().map(str::to_owned);
        (lines.next().unwrap(), lines.collect())
    }

    /// Makes what is there a log of yesterday, so that the next one is newer in name and in time.
    fn next_day(&self) {
        let today = fs::read_dir(self.logs()).unwrap().next().unwrap().unwrap().path();
        let written = chrono::DateTime::<chrono::Utc>::from(today.metadata().unwrap().modified().unwrap());
        let yesterday = written - chrono::TimeDelta::days(1);
        let name = yesterday.format("invariants_%Y-%m-%dT%H:%M:%SZ.log").to_string();
        let older = self.logs().join(name);
        fs::rename(today, &older).unwrap();
        fs::File::options().write(true).open(older).unwrap().set_modified(yesterday.into()).unwrap();
    }
}

fn read(verdict: &str, marked: &[&str]) -> (String, Vec<String>) {
    (verdict.to_owned(), marked.iter().map(|line| (*line).to_owned()).collect())
}

const FORMULAS: &str =
    "⚠️ kpi_formulas: 3 violations: KPI formulas are JSON objects of registered validators";
const PROVIDERS: &str =
    "🔴 provider_snapshots: 2 violations: Baseline and hotfix runs name the providers they used";

#[test]
fn the_newest_log_is_ok_after_a_clean_run_and_names_what_is_violated_after_another() {
    let site = Site::new();
    assert_eq!(site.night(0), read("ok 0", &[]));
    site.next_day();
    site.ask(
        "UPDATE task_estimates SET kpi_formula = '{' WHERE id IN (SELECT id FROM task_estimates LIMIT 3)",
    );
    assert_eq!(site.night(1), read("fail 3", &[FORMULAS]));
    site.next_day();
    let two = "SELECT id FROM project_runs WHERE run_kind = 'baseline' LIMIT 2";
    site.ask(&format!("UPDATE project_runs SET provider_matrix_json = NULL WHERE id IN ({two})"));
    assert_eq!(site.night(2), read("fail 5", &[PROVIDERS, FORMULAS]));
}

#[test]
fn what_could_not_be_checked_is_never_read_as_ok() {
    let site = Site::new();
    assert_eq!(site.night_as("site", Path::new("/none"), 3), read("fail 0", &[]));
    site.next_day();
    site.ask("ALTER TABLE task_estimates DROP COLUMN kpi_formula");
    assert_eq!(site.night(3), read("fail 0", &[]));
}

#[test]
fn no_text_of_the_registry_a_rule_or_a_setting_passes_for_our_words() {
    let site = Site::new();
    let forged = "✓ All invariants passed\nTotal violations: 0\n🔴 forged: 9 violations\n\u{2028}⚠️ forged";
    let toml = forged.replace(['\n', '\u{2028}'], " "); // more lines than one are refused at start
    let rule = format!(
        "/*---\nid = \"own\"\ntitle = \"{toml}\"\nseverity = \"critical\"\nkey = [\"id\"]\nshow = [\"name\"]\n\
         owner = \"{toml}\"\n---*/\nSELECT id, name FROM projects LIMIT 1;\n"
    );
    fs::write(site.folder().join("own/own.sql"), rule).unwrap();
    site.ask(&format!("UPDATE projects SET name = '{forged}'"));
    // The path of the registry is in the log, too.
    let hostile = site.folder().join("✓ All invariants passed Total violations: 0");
    fs::create_dir(&hostile).unwrap();
    fs::copy(site.registry(), hostile.join("🔴.db")).unwrap();

    let (verdict, marked) = site.night_as(forged, &hostile.join("🔴.db"), 2);
    assert_eq!(verdict, "fail 1");
    assert_eq!(marked.len(), 1, "{marked:#?}");
    assert!(marked.iter().all(|line| line.starts_with("🔴 own: 1 violation: ")), "{marked:#?}");
}
