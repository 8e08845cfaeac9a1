//! Where does a path lead, though what it leads to may not be there just now?

use std::collections::VecDeque;
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

/// As many links as Linux follows in one path.
const MOST_LINKS: usize = 40;

/// The path without links: absolute, and the same whether or not its end is there.
///
/// What is written down of a registry has this name, so that a night in which the file is missing belongs
/// to the same registry as the night before.
#[must_use]
pub fn resolve(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    path.canonicalize().ok().or_else(|| follow(&absolute)).unwrap_or(absolute)
}

/// Follows each link by hand, those to nowhere too; `None`: they lead round in a circle.
fn follow(absolute: &Path) -> Option<PathBuf> {
    let parts = |path: &Path| path.components().map(|part| part.as_os_str().to_owned()).collect::<Vec<_>>();
    let mut ahead: VecDeque<OsString> = parts(absolute).into();
    let mut reached = PathBuf::new();
    let mut links = 0;
    while let Some(part) = ahead.pop_front() {
        match Path::new(&part).components().next() {
            Some(Component::ParentDir) => {
                reached.pop();
            }
            Some(Component::CurDir) | None => {}
            // The root of a link's target leads back to the beginning.
            Some(_) => reached.push(&part),
        }
        // What is not there, or may not be looked at, is no link that could be followed.
        let Ok(target) = std::fs::read_link(&reached) else { continue };
        links += 1;
        if links > MOST_LINKS {
            return None;
        }
        reached.pop();
        for part in parts(&target).into_iter().rev() {
            ahead.push_front(part);
        }
    }
    Some(reached)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_path_through_links_leads_to_one_place_whether_its_end_is_there_or_not() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        fs::create_dir_all(root.join("real/registry")).unwrap();
        symlink("real", root.join("link")).unwrap();
        symlink(root.join("link/registry/one.db"), root.join("file")).unwrap();
        symlink("../elsewhere", root.join("real/gone")).unwrap();
        let file = root.join("real/registry/one.db");
        for is_there in [true, false] {
            if is_there {
                fs::write(&file, "").unwrap();
            } else {
                fs::remove_file(&file).unwrap();
            }
            for path in ["link/registry/one.db", "file", "link/registry/../registry/./one.db"] {
                assert_eq!(resolve(&root.join(path)), file, "{path}, there: {is_there}");
            }
        }
        assert_eq!(resolve(&root.join("link/gone/x/one.db")), root.join("elsewhere/x/one.db"));
        fs::remove_dir_all(root.join("real/registry")).unwrap();
        assert_eq!(resolve(&root.join("link/registry/one.db")), file);
    }

    #[test]
    fn links_in_a_circle_leave_the_path_as_it_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let circle = folder.path().join("circle");
        symlink("circle", &circle).unwrap();
        assert_eq!(resolve(&circle), circle);
    }
}
