//! Did the last run succeed?

use std::process::ExitCode;

use plms_invariants::cli::{probe, program};

fn main() -> ExitCode {
    program("PLMS EXIT", probe::exit)
}
