//! Is there a real systemd to test against? Where not, the test is skipped by name; under `CI=true` it fails.

use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// A command that runs beside a private systemd, with `options` of `tests/real/sandbox` (which documents
/// them); arguments are added by the caller. Exit status 125 means that the sandbox itself failed.
///
/// The repository and this build's programs are at their own paths inside; a test's own files must lie
/// under `CARGO_TARGET_TMPDIR`, since /tmp is private. `None` where this machine cannot: return, then.
#[track_caller]
pub fn beside_systemd(options: &[&str], program: impl AsRef<OsStr>) -> Option<Command> {
    static LACKING: OnceLock<Option<String>> = OnceLock::new();
    if let Some(lacking) = LACKING.get_or_init(what_is_lacking) {
        skip(lacking);
        return None;
    }
    let mut command = Command::new(folder().join("sandbox"));
    command.args(options).arg("--share").arg(build_folder()).arg("--").arg(program);
    command.current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null());
    Some(command)
}

/// `tests/real`, where the scripts lie.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real")
}

/// Where cargo put this build, which may be outside the repository.
fn build_folder() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("cargo's tmp folder lies in its target folder")
}

fn what_is_lacking() -> Option<String> {
    let check = Command::new(folder().join("sandbox")).arg("--check").output().expect("bash starts");
    (!check.status.success()).then(|| String::from_utf8_lossy(&check.stderr).trim().to_owned())
}

/// Says and records that the running test is skipped; `make test` counts the record's lines.
///
/// # Panics
/// Under `CI=true`, where every test must run.
#[track_caller]
pub fn skip(reason: &str) {
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "must not be skipped in CI: {reason}");
    let name = std::thread::current().name().unwrap_or("a test").to_owned();
    let line = format!("skipped: {name}: {reason}\n");
    let record = Path::new(env!("CARGO_TARGET_TMPDIR")).join("skipped");
    let mut file = OpenOptions::new().create(true).append(true).open(record).expect("target/tmp is writable");
    file.write_all(line.as_bytes()).expect("target/tmp is writable");
    // Straight to the stream: what print macros write is kept from the tester by the test harness.
    std::io::stderr().write_all(line.as_bytes()).expect("stderr is open");
}
