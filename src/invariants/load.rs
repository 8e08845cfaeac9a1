//! Which invariants are there? The built-in ones, then an operator's folders, by file name.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::format::{Problem, parse};
use super::{Invariant, Source};
use crate::config::file::{self, ReadError};
use crate::plain::plain;

const LARGEST_FILE: u64 = 1024 * 1024;

/// File name and text of every built-in invariant, in the order in which they are reported.
const BUILTIN: [(&str, &str); 8] = [
    ("passport_artifacts.sql", include_str!("builtin/passport_artifacts.sql")),
    ("kpi_formulas.sql", include_str!("builtin/kpi_formulas.sql")),
    ("baseline_sandbox.sql", include_str!("builtin/baseline_sandbox.sql")),
    ("calibration_sources.sql", include_str!("builtin/calibration_sources.sql")),
    ("lane_overrides.sql", include_str!("builtin/lane_overrides.sql")),
    ("calibration_pollution.sql", include_str!("builtin/calibration_pollution.sql")),
    ("provider_snapshots.sql", include_str!("builtin/provider_snapshots.sql")),
    ("strata_coverage.sql", include_str!("builtin/strata_coverage.sql")),
];

/// Why there is no catalogue.
#[derive(Debug, Error)]
pub enum CatalogueError {
    /// A file says something that is no invariant.
    #[error("{file}:{line}: {problem}")]
    Refused {
        /// The file's path, or `builtin/NAME`.
        file: Source,
        /// From 1.
        line: usize,
        /// What is wrong.
        problem: Problem,
    },
    /// Two files with one id.
    #[error("{file}:{line}: id `{id}` is taken by {first}")]
    Duplicate {
        /// The id.
        id: String,
        /// The later file.
        file: Source,
        /// Where the later file says so.
        line: usize,
        /// The file that has the id already.
        first: Source,
    },
    /// A file that cannot be read as text.
    #[error("cannot read invariant {}: {cause}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What stood in the way.
        cause: ReadError,
    },
    /// A folder that cannot be listed.
    #[error("cannot list the invariants in {}: {}; is INVARIANTS_DIR right?", .path.display(), plain(.cause))]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What stood in the way.
        cause: io::Error,
    },
}

/// All invariants that could be asked, by what they are called; ids are unique.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    /// The built-in ones first, then by folder and file name.
    pub invariants: Vec<Invariant>,
    /// What an operator would want to know: a folder without a single invariant.
    pub notes: Vec<String>,
}

impl Catalogue {
    /// The built-in invariants and those of `folders`. A folder's files count if they are named
    /// `*.sql` and are not hidden; folders within it are not looked into.
    ///
    /// # Errors
    /// At the first file that is not exactly an invariant: a rule that is silently left out would be a
    /// rule that always holds.
    pub fn load(folders: &[PathBuf]) -> Result<Self, CatalogueError> {
        let mut catalogue = Self::default();
        for (name, text) in BUILTIN {
            catalogue.add(text, Source::Builtin(name))?;
        }
        for folder in folders {
            let files = sql_files(folder)?;
            if files.is_empty() {
                catalogue.notes.push(format!("no *.sql file in {}", folder.display()));
            }
            for path in files {
                let text = file::read(&path, LARGEST_FILE)
                    .map_err(|cause| CatalogueError::File { path: path.clone(), cause })?;
                catalogue.add(&text, Source::File(path))?;
            }
        }
        Ok(catalogue)
    }

    /// Adds the invariant that one file's `text` states.
    ///
    /// # Errors
    /// Where the text is none, or its id is taken.
    pub fn add(&mut self, text: &str, source: Source) -> Result<(), CatalogueError> {
        let invariant = parse(text, source.clone()).map_err(|refused| CatalogueError::Refused {
            file: source,
            line: refused.line,
            problem: refused.problem,
        })?;
        if let Some(first) = self.get(&invariant.id) {
            let states_id =
                |l: &str| l.trim_start().strip_prefix("id").is_some_and(|r| r.trim_start().starts_with('='));
            return Err(CatalogueError::Duplicate {
                line: 1 + text.lines().position(states_id).unwrap_or(0),
                first: first.source.clone(),
                file: invariant.source,
                id: invariant.id,
            });
        }
        self.invariants.push(invariant);
        Ok(())
    }

    /// The invariant of that id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Invariant> {
        self.invariants.iter().find(|i| i.id == id)
    }
}

/// In the order of their names' bytes, on every machine and in every locale.
fn sql_files(folder: &Path) -> Result<Vec<PathBuf>, CatalogueError> {
    let failed = |cause| CatalogueError::Folder { path: folder.to_owned(), cause };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        let bytes = name.as_encoded_bytes();
        if bytes.ends_with(b".sql") && !bytes.starts_with(b".") {
            files.push(folder.join(name));
        }
    }
    files.sort();
    Ok(files)
}
