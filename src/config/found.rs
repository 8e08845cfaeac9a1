//! Which variables are set at all, in the environment or in the env file?

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::file::{self, ReadError};
use super::keys::{KEYS, Kind, names};
use super::secret::{Secret, SecretSource};
use super::{ConfigError, Origin, Setting, env_file};
use crate::verdict::duration;

const LARGEST_ENV_FILE: u64 = 4 * 1024 * 1024;

/// What became of the env file.
#[derive(Debug)]
pub enum EnvFile {
    /// It was read.
    Read(PathBuf),
    /// The default one is not there; nobody asked for it.
    Absent(PathBuf),
    /// The default one is there, and this user may not read it.
    Unreadable(PathBuf, ReadError),
}

/// Values as they were found; may hold secrets, so nothing prints it.
pub(super) struct Found(BTreeMap<String, Setting<OsString>>);

impl fmt::Debug for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// An assignment of the env file, with its file.
pub(super) struct FileEntry {
    pub(super) name: String,
    value: String,
    pub(super) line: usize,
    origin: Origin,
}

pub(super) fn read_env_file(
    given: Option<&Path>,
    default: &Path,
) -> Result<(EnvFile, Vec<FileEntry>), ConfigError> {
    let path = given.unwrap_or(default);
    let text = match file::read(path, LARGEST_ENV_FILE) {
        Ok(text) => text,
        Err(ReadError::NotThere) if given.is_none() => return Ok((EnvFile::Absent(path.into()), vec![])),
        // systemd reads it as root and hands the variables on; its mode need not let this user in.
        Err(cause @ ReadError::Refused(_)) if given.is_none() => {
            return Ok((EnvFile::Unreadable(path.into(), cause), vec![]));
        }
        Err(cause) => return Err(ConfigError::File { path: path.into(), cause }),
    };
    let entries = env_file::parse(&text).map_err(|(line, cause)| ConfigError::Grammar {
        path: path.into(),
        line,
        cause,
    })?;
    let with_origin = |e: env_file::Entry| {
        let origin = Origin::File { path: path.into(), line: e.line };
        FileEntry { name: e.key, value: e.value, line: e.line, origin }
    };
    Ok((EnvFile::Read(path.into()), entries.into_iter().map(with_origin).collect()))
}

impl Found {
    /// Every known variable that is set and not empty, the environment's over the file's.
    pub(super) fn gather(
        file: Vec<FileEntry>,
        var: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<Self, ConfigError> {
        let mut found = BTreeMap::new();
        for entry in file {
            let setting = Setting { value: OsString::from(entry.value), origin: entry.origin };
            refuse_unexpanded(&entry.name, &setting)?;
            if !setting.value.is_empty() {
                found.insert(entry.name, setting);
            }
        }
        for name in names() {
            let Some(value) = var(&name).filter(|v| !v.is_empty()) else { continue };
            let setting = Setting { value, origin: Origin::Environment };
            refuse_unexpanded(&name, &setting)?;
            found.insert(name, setting);
        }
        let found = Self(found);
        for key in KEYS.into_iter().filter(|k| k.kind != Kind::Path) {
            found.text(key.name)?;
        }
        Ok(found)
    }

    pub(super) fn get(&self, name: &str) -> Option<&Setting<OsString>> {
        self.0.get(name)
    }

    pub(super) fn path(&self, name: &str) -> Option<Setting<PathBuf>> {
        self.0.get(name).map(|s| Setting { value: PathBuf::from(&s.value), origin: s.origin.clone() })
    }

    pub(super) fn text(&self, name: &'static str) -> Result<Option<Setting<String>>, ConfigError> {
        let Some(Setting { value, origin }) = self.0.get(name) else { return Ok(None) };
        match value.to_str() {
            Some(text) => Ok(Some(Setting { value: text.to_owned(), origin: origin.clone() })),
            None => Err(ConfigError::Value { name, origin: origin.clone(), want: "must be UTF-8".into() }),
        }
    }

    pub(super) fn deliver_budget(&self) -> Result<Setting<Duration>, ConfigError> {
        let Some(Setting { value, origin }) = self.text("DELIVER_BUDGET")? else {
            return Ok(Setting { value: Duration::from_secs(60), origin: Origin::Default });
        };
        match duration::parse_positive(&value) {
            Ok(value) => Ok(Setting { value, origin }),
            Err(_) => Err(ConfigError::Value {
                name: "DELIVER_BUDGET",
                origin,
                want: "must be a duration above zero, such as 60s".into(),
            }),
        }
    }

    pub(super) fn secrets(
        &self,
        var: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<BTreeMap<&'static str, SecretSource>, ConfigError> {
        let credentials = var("CREDENTIALS_DIRECTORY").filter(|v| !v.is_empty()).map(PathBuf::from);
        let secrets = KEYS.into_iter().filter(|k| k.kind == Kind::Secret);
        secrets.map(|k| Ok((k.name, self.secret(k.name, credentials.as_deref())?))).collect()
    }

    fn secret(&self, name: &'static str, credentials: Option<&Path>) -> Result<SecretSource, ConfigError> {
        let file = self.0.get(&format!("{name}_FILE"));
        let value = self.text(name)?;
        if let (Some(file), Some(value)) = (file, &value) {
            let (value, file) = (value.origin.clone(), file.origin.clone());
            return Err(ConfigError::TwoSecrets { name, value, file });
        }
        let credential = credentials.map(|c| c.join(name.to_ascii_lowercase()));
        // An empty credential is how a unit says that there is none. One that cannot be looked at is one: who
        // reads it says why not.
        let is_there = |path: &PathBuf| match path.metadata() {
            Ok(file) => file.len() > 0,
            Err(error) => error.kind() != std::io::ErrorKind::NotFound,
        };
        if let Some(path) = credential.filter(is_there) {
            return Ok(SecretSource::Credential(path));
        }
        Ok(match (file, value) {
            (Some(file), _) => {
                SecretSource::File { path: PathBuf::from(&file.value), origin: file.origin.clone() }
            }
            (_, Some(value)) => SecretSource::Value { value: Secret::new(value.value), origin: value.origin },
            (None, None) => SecretSource::Unset,
        })
    }
}

fn refuse_unexpanded(name: &str, setting: &Setting<OsString>) -> Result<(), ConfigError> {
    if setting.value.as_bytes().windows(2).any(|w| w == b"${") {
        return Err(ConfigError::Unexpanded { name: name.to_owned(), origin: setting.origin.clone() });
    }
    Ok(())
}
