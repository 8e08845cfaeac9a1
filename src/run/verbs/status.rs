//! What did the last full run say, and is that still worth anything?

use std::cmp::Reverse;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::json;

use super::{Asked, NAME, say_notes, say_unknown};
use crate::cli::Output;
use crate::observe::{status_file, zone};
use crate::report::json;
use crate::report::plugin::ServiceOutput;
use crate::report::status_record::{CheckRecord, StatusRecord};
use crate::verdict::clock::{Clock, Stamp};
use crate::verdict::duration::human;
use crate::verdict::freshness::{self, Basis, Limits, Measured, Observation, Recorded};
use crate::verdict::perfdata::{Perf, Unit, Value};
use crate::verdict::range::Range;
use crate::verdict::ruling::Ruling;
use crate::verdict::zone::Zone;
use crate::verdict::{Finding, State};

/// Freshness's limit: a nightly run, and an hour.
const LIMIT_SECONDS: f64 = 25.0 * 3600.0;
/// How many ids the service output names; the long output has them all.
const NAMED: usize = 4;

/// `status`: the last run's state, or a worse one where that run is too old to say anything.
pub fn status(asked: &Asked<'_>, out: &mut Output) -> State {
    say_notes(asked.settings);
    let path = asked.settings.state_dir.value.join("status.json");
    let (record, text) = match status_file::read_with_text(&path) {
        Ok(read) => read,
        Err(error) => return say_unknown(&error.to_string(), asked.common.is_json(), out),
    };
    let output = output(&record, asked.now, zone::host());
    if asked.common.is_json() {
        let run: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        let findings = &output.findings;
        let age = (asked.now - record.finish).as_seconds_f64();
        let whole = json!({ "state": output.state, "sentence": output.sentence, "age_seconds": age,
                            "findings": findings, "run": run });
        out.say(&json::document(&whole));
    } else {
        out.say(&output.render());
    }
    output.state
}

fn output(record: &StatusRecord, now: DateTime<Utc>, zone: Zone) -> ServiceOutput<'static> {
    let (rulings, measured) = judge_age(record, now, zone);
    let mut findings: Vec<Finding> =
        rulings.iter().map(Ruling::finding).filter(|f| f.state != State::Ok).collect();
    if record.incomplete {
        findings.push(Finding::new(State::Unknown, "the last run is incomplete"));
    }
    findings.extend(record.findings.iter().map(|f| Finding::new(f.state, f.sentence.clone())));
    findings.extend(record.checks.iter().filter_map(|(id, check)| {
        let state = check.state.state().filter(|state| *state != State::Ok)?;
        let violations = check.violations.map(|n| format!("{n} violations: ")).unwrap_or_default();
        let parts: Vec<&str> =
            std::iter::once(&check.name).chain(&check.errors).map(String::as_str).collect();
        Some(Finding::new(state, format!("{id}: {violations}{}", parts.join("; "))))
    }));
    // The record's own state, too: it knows of findings that this program does not.
    let state = findings.iter().map(|f| f.state).fold(record.state, State::max);
    ServiceOutput {
        name: NAME,
        state,
        sentence: format!("{}: {}; {}", record.env, counts(record), age_phrase(record, now, &measured)),
        findings,
        perfdata: perfdata(record, &measured),
    }
}

/// The rule of `check_plms_freshness`, over the record alone.
fn judge_age(record: &StatusRecord, now: DateTime<Utc>, zone: Zone) -> (Vec<Ruling>, Measured) {
    let stamp = |realtime| Stamp { realtime, monotonic: None };
    let recorded = Recorded {
        start: stamp(record.start),
        finish: stamp(record.finish),
        is_success: record.state == State::Ok,
    };
    let seen = Observation { name: "plms-invariants".into(), service: None, recorded: Some(recorded), zone };
    let limits = Limits {
        warn: None,
        crit: Range::up_to(LIMIT_SECONDS),
        basis: Basis::Finish,
        max_runtime: None,
        never_run: State::Unknown,
    };
    let (verdict, measured) = freshness::judge(&seen, &limits, &Clock { realtime: now, monotonic: None });
    (verdict.rulings, measured)
}

