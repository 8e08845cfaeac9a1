//! Where does a demo put its things, and with which commands does one look at them?

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use super::{DemoError, Passports, Plan};

/// The folders of a demo, and the settings that lead every verb to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Everything lies in here; absolute.
    pub folder: PathBuf,
    /// `DB_PATH` and its kin, for `--env-file`.
    pub env_file: PathBuf,
    /// `LOG_DIR`.
    pub logs: PathBuf,
    /// `STATE_DIR`.
    pub state: PathBuf,
    /// `TEXTFILE_DIR`.
    pub textfile: PathBuf,
}

impl Place {
    /// Makes the folders and the env file for a registry that is still to be made.
    ///
    /// # Errors
    /// There is a registry already, the folder is not writable, or its name is nothing that an env file can
    /// say.
    pub fn prepare(plan: &Plan) -> Result<Self, DemoError> {
        plan.refuse_existing()?;
        let folder = std::path::absolute(&plan.folder).map_err(DemoError::write(&plan.folder))?;
        plain(&folder).ok_or_else(|| DemoError::Name { path: folder.clone() })?;
        let inside = |name| {
            let path = folder.join(name);
            fs::create_dir_all(&path).map_err(DemoError::write(&path)).map(|()| path)
        };
        let place = Self {
            logs: inside("logs")?,
            state: inside("state")?,
            textfile: inside("textfile")?,
            env_file: folder.join("demo.env"),
            folder,
        };
        let mut settings =
            "# Settings of the demo: leads every verb to its registry.\nENV_NAME=demo\n".to_owned();
        let absolute = Plan { folder: place.folder.clone(), ..plan.clone() };
        let (registry, artifacts) = (absolute.registry(), absolute.artifacts());
        let mut paths = vec![
            ("DB_PATH", &registry),
            ("LOG_DIR", &place.logs),
            ("STATE_DIR", &place.state),
            ("TEXTFILE_DIR", &place.textfile),
        ];
        paths.extend((plan.passports == Passports::OnDisk).then_some(("ARTIFACTS_DIR", &artifacts)));
        for (key, path) in paths {
            let _infallible = writeln!(settings, "{key}=\"{}\"", path.display());
        }
        fs::write(&place.env_file, settings).map_err(DemoError::write(&place.env_file))?;
        Ok(place)
    }

    /// The commands that look further; `program` is how this one was called.
    #[must_use]
    pub fn commands(&self, program: &str) -> String {
        let verbs =
            ["rows kpi_formulas", "explain calibration_pollution", "list", "history", "status", "run --json"];
        let command = |verb| format!("  {program} --env-file '{}' {verb}\n", self.env_file.display());
        verbs.into_iter().map(command).collect()
    }
}

/// A path that stands between double quotes in an env file, and between single ones in a shell, as it is.
fn plain(path: &Path) -> Option<&str> {
    let text = path.to_str()?;
    let odd = |char: char| char.is_control() || matches!(char, '"' | '\'' | '\\' | '$' | '`');
    (!text.contains(odd)).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Flags, Settings};
    use crate::demo::generate;

    #[test]
    fn the_env_file_leads_to_the_registry_whatever_the_folder_is_called() {
        let outside = tempfile::tempdir().unwrap();
        let folder = outside.path().join("a demo #1; ü");
        let plan = Plan::new(&folder, 50);
        let place = Place::prepare(&plan).unwrap();
        let planted = generate(&plan).unwrap();
        let flags = Flags { env_file: Some(place.env_file.clone()), ..Flags::default() };
        let settings = Settings::load(&flags, &|_| None).unwrap();
        assert_eq!(settings.db_path.value, planted.registry);
        assert_eq!(
            settings.artifacts_dir.unwrap().value,
            fs::canonicalize(planted.artifacts.unwrap()).unwrap()
        );
        assert_eq!(settings.log_dir.value, place.logs);
        assert_eq!(settings.state_dir.value, place.state);
        assert_eq!(settings.textfile.unwrap().value, place.textfile);
        assert_eq!(settings.env_name.value, "demo");
        assert!(settings.notes.is_empty() && settings.unknown_keys.is_empty());
    }

    #[test]
    fn a_folder_that_no_env_file_can_name_is_refused_in_a_sentence() {
        let outside = tempfile::tempdir().unwrap();
        let refusal = Place::prepare(&Plan::new(outside.path().join("$HOME"), 1)).unwrap_err().to_string();
        assert!(refusal.contains("choose a folder"), "{refusal}");
    }
}
