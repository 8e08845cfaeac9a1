//! What does a probe say? One report over all units; plugin text and JSON are made from it.

use std::fmt::Write as _;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use serde_json::{Value as Json, json};

use super::json::document;
use super::plugin::ServiceOutput;
use super::text::one_line;
use crate::verdict::perfdata::{Perf, Unit, Value};
use crate::verdict::ruling::{Ruling, Verdict};
use crate::verdict::{Finding, State};

/// Above so many units perfdata is the four state counts.
const MANY: usize = 20;

/// Which probe speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// `check_plms_timer`.
    Timer,
    /// `check_plms_exit`.
    Exit,
    /// `check_plms_freshness`.
    Freshness,
}

impl Probe {
    /// `timer`: in JSON, metrics and file names.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Timer => "timer",
            Self::Exit => "exit",
            Self::Freshness => "freshness",
        }
    }

    /// `PLMS TIMER`: what service output begins with.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Timer => "PLMS TIMER",
            Self::Exit => "PLMS EXIT",
            Self::Freshness => "PLMS FRESHNESS",
        }
    }
}

/// One unit, judged.
#[derive(Clone, Debug, PartialEq)]
pub struct UnitReport {
    /// Its name.
    pub unit: String,
    /// What the rules said.
    pub verdict: Verdict,
    /// What was seen.
    pub observation: Json,
    /// Numbers, labelled without the unit's name.
    pub perfdata: Vec<Perf>,
    /// Metrics of this unit beside those that all probes have.
    pub metrics: Vec<Metric>,
}

/// One sample of a textfile.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// Which family.
    pub family: &'static str,
    /// A label beside `unit`.
    pub label: Option<(&'static str, String)>,
    /// Its value.
    pub value: f64,
}

/// Everything that a probe found; every rendering is made from this.
#[derive(Clone, Debug, PartialEq)]
pub struct ProbeReport {
    /// Which probe.
    pub probe: Probe,
    /// When.
    pub now: DateTime<Utc>,
    /// How long asking took.
    pub took: Duration,
    /// Unit by unit.
    pub units: Vec<UnitReport>,
    /// What concerns the whole: the number of units, an output that failed.
    pub findings: Vec<Finding>,
}

#[derive(Serialize)]
struct JsonUnit<'a> {
    unit: &'a str,
    state: State,
    reason: &'a str,
    sentence: &'a str,
    observation: &'a Json,
}

impl ProbeReport {
    /// The worst of all; UNKNOWN where nothing was judged.
    #[must_use]
    pub fn state(&self) -> State {
        let floor = if self.units.is_empty() { State::Unknown } else { State::Ok };
        let units = self.units.iter().map(|unit| unit.verdict.state());
        units.chain(self.findings.iter().map(|finding| finding.state)).fold(floor, State::max)
    }

    /// The service output's sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        let bad: Vec<&UnitReport> =
            self.units.iter().filter(|unit| unit.verdict.state() != State::Ok).collect();
        let worst = bad.iter().rev().max_by_key(|unit| unit.verdict.state());
        let mut sentence = match (self.units.as_slice(), worst) {
            ([], _) => String::new(),
            ([unit], _) => unit.verdict.sentence().to_owned(),
            (_, Some(worst))
                if bad.len() > 1
                    && bad.iter().all(|unit| unit.verdict.sentence() == worst.verdict.sentence()) =>
            {
                worst.verdict.sentence().to_owned()
            }
            (units, None) => format!("all {} units are as they should be", units.len()),
            (units, Some(worst)) => {
                format!(
                    "{} of {} units are not OK, first: {}",
                    bad.len(),
                    units.len(),
                    worst.verdict.sentence()
                )
            }
        };
        for finding in self.findings.iter().filter(|finding| finding.state != State::Ok) {
            let separator = if sentence.is_empty() { "" } else { "; " };
            sentence = format!("{sentence}{separator}{}", finding.sentence);
        }
        sentence
    }

    /// Numbers of all units; of many units how many are in which state.
    #[must_use]
    pub fn perfdata(&self) -> Vec<Perf> {
        if self.units.len() > MANY {
            let count = |state: State| {
                let count = self.units.iter().filter(|unit| unit.verdict.state() == state).count();
                let count = Value::Integer(i64::try_from(count).unwrap_or(i64::MAX));
                Perf::new(state.word().to_lowercase(), count, Unit::Count)
            };
            return [State::Ok, State::Warning, State::Critical, State::Unknown].map(count).to_vec();
        }
        let prefix = self.units.len() > 1;
        let of = |unit: &UnitReport| {
            let name = unit.unit.clone();
            unit.perfdata.clone().into_iter().map(move |perf| {
                if prefix { Perf { label: format!("{name} {}", perf.label), ..perf } } else { perf }
            })
        };
        self.units.iter().flat_map(of).collect()
    }

    /// Rulings that are worth a line: all that are not OK, and for one unit, or where they are asked for,
    /// the others too.
    fn long_output(&self, is_verbose: bool) -> Vec<Finding> {
        let all = is_verbose || self.units.len() == 1;
        let is_shown = |ruling: &&Ruling| ruling.state != State::Ok || (all && ruling.reason.0 != "loaded");
        let rulings = self.units.iter().flat_map(|unit| &unit.verdict.rulings).filter(is_shown);
        self.findings.iter().cloned().chain(rulings.map(Ruling::finding)).collect()
    }

    /// As a monitoring system reads it.
    #[must_use]
    pub fn plugin_text(&self, is_verbose: bool) -> String {
        ServiceOutput {
            name: self.probe.name(),
            state: self.state(),
            sentence: self.sentence(),
            findings: self.long_output(is_verbose),
            perfdata: self.perfdata(),
        }
        .render()
    }

    /// As programs read it (contract 4).
    #[must_use]
    pub fn json_text(&self) -> String {
        let units: Vec<JsonUnit<'_>> = self
            .units
            .iter()
            .map(|unit| JsonUnit {
                unit: &unit.unit,
                state: unit.verdict.state(),
                reason: unit.verdict.reason().0,
                sentence: unit.verdict.sentence(),
                observation: &unit.observation,
            })
            .collect();
        document(&json!({
            "timestamp": self.now.to_rfc3339_opts(SecondsFormat::AutoSi, true),
            "probe": self.probe.word(),
            "state": self.state(),
            "sentence": self.sentence(),
            "units": units,
            "perfdata": self.perfdata(),
        }))
    }

    /// For a person who doubts: every rule with its outcome, and everything that was seen.
    #[must_use]
    pub fn explanation(&self) -> String {
        let mut text = String::new();
        for unit in &self.units {
            let _ = writeln!(text, "{}, rule by rule:", one_line(&unit.unit));
            for Ruling { state, reason, sentence } in &unit.verdict.rulings {
                let _ = writeln!(text, "  {} ({reason}): {}", state.word(), one_line(sentence));
            }
            text.push_str("what was seen (all that was asked for and is on record):\n");
            explain(&mut text, "", &unit.observation);
        }
        text
    }
}

fn explain(text: &mut String, path: &str, value: &Json) {
    let inner = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match value {
        Json::Object(fields) => fields.iter().for_each(|(key, value)| explain(text, &inner(key), value)),
        Json::Array(items) if items.iter().any(Json::is_object) => {
            items.iter().enumerate().for_each(|(nth, item)| explain(text, &inner(&nth.to_string()), item));
        }
        Json::String(value) => drop(writeln!(text, "  {path} = {}", one_line(value))),
        Json::Null => drop(writeln!(text, "  {path}: none")),
        other => drop(writeln!(text, "  {path} = {}", one_line(&other.to_string()))),
    }
}
