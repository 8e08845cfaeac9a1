//! Which units are meant? Names as operators write them, and globs over what is loaded and what is on disk.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::properties::Value;
use super::questions::UNIT;
use super::{Answer, Body, Bus, BusError, Call};

const MANAGER: &str = "org.freedesktop.systemd1.Manager";
pub(super) const MANAGER_PATH: &str = "/org/freedesktop/systemd1";
/// So many units are more questions than a bus between us and systemd is worth.
const MANY: usize = 10;

/// Of a unit name, in bytes.
pub(super) const LONGEST: usize = 255;

/// A row of `ListUnits`: name, description, load, active and sub state, follower, path, job id, type, path.
type UnitRow<'a> = (
    &'a str,
    &'a str,
    &'a str,
    &'a str,
    &'a str,
    &'a str,
    zbus::ObjectPath<'a>,
    u32,
    &'a str,
    zbus::ObjectPath<'a>,
);

/// What a unit list says of a unit.
#[derive(Clone, Debug)]
pub(super) struct Listed {
    pub id: String,
    pub load_state: String,
    pub active_state: String,
    pub sub_state: String,
    pub job: u32,
}

/// Is this the name of a timer?
pub(super) fn is_timer(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, kind)| kind == "timer")
}

/// Is this the name of a service?
pub(super) fn is_service(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, kind)| kind == "service")
}

/// Unit names and patterns, as an operator gave them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names(Vec<String>);

/// Does this name stand for many?
#[must_use]
pub fn is_glob(name: &str) -> bool {
    name.contains(['*', '?', '['])
}

impl Names {
    /// Names with `.timer` or `.service`, as given by `suffix` where they have no type of their own.
    ///
    /// # Errors
    /// A name that systemd would refuse.
    pub fn new(given: &[String], suffix: &str) -> Result<Self, BusError> {
        given.iter().map(|name| complete(name, suffix)).collect::<Result<_, _>>().map(Self)
    }

    /// Whether they mean a fleet, as far as names tell.
    #[must_use]
    pub fn are_many(&self) -> bool {
        self.0.len() >= MANY || self.0.iter().any(|name| is_glob(name))
    }

    /// The names, completed.
    #[must_use]
    pub fn as_slice(&self) -> &[String] {
        &self.0
    }
}

fn complete(name: &str, suffix: &str) -> Result<String, BusError> {
    const TYPES: [&str; 11] = [
        "service",
        "socket",
        "target",
        "device",
        "mount",
        "automount",
        "swap",
        "timer",
        "path",
        "slice",
        "scope",
    ];
    let bad = || BusError::BadName(name.to_owned());
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b":-_.\\@*?[]!^".contains(&b);
    if name.is_empty() || name.starts_with('.') || !name.bytes().all(allowed) {
        return Err(bad());
    }
    let has_type =
        name.rsplit_once('.').is_some_and(|(stem, kind)| TYPES.contains(&kind) && !stem.is_empty());
    if !is_glob(name) && name.contains([']', '!', '^']) {
        return Err(bad());
    }
    let complete = if has_type { name.to_owned() } else { format!("{name}{suffix}") };
    // A template is no unit: something must stand between @ and the type.
    let stem = complete.rsplit_once('.').map_or("", |(stem, _)| stem);
    if complete.len() > LONGEST || stem.is_empty() || stem.starts_with('@') || stem.ends_with('@') {
        return Err(bad());
    }
    if !matches!(complete.rsplit_once('.'), Some((_, "timer" | "service"))) {
        return Err(bad());
    }
    Ok(complete)
}

/// The object path of a unit: every byte but letters and digits, and a digit in front, as `_xx`.
pub(super) fn path_of(name: &str) -> String {
    let mut path = String::from("/org/freedesktop/systemd1/unit/");
    for (nth, byte) in name.bytes().enumerate() {
        if byte.is_ascii_alphabetic() || (byte.is_ascii_digit() && nth > 0) {
            path.push(char::from(byte));
        } else {
            let _ = write!(path, "_{byte:02x}");
        }
    }
    path
}

pub(super) fn by_names(names: Vec<String>) -> Call {
    manager("ListUnitsByNames", Body::Names(names))
}

fn manager(member: &'static str, body: Body) -> Call {
    Call { path: MANAGER_PATH.into(), interface: MANAGER, member, body }
}

/// `None` where it is no list of units.
pub(super) fn read_list(answer: &Answer<'_>) -> Option<Vec<Listed>> {
    let rows: Vec<UnitRow<'_>> = answer.read()?;
    let listed = |(id, _, load_state, active_state, sub_state, _, _, job, _, _): UnitRow<'_>| Listed {
        id: id.to_owned(),
        load_state: load_state.to_owned(),
        active_state: active_state.to_owned(),
        sub_state: sub_state.to_owned(),
        job,
    };
    Some(rows.into_iter().map(listed).collect())
}

/// What names mean.
#[derive(Debug, Default)]
pub(super) struct Expanded {
    /// Every unit, once, in the order in which it was named.
    pub units: Vec<String>,
    /// Patterns for nothing.
    pub unmatched: Vec<String>,
}

