//! Which flags do the verbs of `plms-invariants` share?
#![expect(clippy::doc_markdown, reason = "doc comments are help texts here, and a backtick would be printed")]

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::OutputFormat;
use super::alert::Deliver;
use super::runner::usage;
use crate::config::Flags;
use crate::invariants::Choice;
use crate::verdict::duration;

/// How long a run, or any other verb, may take when nobody says otherwise.
const DEFAULT_TIMEOUT: &str = "10min";

const SELECTION: &str = "Which invariants (a run of a part prints, and touches no state)";

/// Flags of every verb.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Flags of every verb")]
pub struct Common {
    /// Registry to read [default: DB_PATH, else artifacts/registry/registry.db]
    #[arg(long, value_name = "PATH", global = true)]
    pub db: Option<PathBuf>,
    /// Read settings from this file instead of /etc/default/plms-invariants; /dev/null means no settings
    #[arg(long, value_name = "PATH", global = true)]
    pub env_file: Option<PathBuf>,
    /// Keep status.json and the history here [default: STATE_DIR, else /var/lib/plms-invariants]
    #[arg(long, value_name = "DIR", global = true)]
    pub state_dir: Option<PathBuf>,
    /// Write one log per run here, kept for 30 days [default: LOG_DIR, else logs/plms]
    #[arg(long, value_name = "DIR", global = true)]
    pub log_dir: Option<PathBuf>,
    /// Write metrics to this .prom file, or into this folder [default: TEXTFILE_DIR, else none are written]
    #[arg(long, value_name = "PATH", global = true)]
    pub textfile: Option<PathBuf>,
    /// What [`Folders`] come to, before and after the verb.
    #[arg(skip)]
    pub invariants: Vec<PathBuf>,
    /// Look for replay passports here [default: ARTIFACTS_DIR, else files are not looked at]
    #[arg(long, value_name = "DIR", global = true)]
    pub artifacts_dir: Option<PathBuf>,
    /// Print text, or one JSON object
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value = "nagios", global = true)]
    pub output: OutputFormat,
    /// The same as --output json
    #[arg(long, global = true)]
    pub json: bool,
    /// Say more on standard error: settings, sources, how the registry was read
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub verbose: u8,
    /// Stop after this time: what is not checked by then is UNKNOWN
    #[arg(short, long, value_name = "DURATION", value_parser = duration::parse_positive,
          default_value = DEFAULT_TIMEOUT, global = true)]
    pub timeout: Duration,
}

impl Common {
    /// `--output json` or `--json`.
    #[must_use]
    pub fn is_json(&self) -> bool {
        self.json || self.output == OutputFormat::Json
    }

    /// The flags that stand over variables and the env file.
    #[must_use]
    pub fn settings(&self) -> Flags {
        Flags {
            env_file: self.env_file.clone(),
            db: self.db.clone(),
            state_dir: self.state_dir.clone(),
            log_dir: self.log_dir.clone(),
            textfile: self.textfile.clone(),
            artifacts_dir: self.artifacts_dir.clone(),
            invariants: self.invariants.clone(),
        }
    }
}

/// Where an operator's own invariants are. No global flag: clap would take what stands after the verb in
/// the place of what stands before it, and a folder would be lost.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = SELECTION)]
pub struct Folders {
    /// Add the invariants of this folder's .sql files; may be repeated [default: INVARIANTS_DIR]
    #[arg(long, value_name = "DIR")]
    pub invariants: Vec<PathBuf>,
}

/// Which invariants.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
#[command(next_help_heading = SELECTION)]
pub struct SelectFlags {
    /// Only the standard group
    #[arg(long, conflicts_with = "strict")]
    pub standard: bool,
    /// Both built-in groups and every operator's invariant; this is the default
    #[arg(long)]
    pub strict: bool,
    /// Only this invariant; may be repeated
    #[arg(long, value_name = "ID")]
    pub only: Vec<String>,
    /// Not this invariant; may be repeated
    #[arg(long, value_name = "ID")]
    pub skip: Vec<String>,
    /// Only invariants with this tag, whatever INVARIANT_TAGS says; may be repeated
    #[arg(long, value_name = "TAG")]
    pub tag: Vec<String>,
}

impl SelectFlags {
    /// The choice that these flags and `INVARIANT_TAGS` make together.
    #[must_use]
    pub fn choice(&self, configured_tags: &[String]) -> Choice {
        Choice {
            standard_only: self.standard,
            only: self.only.clone(),
            skip: self.skip.clone(),
            tags: self.tag.clone(),
            configured_tags: configured_tags.to_vec(),
        }
    }
}

/// Flags of a run.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
#[command(next_help_heading = "Flags of a run")]
pub struct RunFlags {
    /// Read with at most this many threads [default: one per processor]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub jobs: Option<u16>,
    /// Four empty tables are not UNKNOWN: a new installation has no runs yet
    #[arg(long)]
    pub allow_empty: bool,
    /// When people are told of this run [default: now]
    #[arg(long, value_enum, value_name = "WHEN")]
    pub deliver: Option<Deliver>,
    /// Tell people for at most this time; what is not taken by then is kept [default: DELIVER_BUDGET, else 60s]
    #[arg(long, value_name = "DURATION", value_parser = duration::parse_positive)]
    pub deliver_budget: Option<Duration>,
    /// Which invariants.
    #[command(flatten)]
    pub select: SelectFlags,
}

/// Flags of `demo`.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct DemoFlags {
    /// Rows of project_runs; the other tables grow with it
    #[arg(long, value_name = "N", default_value_t = 5_000)]
    pub runs: u32,
    /// Leave the registry, its passports and all output in this folder [default: a temporary one]
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
    /// Another seed makes other rows
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
}

impl RunFlags {
    /// What stands before the verb and what stands after it, together.
    pub(super) fn with(self, after: Self) -> Result<Self, clap::Error> {
        Ok(Self {
            select: self.select.with(after.select)?,
            jobs: once("--jobs", self.jobs, after.jobs)?,
            allow_empty: self.allow_empty || after.allow_empty,
            deliver: once("--deliver", self.deliver, after.deliver)?,
            deliver_budget: once("--deliver-budget", self.deliver_budget, after.deliver_budget)?,
        })
    }
}

/// A flag that takes one value stands on one side of the verb.
fn once<T>(flag: &str, before: Option<T>, after: Option<T>) -> Result<Option<T>, clap::Error> {
    match (before, after) {
        (Some(_), Some(_)) => Err(usage(&format!("{flag} is given twice"))),
        (before, after) => Ok(before.or(after)),
    }
}

impl SelectFlags {
    pub(super) fn with(self, after: Self) -> Result<Self, clap::Error> {
        let both = Self {
            standard: self.standard || after.standard,
            strict: self.strict || after.strict,
            only: [self.only, after.only].concat(),
            skip: [self.skip, after.skip].concat(),
            tag: [self.tag, after.tag].concat(),
        };
        if both.standard && both.strict {
            return Err(usage("--standard and --strict: which one is meant?"));
        }
        Ok(both)
    }
}
