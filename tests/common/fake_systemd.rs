//! A systemd at a bus of its own, with the properties and the manners that a test gives it.
#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(clippy::unwrap_used, reason = "clippy.toml spares functions marked as tests alone")]
#![allow(clippy::disallowed_methods, reason = "the program under test reads the real clock")]

#[path = "fake_systemd/wire.rs"]
mod wire;

use std::collections::BTreeMap;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use zbus::{OwnedVariant, Variant};

use crate::common::{Finished, finish, program};
use wire::converse;

/// How it treats those who ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manners {
    /// Answers.
    Good,
    /// Accepts a connection and says nothing.
    Silent,
    /// Lets in, and says nothing to a question.
    SilentAfterHello,
    /// Refuses every question.
    Denying,
    /// Hangs up at the first question.
    HangsUp,
    /// Sends bytes that are no D-Bus.
    Noise,
    /// Takes nobody for whom he is.
    Rejecting,
    /// Begins a line and never ends it.
    Rambling,
    /// Lets in, and sends nothing but signals, for ever.
    Flooding,
    /// Answers every question with a number.
    WrongTypes,
}

/// A unit and its properties.
#[derive(Clone)]
pub struct FakeUnit {
    /// Load, active and sub state.
    pub states: [String; 3],
    /// By name; `Id` where it was asked for by another name than its own.
    pub properties: BTreeMap<String, Value>,
}

/// A property's value, before it is one on the bus.
#[derive(Clone, Debug)]
pub enum Value {
    /// `s`
    Text(String),
    /// `t`
    Time(u64),
    /// `i`
    Number(i32),
    /// `b`
    Truth(bool),
    /// `as`
    Texts(Vec<String>),
    /// `a(sst)`
    Calendar(Vec<(String, String, u64)>),
    /// `a(stt)`
    Monotonic(Vec<(String, u64, u64)>),
    /// `u`
    Count(u32),
    /// `(aiai)`: exit statuses and signals.
    ExitStatuses(Vec<i32>, Vec<i32>),
    /// `a(sasbttttuii)`: of each command its path, whether its failure is ignored, and its code and status.
    Commands(Vec<(&'static str, bool, i32, i32)>),
}

impl Value {
    fn on_the_bus(&self) -> OwnedVariant {
        let variant = match self.clone() {
            Self::Text(text) => Variant::from(text),
            Self::Time(time) => Variant::U64(time),
            Self::Number(number) => Variant::I32(number),
            Self::Truth(truth) => Variant::Bool(truth),
            Self::Texts(texts) => Variant::from(texts),
            Self::Calendar(rows) => Variant::from(rows),
            Self::Monotonic(rows) => Variant::from(rows),
            Self::Count(count) => Variant::U32(count),
            Self::ExitStatuses(codes, signals) => Variant::from((codes, signals)),
            Self::Commands(commands) => {
                let whole = |(path, is_ignored, code, status): (&str, bool, i32, i32)| {
                    let args = vec![path.to_owned()];
                    (path.to_owned(), args, is_ignored, 0_u64, 0_u64, 0_u64, 0_u64, 0_u32, code, status)
                };
                Variant::from(commands.into_iter().map(whole).collect::<Vec<_>>())
            }
        };
        OwnedVariant::try_from(variant).unwrap()
    }
}

impl FakeUnit {
    /// A property with another value, or one more.
    pub fn with(mut self, name: &str, value: Value) -> Self {
        self.properties.insert(name.into(), value);
        self
    }

    /// Other states.
    pub fn in_states(mut self, states: [&str; 3]) -> Self {
        self.states = states.map(String::from);
        self
    }

    /// One and the same number for every time.
    pub fn with_every_time(mut self, micros: u64) -> Self {
        for value in self.properties.values_mut() {
            if let Value::Time(time) = value {
                *time = micros;
            }
        }
        self
    }
}

/// Microseconds as on the bus; the wall clock of a test is the machine's, unless it says otherwise.
pub fn micros(ago: Duration) -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    u64::try_from(now.checked_sub(ago).unwrap().as_micros()).unwrap()
}

/// A service that ended well at `exit` (microseconds since 1970), in an earlier boot as far as monotonic
/// times tell.
pub fn service(exit: u64) -> FakeUnit {
    let mut properties = BTreeMap::new();
    for (name, value) in [
        ("ExecMainStartTimestamp", exit - 60_000_000),
        ("ExecMainExitTimestamp", exit),
        ("ConditionTimestamp", exit - 60_000_000),
        ("AssertTimestamp", exit - 60_000_000),
        ("InactiveExitTimestamp", exit - 60_000_000),
        ("InactiveEnterTimestamp", exit),
    ] {
        properties.insert(name.into(), Value::Time(value));
        properties.insert(format!("{name}Monotonic"), Value::Time(0));
    }
    for (name, value) in [
        ("Result", Value::Text("success".into())),
        ("ExecMainCode", Value::Number(1)),
        ("ExecMainStatus", Value::Number(0)),
        ("ConditionResult", Value::Truth(true)),
        ("AssertResult", Value::Truth(true)),
        ("NeedDaemonReload", Value::Truth(false)),
        ("TriggeredBy", Value::Texts(vec!["job.timer".into()])),
    ] {
        properties.insert(name.into(), value);
    }
    FakeUnit { states: ["loaded", "inactive", "dead"].map(String::from), properties }
}

/// A service that is loaded and has never been started.
pub fn never_started() -> FakeUnit {
    service(1_000_000_000_000_000)
        .with_every_time(0)
        .with("ExecMainCode", Value::Number(0))
        .with("ConditionResult", Value::Truth(false))
        .with("AssertResult", Value::Truth(false))
}

/// A daily timer, enabled and waiting; it last fired at `last` and fires next at `next`.
pub fn timer(last: u64, next: u64) -> FakeUnit {
    let mut properties = BTreeMap::new();
    for (name, value) in [
        ("Unit", Value::Text("job.service".into())),
        ("Result", Value::Text("success".into())),
        ("NextElapseUSecRealtime", Value::Time(next)),
        ("NextElapseUSecMonotonic", Value::Time(0)),
        ("LastTriggerUSec", Value::Time(last)),
        ("LastTriggerUSecMonotonic", Value::Time(0)),
        ("TimersCalendar", Value::Calendar(vec![("OnCalendar".into(), "*-*-* 02:00:00".into(), next)])),
        ("TimersMonotonic", Value::Monotonic(vec![])),
        ("AccuracyUSec", Value::Time(60_000_000)),
        ("RandomizedDelayUSec", Value::Time(0)),
        ("UnitFileState", Value::Text("enabled".into())),
        ("NeedDaemonReload", Value::Truth(false)),
        ("ActiveEnterTimestamp", Value::Time(last)),
        ("ActiveEnterTimestampMonotonic", Value::Time(0)),
    ] {
        properties.insert(name.into(), value);
    }
    FakeUnit { states: ["loaded", "active", "waiting"].map(String::from), properties }
}

/// A running fake; ends with the test.
pub struct FakeSystemd {
    folder: tempfile::TempDir,
    clock: Option<i64>,
}

impl FakeSystemd {
    /// Serves `units` until the test ends.
    pub fn serve(manners: Manners, units: impl IntoIterator<Item = (String, FakeUnit)>) -> Self {
        Self::serve_changing(manners, [], units)
    }

