//! What do dashboards and alert rules learn of alerts that wait? Contract 6: `plms_alerts.prom`.

use chrono::{DateTime, Utc};

use super::gauges::{Gauges, seconds};
use crate::verdict::backlog::Backlog;

/// One of the times of a backlog.
type Time = fn(&Backlog) -> Option<DateTime<Utc>>;

/// The exposition of the outbox; `None` where no channel was ever to be told anything.
#[must_use]
pub fn render(backlogs: &[Backlog]) -> Option<String> {
    if backlogs.is_empty() {
        return None;
    }
    let mut gauges = Gauges::default();
    let labels = |backlog: &'_ Backlog| [("env", backlog.env.clone()), ("channel", backlog.channel.clone())];
    let pending = gauges.family("plms_alerts_pending", "Alerts that a channel has not taken yet.");
    for backlog in backlogs {
        let [env, channel] = labels(backlog);
        pending.set(&[(env.0, &env.1), (channel.0, &channel.1)], backlog.pending);
    }
    let times: [(&str, &str, Time); 2] = [
        (
            "plms_alerts_oldest_pending_timestamp_seconds",
            "When the oldest alert was written that a channel has not taken yet.",
            |backlog| backlog.oldest_pending,
        ),
        ("plms_alerts_last_delivery_timestamp_seconds", "When a channel last took an alert.", |backlog| {
            backlog.last_delivery
        }),
    ];
    for (name, help, time) in times {
        let family = gauges.family(name, help);
        for backlog in backlogs {
            let [env, channel] = labels(backlog);
            if let Some(time) = time(backlog) {
                family.set(&[(env.0, &env.1), (channel.0, &channel.1)], seconds(time));
            }
        }
    }
    Some(gauges.render())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::at;
    use crate::report::golden;

    fn backlog(channel: &str, pending: u64, oldest: Option<&str>, last: Option<&str>) -> Backlog {
        Backlog {
            env: "production".into(),
            channel: channel.into(),
            pending,
            oldest_pending: oldest.map(at),
            last_delivery: last.map(at),
        }
    }

    #[test]
    fn what_waits_reads_as_contracted() {
        let backlogs = [
            backlog("slack", 0, None, Some("2025-11-06T07:00:04Z")),
            backlog("mail", 2, Some("2025-11-05T07:00:03.412Z"), None),
        ];
        golden::compare_file("textfile/plms_alerts.prom", &render(&backlogs).unwrap());
    }
}
