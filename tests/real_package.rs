//! Is the Debian package what the guide says of it, from its first installation to its purge? With the real dpkg.
#![allow(clippy::expect_used, clippy::panic, reason = "clippy.toml spares functions marked as tests alone")]

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use common::finish;
use common::package::{beside, deployment, programs, write_assets};

#[test]
fn the_debian_changelog_begins_with_this_version() {
    let changelog = fs::read_to_string(deployment().join("debian/changelog")).expect("it is there");
    let version = format!("plms-invariants ({}-1) ", env!("CARGO_PKG_VERSION"));
    assert!(changelog.starts_with(&version), "add an entry for {version}");
}

#[test]
fn the_package_holds_what_the_guide_says_and_lintian_finds_no_fault() {
    beside("package-holds", "lintian logrotate man-db", &[], 50);
}

#[test]
fn the_package_enables_nothing_upgrades_under_a_run_and_leaves_nothing_but_the_user() {
    beside("package-life", "procps", &[], 60);
}

#[test]
fn plms_writes_where_node_exporter_reads_whichever_package_came_first() {
    beside("package-exporter", "curl", &["prometheus-node-exporter"], 15);
}

#[test]
fn cron_runs_the_night_once_a_day_at_two_eastern_and_loses_no_alert() {
    beside("cron-host", "cron", &[], 30);
}

#[test]
fn the_old_entry_point_runs_as_plms_from_anywhere_with_the_same_exit_status() {
    beside("old-host", "", &[], 15);
}

#[test]
fn make_install_puts_units_in_place_that_start_the_programs_installed() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("make-install");
    let _ = fs::remove_dir_all(&folder);
    write_assets(&folder.join("staged"));
    // By relative paths, as make gives them.
    let [program, ..] = programs();
    let profile = program.parent().and_then(Path::file_name).expect("programs lie in a profile's folder");
    let built = Path::new("../..").join(profile);
    let at_folder = |script: &str| {
        let mut command = Command::new(deployment().join(script));
        command.current_dir(&folder);
        command
    };
    finish(at_folder("stage").arg(built).arg("staged")).expect_status(0);
    for prefix in ["/usr", "/usr/local"] {
        let root = folder.join("root");
        finish(at_folder("install").args(["staged", "root", prefix])).expect_status(0);
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
