//! What do dashboards and alert rules learn of alerts that wait? Contract 6: `plms_alerts.prom`.

use chrono::{DateTime, Utc};

use super::exposition::seconds;
use super::gauges::Gauges;

/// The word in the place of a channel for notices that nobody has taken on: no program that holds a
/// channel's settings has looked into the outbox since.
pub const UNCLAIMED: &str = "unclaimed";

/// What waits for one channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// `ENV_NAME` of the runs.
    pub env: String,
    /// The channel's word, or [`UNCLAIMED`].
    pub channel: String,
    /// How many notices.
    pub pending: u64,
    /// When the oldest of them was written.
    pub oldest: Option<DateTime<Utc>>,
    /// When the channel last took something.
    pub last_delivery: Option<DateTime<Utc>>,
}

/// One of the times of a count.
type Time = fn(&Count) -> Option<DateTime<Utc>>;

/// The exposition of the outbox; `None` where no channel was ever to be told anything.
#[must_use]
pub fn render(counts: &[Count]) -> Option<String> {
    if counts.is_empty() {
        return None;
    }
    let mut gauges = Gauges::default();
    let labels = |count: &'_ Count| [("env", count.env.clone()), ("channel", count.channel.clone())];
    let pending = gauges.family("plms_alerts_pending", "Alerts that a channel has not taken yet.");
    for count in counts {
        let [env, channel] = labels(count);
        pending.set(&[(env.0, &env.1), (channel.0, &channel.1)], count.pending);
    }
    let times: [(&str, &str, Time); 2] = [
        (
            "plms_alerts_oldest_pending_timestamp_seconds",
            "When the oldest alert was written that a channel has not taken yet.",
            |count| count.oldest,
        ),
        ("plms_alerts_last_delivery_timestamp_seconds", "When a channel last took an alert.", |count| {
            count.last_delivery
        }),
    ];
    for (name, help, time) in times {
        let family = gauges.family(name, help);
        for count in counts {
            let [env, channel] = labels(count);
            if let Some(time) = time(count) {
                family.set(&[(env.0, &env.1), (channel.0, &channel.1)], seconds(time));
            }
        }
    }
    Some(gauges.render())
}
