//! What do alerts cost? `alerts compose` composes five thousand violated invariants with three megabytes of text for
//! each channel; `alerts backlog FOLDER COUNT` leaves that many alerts waiting in a state folder.

use std::error::Error;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use plms_invariants::emit::state::outbox::Outbox;
use plms_invariants::report::{mail, notice, pagerduty, slack};
use plms_invariants::verdict::invariants::{Cell, Evaluation, Outcome, Report, SampleRow, Severity};
use plms_invariants::verdict::streaks::Streaks;
use plms_invariants::verdict::telling::{Message, Told, Wish, tell};

/// Of so many the median is given.
const TIMES: usize = 21;

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["compose"] => compose(),
        ["backlog", folder, count] => backlog(Path::new(folder), count.parse()?),
        _ => Err("alerts compose, or alerts backlog FOLDER COUNT".into()),
    }
}

/// So many violated invariants, each with ten rows.
fn report(invariants: usize, finish: DateTime<Utc>) -> Report {
    let text = "lane ü漢🔴 ".repeat(2);
    let row = |id| SampleRow {
        cells: vec![("id".into(), Cell::Integer(id)), ("corrected_by".into(), Cell::Text(text.clone()))],
        reason: Some(format!("{text}{id}")),
    };
    let evaluation = |n: usize| Evaluation {
        id: format!("rule_{n:04}"),
        title: text.clone(),
        severity: Severity::Warning,
        runbook: Some("https://wiki.example/plms/rule".into()),
        owner: None,
        key: vec!["id".into()],
        outcome: Outcome::Checked {
            violations: 10,
            examined: None,
            sample: (0..10).map(row).collect(),
            errors: vec![],
        },
        duration: None,
        notes: vec![],
    };
    Report {
        db_path: "/srv/registry.db".into(),
        env: "bench".into(),
        strict: true,
        partial: None,
        incomplete: None,
        start: finish,
        finish,
        invocation_id: "0123456789abcdef0123456789abcdef".into(),
        evaluations: (0..invariants).map(evaluation).collect(),
        findings: vec![],
        reading: None,
        database_size: None,
    }
}

/// Bytes of text that a report holds.
fn size(report: &Report) -> usize {
    let row = |row: &SampleRow| {
        let cells = row.cells.iter().map(|(name, cell)| match cell {
            Cell::Text(text) => name.len() + text.len(),
            _ => name.len() + 8,
        });
        cells.sum::<usize>() + row.reason.as_ref().map_or(0, String::len)
    };
    let rows = |one: &Evaluation| match &one.outcome {
        Outcome::Checked { sample, .. } => sample.iter().map(row).sum(),
        _ => 0,
    };
    report.evaluations.iter().map(|one| one.title.len() + rows(one)).sum()
}

fn compose() -> Result<(), Box<dyn Error>> {
    let at: DateTime<Utc> = "2025-11-06T07:00:03Z".parse()?;
    let report = report(5000, at);
    let streaks = Streaks { last_success: None, invariants: std::collections::BTreeMap::default() };
    let (notice, composed) = timed(|| notice::compose(&report, &streaks, "host", None));
    let (telling, told) = timed(|| tell(Wish::Always, &Told::default(), &notice));
    let telling = telling.ok_or("nobody is told")?;
    let message = Message { notice: &notice, telling: &telling, now: at };
    let to = ["ops@example.org".to_owned()];
    let addresses = mail::Addresses { from: "plms-invariants@example.org", to: &to };
    // What a program cannot do without: one copy of all that text, as JSON.
    let texts: Vec<String> = report.evaluations.iter().map(|one| format!("{:?}", one.outcome)).collect();
    let (copy, yardstick) = timed(|| serde_json::to_string(&texts));
    let (kept, keeping) = timed(|| serde_json::to_string(&notice));
    let (to_slack, slack) = timed(|| slack::payload(&message).to_string());
    let (to_pagerduty, pagerduty) = timed(|| {
        pagerduty::events(&message).into_iter().map(|event| event.body.to_string().len()).collect::<Vec<_>>()
    });
    let (to_mail, mail) = timed(|| mail::compose(&message, &addresses));
    let mut out = std::io::stdout().lock();
    writeln!(out, "{} invariants with {} bytes of text", report.evaluations.len(), size(&report))?;
    writeln!(out, "| what | wall, median of {TIMES} | of the yardstick | bytes |\n|---|---|---|---|")?;
    for (what, wall, bytes) in [
        ("yardstick: the same text once as JSON", yardstick, copy?.len()),
        ("the notice, neutral as to channels", composed, kept?.len()),
        ("the notice as the outbox keeps it", keeping, 0),
        ("who is told what", told, 0),
        ("Slack", slack, to_slack.len()),
        ("PagerDuty, all events", pagerduty, to_pagerduty.iter().sum()),
        ("mail", mail, to_mail.len()),
    ] {
        let ratio = wall.as_secs_f64() / yardstick.as_secs_f64();
        let bytes = if bytes == 0 { String::new() } else { bytes.to_string() };
        writeln!(out, "| {what} | {:.1} ms | {ratio:.2} | {bytes} |", wall.as_secs_f64() * 1e3)?;
    }
    Ok(())
}

/// What it gives, and the median of what it takes.
fn timed<T>(work: impl Fn() -> T) -> (T, Duration) {
    let mut times: Vec<Duration> = (1..TIMES)
        .map(|_| {
            let begin = Instant::now();
            let _done = work();
            begin.elapsed()
        })
        .collect();
    let begin = Instant::now();
    let done = work();
    times.push(begin.elapsed());
    times.sort_unstable();
    (done, times.get(TIMES / 2).copied().unwrap_or_default())
}

/// One per night, the last of them in the past.
fn backlog(folder: &Path, count: i64) -> Result<(), Box<dyn Error>> {
    let last: DateTime<Utc> = "2025-11-06T07:00:03Z".parse()?;
    let (outbox, _) = Outbox::open(folder, last)?;
    let streaks = Streaks { last_success: None, invariants: std::collections::BTreeMap::default() };
    for night in 0..count {
        let at = last - TimeDelta::minutes(count - night);
        outbox.put(&notice::compose(&report(8, at), &streaks, "host", None))?;
    }
    writeln!(std::io::stdout(), "{} bytes", std::fs::metadata(folder.join("state.db"))?.len())?;
    Ok(())
}
