//! Do the probes tell the truth about a real systemd, in every situation that one can be brought into?

mod common;

use std::path::Path;

use common::finish;
use common::real::beside_systemd;

/// Runs a script of `tests/real/probes`; its every row must hold.
fn every_row_holds(script: &str, how: &[&str]) {
    let path = format!("tests/real/probes/{script}");
    let Some(mut command) = beside_systemd(&[], &path) else { return };
    let programs = Path::new(env!("CARGO_BIN_EXE_check_plms_timer")).parent();
    let seen = finish(command.args(programs).args(how)).expect_status(0);
    let score = seen.stdout.lines().last().unwrap_or_default();
    let (held, of) = score.trim_end_matches(" rows hold").split_once(" of ").unwrap_or_default();
    assert!(held == of && held.parse::<u32>().is_ok_and(|rows| rows > 20), "{seen:#}");
}

#[test]
fn each_probe_is_right_in_each_situation() {
    every_row_holds("truth-table", &[]);
}

#[test]
fn each_probe_is_right_where_only_systemd_itself_answers() {
    every_row_holds("truth-table", &["no-bus"]);
}

#[test]
fn users_other_machines_and_a_missing_bus_are_asked_as_systemctl_does() {
    every_row_holds("reach", &[]);
}
