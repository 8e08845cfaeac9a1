//! Is the Debian package what the guide says of it, from its first installation to its purge? With the real dpkg.
#![allow(clippy::expect_used, clippy::panic, reason = "clippy.toml spares functions marked as tests alone")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use common::real::{beside_systemd, folder, skip};
use common::{Finished, finish};

/// The package as `make deb` makes it, of this build's programs: the optimised ones would take CI minutes and
/// differ in nothing that a package is about. `None` where nobody installed cargo-deb.
#[track_caller]
fn package() -> Option<&'static Path> {
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
fn write_assets(staged: &Path) {
    let mut assets = Command::new(env!("CARGO"));
    assets.args(["run", "--quiet", "--locked", "--example", "assets", "--"]).arg(staged.join("share"));
    finish(assets.current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null())).expect_status(0);
}

fn programs() -> [PathBuf; 4] {
    [
        env!("CARGO_BIN_EXE_plms-invariants"),
        env!("CARGO_BIN_EXE_check_plms_timer"),
        env!("CARGO_BIN_EXE_check_plms_exit"),
        env!("CARGO_BIN_EXE_check_plms_freshness"),
    ]
    .map(PathBuf::from)
}

fn deployment() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deployment")
}

/// Every row of a script in `tests/real` holds, and there are at least as many as there must be.
#[track_caller]
fn expect_rows(seen: &Finished, at_least: u32) {
    let score = seen.stdout.lines().last().unwrap_or_default();
    let (held, of) = score.trim_end_matches(" rows hold").split_once(" of ").unwrap_or_default();
    assert!(held == of && held.parse::<u32>().is_ok_and(|rows| rows >= at_least), "{seen:#}");
}

/// Runs a script of `tests/real` with the package and, as files to install, `others` and what they depend on.
#[track_caller]
fn beside(script: &str, packages: &str, others: &[&str], at_least: u32) {
    let Some(package) = package() else { return };
    // Whether a sandbox can be had is asked first: where not, nothing is fetched.
    if beside_systemd(&[], "true").is_none() {
        return;
    }
    let unpacked = finish(Command::new(folder().join("unpacked")).args(others)).expect_status(0);
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

#[test]
fn the_package_holds_what_the_guide_says_and_lintian_finds_no_fault() {
    beside("package-holds", "lintian logrotate man-db", &["acl"], 50);
}

#[test]
fn the_package_enables_nothing_upgrades_under_a_run_and_leaves_nothing_but_the_user() {
    beside("package-life", "", &["acl"], 60);
}

#[test]
fn plms_writes_where_node_exporter_reads_whichever_package_came_first() {
    beside("package-exporter", "curl", &["acl", "prometheus-node-exporter"], 15);
}

#[test]
fn make_install_puts_units_in_place_that_start_the_programs_installed() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("make-install");
    let _ = fs::remove_dir_all(&folder);
    let staged = folder.join("staged");
    write_assets(&staged);
    let mut stage = Command::new(deployment().join("stage"));
    finish(stage.args([programs()[0].parent().expect("programs lie in a folder"), &staged])).expect_status(0);
    for prefix in ["/usr", "/usr/local"] {
        let root = folder.join("root");
        let mut install = Command::new(deployment().join("install"));
        finish(install.arg(&staged).arg(&root).arg(prefix)).expect_status(0);
        let units = root.join(format!("{prefix}/lib/systemd/system").trim_start_matches('/'));
        let mut started = 0;
        for unit in ["plms-invariants.service", "plms-deliver.service", "plms-probes.service"] {
            let text = fs::read_to_string(units.join(unit)).expect("the unit is installed");
            for line in text.lines().filter_map(|line| line.strip_prefix("ExecStart=")) {
                let program =
                    line.trim_start_matches('-').split(' ').next().expect("a line has a first word");
                assert!(program.starts_with(&format!("{prefix}/bin/")), "{prefix}: {unit}: {line}");
                assert!(root.join(program.trim_start_matches('/')).is_file(), "{program} is not installed");
                started += 1;
            }
            let paths = fs::read_to_string(units.join(format!("{unit}.d/paths.conf")));
            assert!(
                paths.is_ok_and(|text| text.contains("WorkingDirectory=")),
                "{unit} does not know its paths"
            );
        }
        assert_eq!(started, 5, "what the units start");
        let rules = root.join(prefix.trim_start_matches('/')).join("share/plms-invariants/prometheus");
        let rules = fs::read_to_string(rules.join("plms-alerts.rules.yml")).expect("rules are installed");
        let page = format!("file://{prefix}/share/doc/plms-invariants/monitoring.md");
        assert!(rules.contains(&page), "the runbook is elsewhere");
        assert!(root.join(page.trim_start_matches("file:///")).is_file(), "there is no runbook");
    }
}
