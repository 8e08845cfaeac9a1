//! How does what was seen of each unit become its verdict, its numbers and its metrics?

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

use serde_json::{Value as Json, json};

use super::probe::{Answers, ObserveError, Question, Request, unanswered};
use super::probe_record::{self, Record};
use crate::observe::bus::{BusError, Row, Seen};
use crate::observe::zone::{self, ZoneFileError};
use crate::report::gauges::seconds;
use crate::report::probe::{Metric, UnitReport};
use crate::verdict::clock::{Clock, Stamp};
use crate::verdict::job::Job;
use crate::verdict::perfdata::{Perf, Unit, Value};
use crate::verdict::ruling::{Ruling, Verdict};
use crate::verdict::timer::Timer;
use crate::verdict::zone::Zone;
use crate::verdict::{Finding, State, exit, freshness, timer};

/// A report per unit, each unit once.
pub(super) fn judge_all(request: &Request, answers: Answers, now: &Clock) -> (Vec<UnitReport>, Vec<Finding>) {
    let record = match &request.question {
        Question::Freshness { status_file: Some(path), .. } => Some(Record::read(path)),
        _ => None,
    };
    let recorded = record.as_ref().and_then(Record::run);
    let has_run = |seen: &Seen| seen.job.as_ref().is_some_and(|job| job.finished().is_some());
    let has_run = answers.iter().flat_map(|all| &all.rows).any(|(_, seen)| seen.as_ref().is_ok_and(has_run));
    let findings = record.iter().filter_map(|record| record.finding(has_run)).collect();
    let judged = match for_file(request, answers) {
        Ok(answers) => {
            let zones = Zones::default();
            each(answers, request, |seen| {
                judge_one(&request.question, recorded, seen, now, &zones, request.shows_all())
            })
        }
        Err((limits, zone)) => vec![judge_file(request, limits, zone, recorded.cloned(), now)],
    };
    (worst_of_each(judged), findings)
}

/// Two names of one unit are one report: the worse one, where they differ.
fn worst_of_each(judged: Vec<UnitReport>) -> Vec<UnitReport> {
    let mut names = HashSet::new();
    if judged.iter().all(|report| names.insert(report.unit.as_str())) {
        return judged;
    }
    let mut reports: Vec<UnitReport> = Vec::with_capacity(judged.len());
    let mut known = HashMap::new();
    for report in judged {
        let nth = *known.entry(report.unit.clone()).or_insert(reports.len());
        match reports.get_mut(nth) {
            Some(earlier) if earlier.verdict.state() >= report.verdict.state() => {}
            Some(earlier) => *earlier = report,
            None => reports.push(report),
        }
    }
    reports
}

fn each(answers: Answers, request: &Request, judge: impl Fn(Seen) -> UnitReport) -> Vec<UnitReport> {
    match answers {
        Ok(all) => {
            let report = |(name, seen): Row| match seen {
                Ok(seen) => judge(seen),
                Err(error) => unanswered(&name, &error.to_string()),
            };
            all.rows.into_iter().map(report).collect()
        }
        Err(error) => {
            let error = error.to_string();
            request.names.as_slice().iter().map(|name| unanswered(name, &error)).collect()
        }
    }
}

type FileAlone<'a> = (&'a freshness::Limits, Option<&'a Zone>);

/// The answers, unless nobody named a unit and there is none here: then the runner's file speaks alone.
fn for_file(request: &Request, answers: Answers) -> Result<Answers, FileAlone<'_>> {
    let is_absent = |seen: &Seen| seen.job.as_ref().is_some_and(|job| job.unit.load_state == "not-found");
    let is_silent = match &answers {
        Err(ObserveError::Bus(BusError::Unreachable { .. })) => true,
        Ok(all) => all.rows.iter().all(|(_, seen)| seen.as_ref().is_ok_and(is_absent)),
        Err(_) => false,
    };
    match &request.question {
        Question::Freshness { limits, status_file: Some(_), zone } if is_silent && !request.is_named => {
            Err((limits, zone.as_deref()))
        }
        _ => Ok(answers),
    }
}

/// Gives everything that was seen where it is printed: of a fleet it takes longer than the verdicts.
type Show<'a> = dyn Fn(&dyn Fn() -> Json) -> Json + 'a;

