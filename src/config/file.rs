//! What does a small file that an operator wrote say? Read whole, and never waited for.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use thiserror::Error;

use crate::plain::plain;

/// Why such a file could not be read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// Nothing of that name.
    #[error("it is not there")]
    NotThere,
    /// The system said no.
    #[error("{}", plain(.0))]
    Refused(io::Error),
    /// A folder.
    #[error("it is a folder, not a file")]
    Folder,
    /// A FIFO, a socket, a device.
    #[error("it is no regular file")]
    NotRegular,
    /// Larger than anybody writes by hand.
    #[error("it is larger than {} KB", .0 / 1024)]
    TooLarge(u64),
    /// Not text.
    #[error("line {0} is not UTF-8")]
    NotUtf8(usize),
}

/// The text of a regular file of at most `limit` bytes; `/dev/null` is an empty file.
///
/// # Errors
/// Where there is none that can be read as text.
pub fn read(path: &Path, limit: u64) -> Result<String, ReadError> {
    // NONBLOCK: opening a FIFO would wait for its writer for ever.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let file = rustix::fs::open(path, flags, Mode::empty()).map_err(|e| from_io(e.into()))?;
    let mut file = File::from(file);
    let kind = file.metadata().map_err(from_io)?;
    if kind.is_dir() {
        return Err(ReadError::Folder);
    }
    if kind.file_type().is_char_device() && is_null(&file) {
        return Ok(String::new());
    }
    if !kind.is_file() {
        return Err(ReadError::NotRegular);
    }
    let mut bytes = Vec::new();
    (&mut file).take(limit + 1).read_to_end(&mut bytes).map_err(from_io)?;
    if u64::try_from(bytes.len()).is_ok_and(|n| n > limit) {
        return Err(ReadError::TooLarge(limit));
    }
    String::from_utf8(bytes).map_err(|e| {
        let good = e.as_bytes().iter().take(e.utf8_error().valid_up_to());
        ReadError::NotUtf8(1 + good.filter(|&&b| b == b'\n').count())
    })
}

fn from_io(error: io::Error) -> ReadError {
    match error.kind() {
        io::ErrorKind::NotFound => ReadError::NotThere,
        _ => ReadError::Refused(error),
    }
}

/// Linux's fixed device number of `/dev/null`.
fn is_null(file: &File) -> bool {
    rustix::fs::fstat(file)
        .is_ok_and(|s| (rustix::fs::major(s.st_rdev), rustix::fs::minor(s.st_rdev)) == (1, 3))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{ReadError, read};

    #[test]
    fn what_is_no_regular_file_is_refused_and_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        assert!(matches!(read(&fifo, 10), Err(ReadError::NotRegular)));
        assert!(matches!(read(folder.path(), 10), Err(ReadError::Folder)));
        assert!(matches!(read(Path::new("/dev/zero"), 10), Err(ReadError::NotRegular)));
        assert!(matches!(read(&folder.path().join("none"), 10), Err(ReadError::NotThere)));
        assert_eq!(read(Path::new("/dev/null"), 10).unwrap(), "");
    }

    #[test]
    fn the_limit_is_in_bytes_and_a_broken_character_is_named_by_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        std::fs::write(&path, "a\nb\n").unwrap();
        assert_eq!(read(&path, 4).unwrap(), "a\nb\n");
        assert!(matches!(read(&path, 3), Err(ReadError::TooLarge(3))));
        std::fs::write(&path, b"a\nb\n\xff").unwrap();
        assert!(matches!(read(&path, 9), Err(ReadError::NotUtf8(3))));
    }
}
