//! How does a file change so that every reader sees the old one or the new one, and nothing between?

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, OFlags, RenameFlags, Uid};
use rustix::io::Errno;

use crate::plain::plain;

/// Why a file was not replaced; the old one, if there is one, is as it was.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}: {cause}", path.display())]
pub struct ReplaceError {
    /// The file that should have been replaced.
    pub path: PathBuf,
    /// What stood in the way.
    #[source]
    pub cause: Cause,
}

/// What stood in the way of a new file.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    /// Nothing to write is a fault of ours, and never replaces anything.
    #[error("there is nothing to write")]
    Empty,
    /// The path does not end in a file's name, or a folder lies there.
    #[error("that is a folder")]
    Folder,
    /// The folder is missing or cannot be opened.
    #[error("folder {}: {}", folder.display(), plain(source))]
    NoFolder {
        /// The folder.
        folder: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A file that must stay has the name already.
    #[error("there is a file of that name already")]
    Taken,
    /// Another process, with our process id in a container of its own, writes the same file now.
    #[error("another process writes it at the same time")]
    Contended,
    /// The system refused one of the steps.
    #[error("{step}: {}", plain(source))]
    Step {
        /// What was being done.
        step: &'static str,
        /// The system's reason.
        source: io::Error,
    },
}

/// Puts `content` in the place of `path`, on disk, whole or not at all.
///
/// The new file has exactly `mode`, and, when written by root, the owner of the folder it lies in. It is
/// built beside `path` as `.NAME.tmp.PID`, a name that no textfile collector reads; a symlink at `path` is
/// replaced and not followed.
///
/// # Errors
/// Anything that stood in the way, and an empty `content`.
pub fn replace(path: &Path, content: &[u8], mode: u32) -> Result<(), ReplaceError> {
    write_beside(path, content, mode, RenameFlags::empty())
        .map_err(|cause| ReplaceError { path: path.to_owned(), cause })
}

/// As [`replace`], where no file has that name yet.
///
/// # Errors
/// [`Cause::Taken`] where one has, and whatever else stood in the way.
pub fn create_new(path: &Path, content: &[u8], mode: u32) -> Result<(), ReplaceError> {
    write_beside(path, content, mode, RenameFlags::NOREPLACE)
        .map_err(|cause| ReplaceError { path: path.to_owned(), cause })
}

fn write_beside(path: &Path, content: &[u8], mode: u32, rename: RenameFlags) -> Result<(), Cause> {
    if content.is_empty() {
        return Err(Cause::Empty);
    }
    let name = path.file_name().ok_or(Cause::Folder)?;
    let folder_path = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    // Everything goes through the folder's descriptor: a folder that is swapped meanwhile gets nothing.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = rustix::fs::openat(CWD, folder_path, flags, Mode::empty())
        .map_err(|errno| Cause::NoFolder { folder: folder_path.to_owned(), source: errno.into() })?;
    let at_target = rustix::fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW);
    if at_target.is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory) {
        return Err(Cause::Folder);
    }
    let mut temp_name = OsString::from(".");
    temp_name.push(name);
    temp_name.push(format!(".tmp.{}", std::process::id()));
    let temp = create(&folder, &temp_name)?;
    fill(&folder, temp, content, mode)
        .and_then(|temp| put_in_place(&folder, &temp, &temp_name, name, rename))
        .inspect_err(|cause| {
            // A temporary file that is another's stays.
            if !matches!(cause, Cause::Contended) {
                let _ = rustix::fs::unlinkat(&folder, &temp_name, AtFlags::empty());
            }
        })?;
    rustix::fs::fsync(&folder).map_err(step("flush the folder"))
}

fn step(step: &'static str) -> impl Fn(Errno) -> Cause {
    move |errno| Cause::Step { step, source: errno.into() }
}

fn create(folder: &OwnedFd, name: &OsString) -> Result<File, Cause> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let open = || rustix::fs::openat(folder, name.as_os_str(), flags, Mode::RUSR | Mode::WUSR);
    let opened = match open() {
        // Left by a process that was killed; in containers process ids are few and come again.
        Err(Errno::EXIST) => {
            rustix::fs::unlinkat(folder, name.as_os_str(), AtFlags::empty())
                .map_err(step("remove an old temporary file"))?;
            open()
        }
        opened => opened,
    };
    opened.map(File::from).map_err(step("create a temporary file"))
}

fn fill(folder: &OwnedFd, mut temp: File, content: &[u8], mode: u32) -> Result<File, Cause> {
    temp.write_all(content).map_err(|source| Cause::Step { step: "write", source })?;
    if rustix::process::geteuid().is_root() {
        let owner = rustix::fs::fstat(folder).map_err(step("look at the folder"))?;
        let own = rustix::fs::fstat(&temp).map_err(step("look at the temporary file"))?;
        if (own.st_uid, own.st_gid) != (owner.st_uid, owner.st_gid) {
            let (uid, gid) = (Uid::from_raw(owner.st_uid), Gid::from_raw(owner.st_gid));
            rustix::fs::fchown(&temp, Some(uid), Some(gid)).map_err(step("set the owner"))?;
        }
    }
    // After the owner: a change of owner clears bits of the mode.
    rustix::fs::fchmod(&temp, Mode::from_raw_mode(mode)).map_err(step("set the mode"))?;
    rustix::fs::fsync(&temp).map_err(step("flush"))?;
    Ok(temp)
}

