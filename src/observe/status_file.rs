//! What did the last full run leave in `status.json`?

use std::fs::OpenOptions;
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use crate::report::status_record::StatusRecord;

/// No run of ours leaves more; a reader that is given something else does not drown in it.
const LONGEST: u64 = 64 * 1024 * 1024;

/// Why the last run is not known.
#[derive(Debug, thiserror::Error)]
pub enum StatusFileError {
    /// No full run has ended yet, or the path is another's.
    #[error("no run is recorded in {}: there is no such file", .0.display())]
    Absent(PathBuf),
    /// It is there and cannot be read.
    #[error("cannot read the record of the last run {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What stood in the way.
        source: io::Error,
    },
    /// It is not what a run leaves.
    #[error("the record of the last run {} is not one: {source}", path.display())]
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
    let text = read_text(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => StatusFileError::Absent(path.to_owned()),
        _ => StatusFileError::Unreadable { path: path.to_owned(), source },
    })?;
    StatusRecord::parse(&text).map_err(|source| StatusFileError::Strange { path: path.to_owned(), source })
}

fn read_text(path: &Path) -> io::Result<String> {
    // NONBLOCK: a FIFO opens at once, and is refused below.
    let file =
        OpenOptions::new().read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(path)?;
    let seen = file.metadata()?;
    if !seen.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    if seen.len() > LONGEST {
        return Err(io::Error::other("it is longer than any that a run leaves"));
    }
    let mut text = String::new();
    file.take(LONGEST).read_to_string(&mut text)?;
    Ok(text)
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
