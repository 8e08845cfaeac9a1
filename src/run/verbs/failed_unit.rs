//! Did a unit's run die without a record? What systemd tells a unit that it starts on failure.

use std::env::var;

use super::Asked;
use crate::config::short_host_name;
use crate::emit::state::outbox::Outbox;
use crate::report::notice::{self, Subject};

/// Writes a notice where `unit`'s last run left no record; once per invocation.
///
/// What is known comes from systemd's `MONITOR_*` variables (systemd.exec(5), "Environment variables set
/// on executed process").
pub(super) fn tell(asked: &Asked<'_>, unit: &str, outbox: &Outbox) -> Result<(), String> {
    let text = |name: &str| var(name).ok().filter(|value| !value.is_empty());
    let invocation = text("MONITOR_INVOCATION_ID");
    if let Some(invocation) = &invocation
        && outbox.was_recorded(invocation).map_err(|error| error.to_string())?
    {
        return Ok(());
    }
    let db_path = asked.settings.registry().display().to_string();
    // Without an id the hour stands for it: a second call for the same failure is the same death.
    let hour = asked.now.format("%Y-%m-%dT%H").to_string();
    let subject = Subject {
        env: &asked.settings.env_name.value,
        db_path: &db_path,
        host: &short_host_name(),
        invocation_id: &invocation.clone().unwrap_or(hour),
    };
    let sentence = format!(
        "{}: the check died and left no record: {unit} {}; see journalctl -u {unit}",
        subject.env,
        how(
            text("MONITOR_SERVICE_RESULT").as_deref(),
            text("MONITOR_EXIT_CODE").as_deref(),
            text("MONITOR_EXIT_STATUS").as_deref(),
        )
    );
    let sentence = match &invocation {
        Some(invocation) => format!("{sentence} _SYSTEMD_INVOCATION_ID={invocation}"),
        None => sentence,
    };
    outbox.put(&notice::died(&subject, &sentence, asked.now)).map(drop).map_err(|error| error.to_string())
}

fn how(result: Option<&str>, code: Option<&str>, status: Option<&str>) -> String {
    let ended = match (code, status) {
        (Some("exited"), Some(status)) => Some(format!("exited with status {status}")),
        (Some("killed" | "dumped"), Some(signal)) => {
            Some(format!("was killed by SIG{}", signal.trim_start_matches("SIG")))
        }
        _ => None,
    };
    match (ended, result) {
        (Some(ended), Some(result)) => format!("{ended} ({result})"),
        (Some(ended), None) => ended,
        (None, Some(result)) => format!("failed ({result})"),
        (None, None) => {
            "failed, and systemd did not say how (MONITOR_* variables need systemd 251)".to_owned()
        }
    }
}
