//! Are the shipped units sound, closed and on time, and is everybody told of every run by them?

mod common;

use std::path::Path;

use common::finish;
use common::real::{beside_systemd, folder};

#[test]
fn the_units_are_sound_closed_and_on_time_and_every_end_of_a_run_is_told_once() {
    let Some(mut command) = beside_systemd(&[], folder().join("units")) else { return };
    let programs = Path::new(env!("CARGO_BIN_EXE_plms-invariants")).parent();
    let seen = finish(command.args(programs)).expect_status(0);
    let score = seen.stdout.lines().last().unwrap_or_default();
    let (held, of) = score.trim_end_matches(" rows hold").split_once(" of ").unwrap_or_default();
    assert!(held == of && held.parse::<u32>().is_ok_and(|rows| rows > 40), "{seen:#}");
}
