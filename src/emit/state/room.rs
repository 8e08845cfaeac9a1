//! Is there room to write down what was told, when the disk is full? It is kept beforehand, behind the end of
//! `state.db` and of its journal.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{FallocateFlags, OFlags, fallocate};

use super::open::with_suffix;

/// Enough for some nights and for every word on what was told of them.
const ROOM: u64 = 256 * 1024;
/// The unit of `st_blocks`, whatever the file system's own.
const BLOCK: u64 = 512;

/// Keeps room for both files, as much as there is. It is no error where there is none, or where the file
/// system knows no such thing: what cannot be written then says so itself.
///
/// Call it before SQLite has opened the file: closing a file gives up every lock of this process on it.
pub(super) fn keep(path: &Path) {
    for file in [path, &with_suffix(path, "-journal")] {
        let _no_room = behind(file);
    }
}

fn behind(path: &Path) -> io::Result<()> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file = OpenOptions::new().write(true).custom_flags(flags).open(path)?;
    let seen = file.metadata()?;
    if !seen.is_file() || seen.blocks() * BLOCK >= seen.len() + ROOM / 2 {
        return Ok(());
    }
    let mut last = Ok(());
    for room in [ROOM, ROOM / 4, ROOM / 16] {
        last = fallocate(&file, FallocateFlags::KEEP_SIZE, seen.len(), room);
        if last.is_ok() {
            break;
        }
    }
    Ok(last?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::{BLOCK, ROOM};
    use crate::emit::state::StateDb;
    use crate::report::fixture::clean;

    #[test]
    fn from_the_second_night_on_there_is_room_behind_both_files() {
        let folder = tempfile::tempdir().unwrap();
        for _ in 0..2 {
            StateDb::in_folder(folder.path()).record(&clean(), |_| None, clean().finish).unwrap();
        }
        for name in ["state.db", "state.db-journal"] {
            let seen = std::fs::metadata(folder.path().join(name)).unwrap();
            assert!(seen.blocks() * BLOCK >= seen.len() + ROOM / 2, "{name}: {seen:?}");
        }
    }
}
