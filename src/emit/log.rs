//! Where is the log of a run, and how long does it stay?

use std::io;
use std::path::{Path, PathBuf};

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};

use super::replace::{Cause, ReplaceError, create_new, replace};

/// How long a log is kept, by the time in its name.
const KEPT: TimeDelta = TimeDelta::days(30);
const MODE: u32 = 0o640;
/// Runs that end in the same second take the following ones as names.
const SAME_SECOND: i64 = 60;

/// Writes a log, whole or not at all, as `invariants_<UTC time>.log`; gives its path.
///
/// The name of a second that is taken stays with the file that has it: the next free second is taken,
/// so that names keep both their form and their order.
///
/// # Errors
/// Anything that stood in the way; the folder is never made here.
pub fn write(folder: &Path, text: &str, finish: DateTime<Utc>) -> Result<PathBuf, ReplaceError> {
    let mut later = 0;
    loop {
        let path = folder.join(name(finish + TimeDelta::seconds(later)));
        match create_new(&path, text.as_bytes(), MODE) {
            Err(ReplaceError { cause: Cause::Taken, .. }) if later < SAME_SECOND => later += 1,
            Err(error) => return Err(error),
            Ok(()) => return Ok(path),
        }
    }
}

/// Puts a log that says more in the place of the one that this run wrote.
///
/// # Errors
/// Anything that stood in the way; the old log then stays.
pub fn rewrite(path: &Path, text: &str) -> Result<(), ReplaceError> {
    replace(path, text.as_bytes(), MODE)
}

/// Removes logs whose name says that they are older than 30 days, and no file of any other name.
///
/// # Errors
/// The first thing that stood in the way; the others were tried all the same.
pub fn forget_old(folder: &Path, now: DateTime<Utc>) -> io::Result<()> {
    let mut outcome = Ok(());
    for entry in std::fs::read_dir(folder)? {
        let Ok(entry) = entry else { continue };
        let is_old = entry.file_name().to_str().and_then(time_of).is_some_and(|time| now - time > KEPT);
        if !is_old || !entry.file_type().is_ok_and(|kind| kind.is_file()) {
            continue;
        }
        match std::fs::remove_file(entry.path()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound && outcome.is_ok() => outcome = Err(error),
            _ => {}
        }
    }
    outcome
}

fn name(time: DateTime<Utc>) -> String {
    time.format("invariants_%Y-%m-%dT%H:%M:%SZ.log").to_string()
}

/// The time in a name of ours; `None` for a name that we would not have written just so.
fn time_of(file_name: &str) -> Option<DateTime<Utc>> {
    let text = file_name.strip_prefix("invariants_")?.strip_suffix("Z.log")?;
    let time = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S").ok()?.and_utc();
    (name(time) == file_name).then_some(time)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;
    use crate::report::fixture::at;

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn runs_that_end_in_the_same_second_keep_their_logs_and_their_order() {
        let folder = tempfile::tempdir().unwrap();
        let finish = at("2025-11-06T07:00:59.900Z");
        let paths: Vec<_> = ["a\n", "b\n", "c\n"].map(|t| write(folder.path(), t, finish).unwrap()).into();
        rewrite(&paths[1], "B\n").unwrap();
        let want = [
            "invariants_2025-11-06T07:00:59Z.log",
            "invariants_2025-11-06T07:01:00Z.log",
            "invariants_2025-11-06T07:01:01Z.log",
        ];
        assert_eq!(names(folder.path()), want);
        let texts = want.map(|name| std::fs::read_to_string(folder.path().join(name)).unwrap());
        assert_eq!(texts, ["a\n", "B\n", "c\n"]);
        for path in paths {
            assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o7777, 0o640);
        }
    }

    #[test]
    fn a_missing_folder_is_named_and_not_made() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("missing");
        let error = write(&missing, "a\n", at("2025-11-06T07:00:59Z")).unwrap_err().to_string();
        assert!(error.contains("missing: no such file or directory"), "{error}");
        assert!(!missing.exists());
        forget_old(&missing, at("2025-11-06T07:00:59Z")).unwrap_err();
    }

    #[test]
    fn only_old_logs_of_our_own_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let stay = [
            "invariants_2025-10-07T07:00:00Z.log", // 30 days to the second
            "invariants_2025-11-06T07:00:00Z.log",
            "invariants_2999-01-01T00:00:00Z.log",
            "invariants_2020-01-01T00:00:00Z.log.gz",
            "invariants_2020-01-01T00:00:00Z.txt",
            "invariants_2020-1-1T00:00:00Z.log",
            "invariants_2020-01-01T00:00:00.5Z.log",
            "invariants_2020-02-30T00:00:00Z.log",
            "invariants_2020-01-01T00:00:00Z (copy).log",
            "invariants_cron.log",
            "my_invariants_2020-01-01T00:00:00Z.log",
        ];
        let go = ["invariants_2025-10-07T06:59:59Z.log", "invariants_2020-01-01T00:00:00Z.log"];
        for name in stay.iter().chain(&go) {
            std::fs::write(folder.path().join(name), "x").unwrap();
        }
        let link = "invariants_2019-01-01T00:00:00Z.log";
        symlink("/etc/hostname", folder.path().join(link)).unwrap();
        std::fs::create_dir(folder.path().join("invariants_2018-01-01T00:00:00Z.log")).unwrap();
        forget_old(folder.path(), at("2025-11-06T07:00:00Z")).unwrap();
        let mut want: Vec<String> = stay.iter().map(ToString::to_string).collect();
        want.extend([link.to_owned(), "invariants_2018-01-01T00:00:00Z.log".to_owned()]);
        want.sort();
        assert_eq!(names(folder.path()), want);
    }
}
