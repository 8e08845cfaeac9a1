//! What does what was seen mean? Pure: no clock, no input, no output.

pub mod backlog;
pub mod clock;
pub mod duration;
pub mod exit;
pub mod exit_names;
pub mod freshness;
pub mod invariants;
pub mod job;
pub mod notice;
pub mod perfdata;
pub mod range;
pub mod ruling;
mod state;
pub mod streaks;
pub mod telling;
pub mod timer;
pub mod unit;
pub mod zone;

pub use state::{Finding, State};
