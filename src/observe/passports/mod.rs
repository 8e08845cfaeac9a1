//! Which runs have a replay passport on disk, and what is wrong with it?
//!
//! Each folder is listed once and each file in it read once. What stays in memory is one number per
//! passport: a hash of project and run, and what is wrong.

mod file;

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::hash::{DefaultHasher, Hasher};
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub use file::Fault;
use file::{Read, Subject};

use super::cancel::{Cancel, Stop};
use crate::plain::plain;

/// How many things that stood in the way are told apart; the rest is counted.
const ERRORS_KEPT: usize = 5;

/// Everything that the artifacts folder says of replay passports.
#[derive(Debug, Default)]
pub struct Passports {
    /// Sorted; the upper 120 bits name project and run, the lower 8 what is wrong.
    entries: Vec<u128>,
    /// Projects whose folder could not be listed: nothing can be said of their runs.
    unlisted: HashSet<Vec<u8>>,
    errors: Vec<String>,
    further_errors: usize,
    /// When each project's folder had last been changed as it was read.
    stamps: HashMap<Vec<u8>, Stamp>,
    /// Projects whose folder had changed since, as they were then.
    newer: Option<Box<Self>>,
}

/// A folder, and when what lies in it last changed; `None` where a change may not show, as it could not be
/// looked at or had been changed just then.
type Stamp = Option<(u64, u64, i64, i64)>;

/// Whether a project's folder is to be read.
type Wanted<'a> = &'a dyn Fn(&[u8], Stamp) -> bool;

/// File systems count time in steps of some milliseconds, some in seconds.
const STEP: Duration = Duration::from_secs(2);

/// Why the artifacts folder says nothing at all.
#[derive(Debug, thiserror::Error)]
pub enum PassportError {
    /// The folder itself cannot be listed.
    #[error("cannot list artifacts folder {}: {}; is ARTIFACTS_DIR right, and may the unit's user read it?", path.display(), plain(error))]
    Folder {
        /// `ARTIFACTS_DIR`.
        path: PathBuf,
        /// The system's words.
        error: std::io::Error,
    },
    /// The time was over, or somebody asked to stop.
    #[error("reading the passports in {} was not finished: {}", path.display(), match stop { Stop::Asked => "stopped by a signal", Stop::Deadline => "the run's time is over", Stop::Timeout => "the invariant's time is over", Stop::Writer => "a writer waits" })]
    Stopped {
        /// `ARTIFACTS_DIR`.
        path: PathBuf,
        /// What ended it.
        stop: Stop,
    },
}

impl Passports {
    /// Reads every passport under `artifacts`.
    ///
    /// # Errors
    /// Where the folder cannot be listed, or the time is over before all are read.
    pub fn read(artifacts: &Path, cancel: &Cancel, end: Instant) -> Result<Self, PassportError> {
        Self::default().read_projects(artifacts, cancel, end, None)
    }

    /// The same, for who will ask for [`Passports::renewed`].
    ///
    /// # Errors
    /// As [`Passports::read`].
    pub fn read_ahead(artifacts: &Path, cancel: &Cancel, end: Instant) -> Result<Self, PassportError> {
        Self::default().read_projects(artifacts, cancel, end, Some(&|_, _| true))
    }

    /// What [`Passports::read_ahead`] read, with what has changed in the folders since.
    ///
    /// A listing per folder that has changed, and no look at the files of the others.
    ///
    /// # Errors
    /// As [`Passports::read`].
    pub fn renewed(mut self, artifacts: &Path, cancel: &Cancel, end: Instant) -> Result<Self, PassportError> {
        let has_changed = |project: &[u8], stamp: Stamp| match self.stamps.get(project) {
            Some(known) => stamp.is_none() || *known != stamp,
            None => true,
        };
        let newer = Self::default().read_projects(artifacts, cancel, end, Some(&has_changed))?;
        self.newer = Some(Box::new(newer));
        Ok(self)
    }