    /// Serves units that in each conversation are as they are `at_first` until they are listed a second time.
    pub fn serve_changing(
        manners: Manners,
        at_first: impl IntoIterator<Item = (String, FakeUnit)>,
        units: impl IntoIterator<Item = (String, FakeUnit)>,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("bus")).unwrap();
        let later: BTreeMap<String, FakeUnit> = units.into_iter().collect();
        let mut units = later.clone();
        units.extend(at_first);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, units, later) = (stream.unwrap(), units.clone(), later.clone());
                std::thread::spawn(move || converse(stream, manners, units, &later));
            }
        });
        Self { folder, clock: None }
    }

    /// A job and its timer, under the names `job.service` and `job.timer`.
    pub fn of(timer: FakeUnit, service: FakeUnit) -> Self {
        Self::serve(Manners::Good, [("job.timer".to_owned(), timer), ("job.service".to_owned(), service)])
    }

    /// The wall clock of the programs starts at `seconds` since 1970.
    pub fn at(mut self, seconds: i64) -> Self {
        self.clock = Some(seconds);
        self
    }

    /// The folder of the bus, where a test may put files of its own.
    pub fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// A probe that asks this systemd.
    pub fn probe(&self, path: &str, args: &[&str]) -> Command {
        let mut command = program(path, self.folder.path());
        let address = format!("unix:path={}", self.folder.path().join("bus").display());
        command.env("DBUS_SYSTEM_BUS_ADDRESS", address).args(args);
        if let Some(clock) = self.clock {
            command.env("LD_PRELOAD", preload()).env("TEST_CLOCK", clock.to_string());
        }
        command
    }

    /// A probe for which opening `path` never ends.
    pub fn probe_that_hangs(&self, path: &str, args: &[&str], file: &str) -> Command {
        let mut command = self.probe(path, args);
        command.env("LD_PRELOAD", preload()).env("TEST_HANG", file);
        command
    }

    /// A program whose runtime panics as soon as it wants to know the time.
    pub fn program_that_panics(&self, path: &str, args: &[&str]) -> Command {
        let mut command = self.probe(path, args);
        command.env("LD_PRELOAD", preload()).env("TEST_NO_CLOCK", "1");
        command
    }

    /// Runs a probe to its end.
    pub fn ask(&self, path: &str, args: &[&str]) -> Finished {
        finish(&mut self.probe(path, args))
    }
}

/// The wall clock, built once per test program.
fn preload() -> &'static PathBuf {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let name = format!("clock-{}.so", std::process::id());
        let library = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/common/clock.c");
        let mut compiler = Command::new("cc");
        finish(compiler.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source)).expect_status(0);
        library
    })
}
