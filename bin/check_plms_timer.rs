//! Is the timer active, enabled, and going to fire again?

use std::process::ExitCode;

use plms_invariants::cli::{probe, program};

fn main() -> ExitCode {
    program("PLMS TIMER", probe::timer)
}
