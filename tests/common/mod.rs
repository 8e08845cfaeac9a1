//! Runs a real program and shows everything about it when an expectation fails.
#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(clippy::expect_used, clippy::panic, reason = "clippy.toml spares functions marked as tests alone")]

pub mod dashboard;
pub mod exposition;
pub mod package;
pub mod promql;
pub mod real;

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};

/// What a finished program left.
#[derive(Debug)]
pub struct Finished {
    /// The command line.
    pub command: String,
    /// Its exit status; `None` where a signal ended it.
    pub status: Option<i32>,
    /// Standard output; bytes that are no UTF-8 are replaced.
    pub stdout: String,
    /// Standard error, likewise.
    pub stderr: String,
}

impl Finished {
    /// Fails the test, with everything there is to see, unless the exit status is as expected.
    #[track_caller]
    pub fn expect_status(self, expected: i32) -> Self {
        assert!(self.status == Some(expected), "expected exit status {expected}\n{self:#}");
        self
    }

    /// Fails the test unless standard output holds `text`.
    #[track_caller]
    pub fn expect_stdout(self, text: &str) -> Self {
        assert!(self.stdout.contains(text), "expected on stdout: {text}\n{self:#}");
        self
    }

    /// Fails the test unless standard error holds `text`.
    #[track_caller]
    pub fn expect_stderr(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "expected on stderr: {text}\n{self:#}");
        self
    }

    /// The first line of standard output.
    pub fn service_output(&self) -> &str {
        self.stdout.lines().next().unwrap_or_default()
    }
}

impl std::fmt::Display for Finished {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { command, status, stdout, stderr } = self;
        write!(f, "command: {command}\nexit status: {status:?}\n--- stdout\n{stdout}\n--- stderr\n{stderr}")
    }
}

/// A command in an empty environment: nothing of the tester's own settings reaches it.
pub fn program(path: impl AsRef<OsStr>, folder: &Path) -> Command {
    let mut command = Command::new(path);
    command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("ENV_NAME", "test");
    command.current_dir(folder).stdin(Stdio::null());
    command
}

/// `plms-invariants` in a folder of its own, with no settings but its arguments, and its state there.
pub fn runner(folder: &Path, line: &str) -> Command {
    let mut command = program(env!("CARGO_BIN_EXE_plms-invariants"), folder);
    command.args(line.split_whitespace());
    command.env("HOME", folder).env("STATE_DIR", folder);
    if !line.contains("--env-file") {
        command.args(["--env-file", "/dev/null"]);
    }
    command
}

/// Runs a command to its end.
pub fn finish(command: &mut Command) -> Finished {
    let output = command.output().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
    Finished {
        command: format!("{command:?}"),
        status: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
