//! Did the job really run within 25 hours?

use std::process::ExitCode;

use plms_invariants::cli::{probe, program};

fn main() -> ExitCode {
    program("PLMS FRESHNESS", probe::freshness)
}
