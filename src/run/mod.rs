//! What does one invocation do, from its flags to its state? The only place where an error becomes a state.

pub mod probe;
mod probe_units;
pub mod verbs;
