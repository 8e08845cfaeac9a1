//! What do all connections of one run know together?

use std::path::PathBuf;
use std::sync::OnceLock;

use super::facts::Facts;
use crate::observe::passports::Passports;

/// Answers that SQL functions give from memory; each is made once, and an error is an answer, too.
#[derive(Debug, Default)]
pub struct Shared {
    /// What the pass over the runs found.
    pub facts: OnceLock<Result<Facts, String>>,
    /// The passports on disk; `None`: no folder is configured, and files are not looked at.
    pub artifacts: Option<Artifacts>,
}

/// The artifacts folder and what was found in it.
#[derive(Debug)]
pub struct Artifacts {
    /// `ARTIFACTS_DIR`.
    pub folder: PathBuf,
    /// Set by the thread that reads them.
    pub passports: OnceLock<Result<Passports, String>>,
}

impl Shared {
    /// For one run.
    #[must_use]
    pub fn new(artifacts: Option<PathBuf>) -> Self {
        let artifacts = artifacts.map(|folder| Artifacts { folder, passports: OnceLock::new() });
        Self { facts: OnceLock::new(), artifacts }
    }
}
