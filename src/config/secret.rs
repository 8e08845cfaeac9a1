//! Where is a secret, and how does it stay one?

use std::fmt;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::Origin;
use super::file::{self, ReadError};

/// Slack's and `PagerDuty`'s are under a hundred bytes.
const LARGEST: u64 = 16 * 1024;

/// A value that no output shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a value into custody.
    #[must_use]
    pub fn new(value: String) -> Self {
        Self(value)
    }

    /// The value, for the one place that sends it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// Where a secret is; it is read when it is needed, not before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// Nowhere.
    Unset,
    /// A systemd credential.
    Credential(PathBuf),
    /// The file that `NAME_FILE` names.
    File {
        /// The file.
        path: PathBuf,
        /// Where `NAME_FILE` was set.
        origin: Origin,
    },
    /// `NAME` itself.
    Value {
        /// The value.
        value: Secret,
        /// Where it was set.
        origin: Origin,
    },
}

/// Why a configured secret cannot be used.
#[derive(Debug, Error)]
pub enum SecretError {
    /// Its file cannot be read.
    #[error("cannot read {}: {cause}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What stood in the way.
        cause: ReadError,
    },
    /// Its file holds something else than one line.
    #[error("{} must hold one line, the secret itself", .0.display())]
    NotOneLine(PathBuf),
    /// A template that nobody filled in.
    #[error("{} still holds an unexpanded variable in braces", .0.display())]
    Unexpanded(PathBuf),
}

impl SecretSource {
    /// Somebody set it, whether or not it can be read.
    #[must_use]
    pub fn is_configured(&self) -> bool {
        *self != Self::Unset
    }

    /// The secret, `None` where none is configured.
    ///
    /// # Errors
    /// Where its file cannot be read, or does not hold one line.
    pub fn read(&self) -> Result<Option<Secret>, SecretError> {
        match self {
            Self::Unset => Ok(None),
            Self::Value { value, .. } => Ok(Some(value.clone())),
            Self::Credential(path) | Self::File { path, .. } => read(path).map(Some),
        }
    }
}

fn read(path: &Path) -> Result<Secret, SecretError> {
    let text =
        file::read(path, LARGEST).map_err(|cause| SecretError::File { path: path.to_owned(), cause })?;
    let text = text.trim();
    if text.is_empty() || text.chars().any(char::is_control) {
        return Err(SecretError::NotOneLine(path.to_owned()));
    }
    if text.contains("${") {
        return Err(SecretError::Unexpanded(path.to_owned()));
    }
    Ok(Secret::new(text.to_owned()))
}

impl fmt::Display for SecretSource {
    /// Where it is, never what it is.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unset => f.write_str("not set"),
            Self::Credential(path) => write!(f, "credential {}", path.display()),
            Self::File { path, origin } => write!(f, "file {} ({origin})", path.display()),
            Self::Value { origin, .. } => origin.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Secret, SecretSource};
    use crate::config::Origin;

    #[test]
    fn a_secret_is_in_no_rendering() {
        let secret = Secret::new("hunter2".into());
        let source = SecretSource::Value { value: secret.clone(), origin: Origin::Environment };
        assert_eq!(format!("{secret} {secret:?} {secret:#?} {source}"), "… Secret(…) Secret(…) environment");
        assert!(!format!("{source:?} {source:#?}").contains("hunter2"));
        assert_eq!(source.read().unwrap().unwrap().expose(), "hunter2");
    }

    #[test]
    fn a_secrets_file_holds_one_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let source = SecretSource::Credential(path.clone());
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            source.read().map(|s| s.unwrap().expose().to_owned()).map_err(|e| e.to_string())
        };
        assert_eq!(read("hunter2\n"), Ok("hunter2".into()));
        let shown = path.display();
        for text in ["", "\n", "a\nb\n"] {
            assert_eq!(read(text), Err(format!("{shown} must hold one line, the secret itself")));
        }
        assert_eq!(read("${SLACK}"), Err(format!("{shown} still holds an unexpanded variable in braces")));
        std::fs::remove_file(&path).unwrap();
        assert_eq!(source.read().unwrap_err().to_string(), format!("cannot read {shown}: it is not there"));
    }
}
