//! What of refused settings is still of use, where somebody must hear that they are refused?

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;

use super::{ConfigError, Flags, Origin, Settings};

const NO_FILE: &str = "/dev/null";

impl Settings {
    /// The settings without what is refused: without the env file, and without each variable that is wrong.
    /// What was refused first stands in [`Settings::refused`].
    ///
    /// For the delivery alone, and only where the check itself was refused by the same settings: systemd hands on
    /// what it reads of the env file, secrets are credentials, and an alert that goes out under another `ENV_NAME`
    /// is better than none.
    ///
    /// # Errors
    /// A flag is wrong.
    pub fn load_usable(flags: &Flags, var: &dyn Fn(&str) -> Option<OsString>) -> Result<Self, ConfigError> {
        let mut flags = flags.clone();
        let mut left_out = BTreeSet::new();
        let mut refused = None;
        loop {
            let kept = |name: &str| if left_out.contains(name) { None } else { var(name) };
            let error = match Self::load(&flags, &kept) {
                Ok(mut settings) => {
                    settings.refused = refused;
                    return Ok(settings);
                }
                Err(error) => error,
            };
            let is_less = match blame(&error) {
                Blame::File => {
                    let before = flags.env_file.replace(PathBuf::from(NO_FILE));
                    before.is_none_or(|before| before.as_os_str() != NO_FILE)
                }
                Blame::Variables(names) => {
                    let before = left_out.len();
                    left_out.extend(names);
                    left_out.len() > before
                }
                Blame::Flag => false,
            };
            if !is_less {
                return Err(error);
            }
            refused.get_or_insert_with(|| error.to_string());
        }
    }
}

/// What must be left out for an error to be gone.
enum Blame {
    File,
    Variables(Vec<String>),
    Flag,
}

fn blame(error: &ConfigError) -> Blame {
    let of = |name: &str, origin: &Origin| match origin {
        Origin::File { .. } => Blame::File,
        Origin::Environment => Blame::Variables(vec![name.to_owned()]),
        Origin::Default | Origin::Flag(_) => Blame::Flag,
    };
    match error {
        ConfigError::File { .. }
        | ConfigError::Grammar { .. }
        | ConfigError::TwoSecrets { value: Origin::File { .. }, .. }
        | ConfigError::TwoSecrets { file: Origin::File { .. }, .. } => Blame::File,
        ConfigError::Unexpanded { name, origin } => of(name, origin),
        ConfigError::Value { name, origin, .. } => of(name, origin),
        ConfigError::Postgres(origin) => of("DB_PATH", origin),
        // Which of the two is meant is not guessed; there may be a credential.
        ConfigError::TwoSecrets { name, .. } => {
            Blame::Variables(vec![(*name).to_owned(), format!("{name}_FILE")])
        }
    }
}