/// The report on one unit; `shows_all`: with everything that was seen.
pub(super) fn judge_one(
    question: &Question,
    recorded: Option<&freshness::Recorded>,
    seen: Seen,
    now: &Clock,
    zones: &Zones,
    shows_all: bool,
) -> UnitReport {
    let show = |all: &dyn Fn() -> Json| if shows_all { all() } else { Json::Null };
    match question {
        Question::Timer(limits) => judge_timer(seen, limits, now, zones, &show),
        Question::Exit(limits) => judge_exit(seen, limits, now, &show),
        Question::Freshness { limits, zone, .. } => {
            let Some(job) = seen.job.clone() else { return job_missing(&seen) };
            let (zone, doubt) = match zone.as_deref() {
                Some(zone) => (zone.clone(), None),
                None => zones.of(&seen.timers),
            };
            let service = exit::Observation { job, timers: seen.timers, boot: seen.boot };
            let foreign = recorded.and_then(|run| probe_record::foreign(run, &service, now));
            let recorded = recorded.filter(|_| foreign.is_none()).cloned();
            let seen = freshness::Observation { name: seen.name, service: Some(service), recorded, zone };
            let mut report = judge_freshness(seen, limits, now, &show);
            report.verdict.rulings.extend(doubt.into_iter().chain(foreign));
            report
        }
    }
}

fn judge_file(
    request: &Request,
    limits: &freshness::Limits,
    zone: Option<&Zone>,
    recorded: Option<freshness::Recorded>,
    now: &Clock,
) -> UnitReport {
    let zone = zone.cloned().unwrap_or_else(zone::host);
    let name = request.names.as_slice().first().cloned().unwrap_or_default();
    let seen = freshness::Observation { name, service: None, recorded, zone };
    judge_freshness(seen, limits, now, &|all| if request.shows_all() { all() } else { Json::Null })
}

fn perf_age(label: &str, age: Option<std::time::Duration>) -> Perf {
    let whole = age.and_then(|age| i64::try_from(age.as_secs()).ok());
    Perf::new(label, Value::from(whole), Unit::Seconds)
}

fn metric(family: &'static str, value: Option<f64>) -> Option<Metric> {
    value.map(|value| Metric { family, label: None, value })
}

fn no_unit(name: &str, sentence: String) -> UnitReport {
    let verdict = Verdict {
        rulings: vec![Ruling::new(State::Critical, "not-found", sentence)],
        when_ok: String::new(),
    };
    UnitReport { verdict, ..unanswered(name, "") }
}

/// The zones of a fleet, each read once; the host's has no name.
#[derive(Default)]
pub(super) struct Zones(RefCell<HashMap<Option<String>, KnownZone>>);

/// A zone, and the ruling of whom it matters to where it is not the one that was meant.
type KnownZone = (Zone, Option<Ruling>);

impl Zones {
    /// The zone in which a timer's times are shown and its clock changes count. One that is not known here is
    /// shown as UTC, and whoever counts its clock changes has the ruling.
    fn of(&self, timers: &[Timer]) -> KnownZone {
        let name = timers.iter().find_map(Timer::zone_name);
        let unknown = |error: ZoneFileError| {
            let sentence = format!("when the timer's clocks change is not known: {error}");
            (Zone::utc(), Some(Ruling::new(State::Unknown, "no-answer", sentence)))
        };
        let read = || match name.map(zone::named) {
            Some(zone) => zone.map_or_else(unknown, |zone| (zone, None)),
            None => (zone::host(), None),
        };
        self.0.borrow_mut().entry(name.map(str::to_owned)).or_insert_with(read).clone()
    }
}

