//! The Debian package, as `make deb` makes it, of this build's programs; and what is done with it beside a systemd.
#![allow(clippy::expect_used, clippy::panic, reason = "clippy.toml spares functions marked as tests alone")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use super::real::{beside_systemd, folder, skip};
use super::{Finished, finish};

/// The package as `make deb` makes it, of this build's programs: the optimised ones would take CI minutes and
/// differ in nothing that a package is about. `None` where nobody installed cargo-deb.
#[track_caller]
pub fn package() -> Option<&'static Path> {
    static PACKAGE: OnceLock<Option<PathBuf>> = OnceLock::new();
    let package = PACKAGE.get_or_init(|| {
        let has_cargo_deb = Command::new(env!("CARGO")).args(["deb", "--version"]).output();
        has_cargo_deb.is_ok_and(|said| said.status.success()).then(make)
    });
    if package.is_none() {
        skip("no cargo-deb here; `make cargo-deb` installs it");
    }
    package.as_deref()
}

fn make() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("deb");
    let _ = fs::remove_dir_all(&target);
    fs::create_dir_all(target.join("release")).expect("target/tmp is writable");
    for program in programs() {
        // As the release profile does it; lintian would say so.
        let name = program.file_name().expect("a program has a name");
        finish(Command::new("strip").arg("-o").arg(target.join("release").join(name)).arg(&program))
            .expect_status(0);
    }
    write_assets(&target.join("release/stage"));
    // Both are done: what they would make is there.
    let mut make = Command::new("make");
    make.args(["--no-print-directory", "-o", "build", "-o", "assets", "deb"]);
    make.current_dir(env!("CARGO_MANIFEST_DIR")).env("CARGO_TARGET_DIR", &target);
    let made = finish(&mut make).expect_status(0);
    let found: Vec<_> = fs::read_dir(target.join("debian"))
        .unwrap_or_else(|_| panic!("no package was made\n{made:#}"))
        .map(|entry| entry.expect("it can be listed").path())
        .collect();
    let [package] = found.as_slice() else { panic!("not one package: {found:?}\n{made:#}") };
    package.clone()
}

/// Man pages and completions, as `make assets` writes them.
pub fn write_assets(staged: &Path) {
    let mut assets = Command::new(env!("CARGO"));
    assets.args(["run", "--quiet", "--locked", "--example", "assets", "--"]).arg(staged.join("share"));
    finish(assets.current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null())).expect_status(0);
}

pub fn programs() -> [PathBuf; 4] {
    [
        env!("CARGO_BIN_EXE_plms-invariants"),
        env!("CARGO_BIN_EXE_check_plms_timer"),
        env!("CARGO_BIN_EXE_check_plms_exit"),
        env!("CARGO_BIN_EXE_check_plms_freshness"),
    ]
    .map(PathBuf::from)
}

pub fn deployment() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deployment")
}

/// Every row of a script in `tests/real` holds, and there are at least as many as there must be.
#[track_caller]
pub fn expect_rows(seen: &Finished, at_least: u32) {
    let score = seen.stdout.lines().last().unwrap_or_default();
    let (held, of) = score.trim_end_matches(" rows hold").split_once(" of ").unwrap_or_default();
    assert!(held == of && held.parse::<u32>().is_ok_and(|rows| rows >= at_least), "{seen:#}");
}

/// What the package depends on beside systemd and libraries; what of it a machine has is not installed again.
const DEPENDS: [&str; 3] = ["acl", "ca-certificates", "tzdata"];

/// Runs a script of `tests/real` with the package and, as files to install, `others` and what all depend on.
#[track_caller]
pub fn beside(script: &str, packages: &str, others: &[&str], at_least: u32) {
    // Asked first: where there is no sandbox nothing is made and fetched.
    if beside_systemd(&[], "true").is_none() {
        return;
    }
    let Some(package) = package() else { return };
    let unpacked =
        finish(Command::new(folder().join("unpacked")).args(DEPENDS).args(others)).expect_status(0);
    let archives = Path::new(unpacked.stdout.trim()).with_file_name("archives");
    let archives = archives.canonicalize().expect("what was unpacked was fetched");
    let shared = archives.to_str().expect("target/debs has a plain name");
    let mut options = vec!["--share", shared];
    if !packages.is_empty() {
        options.extend(["--packages", packages]);
    }
    let Some(mut command) = beside_systemd(&options, folder().join(script)) else { return };
    let seen = finish(command.arg(package).arg(&archives)).expect_status(0);
    expect_rows(&seen, at_least);
}
