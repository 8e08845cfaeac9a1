//! A registry of which a test says what is wrong, folders for all outputs, and far ends on loopback.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use plms_invariants::demo::{Passports, Plan, generate};
use rusqlite::Connection;
use serde_json::Value;
use tempfile::TempDir;

use super::common::{Finished, finish, program};
use super::fault_server::{FaultServer, Request, Step};

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_plms-invariants");
/// The path of a webhook: every piece of it is a secret.
pub const HOOK: &str = "/services/T00CANARY/B00CANARY/xxCANARYxx";
pub const KEY: &str = "CANARY7890CANARY7890CANARY789012";
const PD_OK: &str = r#"{"status":"success","message":"Event processed","dedup_key":"k"}"#;

/// A registry in a folder of its own, and where outputs go.
pub struct Stage {
    pub folder: TempDir,
    pub registry: PathBuf,
    /// What every program reads.
    pub env_file: PathBuf,
    vars: BTreeMap<String, String>,
}

impl Stage {
    /// A registry of one row, with which nothing is wrong.
    pub fn new() -> Self {
        Self::within(&std::env::temp_dir())
    }

    /// Where it costs nothing to sync: in memory, where this machine has such a file system.
    pub fn in_memory() -> Self {
        let memory = Path::new("/dev/shm");
        if memory.is_dir() { Self::within(memory) } else { Self::new() }
    }

    fn within(place: &Path) -> Self {
        let folder = tempfile::tempdir_in(place).unwrap();
        let plan = Plan { passports: Passports::None, ..Plan::new(folder.path().join("installation"), 0) };
        let registry = generate(&plan).unwrap().registry;
        let stage = Self { registry, folder, env_file: "/dev/null".into(), vars: BTreeMap::new() };
        for name in ["state", "logs", "textfile"] {
            fs::create_dir(stage.path(name)).unwrap();
        }
        stage.sql("INSERT INTO lane_overrides (id, task_estimate_id, predicted_lane, corrected_lane) VALUES (1, 1, 1, 2)");
        stage
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn state(&self) -> PathBuf {
        self.path("state")
    }

    /// Sets a variable for every program from now on; an empty one is unset.
    pub fn set(&mut self, name: &str, value: impl Into<String>) -> &mut Self {
        self.vars.insert(name.into(), value.into());
        self
    }

    /// Slack is at this far end from now on.
    pub fn slack(&mut self, far: &FaultServer) -> &mut Self {
        self.set("SLACK_WEBHOOK_URL", far.at(HOOK))
    }

    /// `PagerDuty` is at this far end from now on.
    pub fn pagerduty(&mut self, far: &FaultServer) -> &mut Self {
        self.set("PD_ROUTING_KEY", KEY).set("PD_EVENTS_URL", far.at("/v2/enqueue"))
    }

    /// Changes the registry, and leaves it closed.
    pub fn sql(&self, sql: &str) {
        let registry = Connection::open(&self.registry).unwrap();
        registry.execute_batch(sql).unwrap();
        registry.close().unwrap();
    }

    /// So many rows violate `lane_overrides` (a warning) from now on.
    pub fn violate(&self, rows: u32) {
        self.sql("DELETE FROM lane_overrides WHERE id >= 1000");
        for row in 0..rows {
            let id = 1000 + row;
            self.sql(&format!(
                "INSERT INTO lane_overrides (id, task_estimate_id, predicted_lane, corrected_lane) VALUES ({id}, 1, 3, 3)"
            ));
        }
    }

    /// `lane_overrides` cannot be asked until [`Stage::give_back`].
    pub fn take_away(&self) {
        self.sql("ALTER TABLE lane_overrides RENAME TO taken_away");
    }

    pub fn give_back(&self) {
        self.sql("ALTER TABLE taken_away RENAME TO lane_overrides");
    }

    /// Adds an operator's invariant.
    pub fn invariant(&mut self, id: &str, front: &str, sql: &str) {
        let folder = self.path("invariants");
        fs::create_dir_all(&folder).unwrap();
        let text = format!(
            "/*---\nid = \"{id}\"\ntitle = \"Title of {id}\"\nkey = [\"id\"]\n{front}\n---*/\n{sql}\n"
        );
        fs::write(folder.join(format!("{id}.sql")), text).unwrap();
        self.set("INVARIANTS_DIR", folder.to_str().unwrap());
    }

    /// The program, with nothing of the tester's own settings.
    pub fn command(&self, line: &str) -> Command {
        let mut command = program(PROGRAM, self.folder.path());
        command.args(line.split_whitespace()).arg("--env-file").arg(&self.env_file);
        command.env("DB_PATH", &self.registry).env("SENDMAIL", "/nowhere").env("HOME", self.folder.path());
        for (variable, name) in [("STATE_DIR", "state"), ("LOG_DIR", "logs"), ("TEXTFILE_DIR", "textfile")] {
            command.env(variable, self.path(name));
        }
        command.envs(&self.vars);
        command
    }

    #[track_caller]
    pub fn plms(&self, line: &str) -> Finished {
        finish(&mut self.command(line))
    }

    /// What `alert pending` says, in JSON.
    #[track_caller]
    pub fn pending(&self) -> Vec<Value> {
        let seen = self.plms("alert pending --json").expect_status(0);
        let json: Value = serde_json::from_str(&seen.stdout).unwrap();
        json["pending"].as_array().cloned().unwrap_or_else(|| panic!("{seen:#}"))
    }

    pub fn metrics(&self, name: &str) -> String {
        fs::read_to_string(self.path("textfile").join(name)).unwrap_or_default()
    }
}

/// A Slack that takes everything.
pub fn good_slack() -> FaultServer {
    FaultServer::start(vec![Step::answer(200, "ok")])
}

/// A `PagerDuty` that takes everything.
pub fn good_pagerduty() -> FaultServer {
    FaultServer::start(vec![pd_ok()])
}

pub fn pd_ok() -> Step {
    Step::answer(202, PD_OK)
}

/// The texts of Slack's messages: subject and sentence.
pub fn texts(requests: &[Request]) -> Vec<String> {
    requests.iter().map(|request| request.json()["text"].as_str().unwrap().to_owned()).collect()
}

/// `PagerDuty`'s events: action and key.
pub fn events(requests: &[Request]) -> Vec<(String, String)> {
    let word = |request: &Request, name: &str| request.json()[name].as_str().unwrap().to_owned();
    requests.iter().map(|request| (word(request, "event_action"), word(request, "dedup_key"))).collect()
}

/// `tests/common/NAME.c` as a library to preload, built once per test program.
pub fn library(name: &'static str) -> PathBuf {
    static BUILT: Mutex<BTreeMap<&str, PathBuf>> = Mutex::new(BTreeMap::new());
    let mut built = BUILT.lock().unwrap();
    let build = || {
        let file = format!("alerts-{name}-{}.so", std::process::id());
        let library = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(file);
        let source = format!("{}/tests/common/{name}.c", env!("CARGO_MANIFEST_DIR"));
        let mut compiler = Command::new("cc");
        finish(compiler.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source)).expect_status(0);
        library
    };
    built.entry(name).or_insert_with(build).clone()
}

/// Copies a folder of files.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}
