//! Another process that has the registry open: it can be left at work, end well, or be killed.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rusqlite::Connection;
use tempfile::TempDir;

use super::stage::wait_for;

/// A process that ran some SQL and keeps its connection.
pub struct Writer {
    child: Child,
    _folder: TempDir,
}

impl Writer {
    /// Opens the registry in another process, runs `sql`, and stays.
    #[track_caller]
    pub fn start(registry: &Path, sql: &str) -> Self {
        Self::play("writer::holds_the_registry", registry, sql)
    }

    /// Another of the ignored tests of this program, in a process of its own, until it says that it is ready.
    #[track_caller]
    pub fn play(scene: &str, registry: &Path, sql: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ready = folder.path().join("ready");
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", scene, "--ignored", "--nocapture"])
            .env("REGISTRY", registry)
            .env("SQL", sql)
            .env("READY", &ready)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut writer = Self { child, _folder: folder };
        wait_for("a writer to be ready", || {
            assert!(writer.child.try_wait().unwrap().is_none(), "the writer failed: {}", writer.words());
            ready.exists().then_some(())
        });
        writer
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    fn words(&mut self) -> String {
        drop(self.child.stdin.take());
        let mut words = String::new();
        for stream in [
            self.child.stdout.take().map(|s| Box::new(s) as Box<dyn std::io::Read>),
            self.child.stderr.take().map(|s| Box::new(s) as Box<dyn std::io::Read>),
        ] {
            let _ = stream.unwrap().read_to_string(&mut words);
        }
        words
    }

    /// Lets it close its connection as it should; what it said.
    #[track_caller]
    pub fn ends_well(mut self) -> String {
        let words = self.words();
        assert!(self.child.wait().unwrap().success(), "{words}");
        words
    }

    /// It dies in the middle of what it does, and nothing is left of it.
    pub fn dies(mut self) -> Option<Self> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        None
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a scene was asked to do; `None` where the test was asked for by hand.
pub struct Scene {
    pub registry: Connection,
    pub sql: String,
}

impl Scene {
    pub fn begin() -> Option<Self> {
        let registry = Connection::open(std::env::var_os("REGISTRY")?).unwrap();
        Some(Self { registry, sql: std::env::var("SQL").unwrap() })
    }

    pub fn ready() {
        fs::write(std::env::var_os("READY").unwrap(), "").unwrap();
    }

    /// Until the test lets go, or has died itself.
    pub fn wait_for_the_end() {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
    }
}

#[test]
#[ignore = "the other process of many tests"]
fn holds_the_registry() {
    let Some(Scene { registry, sql }) = Scene::begin() else { return };
    registry.execute_batch(&sql).unwrap();
    Scene::ready();
    Scene::wait_for_the_end();
    registry.close().unwrap();
}
