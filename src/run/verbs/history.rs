//! What happened over the nights, and how long did it take to put things right?

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use super::{Asked, VerbError};
use crate::cli::Output;
use crate::emit::state::{History, Incident, RunRecord, StateDb};
use crate::report::json;
use crate::report::run_json::instant;
use crate::report::table::{Align, Table, visible};
use crate::verdict::duration::human;

pub(super) fn history(asked: &Asked<'_>, limit: usize, out: &mut Output) -> Result<(), VerbError> {
    let settings = asked.settings;
    let (env, db) = (&settings.env_name.value, settings.registry().display().to_string());
    let history = StateDb::in_folder(&settings.state_dir.value).history(env, &db, limit)?;
    if asked.common.is_json() {
        let runs: Vec<Value> = history.runs.iter().map(run_object).collect();
        let incidents: Vec<Value> = history.incidents.iter().map(incident_object).collect();
        let whole = json!({ "env": env, "db_path": db, "runs": runs, "incidents": incidents });
        out.say(&json::document(&whole));
        return Ok(());
    }
    if history.runs.is_empty() {
        out.say(&format!("no run of {} on {} is recorded\n", visible(env), visible(&db)));
        return Ok(());
    }
    say_runs(&history, out)?;
    if !history.incidents.is_empty() {
        out.say("\n");
        say_incidents(&history, asked.now, out)?;
    }
    Ok(())
}

fn say_runs(history: &History, out: &mut Output) -> Result<(), VerbError> {
    use Align::{Left, Right};
    let headings = [
        ("START", Left),
        ("STATE", Left),
        ("TOOK", Right),
        ("PASSED", Right),
        ("VIOLATED", Right),
        ("UNKNOWN", Right),
        ("SKIPPED", Right),
        ("VIOLATIONS", Right),
        ("", Left),
    ];
    let mut table = Table::new(&mut *out, &headings);
    for run in &history.runs {
        let sum = &run.summary;
        let took = (run.finish - run.start).to_std().map_or_else(|_| "?".into(), human);
        let counts = [sum.passed, sum.failed, sum.error, sum.skipped].map(|n| n.to_string());
        let incomplete = run.incomplete.as_ref().map(|why| format!("incomplete: {why}")).unwrap_or_default();
        let begin = [seconds(run.start), run.state.word().to_owned(), took];
        let end = [sum.violations.to_string(), incomplete];
        table.row(begin.into_iter().chain(counts).chain(end))?;
    }
    table.finish()?;
    Ok(())
}

fn say_incidents(history: &History, now: DateTime<Utc>, out: &mut Output) -> Result<(), VerbError> {
    let headings = ["INVARIANT", "FIRST FAILURE", "RECOVERY", "TIME TO FIX"].map(|h| (h, Align::Left));
    let mut table = Table::new(&mut *out, &headings);
    for incident in &history.incidents {
        let lasting = || (now - incident.opened).to_std().map_or_else(|_| "open".into(), open_for);
        let (recovery, time) = match incident.recovered {
            Some(end) => (seconds(end), incident.time_to_fix().map_or_else(|| "?".into(), human)),
            None => ("-".into(), lasting()),
        };
        table.row([incident.invariant.clone(), seconds(incident.opened), recovery, time])?;
    }
    table.finish()?;
    Ok(())
}

fn open_for(age: Duration) -> String {
    format!("open for {}", human(age))
}

fn seconds(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

fn run_object(run: &RunRecord) -> Value {
    let sum = &run.summary;
    let checks = run.evaluations.iter().map(|e| {
        let state = e.state.map_or_else(|| "skipped".to_owned(), |s| s.word().to_lowercase());
        let seconds = e.duration.map(|took| took.as_secs_f64());
        let check = json!({ "severity": e.severity, "state": state, "violations": e.violations,
                            "examined": e.examined, "duration_seconds": seconds });
        (e.id.clone(), check)
    });
    json!({
        "start": instant(run.start), "finish": instant(run.finish), "invocation_id": run.invocation_id,
        "strict_mode": run.strict, "incomplete": run.incomplete.is_some(), "incomplete_reason": run.incomplete,
        "state": run.state,
        "summary": { "total_checks": sum.total, "passed_checks": sum.passed, "failed_checks": sum.failed,
                     "error_checks": sum.error, "skipped_checks": sum.skipped, "total_violations": sum.violations },
        "checks": checks.collect::<serde_json::Map<_, _>>(),
    })
}

fn incident_object(incident: &Incident) -> Value {
    json!({
        "invariant": incident.invariant, "opened": instant(incident.opened),
        "recovered": incident.recovered.map(instant),
        "time_to_fix_seconds": incident.time_to_fix().map(|t| t.as_secs_f64()),
    })
}
