//! How is a report said? Pure: a report becomes text, and nothing is written here.

pub mod alerts_exposition;
pub mod catalogue;
pub mod cell;
pub mod explain;
pub mod exposition;
#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
pub(crate) mod fixture_alerts;
pub mod gauges;
#[cfg(test)]
pub(crate) mod golden;
pub mod json;
pub mod log;
pub mod mail;
pub mod message;
pub mod mrkdwn;
pub mod not_checked;
pub mod notice;
pub mod pagerduty;
pub mod paint;
pub mod plugin;
pub mod probe;
pub mod probe_metrics;
pub mod rows;
pub mod run_json;
pub mod run_terminal;
pub mod run_text;
pub mod slack;
pub mod status_record;
pub mod table;
pub mod text;
