//! Does the registry keep its invariants? The nightly job.

use std::process::ExitCode;

use plms_invariants::cli::program;
use plms_invariants::cli::runner::Invocation;
use plms_invariants::run;

fn main() -> ExitCode {
    program("PLMS INVARIANTS", |invocation: Invocation, out| run::runner(&invocation, out))
}
