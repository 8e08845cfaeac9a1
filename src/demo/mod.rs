//! What does a realistic registry look like, and how many violations does it hold?
//!
//! The generator plants violations on purpose and keeps count of them while it does, row by row and without
//! SQL: what it planted is what a check must find. Same plan, same rows.

mod calibration;
pub mod compare;
mod estimates;
mod margins;
mod passports;
pub mod place;
mod projects;
mod runs;
mod words;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::plain::plain;

const SCHEMA: &str = include_str!("schema.sql");

/// Above this many runs no passports are written unless the plan says so: one file per run.
const FEW_ENOUGH_FOR_FILES: u32 = 20_000;

/// Which registry to make.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Gets `artifacts/registry/registry.db` and `artifacts/project-<id>/…`.
    pub folder: PathBuf,
    /// Rows of `project_runs`; all other tables grow with it. 0: every table is empty.
    pub runs: u32,
    /// Another seed, other rows.
    pub seed: u64,
    /// Whether each run's passport lies on disk.
    pub passports: Passports,
    /// Which installation it comes from.
    pub schema: Schema,
    /// What the file's header says of its journal.
    pub journal: Journal,
}

/// Whether passports are on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passports {
    /// One per run, in both layouts, some of them faulty.
    OnDisk,
    /// None: a check cannot look at files.
    None,
}

/// Which installation a registry comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schema {
    /// Has `project_runs.strata_coverage`.
    Newer,
    /// Has not.
    Older,
}

/// The journal mode in the registry's header; either way it is closed, with no file beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Journal {
    /// `delete`.
    Rollback,
    /// `wal`.
    Wal,
}

impl Plan {
    /// A newer registry in rollback mode; passports up to 20,000 runs.
    pub fn new(folder: impl Into<PathBuf>, runs: u32) -> Self {
        let passports = if runs <= FEW_ENOUGH_FOR_FILES { Passports::OnDisk } else { Passports::None };
        let (schema, journal) = (Schema::Newer, Journal::Rollback);
        Self { folder: folder.into(), runs, seed: 1, passports, schema, journal }
    }

    /// Where the registry comes to lie.
    #[must_use]
    pub fn registry(&self) -> PathBuf {
        self.folder.join("artifacts/registry/registry.db")
    }

    /// Where the projects' folders come to lie, with passports in them.
    #[must_use]
    pub fn artifacts(&self) -> PathBuf {
        self.folder.join("artifacts")
    }

    fn refuse_existing(&self) -> Result<(), DemoError> {
        let path = self.registry();
        if fs::symlink_metadata(&path).is_ok() { Err(DemoError::Exists { path }) } else { Ok(()) }
    }
}

/// What was made, and what a check of it must find.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planted {
    /// The registry.
    pub registry: PathBuf,
    /// The folder of the passports, where there are any.
    pub artifacts: Option<PathBuf>,
    /// Violating rows by invariant; an invariant that the registry is too old for is not there.
    pub violations: BTreeMap<&'static str, u64>,
    /// What `passport_artifacts` comes to where the artifacts folder is not configured.
    pub runs_without_id: u64,
    /// Rows by table.
    pub rows: BTreeMap<&'static str, u64>,
}

impl Planted {
    /// One more violating row.
    fn violation(&mut self, id: &'static str) {
        *self.violations.entry(id).or_default() += 1;
    }
}

/// Why no registry was made.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// There is one, which may be somebody's.
    #[error(
        "will not overwrite the registry {}; name another folder, or move it away",
        path.display()
    )]
    Exists {
        /// The registry.
        path: PathBuf,
    },
    /// A folder or file could not be written.
    #[error("cannot write {}: {}; choose a folder that you may write to, with room in it", path.display(), plain(source))]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A name that an env file cannot hold.
    #[error(
        "cannot write {} into an env file: a quote, a dollar sign, a backslash, a backtick or a control character is in it; \
         choose a folder with a plainer name",
        path.display()
    )]
    Name {
        /// The path.
        path: PathBuf,
    },
    /// `SQLite` could not write the registry.
    #[error("cannot write the registry {}: {source}; is there room on the disk?", path.display())]
    Registry {
        /// Which.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
}

impl DemoError {
    fn write(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Write { path, source }
    }
}

