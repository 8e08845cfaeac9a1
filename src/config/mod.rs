//! What did the operator set, and where? Flags over variables over a file (contract 3).

pub mod address;
pub mod endpoint;
mod env_file;
pub mod file;
mod found;
mod keys;
mod origin;
mod resolve;
mod secret;
mod settings;
mod shown;
mod state_dir;
mod usable;

use std::path::PathBuf;

use thiserror::Error;

pub use env_file::{Entry, GrammarError, parse};
pub use found::EnvFile;
pub use keys::{KEYS, Key, Kind};
pub use origin::{Origin, Setting};
pub use secret::{Secret, SecretError, SecretSource};
pub use settings::{Flags, Settings, short_host_name};
pub use shown::Shown;

use file::ReadError;

/// Why there are no settings; no sentence holds a value.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The env file cannot be read.
    #[error("cannot read env file {}: {cause}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What stood in the way.
        cause: ReadError,
    },
    /// The env file holds what systemd and a shell do not read alike.
    #[error("{}:{line}: {cause}", .path.display())]
    Grammar {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What is wrong there.
        cause: GrammarError,
    },
    /// `${…}` where a value should be.
    #[error(
        "{name} ({origin}) still holds an unexpanded variable in braces: nothing expands it here, so write the value itself"
    )]
    Unexpanded {
        /// The variable.
        name: String,
        /// Where it was set.
        origin: Origin,
    },
    /// A value that its variable cannot have.
    #[error("{name} ({origin}) {want}")]
    Value {
        /// The variable.
        name: &'static str,
        /// Where it was set.
        origin: Origin,
        /// What it must be.
        want: String,
    },
    /// A secret that is set twice.
    #[error("{name} ({value}) and {name}_FILE ({file}) are both set: which one is meant?")]
    TwoSecrets {
        /// The variable.
        name: &'static str,
        /// Where the variable itself was set.
        value: Origin,
        /// Where its `_FILE` was set.
        file: Origin,
    },
    /// A database server.
    #[error(
        "DB_PATH ({0}) names a PostgreSQL database: only a registry in SQLite can be checked for now, so give the path of its file"
    )]
    Postgres(Origin),
}
