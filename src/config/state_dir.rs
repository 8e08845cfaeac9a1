//! Where does the memory of past runs lie when nobody said where?

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

/// Where the shipped unit keeps it.
pub(super) const DEFAULT: &str = "/var/lib/plms-invariants";

/// `default` where this user can write, else the user's own state folder (XDG Base Directory), with a
/// sentence that says so.
pub(super) fn choose(default: &Path, var: &dyn Fn(&str) -> Option<OsString>) -> (PathBuf, Option<String>) {
    if can_write(default) {
        return (default.to_owned(), None);
    }
    // The specification wants a relative path ignored.
    let absolute = |name: &str| var(name).map(PathBuf::from).filter(|p| p.is_absolute());
    let base = absolute("XDG_STATE_HOME").or_else(|| absolute("HOME").map(|h| h.join(".local/state")));
    let shown = default.display();
    match base.map(|b| b.join("plms-invariants")) {
        Some(own) => {
            let note =
                format!("STATE_DIR: this user cannot write to {shown}, so state is in {}", own.display());
            (own, Some(note))
        }
        None => (
            default.to_owned(),
            Some(format!("STATE_DIR: this user cannot write to {shown}, and has no home")),
        ),
    }
}

/// Into the folder, or to create it under the nearest one that is there.
fn can_write(folder: &Path) -> bool {
    match access(folder, Access::WRITE_OK | Access::EXEC_OK) {
        Ok(()) => folder.is_dir(),
        Err(rustix::io::Errno::NOENT) => folder.parent().is_some_and(can_write),
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::path::Path;

    use super::choose;

    fn env<'a>(pairs: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<OsString> + 'a {
        |name| pairs.iter().find(|(n, _)| *n == name).map(|(_, v)| v.into())
    }

    #[test]
    fn who_can_write_to_the_systems_folder_uses_it_though_it_is_not_there_yet() {
        let folder = tempfile::tempdir().unwrap();
        let default = folder.path().join("a/b");
        assert_eq!(choose(&default, &env(&[("HOME", "/home/u")])), (default.clone(), None));
    }

    #[test]
    fn who_cannot_has_their_own_and_is_told() {
        // No user, root included, can create a folder under a file.
        let default = Path::new("/etc/passwd/plms-invariants");
        let own = |pairs: &[(&str, &str)]| choose(default, &env(pairs));
        let (path, note) = own(&[("HOME", "/home/u"), ("XDG_STATE_HOME", "/s")]);
        assert_eq!(path, Path::new("/s/plms-invariants"));
        let said = "STATE_DIR: this user cannot write to /etc/passwd/plms-invariants, so state is in /s/plms-invariants";
        assert_eq!(note.as_deref(), Some(said));
        let (path, _) = own(&[("HOME", "/home/u"), ("XDG_STATE_HOME", "s")]);
        assert_eq!(path, Path::new("/home/u/.local/state/plms-invariants"));
        let (path, note) = own(&[]);
        assert!(path == default && note.is_some());
    }
}
