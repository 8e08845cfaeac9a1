//! Which setting holds, and where was it made?

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::found::{EnvFile, Found, read_env_file};
use super::keys::names;
use super::resolve::resolve;
use super::secret::SecretSource;
use super::{ConfigError, Origin, Setting, state_dir};

/// Where the shipped installation keeps its settings.
const DEFAULT_ENV_FILE: &str = "/etc/default/plms-invariants";
const NOTIFY: [&str; 3] = ["always", "changes", "failures"];

/// Settings as the command line gives them; each stands over variable and file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// `--env-file`: this file must be there.
    pub env_file: Option<PathBuf>,
    /// `--db`.
    pub db: Option<PathBuf>,
    /// `--state-dir`.
    pub state_dir: Option<PathBuf>,
    /// `--log-dir`.
    pub log_dir: Option<PathBuf>,
    /// `--textfile`.
    pub textfile: Option<PathBuf>,
    /// `--artifacts-dir`.
    pub artifacts_dir: Option<PathBuf>,
    /// `--invariants`.
    pub invariants: Vec<PathBuf>,
}

/// Everything that contract 3 lets an operator set.
#[derive(Debug)]
pub struct Settings {
    /// What became of the env file.
    pub env_file: EnvFile,
    /// The registry.
    pub db_path: Setting<PathBuf>,
    /// The registry of this installation, where `DB_PATH` names one, whatever `--db` says.
    pub configured_db: Option<PathBuf>,
    /// What outlives a run.
    pub state_dir: Setting<PathBuf>,
    /// One file per run.
    pub log_dir: Setting<PathBuf>,
    /// `ENV_NAME`: which installation this is.
    pub env_name: Setting<String>,
    /// Where metrics go: a `.prom` file or a folder.
    pub textfile: Option<Setting<PathBuf>>,
    /// Where replay passports lie.
    pub artifacts_dir: Option<Setting<PathBuf>>,
    /// An operator's own invariants.
    pub invariants: Option<Setting<Vec<PathBuf>>>,
    /// The tags of a full run; empty means everything.
    pub invariant_tags: Vec<String>,
    /// How long delivery may take.
    pub deliver_budget: Setting<Duration>,
    /// What an operator would want to know.
    pub notes: Vec<String>,
    /// Why all this is only what is left of refused settings; see [`Settings::load_usable`].
    pub refused: Option<String>,
    /// Keys of the env file that mean nothing, with their lines.
    pub unknown_keys: Vec<(String, usize)>,
    found: Found,
    secrets: BTreeMap<&'static str, SecretSource>,
}

impl Settings {
    /// Reads flags, then variables (`var`), then the env file.
    ///
    /// # Errors
    /// Where the file is not what systemd and a shell read alike, or a value is none.
    pub fn load(flags: &Flags, var: &dyn Fn(&str) -> Option<OsString>) -> Result<Self, ConfigError> {
        Self::load_with_default(flags, var, Path::new(DEFAULT_ENV_FILE))
    }

    fn load_with_default(
        flags: &Flags,
        var: &dyn Fn(&str) -> Option<OsString>,
        default_file: &Path,
    ) -> Result<Self, ConfigError> {
        let (env_file, entries) = read_env_file(flags.env_file.as_deref(), default_file)?;
        let mut notes = Vec::new();
        if let EnvFile::Unreadable(path, cause) = &env_file {
            notes.push(format!("env file {} is not used: {cause}", path.display()));
        }
        let unknown =
            entries.iter().filter(|e| names().all(|n| n != e.name)).map(|e| (e.name.clone(), e.line));
        let unknown_keys = unknown.collect();
        let found = Found::gather(entries, var)?;

        let configured_db = found.path("DB_PATH");
        let db_path = flag("--db", flags.db.as_ref()).or_else(|| configured_db.clone());
        let db_path = db_path.unwrap_or_else(|| default("artifacts/registry/registry.db"));
        refuse_url(&db_path)?;
        let state_dir = flag("--state-dir", flags.state_dir.as_ref()).or(found.path("STATE_DIR"));
        let state_dir = state_dir.unwrap_or_else(|| {
            let (path, note) = state_dir::choose(Path::new(state_dir::DEFAULT), var);
            notes.extend(note);
            Setting { value: path, origin: Origin::Default }
        });
        let list = |flags: &Vec<PathBuf>| (!flags.is_empty()).then(|| flags.clone());
        let one = |s: Setting<PathBuf>| Setting { value: vec![s.value], origin: s.origin };
        let settings = Self {
            env_file,
            configured_db: configured_db.map(|s| s.value),
            db_path,
            state_dir,
            log_dir: flag("--log-dir", flags.log_dir.as_ref())
                .or(found.path("LOG_DIR"))
                .unwrap_or_else(|| default("logs/plms")),
            env_name: found
                .text("ENV_NAME")?
                .unwrap_or_else(|| Setting { value: short_host_name(), origin: Origin::Default }),
            textfile: flag("--textfile", flags.textfile.as_ref()).or(found.path("TEXTFILE_DIR")),
            artifacts_dir: flag("--artifacts-dir", flags.artifacts_dir.as_ref())
                .or(found.path("ARTIFACTS_DIR")),
            invariants: flag("--invariants", list(&flags.invariants).as_ref())
                .or(found.path("INVARIANTS_DIR").map(one)),
            invariant_tags: found.text("INVARIANT_TAGS")?.map_or_else(Vec::new, |s| words(&s.value)),
            deliver_budget: found.deliver_budget()?,
            notes,
            refused: None,
            unknown_keys,
            secrets: found.secrets(var)?,
            found,
        };
        settings.check_words()?;
        Ok(settings)
    }