fn judge_timer(seen: Seen, limits: &timer::Limits, now: &Clock, zones: &Zones, show: &Show) -> UnitReport {
    let (zone, _) = zones.of(&seen.timers);
    let Some(timer) = seen.timers.into_iter().next() else {
        let broken = seen.job.as_ref().and_then(|job| job.unit.load_ruling(&job.unit.id));
        let sentence =
            broken.map_or_else(|| format!("no timer starts {}", seen.name), |ruling| ruling.sentence);
        return no_unit(&seen.name, sentence);
    };
    let observation = timer::Observation { timer, job: seen.job, zone };
    let verdict = timer::judge(&observation, limits, now);
    let timer = &observation.timer;
    let next = timer.next(now);
    // A time-to-go may be negative where an elapse was missed, so it has no least value.
    let ahead = Value::from(next.map(|next| (next - now.realtime).num_seconds()));
    let next_perf = Perf { min: None, ..Perf::new("next", ahead, Unit::Seconds) };
    let last_perf = perf_age("last", timer.last_trigger.map(|last| last.age(now).elapsed));
    let is_active = f64::from(u8::from(timer.unit.active_state == "active"));
    let last = timer.last_trigger.map(|last| seconds(last.realtime));
    let is_loaded = timer.unit.load_state == "loaded";
    UnitReport {
        unit: seen.name,
        verdict,
        perfdata: if is_loaded { vec![next_perf, last_perf] } else { Vec::new() },
        metrics: [
            metric("plms_timer_active", Some(is_active)),
            metric("plms_timer_next_elapse_timestamp_seconds", next.map(seconds)),
            metric("plms_timer_last_trigger_timestamp_seconds", last),
        ]
        .into_iter()
        .flatten()
        .collect(),
        observation: show(&|| json!({ "timer": observation.timer, "job": observation.job })),
    }
}

fn job_missing(seen: &Seen) -> UnitReport {
    let sentence = match seen.timers.first() {
        Some(timer) => match timer.unit.load_ruling(&timer.unit.id) {
            Some(ruling) => ruling.sentence,
            None => format!("{} starts nothing that systemd knows", seen.name),
        },
        None => format!("{} does not exist", seen.name),
    };
    no_unit(&seen.name, sentence)
}

fn judge_exit(seen: Seen, limits: &exit::Limits, now: &Clock, show: &Show) -> UnitReport {
    let Some(job) = seen.job.clone() else { return job_missing(&seen) };
    let observation = exit::Observation { job, timers: seen.timers, boot: seen.boot };
    let verdict = exit::judge(&observation, limits, now);
    let job = &observation.job;
    let status = job.exit_status().filter(|_| job.exec_main_exit.is_some());
    let result = job.result.clone().map(|result| Metric {
        family: "plms_service_result",
        label: Some(("result", result)),
        value: 1.0,
    });
    let has_result =
        job.unit.load_state == "loaded" && verdict.reason().0 != "running" && job.exec_main_exit.is_some();
    UnitReport {
        unit: seen.name,
        verdict,
        perfdata: match job.unit.load_state.as_str() {
            "loaded" => vec![
                Perf {
                    min: None,
                    ..Perf::new("exit_status", Value::from(status.map(i64::from)), Unit::Count)
                },
                Perf::new(
                    "runtime",
                    job.took().map_or(Value::Unknown, |took| Value::Real(took.as_secs_f64())),
                    Unit::Seconds,
                ),
            ],
            _ => Vec::new(),
        },
        metrics: metric("plms_service_exit_status", status.map(f64::from))
            .into_iter()
            .chain(result.filter(|_| has_result))
            .collect(),
        observation: show(&|| json!({ "job": observation.job, "timers": observation.timers })),
    }
}

fn judge_freshness(
    seen: freshness::Observation,
    limits: &freshness::Limits,
    now: &Clock,
    show: &Show,
) -> UnitReport {
    let (verdict, measured) = freshness::judge(&seen, limits, now);
    let on_bus = seen.service.as_ref().map(|service| &service.job);
    let in_file = seen.recorded.as_ref();
    let start = later(on_bus.and_then(Job::started), in_file.map(|run| run.start));
    let finish = later(on_bus.and_then(Job::finished), in_file.map(|run| run.finish));
    let limit = measured.crit.and_then(|range| range.limit());
    let metrics = [
        metric("plms_service_last_start_timestamp_seconds", start),
        metric("plms_service_last_finish_timestamp_seconds", finish),
        metric("plms_freshness_limit_seconds", limit),
    ];
    UnitReport {
        verdict,
        perfdata: vec![Perf { warn: measured.warn, crit: measured.crit, ..perf_age("age", measured.age) }],
        metrics: metrics.into_iter().flatten().collect(),
        observation: show(&|| {
            json!({
                "job": on_bus,
                "timers": seen.service.as_ref().map(|service| &service.timers),
                "recorded": in_file,
                "zone": seen.zone.name,
            })
        }),
        unit: seen.name,
    }
}

/// The later of two instants, as seconds since 1970.
fn later(a: Option<Stamp>, b: Option<Stamp>) -> Option<f64> {
    [a, b].into_iter().flatten().map(|stamp| stamp.realtime).max().map(seconds)
}