fn put_in_place(
    folder: &OwnedFd,
    temp: &File,
    temp_name: &OsString,
    name: &std::ffi::OsStr,
    flags: RenameFlags,
) -> Result<(), Cause> {
    let ours = rustix::fs::fstat(temp).map_err(step("look at the temporary file"))?;
    let named = rustix::fs::statat(folder, temp_name.as_os_str(), AtFlags::SYMLINK_NOFOLLOW);
    if !named.is_ok_and(|named| (named.st_dev, named.st_ino) == (ours.st_dev, ours.st_ino)) {
        return Err(Cause::Contended);
    }
    match rustix::fs::renameat_with(folder, temp_name.as_os_str(), folder, name, flags) {
        Err(Errno::EXIST) if flags.contains(RenameFlags::NOREPLACE) => Err(Cause::Taken),
        // A file system without such a rename (NFS).
        Err(Errno::INVAL) if flags.contains(RenameFlags::NOREPLACE) => {
            if rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).is_ok() {
                return Err(Cause::Taken);
            }
            rustix::fs::renameat(folder, temp_name.as_os_str(), folder, name)
                .map_err(step("rename into place"))
        }
        renamed => renamed.map_err(step("rename into place")),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn the_new_file_is_whole_has_its_mode_and_leaves_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.prom");
        replace(&path, b"old\n", 0o600).unwrap();
        replace(&path, b"new\n", 0o644).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new\n");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o644);
        assert_eq!(names(folder.path()), ["a.prom"]);
    }

    #[test]
    fn a_name_that_is_taken_keeps_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        create_new(&path, b"first\n", 0o640).unwrap();
        let error = create_new(&path, b"second\n", 0o640).unwrap_err();
        assert!(matches!(error.cause, Cause::Taken), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"first\n");
        assert_eq!(names(folder.path()), ["a.log"]);
    }

    #[test]
    fn an_empty_file_never_replaces_a_good_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.prom");
        replace(&path, b"good\n", 0o644).unwrap();
        assert!(matches!(replace(&path, b"", 0o644).unwrap_err().cause, Cause::Empty));
        assert_eq!(fs::read(&path).unwrap(), b"good\n");
    }

    #[test]
    fn a_symlink_is_replaced_and_what_it_points_to_is_not_touched() {
        let folder = tempfile::tempdir().unwrap();
        let (precious, path) = (folder.path().join("precious"), folder.path().join("a.prom"));
        fs::write(&precious, "precious").unwrap();
        symlink(&precious, &path).unwrap();
        // A link planted at the temporary name is not followed, either.
        symlink(&precious, folder.path().join(format!(".a.prom.tmp.{}", std::process::id()))).unwrap();
        replace(&path, b"new\n", 0o644).unwrap();
        assert_eq!(fs::read(&precious).unwrap(), b"precious");
        assert_eq!(fs::read(&path).unwrap(), b"new\n");
        assert_eq!(names(folder.path()), ["a.prom", "precious"]);
    }

    #[test]
    fn a_file_left_by_a_killed_process_is_no_obstacle() {
        let folder = tempfile::tempdir().unwrap();
        let left = folder.path().join(format!(".a.prom.tmp.{}", std::process::id()));
        fs::write(left, "half a fi").unwrap();
        replace(&folder.path().join("a.prom"), b"new\n", 0o644).unwrap();
        assert_eq!(names(folder.path()), ["a.prom"]);
    }

    #[test]
    fn a_missing_folder_and_a_folder_in_the_place_of_the_file_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let missing = replace(&folder.path().join("no/a.prom"), b"x\n", 0o644).unwrap_err();
        let text = missing.to_string();
        assert!(
            matches!(missing.cause, Cause::NoFolder { .. }) && text.contains("/no: no such file"),
            "{text}"
        );
        let taken = replace(folder.path(), b"x\n", 0o644).unwrap_err();
        assert!(matches!(taken.cause, Cause::Folder), "{taken}");
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn a_disk_that_is_full_leaves_the_old_file_and_no_temporary_one() {
        // A file size limit is the disk that any tester has; it is per process, so a process of its own.
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.prom");
        fs::write(&path, "good\n").unwrap();
        let this = std::env::current_exe().unwrap();
        let script =
            "trap '' XFSZ; ulimit -f 1; exec \"$0\" --exact emit::replace::tests::fill_the_disk --ignored";
        let child =
            std::process::Command::new("bash").args(["-c", script]).arg(this).env("TARGET", &path).output();
        let child = child.unwrap();
        assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
        assert_eq!(fs::read(&path).unwrap(), b"good\n");
        assert_eq!(names(folder.path()), ["a.prom"]);
    }

    #[test]
    #[ignore = "run by a_disk_that_is_full_leaves_the_old_file_and_no_temporary_one under a file size limit"]
    fn fill_the_disk() {
        let Some(path) = std::env::var_os("TARGET") else { return };
        let error = replace(Path::new(&path), &vec![b'x'; 100_000], 0o644).unwrap_err();
        assert!(matches!(error.cause, Cause::Step { step: "write", .. }), "{error}");
    }

    #[test]
    fn a_file_that_root_writes_belongs_to_the_owner_of_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let is_root = rustix::process::geteuid().is_root();
        if is_root {
            std::os::unix::fs::chown(folder.path(), Some(12_345), Some(12_346)).unwrap();
        }
        let path = folder.path().join("a.prom");
        replace(&path, b"x\n", 0o644).unwrap();
        let (file, folder) = (fs::metadata(path).unwrap(), fs::metadata(folder.path()).unwrap());
        assert_eq!((file.uid(), file.gid()), (folder.uid(), folder.gid()));
    }
}
