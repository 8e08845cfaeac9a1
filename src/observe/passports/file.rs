//! What is wrong with one passport file?

use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

/// A passport is a page of JSON; what is larger than this is none.
const LARGEST: u64 = 16 << 20;

/// The fields that a passport must hold, in the order in which a person would look.
const FIELDS: [&str; 9] = [
    "project_id",
    "run_id",
    "run_kind",
    "provider_matrix",
    "capabilities",
    "prd_sha",
    "env.git_commit",
    "env.python_version",
    "started_at",
];

/// What is wrong with the passport of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// There is none.
    None,
    /// There is more than one.
    Several,
    /// It is no JSON, or no file of a passport's size.
    NotJson,
    /// It lacks this field (its place in the list of fields), or holds null there.
    Lacks(u8),
    /// It names another run.
    OtherRun,
    /// It names another project.
    OtherProject,
    /// It could not be read, so nothing can be said.
    Unreadable,
}

impl Fault {
    pub(super) fn code(self) -> u8 {
        match self {
            Self::None => 1,
            Self::Several => 2,
            Self::NotJson => 3,
            Self::OtherRun => 4,
            Self::OtherProject => 5,
            Self::Unreadable => 6,
            Self::Lacks(field) => 16 + field,
        }
    }

    pub(super) fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::None),
            2 => Some(Self::Several),
            3 => Some(Self::NotJson),
            4 => Some(Self::OtherRun),
            5 => Some(Self::OtherProject),
            6 => Some(Self::Unreadable),
            16.. => Some(Self::Lacks(code - 16)),
            _ => None,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("no replay passport"),
            Self::Several => f.write_str("more than one replay passport"),
            Self::NotJson => f.write_str("its passport is not JSON"),
            Self::Lacks(field) => {
                write!(f, "its passport lacks {}", FIELDS.get(usize::from(*field)).unwrap_or(&"a field"))
            }
            Self::OtherRun => f.write_str("its passport names another run"),
            Self::OtherProject => f.write_str("its passport names another project"),
            Self::Unreadable => f.write_str("its passport cannot be read"),
        }
    }
}

/// Whose passport a file should be, by where it lies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subject<'a> {
    /// From the folder's name.
    pub project: &'a [u8],
    /// From the file's name; the older layout has none.
    pub run: Option<&'a [u8]>,
}

/// What a file turned out to be.
#[derive(Debug)]
pub(super) enum Read {
    /// A passport, in order or not, of this run.
    Passport { run: Vec<u8>, fault: Option<Fault> },
    /// A file of the older layout that names no run: it counts for none.
    OfNoRun,
    /// It is there and could not be read.
    Unreadable(io::Error),
}

pub(super) fn read(path: &Path, subject: Subject<'_>) -> Read {
    let text = match content(path) {
        Ok(text) => text,
        // Gone since the folder was listed: then the run has no passport, which is said of it.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Read::OfNoRun,
        Err(error) => return Read::Unreadable(error),
    };
    let fields = text.as_deref().and_then(|text| serde_json::from_slice::<Fields>(text).ok());
    let named = fields.as_ref().and_then(|fields| fields.run_id.clone());
    let Some(run) = subject.run.map(<[u8]>::to_vec).or_else(|| named.clone().map(String::into_bytes)) else {
        return Read::OfNoRun;
    };
    let fault = match &fields {
        None => Some(Fault::NotJson),
        Some(fields) => fields.fault(subject.project, &run),
    };
    Read::Passport { run, fault }
}

/// `None` for what is no file of a passport's size.
fn content(path: &Path) -> io::Result<Option<Vec<u8>>> {
    // NONBLOCK: a FIFO under a passport's name must not hold up the run.
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    let mut file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let meta = file.metadata()?;
    if !meta.is_file() || meta.len() > LARGEST {
        return Ok(None);
    }
    let mut text = Vec::with_capacity(usize::try_from(meta.len()).unwrap_or(0).saturating_add(1));
    file.by_ref().take(LARGEST).read_to_end(&mut text)?;
    // serde_json checks the encoding of the strings that it hands out, not of those it skips.
    Ok(Some(text).filter(|text| std::str::from_utf8(text).is_ok()))
}

/// Which fields are there; of a doubled one the last counts, as with most JSON readers.
#[derive(Debug, Default)]
struct Fields {
    present: [bool; FIELDS.len()],
    project_id: Option<String>,
    run_id: Option<String>,
}

impl Fields {
    fn fault(&self, project: &[u8], run: &[u8]) -> Option<Fault> {
        if let Some(lacking) = self.present.iter().position(|present| !present) {
            return Some(Fault::Lacks(u8::try_from(lacking).unwrap_or(u8::MAX)));
        }
        if self.run_id.as_deref().map(str::as_bytes) != Some(run) {
            return Some(Fault::OtherRun);
        }
        (self.project_id.as_deref().map(str::as_bytes) != Some(project)).then_some(Fault::OtherProject)
    }

