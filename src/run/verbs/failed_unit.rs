//! Did a unit's run die without a record? What systemd tells a unit that it starts on failure.

use std::env::var;

use super::Asked;
use crate::config::short_host_name;
use crate::emit::lock::{self, Left};
use crate::emit::state::Trace;
use crate::emit::state::outbox::Outbox;
use crate::observe::status_file;
use crate::report::notice::{self, Subject};
use crate::run::alerts::{lock_doubt, note_deaths};
use crate::verdict::Finding;

/// Writes a notice where `unit`'s last run left no record; once per invocation. A finding where it cannot be
/// known whether it left one.
///
/// What is known comes from systemd's `MONITOR_*` variables (systemd.exec(5), "Environment variables set
/// on executed process"). They are missing before systemd 251, and where systemd has forgotten the run; one
/// that died is then known by the line that it left in the lock file.
pub(super) fn tell(asked: &Asked<'_>, unit: &str, outbox: &Outbox) -> Result<Option<Finding>, String> {
    let text = |name: &str| var(name).ok().filter(|value| !value.is_empty());
    let result = text("MONITOR_SERVICE_RESULT");
    let failed = text("MONITOR_INVOCATION_ID").filter(|_| result.as_deref() != Some("success"));
    let Some(invocation) = failed else {
        let Left { runs, doubt } = lock::dead(&asked.settings.state_dir.value, asked.now);
        note_deaths(outbox, asked.settings, &runs, &short_host_name(), asked.now)
            .map_err(|error| error.to_string())?;
        return Ok(doubt.map(|why| lock_doubt(&why)));
    };
    let left = match outbox.was_recorded(&invocation).map_err(|error| error.to_string())? {
        Trace::Left => return Ok(None),
        Trace::Missing => "the check died and left no record".to_owned(),
        Trace::NotKnown(why) => {
            format!(
                "whether the check left a record is not known ({why}){}",
                seen_in_status(asked, &invocation)
            )
        }
    };
    let db_path = asked.settings.registry().display().to_string();
    let subject = Subject {
        env: &asked.settings.env_name.value,
        db_path: &db_path,
        host: &short_host_name(),
        invocation_id: &invocation,
    };
    let refused = asked.settings.refused.as_deref();
    let sentence = format!(
        "{}: {left}: {unit} {}{}; see journalctl -u {unit} \
         _SYSTEMD_INVOCATION_ID={invocation}",
        subject.env,
        how(result.as_deref(), text("MONITOR_EXIT_CODE").as_deref(), text("MONITOR_EXIT_STATUS").as_deref(),),
        refused.map_or_else(String::new, |why| format!("; its settings are refused: {why}"))
    );
    outbox.put(&notice::died(&subject, &sentence, asked.now)).map_err(|error| error.to_string())?;
    Ok(None)
}

/// Whether `status.json` is of that run: then it came to its end, and maybe nobody was told of what it found.
fn seen_in_status(asked: &Asked<'_>, invocation: &str) -> String {
    let path = asked.settings.state_dir.value.join("status.json");
    match status_file::read(&path) {
        Ok(record) if record.invocation_id == invocation => {
            format!("; by {} it ended as {}", path.display(), record.state.word())
        }
        _ => String::new(),
    }
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
        (None, None) => "failed, and systemd did not say how".to_owned(),
    }
}
