//! A registry, folders for all outputs, and the real program run over them as one user or another.

use std::ffi::{OsStr, OsString};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use plms_invariants::demo::{Passports, Plan, Planted, generate};
use rusqlite::Connection;
use serde_json::Value;
use tempfile::TempDir;

use super::common::{Finished, finish, program, real};
use super::listing::Listing;

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_plms-invariants");
const NOBODY: u32 = 65_534;

/// As whom the program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum User {
    /// Who owns the registry and may write beside it; root, where the tests are run as root.
    Owner,
    /// Who may read the registry and write nowhere near it.
    Nobody,
}

impl User {
    /// Both; without root the half that needs it is skipped by name.
    #[track_caller]
    pub fn both() -> Vec<Self> {
        if rustix::process::geteuid().is_root() {
            return vec![Self::Owner, Self::Nobody];
        }
        real::skip("only root can run the program as a user who may not write (the owner's half was run)");
        vec![Self::Owner]
    }
}

/// A registry in a folder of its own, and where outputs go.
pub struct Stage {
    pub folder: TempDir,
    pub registry: PathBuf,
    pub planted: Planted,
    /// Further variables.
    vars: Vec<(OsString, OsString)>,
}

impl Stage {
    /// A registry of 200 runs without passports, in rollback mode.
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    /// The same with another plan.
    pub fn with(change: impl FnOnce(&mut Plan)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let mut plan =
            Plan { passports: Passports::None, ..Plan::new(folder.path().join("installation"), 200) };
        change(&mut plan);
        let planted = generate(&plan).unwrap();
        for name in ["state", "logs", "textfile", "invariants"] {
            let path = folder.path().join(name);
            fs::create_dir(&path).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(0o777)).unwrap();
        }
        Self { registry: planted.registry.clone(), folder, planted, vars: vec![] }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Sets a variable for every run.
    pub fn set(&mut self, name: &str, value: impl AsRef<OsStr>) {
        self.vars.push((name.into(), value.as_ref().to_owned()));
    }

    /// Adds an operator's invariant to every run.
    pub fn invariant(&mut self, id: &str, front: &str, sql: &str) {
        let text = format!(
            "/*---\nid = \"{id}\"\ntitle = \"{id}\"\nseverity = \"warning\"\nkey = [\"id\"]\n{front}\n---*/\n{sql}\n"
        );
        self.file(&format!("{id}.sql"), &text);
    }

    /// Adds a file to the folder of the operator's invariants.
    pub fn file(&mut self, name: &str, text: &str) {
        let folder = self.path("invariants");
        fs::write(folder.join(name), text).unwrap();
        if !self.vars.iter().any(|(name, _)| name == "INVARIANTS_DIR") {
            self.set("INVARIANTS_DIR", &folder);
        }
    }

    /// Changes the registry, and leaves it closed.
    pub fn sql(&self, sql: &str) {
        let registry = Connection::open(&self.registry).unwrap();
        registry.execute_batch(sql).unwrap();
        registry.close().unwrap();
    }

    /// What the planted counts come to after `more` was planted on top.
    pub fn counts(&self, more: &[(&str, u64)]) -> Counts {
        let mut counts: Counts =
            self.planted.violations.iter().map(|(id, count)| ((*id).to_owned(), Some(*count))).collect();
        for (id, more) in more {
            let count = counts.entry((*id).to_owned()).or_insert(Some(0));
            *count = count.map(|count| count + more);
        }
        counts
    }

