//! What did the last full run say, and is that still worth anything?

use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::json;

use super::{Asked, NAME, say_notes, say_unknown};
use crate::cli::Output;
use crate::observe::{status_file, zone};
use crate::report::json;
use crate::report::not_checked::{self, NotChecked};
use crate::report::plugin::ServiceOutput;
use crate::report::run_text::counted;
use crate::report::status_record::StatusRecord;
use crate::run::alerts;
use crate::verdict::clock::{Clock, Stamp};
use crate::verdict::duration::human;
use crate::verdict::freshness::{self, Basis, Limits, Measured, Observation, Recorded};
use crate::verdict::perfdata::{Perf, Unit};
use crate::verdict::range::Range;
use crate::verdict::ruling::Ruling;
use crate::verdict::zone::Zone;
use crate::verdict::{Finding, State};

/// Freshness's limit: a nightly run, and an hour.
const LIMIT_SECONDS: f64 = 25.0 * 3600.0;

/// `status`: the last run's state, or a worse one where that run is too old to say anything.
pub fn status(asked: &Asked<'_>, out: &mut Output) -> State {
    say_notes(asked.settings);
    let path = asked.settings.state_dir.value.join("status.json");
    let (record, text) = match status_file::read_with_text(&path) {
        Ok(read) => read,
        Err(error) => return say_unknown(&error.to_string(), asked.common.is_json(), out),
    };
    if let Some(why) = asked.settings.foreign(&record.env, Path::new(&record.db_path)) {
        let sentence = format!(
            "the record {} is {why}: is this the state folder of that registry's runs (--state-dir, STATE_DIR), \
             and has one ended since DB_PATH and ENV_NAME were changed? it says: {}",
            path.display(),
            record.sentence
        );
        return say_unknown(&sentence, asked.common.is_json(), out);
    }
    let alerts = alerts::overdue(asked.settings, asked.now);
    let output = output(&record, alerts, asked.now, zone::host());
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

fn output(
    record: &StatusRecord,
    alerts: Vec<Finding>,
    now: DateTime<Utc>,
    zone: Zone,
) -> ServiceOutput<'static> {
    let (rulings, measured) = judge_age(record, now, zone);
    let mut findings: Vec<Finding> =
        rulings.iter().map(Ruling::finding).filter(|f| f.state != State::Ok).collect();
    if record.incomplete {
        findings.push(Finding::new(State::Unknown, "the last run is incomplete"));
    }
    findings.extend(alerts);
    findings.extend(record.findings.iter().map(|f| Finding::new(f.state, f.sentence.clone())));
    let unknown = record.checks.iter().filter(|(_, check)| check.state.state() == Some(State::Unknown));
    let unknown = unknown.map(|(id, c)| NotChecked { id, errors: &c.errors, failing: String::new() });
    not_checked::add(&mut findings, &unknown.collect::<Vec<_>>(), record.checks.len());
    findings.extend(record.checks.iter().filter_map(|(id, check)| {
        let state = check.state.state().filter(|state| *state > State::Unknown)?;
        let violations = counted(check.violations.unwrap_or(0), "violation");
        let parts = [format!("{id}: {violations}; rule: {}", check.name)];
        let parts: Vec<&str> = parts.iter().chain(&check.errors).map(String::as_str).collect();
        Some(Finding::new(state, parts.join("; ")))
    }));
    // An OK that rests on less than it seems to is not passed on without saying so.
    findings.extend(record.checks.iter().flat_map(|(id, check)| {
        let skipped = check.skipped.iter().map(move |why| format!("{id}: skipped: {why}"));
        let notes = check.notes.iter().map(move |note| format!("{id}: {note}"));
        skipped.chain(notes).map(|sentence| Finding::new(State::Ok, sentence))
    }));
    // The record's own state, too: it knows of findings that this program does not.
    let state = findings.iter().map(|f| f.state).fold(record.state, State::max);
    ServiceOutput {
        name: NAME,
        state,
        sentence: sentence(record, &age_phrase(record, now, &measured), &rulings),
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
    let (verdict, measured) = freshness::judge(&seen, &limits, &Clock::of_wall(now));
    (verdict.rulings, measured)
}

/// `last ran 26h 1min ago (limit 25h)`.
fn age_phrase(record: &StatusRecord, now: DateTime<Utc>, measured: &Measured) -> String {
    let now = Clock::of_wall(now);
    let age = Stamp { realtime: record.finish, monotonic: None }.age(&now);
    let limit = measured.crit.and_then(|range| range.limit());
    let limit = limit.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let limit = limit.filter(|limit| age.elapsed > *limit).map(|l| format!(" (limit {})", human(l)));
    format!("last ran {}{}", age.phrase(), limit.unwrap_or_default())
}

/// What the run said of itself, and how old that is; the age first where it is what is wrong.
fn sentence(record: &StatusRecord, age: &str, rulings: &[Ruling]) -> String {
    let subject = format!("{}: ", record.env);
    let said = record.sentence.strip_prefix(&subject).unwrap_or(&record.sentence);
    match (said, rulings.iter().any(|ruling| ruling.state > record.state)) {
        ("", _) => format!("{subject}{age}"),
        (said, true) => format!("{subject}{age}; then: {said}"),
        (said, false) => format!("{subject}{said}; {age}"),
    }
}

fn perfdata(record: &StatusRecord, measured: &Measured) -> Vec<Perf> {
    let seconds = measured.age.and_then(|age| i64::try_from(age.as_secs()).ok());
    let age = Perf::new("age", seconds.into(), Unit::Seconds);
    // As the run's own output has it: where nothing was counted there is no zero.
    let is_counted = record.checks.iter().any(|(_, check)| check.violations.is_some());
    let violations = is_counted.then(|| i64::try_from(record.summary.total_violations).unwrap_or(i64::MAX));
    vec![Perf { crit: measured.crit, ..age }, Perf::new("violations", violations.into(), Unit::Count)]
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
        assert_eq!(output(&record, vec![], now, zone).state, State::Ok);
        assert_eq!(output(&record, vec![], now, Zone::utc()).state, State::Critical);
    }
}
