//! How is a report said? Pure: a report becomes text, and nothing is written here.

pub mod cell;
pub mod exposition;
#[cfg(test)]
pub(crate) mod fixture;
pub mod gauges;
#[cfg(test)]
pub(crate) mod golden;
pub mod json;
pub mod log;
pub mod plugin;
pub mod rows;
pub mod run_json;
pub mod status_record;
pub mod table;
pub mod text;