/// Makes the registry that a plan describes.
///
/// It gets its name when it is complete: a generation that was cut short leaves no registry.
///
/// # Errors
///
/// There is a registry already, or the disk is full or not writable.
pub fn generate(plan: &Plan) -> Result<Planted, DemoError> {
    plan.refuse_existing()?;
    let (registry, artifacts) = (plan.registry(), plan.artifacts());
    let folder = artifacts.join("registry");
    fs::create_dir_all(&folder).map_err(DemoError::write(&folder))?;
    let unfinished = folder.join("registry.db.unfinished");
    if unfinished.exists() {
        fs::remove_file(&unfinished).map_err(DemoError::write(&unfinished))?;
    }
    let mut planted = Planted {
        registry: registry.clone(),
        artifacts: (plan.passports == Passports::OnDisk).then(|| artifacts.clone()),
        violations: IDS.into_iter().map(|id| (id, 0)).collect(),
        runs_without_id: 0,
        rows: BTreeMap::new(),
    };
    if plan.schema == Schema::Older {
        planted.violations.remove("strata_coverage");
    }
    if let Err(error) = fill(plan, &unfinished, &mut planted) {
        // Half a registry helps nobody, and the disk may be full of it.
        let _ = fs::remove_file(&unfinished);
        return Err(error);
    }
    fs::rename(&unfinished, &registry).map_err(DemoError::write(&registry))?;
    Ok(planted)
}

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

fn fill(plan: &Plan, path: &Path, planted: &mut Planted) -> Result<(), DemoError> {
    let in_registry = |source| DemoError::Registry { path: path.to_owned(), source };
    let open = || -> rusqlite::Result<Connection> {
        let database = Connection::open(path)?;
        // Nobody reads it before it is complete, so nothing need survive a crash.
        database.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; BEGIN")?;
        database.execute_batch(SCHEMA)?;
        if plan.schema == Schema::Newer {
            database.execute_batch("ALTER TABLE project_runs ADD COLUMN strata_coverage REAL")?;
        }
        Ok(database)
    };
    let database = open().map_err(in_registry)?;
    let fleet = runs::write(plan, &database, planted)?;
    let write_rest = |planted: &mut Planted| -> rusqlite::Result<()> {
        estimates::write_tasks(plan, &database, &fleet, planted)?;
        estimates::write_overrides(plan, &database, planted)?;
        calibration::write(plan, &database, &fleet, planted)?;
        margins::write(plan, &database, &fleet, planted)?;
        database.execute_batch("COMMIT")?;
        let mode = match plan.journal {
            Journal::Rollback => "delete",
            Journal::Wal => "wal",
        };
        database.pragma_update(None, "journal_mode", mode)
    };
    write_rest(planted).map_err(in_registry)?;
    database.close().map_err(|(_, source)| in_registry(source))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_plan_makes_the_same_rows() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut first = generate(&Plan::new(one.path(), 1_000)).unwrap();
        let second = generate(&Plan::new(two.path(), 1_000)).unwrap();
        assert_eq!(fs::read(&first.registry).unwrap(), fs::read(&second.registry).unwrap());
        first.registry.clone_from(&second.registry);
        first.artifacts.clone_from(&second.artifacts);
        assert_eq!(first, second);
    }

    #[test]
    fn a_thousand_runs_violate_every_invariant_and_most_rows_none() {
        let folder = tempfile::tempdir().unwrap();
        let planted = generate(&Plan::new(folder.path(), 1_000)).unwrap();
        assert_eq!(planted.violations.len(), 8, "{planted:#?}");
        for (id, &count) in &planted.violations {
            assert!((1..400).contains(&count), "{id}: {count}");
        }
    }

    #[test]
    fn a_registry_that_is_there_is_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let registry = generate(&Plan::new(folder.path(), 1_000)).unwrap().registry;
        fs::write(&registry, "somebody's").unwrap();
        let refusal = generate(&Plan::new(folder.path(), 1_000)).unwrap_err().to_string();
        assert!(refusal.contains("will not overwrite"), "{refusal}");
        assert_eq!(fs::read_to_string(&registry).unwrap(), "somebody's");
    }

    #[test]
    fn a_finished_registry_has_no_file_beside_it_in_either_journal_mode() {
        for (journal, mode) in [(Journal::Rollback, "delete"), (Journal::Wal, "wal")] {
            let folder = tempfile::tempdir().unwrap();
            let plan = Plan { journal, passports: Passports::None, ..Plan::new(folder.path(), 10) };
            let registry = generate(&plan).unwrap().registry;
            let beside: Vec<_> = fs::read_dir(registry.parent().unwrap()).unwrap().collect();
            assert_eq!(beside.len(), 1, "{beside:?}");
            let found: String = Connection::open(&registry)
                .unwrap()
                .pragma_query_value(None, "journal_mode", |row| row.get(0))
                .unwrap();
            assert_eq!(found, mode);
        }
    }

    #[test]
    fn an_older_registry_has_no_strata_and_one_of_no_runs_is_empty() {
        let folder = tempfile::tempdir().unwrap();
        let plan = Plan { schema: Schema::Older, ..Plan::new(folder.path(), 0) };
        let planted = generate(&plan).unwrap();
        assert!(!planted.violations.contains_key("strata_coverage"));
        let database = Connection::open(&planted.registry).unwrap();
        assert!(database.prepare("SELECT strata_coverage FROM project_runs").is_err());
        for table in planted.rows.keys() {
            let count: i64 =
                database.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap();
            assert_eq!(count, 0, "{table}");
        }
    }
}
