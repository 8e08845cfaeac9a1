//! How do metrics reach `node_exporter`? One whole file, or the old one stays.

use std::path::{Path, PathBuf};

use super::replace::{ReplaceError, replace};

/// Why no textfile was written.
#[derive(Debug, thiserror::Error)]
pub enum TextfileError {
    /// `--textfile` names neither a folder that is there nor a `.prom` file.
    #[error("cannot write metrics to {}: it is neither a folder nor a name that ends in .prom", .0.display())]
    NoPlace(PathBuf),
    /// No sample, or no line end after the last: `node_exporter` would drop the whole file, or, worse,
    /// take it for a fresh one.
    #[error("cannot write {}: the metrics are not complete", .0.display())]
    Incomplete(PathBuf),
    /// The file could not be replaced.
    #[error(transparent)]
    Replace(#[from] ReplaceError),
}

/// Writes an exposition for `node_exporter` to `place`: a file that ends in `.prom`, or a folder, where it
/// becomes `default_name`. Mode 0644. Returns the file's path.
///
/// # Errors
/// Anything that stood in the way; the file that was there is then untouched.
pub fn write(place: &Path, default_name: &str, exposition: &str) -> Result<PathBuf, TextfileError> {
    let path = resolve(place, default_name)?;
    let has_sample = exposition.lines().any(|line| !line.starts_with('#') && !line.trim().is_empty());
    if !has_sample || !exposition.ends_with('\n') {
        return Err(TextfileError::Incomplete(path));
    }
    replace(&path, exposition.as_bytes(), 0o644)?;
    Ok(path)
}

fn resolve(place: &Path, default_name: &str) -> Result<PathBuf, TextfileError> {
    if place.is_dir() {
        return Ok(place.join(default_name));
    }
    if place.extension().is_some_and(|extension| extension == "prom") {
        return Ok(place.to_owned());
    }
    Err(TextfileError::NoPlace(place.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const GOOD: &str = "# HELP a A.\n# TYPE a gauge\na 1\n# EOF\n";

    #[test]
    fn a_folder_gets_the_default_name_and_a_prom_file_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let named = folder.path().join("mine.prom");
        assert_eq!(write(&named, "plms_timer.prom", GOOD).unwrap(), named);
        let default = write(folder.path(), "plms_timer.prom", GOOD).unwrap();
        assert_eq!(default, folder.path().join("plms_timer.prom"));
        assert_eq!(fs::read_to_string(&default).unwrap(), GOOD);
        assert_eq!(fs::metadata(default).unwrap().permissions().mode() & 0o7777, 0o644);
    }

    #[test]
    fn a_missing_folder_is_no_file_name() {
        let folder = tempfile::tempdir().unwrap();
        let error = write(&folder.path().join("missing"), "a.prom", GOOD).unwrap_err();
        assert!(matches!(error, TextfileError::NoPlace(_)), "{error}");
        let error = write(&folder.path().join("missing/a.prom"), "a.prom", GOOD).unwrap_err();
        assert!(error.to_string().contains("no such file or directory"), "{error}");
    }

    #[test]
    fn a_file_without_a_sample_or_cut_off_never_replaces_a_good_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = write(folder.path(), "a.prom", GOOD).unwrap();
        for bad in ["", "# EOF\n", "# HELP a A.\n# TYPE a gauge\n\n# EOF\n", "a 1"] {
            let error = write(&path, "a.prom", bad).unwrap_err();
            assert!(matches!(error, TextfileError::Incomplete(_)), "{bad:?}: {error}");
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), GOOD);
    }
}
