//! How is a report said? Pure: a report becomes text, and nothing is written here.

pub mod cell;
#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
pub(crate) mod golden;
pub mod json;
pub mod plugin;
pub mod probe;
pub mod probe_metrics;
pub mod run_json;
pub mod status_record;
pub mod text;