    fn read_projects(
        self,
        artifacts: &Path,
        cancel: &Cancel,
        end: Instant,
        is_wanted: Option<Wanted<'_>>,
    ) -> Result<Self, PassportError> {
        let fail = |error| PassportError::Folder { path: artifacts.to_owned(), error };
        let mut passports = self;
        for entry in std::fs::read_dir(artifacts).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            let name = entry.file_name();
            let Some(project) = name.as_bytes().strip_prefix(b"project-") else { continue };
            if !is_folder(&entry) {
                continue;
            }
            if let Some(is_wanted) = is_wanted {
                let stamp = stamp(&entry.path());
                if !is_wanted(project, stamp) {
                    continue;
                }
                passports.stamps.insert(project.to_owned(), stamp);
            }
            passports.read_project(&entry.path(), project, &|| match cancel.stop_before(end) {
                Some(stop) => Err(PassportError::Stopped { path: artifacts.to_owned(), stop }),
                None => Ok(()),
            })?;
        }
        passports.entries.sort_unstable();
        Ok(passports)
    }

    fn read_project(
        &mut self,
        folder: &Path,
        project: &[u8],
        go_on: &dyn Fn() -> Result<(), PassportError>,
    ) -> Result<(), PassportError> {
        let listing = match std::fs::read_dir(folder) {
            Ok(listing) => listing,
            Err(error) => {
                self.unlisted(folder, project, &error);
                return Ok(());
            }
        };
        for entry in listing {
            go_on()?;
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    self.unlisted(folder, project, &error);
                    return Ok(());
                }
            };
            let name = entry.file_name();
            let named = match layout(&name) {
                Layout::Newer(run) => Some(run),
                Layout::Older => None,
                Layout::Other => continue,
            };
            match file::read(&entry.path(), Subject { project, run: named }) {
                Read::Passport { run, fault } => self.entries.push(pack(project, &run, fault)),
                Read::OfNoRun => {}
                Read::Unreadable(error) => {
                    self.error(format!("cannot read passport {}: {}", entry.path().display(), plain(&error)));
                    // Whose it is does not matter: the run is then judged neither way.
                    if let Some(run) = named {
                        self.entries.push(pack(project, run, Some(Fault::Unreadable)));
                    } else {
                        self.unlisted.insert(project.to_owned());
                    }
                }
            }
        }
        Ok(())
    }

    fn unlisted(&mut self, folder: &Path, project: &[u8], error: &std::io::Error) {
        self.error(format!("cannot list folder {}: {}", folder.display(), plain(error)));
        self.unlisted.insert(project.to_owned());
    }

    fn error(&mut self, error: String) {
        if self.errors.len() < ERRORS_KEPT {
            self.errors.push(error);
        } else {
            self.further_errors += 1;
        }
    }

    /// What stood in the way of a part of the answer; empty where everything could be read.
    #[must_use]
    pub fn errors(&self) -> Vec<String> {
        let newer = self.newer.iter();
        let mut errors: Vec<_> =
            newer.clone().flat_map(|newer| &newer.errors).chain(&self.errors).cloned().collect();
        errors.dedup();
        let further = newer.fold(self.further_errors, |sum, newer| sum + newer.further_errors);
        if further > 0 {
            errors.push(format!("{further} more passports or folders could not be read"));
        }
        errors
    }

    /// What is wrong with the passport of a run; `None` where it has exactly one, and that is in order,
    /// or where its files could not be read (then [`Passports::errors`] is not empty).
    #[must_use]
    pub fn fault(&self, project: &[u8], run: &[u8]) -> Option<Fault> {
        if let Some(newer) = self.newer.as_ref().filter(|newer| newer.stamps.contains_key(project)) {
            return newer.fault(project, run);
        }
        if self.unlisted.contains(project) {
            return None;
        }
        let name = name(project, run);
        let first = self.entries.partition_point(|&entry| entry < name);
        let mut same = self.entries.iter().skip(first).take_while(|&&entry| entry & NAME == name);
        let Some(one) = same.next() else { return Some(Fault::None) };
        if same.next().is_some() {
            return Some(Fault::Several);
        }
        Fault::from_code(one.to_le_bytes()[0]).filter(|fault| *fault != Fault::Unreadable)
    }
}

