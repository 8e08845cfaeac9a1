//! What does a run leave behind? Everything that is written outside standard output.

pub mod lock;
mod owner;
pub mod state;
