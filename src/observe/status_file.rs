//! What did the last full run leave in `status.json`?

use std::path::{Path, PathBuf};

use crate::config::file::{self, ReadError};
use crate::report::status_record::StatusRecord;

/// No run of ours leaves more; a reader that is given something else does not drown in it.
const LONGEST: u64 = 64 * 1024 * 1024;

/// Why the last run is not known.
#[derive(Debug, thiserror::Error)]
pub enum StatusFileError {
    /// No full run has ended yet, or the path is another's.
    #[error("no run is recorded in {}: there is no such file; has a full run ended with this state folder?", .0.display())]
    Absent(PathBuf),
    /// It is there and cannot be read.
    #[error("cannot read the record of the last run {}: {source}; is this the state folder of the run (--state-dir), and may this user read it?", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What stood in the way.
        source: ReadError,
    },
    /// It is not what a run leaves.
    #[error("the record of the last run {} is not one: {source}; the next full run replaces it", path.display())]
    Strange {
        /// The file.
        path: PathBuf,
        /// Where reading failed.
        source: serde_json::Error,
    },
}

/// Reads the record of the last full run; never waits, whatever lies at the path.
///
/// # Errors
///
/// [`StatusFileError`]; none of them says that all is well.
pub fn read(path: &Path) -> Result<StatusRecord, StatusFileError> {
    read_with_text(path).map(|(record, _)| record)
}

/// As [`read`], with the text for whoever hands it on.
///
/// # Errors
///
/// As [`read`].
pub fn read_with_text(path: &Path) -> Result<(StatusRecord, String), StatusFileError> {
    let text = file::read(path, LONGEST).map_err(|source| match source {
        ReadError::NotThere => StatusFileError::Absent(path.to_owned()),
        source => StatusFileError::Unreadable { path: path.to_owned(), source },
    })?;
    match StatusRecord::parse(&text) {
        Ok(record) => Ok((record, text)),
        Err(source) => Err(StatusFileError::Strange { path: path.to_owned(), source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::mixed;
    use crate::report::run_json;
    use crate::verdict::State;

    #[test]
    fn a_record_is_read_and_everything_else_is_an_error_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("status.json");
        assert!(matches!(read(&path), Err(StatusFileError::Absent(_))));

        std::fs::write(&path, run_json::render(&mixed())).unwrap();
        assert_eq!(read(&path).unwrap().state, State::Critical);

        for strange in ["", "{", "\u{feff}{}"] {
            std::fs::write(&path, strange).unwrap();
            assert!(matches!(read(&path), Err(StatusFileError::Strange { .. })), "{strange:?}");
        }
        std::fs::write(&path, b"\xff").unwrap();
        assert!(matches!(read(&path), Err(StatusFileError::Unreadable { .. })));
        let huge = std::fs::File::create(&path).unwrap();
        huge.set_len(LONGEST + 1).unwrap();
        assert!(matches!(read(&path), Err(StatusFileError::Unreadable { .. })));
        std::fs::remove_file(&path).unwrap();
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        for other in [path.as_path(), folder.path()] {
            assert!(matches!(read(other), Err(StatusFileError::Unreadable { .. })), "{}", other.display());
        }
    }
}