/// Taken before the folder is listed: what changes it afterwards changes this, too.
fn stamp(folder: &Path) -> Stamp {
    let meta = std::fs::metadata(folder).ok()?;
    let is_settled = meta.modified().ok()?.elapsed().is_ok_and(|age| age > STEP);
    is_settled.then(|| (meta.dev(), meta.ino(), meta.mtime(), meta.mtime_nsec()))
}

/// The bits of an entry that name project and run.
const NAME: u128 = !0xff;

fn pack(project: &[u8], run: &[u8], fault: Option<Fault>) -> u128 {
    name(project, run) | u128::from(fault.map_or(0, Fault::code))
}

/// 120 bits: among 10⁷ passports the odds that two of them meet are below 10⁻²².
fn name(project: &[u8], run: &[u8]) -> u128 {
    let half = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        hasher.write_u8(salt);
        hasher.write_usize(project.len());
        hasher.write(project);
        hasher.write(run);
        u128::from(hasher.finish())
    };
    (half(0) << 64 | half(1)) & NAME
}

/// What a file is by its name.
enum Layout<'a> {
    /// The name holds the run's id.
    Newer(&'a [u8]),
    /// The content names the run.
    Older,
    /// No passport.
    Other,
}

fn layout(name: &OsStr) -> Layout<'_> {
    let rest = name.as_bytes().strip_prefix(b"replay_passport").and_then(|rest| rest.strip_suffix(b".json"));
    match rest {
        Some([]) => Layout::Older,
        Some([b'_', run @ ..]) => Layout::Newer(run),
        _ => Layout::Other,
    }
}

fn is_folder(entry: &std::fs::DirEntry) -> bool {
    let kind = match entry.file_type() {
        Ok(kind) if kind.is_symlink() => std::fs::metadata(entry.path()).map(|target| target.file_type()),
        kind => kind,
    };
    match kind {
        Ok(kind) => kind.is_dir(),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => false,
        // What may not be looked at may be one: listing it will say what is wrong.
        Err(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn what_came_after_the_reading_is_seen_and_what_stayed_is_not_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let place = |project: &str, run: &str| {
            folder.path().join(format!("project-{project}/replay_passport_{run}.json"))
        };
        let write = |project: &str, run: &str, text: &str| {
            fs::create_dir_all(place(project, run).parent().unwrap()).unwrap();
            fs::write(place(project, run), text).unwrap();
        };
        let age = |project: &str| {
            let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
            File::open(place(project, "x").parent().unwrap()).unwrap().set_modified(at).unwrap();
        };
        write("1", "a", "{");
        write("2", "b", "{");
        age("1");
        age("2");
        let end = Instant::now() + Duration::from_secs(60);
        let cancel = Cancel::new(std::sync::Arc::default(), end);
        let ahead = Passports::read_ahead(folder.path(), &cancel, end).unwrap();
        // Written in place: no news of the folder's, and read no second time.
        write("1", "a", "[]");
        write("2", "c", "{");
        write("3", "d", "{");
        let all = ahead.renewed(folder.path(), &cancel, end).unwrap();
        for (project, run, fault) in [
            (b"1", b"a", Fault::NotJson),
            (b"1", b"b", Fault::None),
            (b"2", b"b", Fault::NotJson),
            (b"2", b"c", Fault::NotJson),
            (b"3", b"d", Fault::NotJson),
        ] {
            assert_eq!(all.fault(project, run), Some(fault), "{project:?} {run:?}");
        }
    }
}