/// `last ran 26h 1min ago (limit 25h)`.
fn age_phrase(record: &StatusRecord, now: DateTime<Utc>, measured: &Measured) -> String {
    let now = Clock { realtime: now, monotonic: None };
    let age = Stamp { realtime: record.finish, monotonic: None }.age(&now);
    let limit = measured.crit.and_then(|range| range.limit());
    let limit = limit.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let limit = limit.filter(|limit| age.elapsed > *limit).map(|l| format!(" (limit {})", human(l)));
    format!("last ran {}{}", age.phrase(), limit.unwrap_or_default())
}

fn counts(record: &StatusRecord) -> String {
    let sum = &record.summary;
    let mut parts = Vec::new();
    if sum.failed_checks > 0 {
        let rows = if sum.total_violations == 1 { "row" } else { "rows" };
        let ids = ids(record, &[State::Critical, State::Warning]);
        let (failed, total) = (sum.failed_checks, sum.total_checks);
        parts.push(format!(
            "{failed} of {total} invariants violated by {} {rows}: {ids}",
            sum.total_violations
        ));
    }
    if sum.error_checks > 0 {
        let ids = ids(record, &[State::Unknown]);
        parts.push(format!("{} of {} invariants not checked: {ids}", sum.error_checks, sum.total_checks));
    }
    if sum.total_checks == 0 {
        parts.push("no invariant was checked".into());
    } else if parts.is_empty() {
        parts.push(format!("{} of {} invariants hold", sum.passed_checks, sum.total_checks));
    }
    if sum.skipped_checks > 0 {
        parts.push(format!("{} skipped", sum.skipped_checks));
    }
    let worst = record.findings.iter().filter(|f| f.state != State::Ok).max_by_key(|f| f.state);
    parts.extend(worst.map(|f| f.sentence.clone()));
    parts.join("; ")
}

/// The first of the invariants in these states, worst first, with their violations.
fn ids(record: &StatusRecord, states: &[State]) -> String {
    let mut failed: Vec<_> =
        record.checks.iter().filter(|(_, c)| c.state.state().is_some_and(|s| states.contains(&s))).collect();
    failed.sort_by_key(|(_, check)| Reverse(check.state.state()));
    let name = |(id, check): (&String, &CheckRecord)| {
        check.violations.map_or_else(|| id.clone(), |n| format!("{id} ({n})"))
    };
    let mut ids: Vec<String> = failed.into_iter().map(name).collect();
    if ids.len() > NAMED {
        let more = format!("{} more", ids.len() - NAMED);
        ids.truncate(NAMED);
        ids.push(more);
    }
    ids.join(", ")
}

fn perfdata(record: &StatusRecord, measured: &Measured) -> Vec<Perf> {
    let seconds = measured.age.and_then(|age| i64::try_from(age.as_secs()).ok());
    let age = Perf::new("age", seconds.into(), Unit::Seconds);
    let violations = i64::try_from(record.summary.total_violations).unwrap_or(i64::MAX);
    vec![
        Perf { crit: measured.crit, ..age },
        Perf::new("violations", Value::Integer(violations), Unit::Count),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::clean;
    use crate::report::run_json;

    #[test]
    fn the_night_on_which_clocks_are_put_back_has_an_hour_more() {
        let tzif = std::fs::read("/usr/share/zoneinfo/America/New_York").unwrap();
        let zone = Zone::parse("America/New_York", &tzif).unwrap();
        let mut record = StatusRecord::parse(&run_json::render(&clean())).unwrap();
        // 02:10 EDT, and 02:20 EST of the next day.
        record.finish = "2027-11-06T06:10:00Z".parse().unwrap();
        let now = "2027-11-07T07:20:00Z".parse().unwrap();
        assert_eq!(output(&record, now, zone).state, State::Ok);
        assert_eq!(output(&record, now, Zone::utc()).state, State::Critical);
    }
}
