//! Is the Debian package what the guide says of it, from its first installation to its purge? With the real dpkg.
#![allow(clippy::expect_used, clippy::panic, reason = "clippy.toml spares functions marked as tests alone")]

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use common::finish;
use common::package::{beside, deployment, programs, write_assets};

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
fn cron_runs_the_night_once_a_day_at_two_eastern_and_loses_no_alert() {
    beside("cron-host", "cron", &["acl"], 30);
}

#[test]
fn the_old_entry_point_runs_as_plms_from_anywhere_with_the_same_exit_status() {
    beside("old-host", "", &["acl"], 15);
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
