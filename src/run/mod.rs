//! One run, from its limits to its exit status: the only place where an error becomes a state.

pub mod probe;
mod probe_units;