impl Bus {
    /// Globs expand over what is loaded and over unit files.
    pub(super) fn expand(&mut self, names: &Names) -> Result<Expanded, BusError> {
        let (mut units, mut unmatched) = (Vec::new(), Vec::new());
        for name in &names.0 {
            if !is_glob(name) {
                units.push(name.clone());
                continue;
            }
            self.stage("looking for units");
            let matching = self.matching(name)?;
            if matching.is_empty() {
                unmatched.push(name.clone());
            }
            units.extend(matching);
        }
        Ok(Expanded { units: unique(units), unmatched: unique(unmatched) })
    }

    fn matching(&mut self, pattern: &str) -> Result<BTreeSet<String>, BusError> {
        let lists = ["ListUnitsByPatterns", "ListUnitFilesByPatterns"];
        let call = |list: &&'static str| manager(list, Body::Patterns(vec![], vec![pattern.to_owned()]));
        let (mut found, mut mentioned) = (BTreeSet::new(), Vec::new());
        let mut outcome = Ok(());
        self.ask(&lists, call, |list, answer| {
            let names = match (answer, *list) {
                (Err(refusal), _) => return outcome = Err(Some(refusal)),
                (Ok(answer), "ListUnitsByPatterns") => read_list(&answer).map(|units| {
                    let (without, units): (Vec<_>, Vec<_>) = units.into_iter().partition(is_mentioned);
                    mentioned.extend(without.into_iter().map(|unit| unit.id));
                    units.into_iter().map(|unit| unit.id).collect::<Vec<_>>()
                }),
                // An alias is another name of a unit that has its own file.
                (Ok(answer), _) => answer.read::<Vec<(&str, &str)>>().map(|files| {
                    let files = files.into_iter().filter(|(_, state)| *state != "alias");
                    files.filter_map(|(path, _)| Some(path.rsplit_once('/')?.1.to_owned())).collect()
                }),
            };
            match names {
                Some(names) => found.extend(names),
                None => outcome = Err(None),
            }
        })?;
        outcome.map_err(|refusal| match refusal {
            Some(refusal) => self.refused(pattern, &refusal),
            None => self.garbage("units"),
        })?;
        found.extend(self.started_by_timers(&mentioned)?);
        let suffix = pattern.rsplit_once('.').map_or("", |(_, suffix)| suffix);
        found.retain(|name| !name.contains("@.") && name.ends_with(suffix));
        Ok(found)
    }

    /// Those among names without a unit that a timer starts in vain: they are missed.
    fn started_by_timers(&mut self, names: &[String]) -> Result<Vec<String>, BusError> {
        let mut started = Vec::new();
        if names.is_empty() {
            return Ok(started);
        }
        let interface = "org.freedesktop.DBus.Properties";
        let by = || Body::Property(UNIT, "TriggeredBy");
        let call = |name: &String| Call { path: path_of(name), interface, member: "Get", body: by() };
        self.ask(names, call, |name, answer| {
            let by = answer.ok().and_then(|answer| Value::of(&answer.read::<zbus::Variant<'_>>()?));
            let Some(Value::Texts(_, by)) = by else { return };
            started.extend(by.iter().any(|unit| is_timer(unit)).then(|| name.clone()));
        })?;
        Ok(started)
    }
}

/// A name that others only mention is no unit of the fleet. One without a file that failed, or still runs, is.
fn is_mentioned(unit: &Listed) -> bool {
    unit.load_state == "not-found" && unit.active_state == "inactive"
}

fn unique(names: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    names.into_iter().filter(|name| seen.insert(name.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_completed_and_what_systemd_refuses_is_refused() {
        let names = |given: &str| Names::new(&[given.to_owned()], ".timer").map(|names| names.0.concat());
        for (given, want) in [
            ("backup", "backup.timer"),
            ("backup.timer", "backup.timer"),
            ("backup.service", "backup.service"),
            ("restic@daily", "restic@daily.timer"),
            ("my.backup", "my.backup.timer"),
            ("backup-*", "backup-*.timer"),
            ("backup-[!a]", "backup-[!a].timer"),
            (r"a\x2db.timer", r"a\x2db.timer"),
        ] {
            assert_eq!(names(given).unwrap(), want);
        }
        let long = "x".repeat(256);
        let refused = [
            "",
            "a b",
            "a/b.timer",
            "a\n.timer",
            ".timer",
            "a@.timer",
            "@a.timer",
            "ü",
            "dev.mount",
            "a|b",
            "a!b",
            "a^b",
            "a]",
            &long,
        ];
        for given in refused {
            assert!(names(given).is_err(), "{given:?}");
        }
    }

    #[test]
    fn paths_are_escaped_as_systemd_does() {
        assert_eq!(path_of("ok.timer"), "/org/freedesktop/systemd1/unit/ok_2etimer");
        assert_eq!(path_of("9a-b@c_1.service"), "/org/freedesktop/systemd1/unit/_39a_2db_40c_5f1_2eservice");
    }
}
