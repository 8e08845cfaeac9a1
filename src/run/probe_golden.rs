//! Do a probe's outputs still read as they were agreed? From literal observations to whole outputs.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::probe::{Question, unanswered};
use super::probe_units::{Zones, judge_one};
use crate::observe::bus::Seen;
use crate::report::golden::{compare, compare_file};
use crate::report::probe::{ProbeReport, UnitReport};
use crate::verdict::clock::{Clock, Stamp};
use crate::verdict::freshness::Basis;
use crate::verdict::job::Job;
use crate::verdict::timer::Timer;
use crate::verdict::unit::Unit;
use crate::verdict::zone::Zone;
use crate::verdict::{Finding, State, exit, freshness, timer};

fn at(text: &str) -> Stamp {
    Stamp { realtime: text.parse().unwrap(), monotonic: None }
}

fn now() -> DateTime<Utc> {
    "2026-11-23T15:37:00Z".parse().unwrap()
}

fn unit(id: &str, active: &str, sub: &str) -> Unit {
    Unit {
        id: id.into(),
        load_state: "loaded".into(),
        active_state: active.into(),
        sub_state: sub.into(),
        unit_file_state: (sub == "waiting").then(|| "enabled".into()),
        ..Unit::default()
    }
}

/// Ran at two in the morning of New York, took three minutes, and ended with `status`.
fn job(name: &str, status: i32) -> Job {
    let is_well = status == 0;
    Job {
        unit: unit(
            name,
            if is_well { "inactive" } else { "failed" },
            if is_well { "dead" } else { "failed" },
        ),
        result: Some(if is_well { "success" } else { "exit-code" }.into()),
        exec_main_start: Some(at("2026-11-23T07:00:00Z")),
        exec_main_exit: Some(at("2026-11-23T07:03:00Z")),
        exec_main_code: Some(1),
        exec_main_status: Some(status),
        condition_result: Some(true),
        assert_result: Some(true),
        ..Job::default()
    }
}

fn nightly(name: &str, job: &str) -> Timer {
    Timer {
        unit: unit(name, "active", "waiting"),
        triggers: job.into(),
        result: "success".into(),
        next_realtime: Some("2026-11-24T07:00:00Z".parse().unwrap()),
        last_trigger: Some(at("2026-11-23T07:00:00Z")),
        calendar: vec!["*-*-* 02:00:00 America/New_York".into()],
        accuracy: Duration::from_secs(60),
        ..Timer::default()
    }
}

fn seen(name: &str, timer: Timer, job: Job) -> Seen {
    Seen { name: name.into(), timers: vec![timer], job: Some(job), boot: Some(at("2026-11-01T00:00:00Z")) }
}

fn report(question: &Question, seen: Vec<Seen>, unanswered_unit: &str) -> ProbeReport {
    let now = clock();
    let mut units: Vec<UnitReport> =
        seen.into_iter().map(|seen| judge_one(question, None, seen, &now, &Zones::default(), true)).collect();
    units.push(unanswered(
        unanswered_unit,
        "systemd did not answer the question for it: 1|2\nno \"such\" \\ luck",
    ));
    let findings = vec![];
    ProbeReport {
        probe: question.probe(),
        now: now.realtime,
        took: Duration::from_micros(2500),
        units,
        findings,
    }
}

/// Three units: one that is well, one that is not, one that did not answer.
fn compare_all(question: &Question, name: &str, units: Vec<Seen>) {
    let kind = question.probe().word();
    let one = ProbeReport {
        units: vec![judge_one(question, None, units[0].clone(), &clock(), &Zones::default(), true)],
        ..report(question, vec![], name)
    };
    let three = report(question, units, name);
    compare_file(&format!("textfile/plms_{kind}.prom"), &three.exposition());
    compare(&format!("probe_{kind}.txt"), &one.plugin_text(false));
    compare(&format!("probe_{kind}_three.txt"), &three.plugin_text(false));
    compare(&format!("probe_{kind}.json"), &one.json_text());
    compare(&format!("probe_{kind}_explained.txt"), &one.explanation());
    let failed = Finding::new(
        State::Unknown,
        "cannot write metrics to /x: it is neither a folder nor a name that ends in .prom",
    );
    let failed = ProbeReport { findings: vec![failed], ..one };
    assert_eq!(failed.state(), State::Unknown);
    assert!(failed.plugin_text(false).lines().next().unwrap().contains("; cannot write metrics to /x: "));
}

fn clock() -> Clock {
    Clock::of_wall(now())
}

#[test]
fn the_timer_probes_outputs_are_as_agreed() {
    let limits = timer::Limits {
        allow_disabled: false,
        allow_elapsed: false,
        max_runtime: Duration::from_secs(86_400),
    };
    let dead = Timer {
        unit: Unit { unit_file_state: Some("disabled".into()), ..unit("backup.timer", "active", "elapsed") },
        next_realtime: None,
        ..nightly("backup.timer", "backup.service")
    };
    compare_all(
        &Question::Timer(limits),
        "other.timer",
        vec![
            seen(
                "plms-invariants.timer",
                nightly("plms-invariants.timer", "plms-invariants.service"),
                job("plms-invariants.service", 0),
            ),
            seen("backup.timer", dead, job("backup.service", 0)),
        ],
    );
}

#[test]
fn the_exit_probes_outputs_are_as_agreed() {
    let limits = exit::Limits { nagios_status: false, max_runtime: None, never_run: State::Unknown };
    compare_all(
        &Question::Exit(limits),
        "other.service",
        vec![
            seen(
                "plms-invariants.service",
                nightly("plms-invariants.timer", "plms-invariants.service"),
                job("plms-invariants.service", 0),
            ),
            seen("backup.service", nightly("backup.timer", "backup.service"), job("backup.service", 203)),
        ],
    );
}

#[test]
fn the_freshness_probes_outputs_are_as_agreed() {
    let limits = freshness::Limits {
        warn: None,
        crit: "25h".parse().unwrap(),
        basis: Basis::Finish,
        max_runtime: None,
        never_run: State::Unknown,
    };
    let stale = Job { exec_main_exit: Some(at("2026-11-22T10:00:00Z")), ..job("backup.service", 0) };
    compare_all(
        &Question::Freshness { limits, status_file: None, zone: Some(Box::new(Zone::utc())) },
        "other.service",
        vec![
            seen(
                "plms-invariants.service",
                nightly("plms-invariants.timer", "plms-invariants.service"),
                job("plms-invariants.service", 0),
            ),
            seen("backup.service", nightly("backup.timer", "backup.service"), stale),
        ],
    );
}