    /// A text setting that has no field of its own, such as `ALERT_EMAIL`; `None` where it is not set.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<Setting<&str>> {
        let setting = self.found.get(name)?;
        Some(Setting { value: setting.value.to_str()?, origin: setting.origin.clone() })
    }

    /// Where one of the three secrets is.
    #[must_use]
    pub fn secret(&self, name: &str) -> &SecretSource {
        self.secrets.get(name).unwrap_or(&SecretSource::Unset)
    }

    /// Why this run speaks of another database than the installation's own, where it does.
    #[must_use]
    pub fn other_database(&self) -> Option<String> {
        let configured = self.configured_db.as_ref()?;
        let is_other = resolve(configured) != self.registry();
        is_other.then(|| "--db is not the configured DB_PATH".to_owned())
    }

    /// The registry's path as every record of a run has it: absolute and without links, whether or not the
    /// file is there.
    #[must_use]
    pub fn registry(&self) -> PathBuf {
        resolve(&self.db_path.value)
    }

    /// Why a record of a run on registry `db` in `env` is not one of these settings' registry, where that can
    /// be told: a default, and a relative path of a file that belongs to another working folder, tell nothing.
    #[must_use]
    pub fn foreign(&self, env: &str, db: &Path) -> Option<String> {
        let asked = &self.db_path;
        let is_elsewhere = match asked.origin {
            Origin::Default => true,
            Origin::Flag(_) => false,
            Origin::File { .. } | Origin::Environment => asked.value.is_relative() && !asked.value.exists(),
        };
        let own = self.registry();
        if !is_elsewhere && own != db {
            return Some(format!("of registry {}, and not of {}", db.display(), own.display()));
        }
        let name = &self.env_name;
        let is_other = name.origin != Origin::Default && name.value != env;
        is_other.then(|| format!("of environment {env}, and not of {}", name.value))
    }

    /// Whether anything is set, per channel: Slack, `PagerDuty`, mail.
    #[must_use]
    pub fn channels(&self) -> [(&'static str, bool); 3] {
        [
            ("slack", self.secret("SLACK_WEBHOOK_URL").is_configured()),
            ("pagerduty", self.secret("PD_ROUTING_KEY").is_configured()),
            ("mail", self.text("ALERT_EMAIL").is_some()),
        ]
    }

    fn check_words(&self) -> Result<(), ConfigError> {
        match self.text("SLACK_NOTIFY") {
            Some(s) if !NOTIFY.contains(&s.value) => Err(ConfigError::Value {
                name: "SLACK_NOTIFY",
                origin: s.origin,
                want: format!("must be one of {}", NOTIFY.join(", ")),
            }),
            _ => Ok(()),
        }
    }
}

fn refuse_url(db: &Setting<PathBuf>) -> Result<(), ConfigError> {
    let begins = |prefix: &str| db.value.as_os_str().as_bytes().starts_with(prefix.as_bytes());
    if ["postgres://", "postgresql://"].into_iter().any(begins) {
        return Err(ConfigError::Postgres(db.origin.clone()));
    }
    if db.value.as_os_str().as_bytes().windows(3).any(|w| w == b"://") {
        let want = "must be a path, not a URL".into();
        return Err(ConfigError::Value { name: "DB_PATH", origin: db.origin.clone(), want });
    }
    Ok(())
}

fn flag<T: Clone>(flag: &'static str, value: Option<&T>) -> Option<Setting<T>> {
    value.map(|value| Setting { value: value.clone(), origin: Origin::Flag(flag) })
}

fn default(path: &str) -> Setting<PathBuf> {
    Setting { value: path.into(), origin: Origin::Default }
}

/// A list as people write it: commas, blanks or both.
fn words(text: &str) -> Vec<String> {
    text.split(|c: char| c == ',' || c.is_whitespace()).filter(|w| !w.is_empty()).map(str::to_owned).collect()
}

/// The name of this host, without its domain.
#[must_use]
pub fn short_host_name() -> String {
    let uname = rustix::system::uname();
    let name = OsStr::from_bytes(uname.nodename().to_bytes()).to_string_lossy();
    name.split('.').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{EnvFile, Flags, Settings};

    fn load(default: &Path) -> Result<Settings, String> {
        Settings::load_with_default(&Flags::default(), &|_| None, default).map_err(|e| e.to_string())
    }

    #[test]
    fn the_default_file_is_read_where_it_is_and_not_missed_where_it_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plms-invariants");
        let settings = load(&path).unwrap();
        assert!(matches!(settings.env_file, EnvFile::Absent(_)));
        std::fs::write(&path, "DB_PATH=/x\n").unwrap();
        assert_eq!(load(&path).unwrap().db_path.value, Path::new("/x"));
        // A mistake in it is a mistake, though nobody named the file.
        std::fs::write(&path, "export DB_PATH=/x\n").unwrap();
        assert!(load(&path).unwrap_err().contains(":1: `export`"));
    }

    #[test]
    fn a_default_file_that_this_user_may_not_read_is_a_note() {
        // No user, root included, can read a file under a file.
        let settings = load(Path::new("/etc/passwd/plms-invariants")).unwrap();
        assert!(matches!(settings.env_file, EnvFile::Unreadable(..)));
        let note = "env file /etc/passwd/plms-invariants is not used: not a directory";
        assert!(settings.notes.iter().any(|n| n == note), "{:?}", settings.notes);
    }
}
