//! What does a probe leave for Prometheus? Contract 6, as prometheus-client writes it.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, Utc};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::probe::{Metric, ProbeReport};
use super::text::one_line;

/// Name and help of every family; those of all probes first, word for word the same in each file.
const FAMILIES: [(&str, &str); 11] = [
    ("plms_probe_state", "State of the probed unit: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN"),
    ("plms_probe_last_run_timestamp_seconds", "When the probe last ran"),
    ("plms_probe_duration_seconds", "How long the probe took to ask about all its units"),
    ("plms_timer_active", "Whether the timer is active"),
    ("plms_timer_next_elapse_timestamp_seconds", "When the timer elapses next"),
    ("plms_timer_last_trigger_timestamp_seconds", "When the timer last started its unit"),
    ("plms_service_exit_status", "Exit status of the last run of the main process"),
    ("plms_service_result", "What systemd calls the result of the last run"),
    ("plms_service_last_start_timestamp_seconds", "When the last real run was started"),
    ("plms_service_last_finish_timestamp_seconds", "When the last real run ended"),
    ("plms_freshness_limit_seconds", "Age from which the last run is stale"),
];

/// A family name that is not in the contract.
#[derive(Debug, thiserror::Error)]
#[error("cannot write metrics: {0}")]
pub struct ExpositionError(String);

type Labels = Vec<(String, String)>;

/// Seconds since 1970, to the millisecond.
#[must_use]
pub fn seconds(at: DateTime<Utc>) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "exact for 285,000 years")]
    let seconds = at.timestamp_millis() as f64 / 1000.0;
    seconds
}

impl ProbeReport {
    /// The content of this probe's textfile.
    ///
    /// # Errors
    /// The encoder refused something.
    pub fn exposition(&self) -> Result<String, ExpositionError> {
        let mut families: BTreeMap<&str, Family<Labels, Gauge<f64, std::sync::atomic::AtomicU64>>> =
            BTreeMap::new();
        let probe = ("probe".to_owned(), self.probe.word().to_owned());
        for unit in &self.units {
            // A label value keeps quotes and backslashes, which the encoder escapes; line ends it may not.
            let name = ("unit".to_owned(), one_line(&unit.unit));
            let mut set = |family, labels: Labels, value: f64| {
                families.entry(family).or_default().get_or_create(&labels).set(value);
            };
            let common = || vec![probe.clone(), name.clone()];
            set("plms_probe_state", common(), f64::from(unit.verdict.state().exit_status()));
            set("plms_probe_last_run_timestamp_seconds", common(), seconds(self.now));
            set("plms_probe_duration_seconds", common(), self.took.as_secs_f64());
            for Metric { family, label, value } in &unit.metrics {
                let extra = label.iter().map(|(key, value)| ((*key).to_owned(), one_line(value)));
                set(family, std::iter::once(name.clone()).chain(extra).collect(), *value);
            }
        }
        let mut registry = Registry::default();
        for (name, help) in FAMILIES {
            if let Some(family) = families.remove(name) {
                registry.register(name, help, family);
            }
        }
        let mut text = String::new();
        encode(&mut text, &registry).map_err(|fmt::Error| ExpositionError("the encoder failed".into()))?;
        match families.keys().next() {
            Some(name) => Err(ExpositionError(format!("nobody knows {name}"))),
            None => Ok(text),
        }
    }
}
