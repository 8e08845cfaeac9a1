//! What does what was seen mean? Pure: no clock, no input, no output.

pub mod duration;
pub mod invariants;
pub mod perfdata;
pub mod range;
mod state;
pub mod streaks;

pub use state::{Finding, State};
