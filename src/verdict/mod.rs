//! What does what was seen mean? Pure: no clock, no input, no output.

pub mod invariants;
mod state;
pub mod streaks;

pub use state::{Finding, State};
