//! What does a probe leave for Prometheus? Contract 6, unit by unit.

use super::gauges::{Gauges, seconds};
use super::probe::{Metric, ProbeReport};

/// Name and help of every family beside those that all probes have.
const FAMILIES: [(&str, &str); 8] = [
    ("plms_timer_active", "Whether the timer is active."),
    ("plms_timer_next_elapse_timestamp_seconds", "When the timer elapses next."),
    ("plms_timer_last_trigger_timestamp_seconds", "When the timer last started its unit."),
    ("plms_service_exit_status", "Exit status of the last run of the main process."),
    ("plms_service_result", "What systemd calls the result of the last run."),
    ("plms_service_last_start_timestamp_seconds", "When the last real run was started."),
    ("plms_service_last_finish_timestamp_seconds", "When the last real run ended."),
    ("plms_freshness_limit_seconds", "Age from which the last run is stale."),
];

impl ProbeReport {
    /// The content of this probe's textfile. The families of all probes have the same help in each file,
    /// word for word, as their readers demand.
    #[must_use]
    pub fn exposition(&self) -> String {
        let mut gauges = Gauges::default();
        let probe = self.probe.word();
        let help = "State of the probed unit: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.";
        let states = gauges.family("plms_probe_state", help);
        for unit in &self.units {
            let state = u64::from(unit.verdict.state().exit_status());
            states.set(&[("probe", probe), ("unit", &unit.unit)], state);
        }
        let runs = gauges.family("plms_probe_last_run_timestamp_seconds", "When the probe last ran.");
        for unit in &self.units {
            runs.set(&[("probe", probe), ("unit", &unit.unit)], seconds(self.now));
        }
        let help = "How long the probe took to ask about all its units.";
        let durations = gauges.family("plms_probe_duration_seconds", help);
        for unit in &self.units {
            durations.set(&[("probe", probe), ("unit", &unit.unit)], self.took.as_secs_f64());
        }
        for (name, help) in FAMILIES {
            let family = gauges.family(name, help);
            for unit in &self.units {
                for Metric { label, value, .. } in unit.metrics.iter().filter(|metric| metric.family == name)
                {
                    let label = label.as_ref().map(|(key, value)| (*key, value.as_str()));
                    let labels: Vec<_> = std::iter::once(("unit", unit.unit.as_str())).chain(label).collect();
                    family.set(&labels, *value);
                }
            }
        }
        gauges.render()
    }
}