    /// The program over this registry, with nothing of the tester's own settings.
    pub fn command(&self, user: User, args: &[&str]) -> Command {
        let path = match user {
            User::Owner => PathBuf::from(PROGRAM),
            User::Nobody => self.reachable_program(),
        };
        let mut command = program(path, self.folder.path());
        command.args(args).args(["--env-file", "/dev/null"]).env("DB_PATH", &self.registry);
        for (variable, name) in [("STATE_DIR", "state"), ("LOG_DIR", "logs"), ("TEXTFILE_DIR", "textfile")] {
            command.env(variable, self.path(name));
        }
        command.envs(self.vars.iter().map(|(name, value)| (name, value)));
        if user == User::Nobody {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }

    /// A copy that any user can reach.
    fn reachable_program(&self) -> PathBuf {
        let copy = self.path("program");
        if !copy.exists() {
            // By another process: a descriptor of ours, open for writing, would leak for a moment into what
            // other tests start, and the copy could not be executed.
            let copied = Command::new("cp").arg("--reflink=auto").arg(PROGRAM).arg(&copy).status().unwrap();
            assert!(copied.success());
        }
        copy
    }

    /// A full run to its end, as JSON.
    #[track_caller]
    pub fn run(&self, user: User, args: &[&str]) -> Night {
        let args: Vec<&str> = [&["--json", "-v"], args].concat();
        Night::new(finish(&mut self.command(user, &args)))
    }

    /// The same, and nothing in or beside the registry may have changed.
    #[track_caller]
    pub fn run_untouched(&self, user: User) -> Night {
        let folder = self.registry.parent().unwrap();
        let before = Listing::of(folder);
        let night = self.run(user, &[]);
        before.expect_same(&Listing::of(folder), &format!("{user:?}\n{:#}", night.finished));
        night
    }

    /// Starts the program, its output kept for the end.
    pub fn start(&self, args: &[&str]) -> Running {
        let mut command = self.command(User::Owner, args);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        Running { command: format!("{command:?}"), child }
    }

    /// The state that the last recorded run has, everywhere that a run is recorded.
    #[track_caller]
    pub fn expect_recorded(&self, state: &str) {
        let status: Value =
            serde_json::from_slice(&fs::read(self.path("state/status.json")).unwrap()).unwrap();
        assert_eq!(status["state"], state, "status.json: {status:#}");
        let number = ["ok", "warning", "critical", "unknown"].iter().position(|s| *s == state).unwrap();
        let metrics = fs::read_to_string(self.path("textfile/plms_invariants.prom")).unwrap();
        assert!(metrics.contains(&format!("plms_invariants_state{{env=\"test\"}} {number}\n")), "{metrics}");
        let mut logs = Listing::names(&self.path("logs"));
        let log = fs::read_to_string(self.path("logs").join(logs.pop().unwrap())).unwrap();
        let head = format!("PLMS INVARIANTS {} in test\n", state.to_uppercase());
        assert!(log.starts_with(&head) && log.contains("\nTotal violations: "), "{log}");
        assert_eq!(log.contains("✓ All invariants passed"), state == "ok", "{log}");
        let db = Connection::open(self.path("state/state.db")).unwrap();
        let recorded: String =
            db.query_row("SELECT state FROM runs ORDER BY rowid DESC LIMIT 1", [], |row| row.get(0)).unwrap();
        assert_eq!(recorded, state, "state.db");
    }
}

/// Violations by invariant; `None` where it was not counted.
pub type Counts = std::collections::BTreeMap<String, Option<u64>>;

/// A finished run and its JSON.
pub struct Night {
    pub finished: Finished,
    pub json: Value,
}

impl Night {
    #[track_caller]
    pub fn new(finished: Finished) -> Self {
        let json = serde_json::from_str(&finished.stdout)
            .unwrap_or_else(|error| panic!("stdout is no JSON: {error}\n{finished:#}"));
        Self { finished, json }
    }

    #[track_caller]
    pub fn expect_status(self, status: i32) -> Self {
        let Self { finished, json } = self;
        Self { finished: finished.expect_status(status), json }
    }

    /// Every count, by invariant.
    #[track_caller]
    pub fn expect_counts(self, expected: &Counts) -> Self {
        assert_eq!(self.counts(), *expected, "{:#}", self.finished);
        self
    }

    pub fn counts(&self) -> Counts {
        let checks = self.json["checks"].as_object().unwrap();
        let count = |(id, check): (&String, &Value)| (id.clone(), check["violations"].as_u64());
        checks.iter().map(count).collect()
    }

    /// One invariant's count.
    #[track_caller]
    pub fn expect_count(self, id: &str, count: u64) -> Self {
        assert_eq!(self.json["checks"][id]["violations"], count, "{id}\n{:#}", self.finished);
        self
    }

    /// One invariant is UNKNOWN, and says these words.
    #[track_caller]
    pub fn expect_unknown(self, id: &str, words: &str) -> Self {
        let check = &self.json["checks"][id];
        let errors = check["errors"].as_array().unwrap().iter().map(|error| error.as_str().unwrap());
        let errors = errors.collect::<Vec<_>>().join("; ");
        assert!(
            check["state"] == "unknown" && check["passed"] == false,
            "{id}: {check:#}\n{:#}",
            self.finished
        );
        assert!(errors.contains(words), "{id}: expected {words}: {errors}\n{:#}", self.finished);
        self
    }

    /// How the registry was read.
    #[track_caller]
    pub fn expect_reading(self, words: &str) -> Self {
        let reading = self.json["reading"].as_str().unwrap_or_default();
        assert!(reading.contains(words), "expected: read as {words}: {reading}\n{:#}", self.finished);
        self
    }

    /// The run as a whole was UNKNOWN, for this reason.
    #[track_caller]
    pub fn expect_finding(self, words: &str) -> Self {
        let findings = self.json["findings"].to_string();
        assert!(findings.contains(words), "expected: {words}\n{:#}", self.finished);
        self
    }
}

/// A program that is at work.
pub struct Running {
    command: String,
    child: Child,
}

impl Running {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until the program has this file open.
    #[track_caller]
    pub fn has_opened(&mut self, path: &Path) {
        let folder = PathBuf::from(format!("/proc/{}/fd", self.pid()));
        let wanted = fs::canonicalize(path).unwrap();
        wait_for(&format!("{} to open {}", self.command, path.display()), || {
            assert!(self.child.try_wait().unwrap().is_none(), "it ended before: {}", self.command);
            let entries = fs::read_dir(&folder).ok()?;
            entries.flatten().any(|e| fs::read_link(e.path()).is_ok_and(|to| to == wanted)).then_some(())
        });
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = i32::try_from(self.pid()).unwrap();
        rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), signal).unwrap();
    }

    pub fn is_over(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Nobody reads its output any more.
    pub fn close_stdout(&mut self) {
        drop(self.child.stdout.take());
    }

    pub fn finish(self) -> Finished {
        let output = self.child.wait_with_output().unwrap();
        Finished {
            command: self.command,
            status: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// Looks again and again, for half a minute at most.
#[track_caller]
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < end, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
