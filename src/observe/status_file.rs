//! What did the runner itself leave on record? Its `status.json`, which outlives a reboot.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::report::status_record::StatusRecord;
use crate::verdict::State;
use crate::verdict::clock::Stamp;
use crate::verdict::freshness::Recorded;

/// A sample in every check is far from this.
const LARGEST: u64 = 64 << 20;

/// Why the runner's record is not known, though there is one.
#[derive(Debug, thiserror::Error)]
pub enum StatusFileError {
    /// The file is there, and cannot be read.
    #[error("cannot read the status file {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The file holds something else.
    #[error("the status file {} is not what the runner writes: {source}", path.display())]
    Garbage {
        /// The file.
        path: PathBuf,
        /// Where it fails.
        source: serde_json::Error,
    },
}

/// The last run on record; `None` where there is no such file.
///
/// # Errors
/// A file that is there and tells nothing.
pub fn read(path: &Path) -> Result<Option<Recorded>, StatusFileError> {
    let unreadable = |source| StatusFileError::Unreadable { path: path.to_owned(), source };
    let text = match text(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        text => text.map_err(unreadable)?,
    };
    let garbage = |source| StatusFileError::Garbage { path: path.to_owned(), source };
    let record = StatusRecord::parse(&text).map_err(garbage)?;
    let stamp = |realtime| Stamp { realtime, monotonic: None };
    Ok(Some(Recorded {
        start: stamp(record.start),
        finish: stamp(record.finish),
        is_success: record.state == State::Ok,
    }))
}

fn text(path: &Path) -> io::Result<String> {
    // A FIFO in its place must not hold us.
    let nonblocking = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = File::options().read(true).custom_flags(nonblocking).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    let mut text = String::new();
    file.take(LARGEST).read_to_string(&mut text)?;
    Ok(text)
}
