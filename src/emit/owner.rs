//! Whose is a file that root writes? It belongs to the owner of the folder it lies in, so that the
//! service's own user can replace it on the next night.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{Gid, Uid, fchown};

/// Gives an open file the owner and group of its folder, where we are root; else does nothing.
///
/// # Errors
///
/// The folder cannot be looked at, or the file system knows no owners.
pub fn adopt(file: &File, folder: &Path) -> io::Result<()> {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let (owner, seen) = (std::fs::metadata(folder)?, file.metadata()?);
    if (owner.uid(), owner.gid()) == (seen.uid(), seen.gid()) {
        return Ok(());
    }
    fchown(file, Some(Uid::from_raw(owner.uid())), Some(Gid::from_raw(owner.gid())))?;
    Ok(())
}
