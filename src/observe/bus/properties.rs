//! What did systemd say? Its values, converted once: microseconds become instants, two numbers become none.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use zbus::{Array, OwnedVariant, Signature, Type, Variant};

use super::questions;
use crate::verdict::clock::Stamp;
use crate::verdict::exit_names;

/// A command of a unit, and how it last ended as far as systemd remembers.
#[derive(Debug)]
pub(super) struct Command {
    path: Box<str>,
    is_ignored: bool,
    code: i32,
    status: i32,
}

impl Command {
    fn of(element: &Variant<'_>) -> Option<Self> {
        let Variant::Structure(fields) = element else { return None };
        match fields.fields() {
            [
                Variant::Str(path),
                _,
                Variant::Bool(is_ignored),
                ..,
                Variant::I32(code),
                Variant::I32(status),
            ] => {
                let path = path.as_str().into();
                Some(Self { path, is_ignored: *is_ignored, code: *code, status: *status })
            }
            _ => None,
        }
    }

    fn ending(&self) -> (i32, i32) {
        (self.code, self.status)
    }

    fn has_failed(&self) -> bool {
        !self.is_ignored && !matches!(self.ending(), (0 | 1, 0))
    }
}

/// The properties of one unit that were asked for and exist.
#[derive(Debug, Default)]
pub(super) struct Properties(Vec<(&'static str, Value)>);

/// A value off the bus. Nearly all are numbers and words, and a fleet has thousands.
#[derive(Debug)]
pub(super) enum Value {
    Number(u64),
    Signed(i32),
    Flag(bool),
    Text(Box<str>),
    /// The one text that is looked at in each element of an array, and the array's type.
    Texts(&'static str, Box<[Box<str>]>),
    /// Without what nobody looks at: of a fleet that fails there are hundreds.
    Commands(Box<[Command]>),
    Other(Box<OwnedVariant>),
}

/// Arrays that every unit of a fleet has: names of units, `TimersCalendar` (base, specification, next elapse)
/// and `TimersMonotonic` (base, offset, next elapse). Of each element the nth field is looked at.
const TEXTS: [(&str, usize); 3] = [("as", 0), ("a(sst)", 1), ("a(stt)", 0)];

impl Value {
    /// `None` for what cannot be kept: a file descriptor that cannot be duplicated.
    pub fn of(value: &Variant<'_>) -> Option<Self> {
        Some(match value {
            Variant::U64(number) => Self::Number(*number),
            Variant::I32(number) => Self::Signed(*number),
            Variant::Bool(flag) => Self::Flag(*flag),
            Variant::Str(text) => Self::Text(text.as_str().into()),
            Variant::Array(array) => match Self::of_array(array) {
                Some(texts) => texts,
                None => Self::other(value)?,
            },
            other => Self::other(other)?,
        })
    }

    fn other(value: &Variant<'_>) -> Option<Self> {
        value.try_to_owned().ok().map(|value| Self::Other(Box::new(value)))
    }

    fn of_array(array: &Array<'_>) -> Option<Self> {
        let signature = array.signature().to_string();
        if signature == questions::COMMANDS {
            return array.inner().iter().map(Command::of).collect::<Option<_>>().map(Self::Commands);
        }
        let (signature, nth) = TEXTS.into_iter().find(|(known, _)| *known == signature)?;
        let text = |element: &Variant<'_>| match element {
            Variant::Str(text) => Some(text.as_str().into()),
            Variant::Structure(fields) => match fields.fields().get(nth)? {
                Variant::Str(text) => Some(text.as_str().into()),
                _ => None,
            },
            _ => None,
        };
        Some(Self::Texts(signature, array.inner().iter().map(text).collect::<Option<_>>()?))
    }

    fn is_of_type(&self, signature: &str) -> bool {
        match self {
            Self::Number(_) => signature == "t",
            Self::Signed(_) => signature == "i",
            Self::Flag(_) => signature == "b",
            Self::Text(_) => signature == "s",
            Self::Texts(known, _) => signature == *known,
            Self::Commands(_) => signature == questions::COMMANDS,
            Self::Other(value) => value.value_signature().to_string() == signature,
        }
    }
}

/// What every verdict needs of all that there is to know about a timer.
pub(super) struct WholeTimer(pub Vec<(&'static str, Value)>);

impl Type for WholeTimer {
    const SIGNATURE: &'static Signature = <HashMap<&str, Variant<'_>>>::SIGNATURE;
}

impl<'de> Deserialize<'de> for WholeTimer {
    fn deserialize<D: Deserializer<'de>>(all: D) -> Result<Self, D::Error> {
        all.deserialize_map(Sieve)
    }
}

/// Keeps what is wanted as it goes by: to keep all would cost as much as the rest of an answer.
struct Sieve;

impl<'de> Visitor<'de> for Sieve {
    type Value = WholeTimer;

    fn expecting(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        to.write_str("the properties of a timer")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut all: A) -> Result<WholeTimer, A::Error> {
        let mut kept = Vec::with_capacity(questions::WHOLE_TIMER.len());
        while let Some((name, value)) = all.next_entry::<&str, Variant<'_>>()? {
            if let Some(wanted) = questions::WHOLE_TIMER.iter().find(|wanted| wanted.name == name) {
                let value =
                    Value::of(&value).ok_or_else(|| A::Error::custom("a value that cannot be kept"))?;
                kept.push((wanted.name, value));
            }
        }
        Ok(WholeTimer(kept))
    }
}

/// A time on the bus is microseconds; 0 is "never", the greatest number "not waiting".
fn microseconds(raw: u64) -> Option<Duration> {
    (raw != 0 && raw != u64::MAX).then(|| Duration::from_micros(raw))
}

impl Properties {
    /// For so many more, and no more: of a fleet there are hundreds.
    pub fn make_room(&mut self, count: usize) {
        self.0.reserve_exact(count);
    }

    pub fn insert(&mut self, name: &'static str, value: Value) {
        self.0.retain(|(known, _)| *known != name);
        self.0.push((name, value));
    }

    pub fn extend(&mut self, all: Vec<(&'static str, Value)>) {
        self.make_room(all.len());
        for (name, value) in all {
            self.insert(name, value);
        }
    }

    pub fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// They are few, and a search is faster than a hash.
    fn find(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    fn get<T: TryFrom<OwnedVariant>>(&self, name: &str) -> Option<T> {
        let Some(Value::Other(value)) = self.find(name) else { return None };
        value.try_clone().ok()?.try_into().ok()
    }

    pub fn text(&self, name: &str) -> Option<String> {
        let Some(Value::Text(text)) = self.find(name) else { return None };
        Some(text.as_ref().to_owned())
    }

    /// Names of units; of `TimersCalendar` the specifications, of `TimersMonotonic` the bases.
    pub fn texts(&self, name: &str) -> Vec<String> {
        let Some(Value::Texts(_, texts)) = self.find(name) else { return Vec::new() };
        texts.iter().map(|text| text.as_ref().to_owned()).collect()
    }

    pub fn is_set(&self, name: &str) -> Option<bool> {
        let Some(Value::Flag(flag)) = self.find(name) else { return None };
        Some(*flag)
    }

    pub fn number(&self, name: &str) -> Option<i32> {
        let Some(Value::Signed(number)) = self.find(name) else { return None };
        Some(*number)
    }

    pub fn count(&self, name: &str) -> Option<u32> {
        self.get(name)
    }

    pub fn duration(&self, name: &str) -> Option<Duration> {
        let Some(Value::Number(raw)) = self.find(name) else { return None };
        microseconds(*raw)
    }

    pub fn instant(&self, name: &str) -> Option<DateTime<Utc>> {
        let micros = i64::try_from(self.duration(name)?.as_micros()).ok()?;
        DateTime::from_timestamp_micros(micros).filter(|at| at.timestamp() < END_OF_TIME)
    }

    /// A pair of instants: `name` and `nameMonotonic`.
    pub fn stamp(&self, name: &str) -> Option<Stamp> {
        let is_twin = |known: &str| known.strip_suffix("Monotonic") == Some(name);
        let monotonic = match self.0.iter().find(|(known, _)| is_twin(known)) {
            Some((_, Value::Number(raw))) => microseconds(*raw),
            _ => None,
        };
        Some(Stamp { realtime: self.instant(name)?, monotonic })
    }

    /// Whether there is such a property, of that type.
    pub fn is_of_type(&self, name: &str, signature: &str) -> bool {
        self.find(name).is_some_and(|value| value.is_of_type(signature))
    }

    /// Systemd's own sentence about a unit that it could not load.
    pub fn load_error(&self) -> Option<String> {
        let (_, text): (String, String) = self.get("LoadError")?;
        Some(text).filter(|text| !text.is_empty())
    }

    /// The first command beside the main process that did not end well, or the kinds that may have.
    pub fn failed_command(&self) -> Option<String> {
        let mut suspects = Vec::new();
        for list in questions::BESIDE {
            let commands = self.commands(list);
            if let Some(failed) = commands.iter().find(|command| command.has_failed()) {
                let how = match failed.code {
                    1 => format!("exit status {}", exit_names::exit_status(failed.status)),
                    _ => format!("killed by {}", exit_names::signal(failed.status)),
                };
                return Some(format!("{list}={}: {how}", failed.path));
            }
            // Before its main process it failed in one, after it in another.
            let fits = (list == "ExecStartPre") == (self.number("ExecMainCode") == Some(0));
            suspects.extend((fits && commands.iter().any(|command| !command.is_ignored)).then_some(list));
        }
        // A daemon-reload makes systemd forget how they ended.
        (!suspects.is_empty()).then(|| format!("{} failed", suspects.join(" or ")))
    }

    /// A main process has ended, as far as systemd remembers.
    pub fn has_run(&self) -> bool {
        self.instant("ExecMainExitTimestamp").is_some()
    }

    /// An exit status by which systemd may say that it could not start the program.
    pub fn may_not_have_started(&self) -> bool {
        let status = self.number("ExecMainStatus").filter(|_| self.number("ExecMainCode") == Some(1));
        status.is_some_and(exit_names::is_not_started)
    }

    /// The main process ended otherwise than with exit status 0.
    pub fn ended_oddly(&self) -> bool {
        let ending = (self.number("ExecMainCode"), self.number("ExecMainStatus"));
        !matches!(ending, (Some(0 | 1), Some(0)))
    }

    /// Whether there is an `ExecStart=`; `None` where that was not asked.
    pub fn has_command(&self) -> Option<bool> {
        self.has("ExecStart").then(|| !self.commands("ExecStart").is_empty())
    }

    /// Whether `SuccessExitStatus=` makes such an ending a success; `None` where that was not asked.
    /// systemd.service(5), `SuccessExitStatus=`.
    pub fn lists_ending(&self) -> Option<bool> {
        let (codes, signals): (Vec<i32>, Vec<i32>) = self.get("SuccessExitStatus")?;
        let (code, status) = (self.number("ExecMainCode")?, self.number("ExecMainStatus")?);
        let is_daemon = self.text("Type").is_some_and(|kind| kind != "oneshot");
        Some(match code {
            1 => codes.contains(&status),
            // SIGHUP, SIGINT, SIGPIPE and SIGTERM end a daemon cleanly.
            _ => signals.contains(&status) || (is_daemon && [1, 2, 13, 15].contains(&status)),
        })
    }

    /// Whether that, or a `-` before the command, makes such an ending a success; `None` where that was not
    /// asked, or where systemd no longer knows which of several commands it was.
    pub fn accepts_ending(&self) -> Option<bool> {
        if self.lists_ending()? {
            return Some(true);
        }
        let ending = (self.number("ExecMainCode")?, self.number("ExecMainStatus")?);
        let commands = self.commands("ExecStart");
        // A daemon-reload keeps how the main process ended, and forgets how each command did.
        let is_forgotten = commands.iter().all(|command| command.code == 0);
        let mut ignoring = commands.iter().filter(|command| command.is_ignored);
        match (is_forgotten, ignoring.clone().count()) {
            (_, 0) => Some(false),
            (true, count) if count < commands.len() => None,
            (true, _) => Some(true),
            (false, _) => Some(ignoring.any(|command| command.ending() == ending)),
        }
    }

    fn commands(&self, name: &str) -> &[Command] {
        let Some(Value::Commands(commands)) = self.find(name) else { return &[] };
        commands
    }

    pub fn array<T>(&self, name: &str) -> Vec<T>
    where
        Vec<T>: TryFrom<OwnedVariant>,
    {
        self.get::<Vec<T>>(name).unwrap_or_default()
    }
}

/// The year 10000: what is later is no time that anybody meant, and has no RFC 3339 form.
const END_OF_TIME: i64 = 253_402_300_800;

#[cfg(test)]
mod tests {
    use super::*;

    fn of(value: u64) -> Properties {
        let mut properties = Properties::default();
        properties.insert("X", Value::of(&Variant::U64(value)).unwrap());
        properties
    }

    #[test]
    fn neither_zero_nor_the_greatest_number_is_a_time() {
        for raw in [0, u64::MAX, u64::MAX - 1, i64::MAX as u64, 253_402_300_800_000_000] {
            assert_eq!(of(raw).instant("X"), None, "{raw}");
        }
        assert_eq!(of(1_800_000_000_000_000).instant("X"), DateTime::from_timestamp(1_800_000_000, 0));
        assert_eq!(of(5).instant("Y"), None);
        assert_eq!(of(5).text("X"), None, "of another type");
    }
}