    fn set(&mut self, field: &str, present: bool) {
        let place = FIELDS.iter().position(|known| *known == field);
        if let Some(slot) = place.and_then(|place| self.present.get_mut(place)) {
            *slot = present;
        }
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self::default())
    }
}

impl<'de> Visitor<'de> for Fields {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a passport")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Self, A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "project_id" => {
                    self.project_id = map.next_value::<Named>()?.0;
                    self.set(&key, self.project_id.is_some());
                }
                "run_id" => {
                    self.run_id = map.next_value::<Named>()?.0;
                    self.set(&key, self.run_id.is_some());
                }
                "env" => {
                    let env = map.next_value::<Env>()?;
                    self.set("env.git_commit", env.git_commit);
                    self.set("env.python_version", env.python_version);
                }
                // A field that holds null is not held: a run cannot be replayed from it.
                _ => {
                    let present = map.next_value::<Option<IgnoredAny>>()?.is_some();
                    if !key.starts_with("env.") {
                        self.set(&key, present);
                    }
                }
            }
        }
        Ok(self)
    }

    // JSON, and no object: every field is lacking.
    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<Self, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(self)
    }
    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }
    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }
    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }
    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }
    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }
    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }
}

/// An id, which may be written as a text or as a number.
#[derive(Debug, Default)]
struct Named(Option<String>);

impl<'de> Deserialize<'de> for Named {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value: Box<serde_json::value::RawValue> = Deserialize::deserialize(deserializer)?;
        let text = value.get();
        Ok(Self(match text.as_bytes().first() {
            Some(b'"') => serde_json::from_str(text).ok(),
            Some(b'-' | b'0'..=b'9') => Some(text.to_owned()),
            _ => None,
        }))
    }
}

#[derive(Debug, Default)]
struct Env {
    git_commit: bool,
    python_version: bool,
}

impl<'de> Deserialize<'de> for Env {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value: Box<serde_json::value::RawValue> = Deserialize::deserialize(deserializer)?;
        let env: std::collections::BTreeMap<String, Option<IgnoredAny>> =
            serde_json::from_str(value.get()).unwrap_or_default();
        let holds = |key| matches!(env.get(key), Some(Some(_)));
        Ok(Self { git_commit: holds("git_commit"), python_version: holds("python_version") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"project_id":7,"run_id":"r1","run_kind":"baseline","provider_matrix":{},"capabilities":[],
        "prd_sha":"ab","env":{"git_commit":"c","python_version":"3.11"},"started_at":"2026-01-01T00:00:00Z"}"#;

    fn fault_of(text: &str, run: Option<&[u8]>) -> Option<Fault> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("passport.json");
        std::fs::write(&path, text).unwrap();
        match read(&path, Subject { project: b"7", run }) {
            Read::Passport { fault, .. } => fault,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_complete_passport_has_no_fault_with_ids_as_numbers_or_texts() {
        assert_eq!(fault_of(GOOD, Some(b"r1")), None);
        assert_eq!(fault_of(GOOD, None), None);
        assert_eq!(fault_of(&GOOD.replace("\"project_id\":7", "\"project_id\":\"7\""), Some(b"r1")), None);
    }

    #[test]
    fn each_lacking_field_is_named_and_null_is_lacking() {
        let full: serde_json::Value = serde_json::from_str(GOOD).unwrap();
        for (place, field) in FIELDS.iter().enumerate() {
            for null in [false, true] {
                let mut passport = full.clone();
                let (holder, key) = match field.strip_prefix("env.") {
                    Some(key) => (&mut passport["env"], key),
                    None => (&mut passport, *field),
                };
                let holder = holder.as_object_mut().unwrap();
                if null {
                    holder.insert(key.into(), serde_json::Value::Null);
                } else {
                    holder.remove(key);
                }
                let want = Some(Fault::Lacks(u8::try_from(place).unwrap()));
                assert_eq!(fault_of(&passport.to_string(), Some(b"r1")), want, "{field}");
            }
        }
    }

    #[test]
    fn another_run_another_project_and_no_json_are_faults() {
        assert_eq!(fault_of(GOOD, Some(b"r2")), Some(Fault::OtherRun));
        assert_eq!(fault_of(&GOOD.replace(":7,", ":8,"), Some(b"r1")), Some(Fault::OtherProject));
        assert_eq!(fault_of(&GOOD.replace('}', ""), Some(b"r1")), Some(Fault::NotJson));
        assert_eq!(fault_of("", Some(b"r1")), Some(Fault::NotJson));
        assert_eq!(fault_of("[1]", Some(b"r1")), Some(Fault::Lacks(0)));
        assert_eq!(fault_of("null", Some(b"r1")), Some(Fault::Lacks(0)));
    }

    #[test]
    fn every_fault_comes_back_from_its_code() {
        let faults = [Fault::None, Fault::Several, Fault::NotJson, Fault::OtherRun, Fault::OtherProject];
        for fault in faults.into_iter().chain([Fault::Unreadable, Fault::Lacks(0), Fault::Lacks(8)]) {
            assert_eq!(Fault::from_code(fault.code()), Some(fault));
        }
        assert_eq!(Fault::from_code(0), None);
    }
}
