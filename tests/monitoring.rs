//! Do rules and dashboards ask only for what there is? No systemd and no Prometheus needed.
#![allow(clippy::expect_used, clippy::panic, reason = "clippy.toml spares functions marked as tests alone")]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use common::dashboard::{expressions, list, shipped};
use common::exposition::Exposition;
use common::promql::metrics;

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn text(path: &str) -> String {
    fs::read_to_string(repository(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// What a rule file says after `key`, each `|` block joined; the files are flat enough to need no YAML.
fn said(rules: &str, key: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut lines = rules.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(said) = line.trim_start().trim_start_matches("- ").strip_prefix(key) else { continue };
        let indent = line.len() - line.trim_start().len();
        let mut whole = said.trim().trim_start_matches('|').to_owned();
        if said.trim() == "|" {
            while let Some(more) =
                lines.next_if(|next| next.len() - next.trim_start().len() > indent || next.is_empty())
            {
                whole.push('\n');
                whole.push_str(more);
            }
        }
        found.push(whole);
    }
    found
}

const ALERTS: &str = "deployment/prometheus/plms-alerts.rules.yml";
const RECORDING: &str = "deployment/prometheus/plms-recording.rules.yml";
const CASES: &str = "deployment/prometheus/plms-rules.test.yml";

/// What our programs write, by the golden files, and what `node_exporter` says of itself.
fn written() -> BTreeSet<String> {
    let mut names = BTreeSet::from(["node_textfile_scrape_error".to_owned(), "up".to_owned()]);
    for entry in fs::read_dir(repository("textfile")).expect("the golden files are there") {
        let golden = fs::read_to_string(entry.expect("readable").path()).expect("readable");
        names.extend(Exposition::read(&golden).families().into_iter().map(str::to_owned));
    }
    names
}

#[track_caller]
fn expect_known(expression: &str, known: &BTreeSet<String>) {
    let asked = metrics(expression);
    assert!(!asked.is_empty(), "asks for no metric: {expression}");
    let unknown: Vec<_> = asked.difference(known).collect();
    assert!(unknown.is_empty(), "{unknown:?} is written by nobody: {expression}");
}

#[test]
fn an_expression_s_metrics_are_found() {
    let asked = |expression| metrics(expression).into_iter().collect::<Vec<_>>().join(" ");
    assert_eq!(asked(r#"sum by (env, x) (rate(a_total{b="c"}[5m] offset 1h)) > 25.5 * 3600"#), "a_total");
    assert_eq!(asked("max without (d) (a:b) or on (job) (e unless f{g=~\"h|i\"})"), "a:b e f");
    assert_eq!(
        asked(
            r#"label_replace(a, "b", "$1", "c", "(.*)") # d
"#
        ),
        "a"
    );
    assert_eq!(asked("time() - a > bool 1e3"), "a");
}

#[test]
fn every_rule_asks_for_metrics_that_are_written() {
    let written = written();
    for rules in [ALERTS, RECORDING] {
        let expressions = said(&text(rules), "expr:");
        assert!(expressions.len() >= 10, "{rules}: {expressions:#?}");
        for expression in expressions {
            expect_known(&expression, &written);
        }
    }
}

#[test]
fn every_alert_has_a_severity_and_a_runbook_that_is_there() {
    let rules = text(ALERTS);
    let alerts = said(&rules, "alert:");
    let guide = text("deployment/monitoring.md");
    let anchors: BTreeSet<String> = guide
        .lines()
        .filter_map(|line| line.strip_prefix("### "))
        .map(|title| title.to_lowercase().replace(' ', "-"))
        .collect();
    let severities = said(&rules, "severity:");
    assert_eq!(severities.len(), alerts.len(), "{severities:?}");
    assert!(severities.iter().all(|word| word == "critical" || word == "warning"), "{severities:?}");
    let links = said(&rules, "runbook_url:");
    assert_eq!(links.len(), alerts.len(), "{links:?}");
    for link in links {
        let (page, anchor) = link.split_once('#').expect("a link into the page");
        assert!(page.ends_with("/monitoring.md") && anchors.contains(anchor), "{link}: {anchors:?}");
    }
    for alert in alerts {
        assert!(guide.contains(&format!("`{alert}`")), "{alert} is not in the guide");
    }
}

#[test]
fn every_alert_is_seen_to_fire_and_not_to_fire() {
    let cases = text(CASES);
    for alert in said(&text(ALERTS), "alert:") {
        let seen = |what: &str| cases.contains(&format!("alertname: {alert}\n        exp_alerts:{what}\n"));
        assert!(seen(""), "{alert} is never seen to fire");
        assert!(seen(" []"), "{alert} is never seen not to fire");
    }
    for name in said(&text(RECORDING), "record:") {
        assert!(cases.contains(&format!("expr: '{name}'")), "{name} is never seen");
    }
}

#[test]
fn the_names_of_older_dashboards_live_on() {
    let mut known = written();
    known.extend(said(&text(RECORDING), "record:"));
    for name in [
        "status",
        "violations_total",
        "checks_passed",
        "checks_failed",
        "last_check_timestamp",
        "violations_by_check",
        "critical_violations",
        "time_to_fix_seconds",
        "status_history",
    ] {
        assert!(known.contains(&format!("plms_invariants_{name}")), "{name} is gone");
    }
}

#[test]
fn every_panel_asks_for_metrics_that_are_written_or_recorded() {
    let mut known = written();
    known.extend(said(&text(RECORDING), "record:"));
    let dashboard = shipped();
    let asked = expressions(&dashboard);
    assert!(asked.len() >= 20, "{asked:#?}");
    for expression in &asked {
        assert!(!expression.contains('$'), "a variable that the dashboard does not have: {expression}");
        expect_known(expression, &known);
    }
    for variable in list(&dashboard["templating"]["list"]) {
        if let Some(query) = variable["definition"].as_str() {
            let series = query.split_once('(').expect("label_values(…)").1;
            let named = known.iter().any(|name| series.contains(name.as_str()));
            assert!(named, "{query} asks for no metric that is written");
        }
    }
}

#[test]
fn every_panel_says_what_it_shows_and_takes_the_reader_s_data_source() {
    let dashboard = shipped();
    let variables: Vec<_> =
        list(&dashboard["templating"]["list"]).iter().filter_map(|v| v["name"].as_str()).collect();
    assert_eq!(variables, ["datasource", "env", "instance"]);
    let mut titles = Vec::new();
    for panel in list(&dashboard["panels"]) {
        let title = panel["title"].as_str().expect("a title");
        assert!(panel["description"].as_str().is_some_and(|text| text.len() > 20), "{title}: no description");
        assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{title}: no unit");
        // Absent is not zero, and not a blank that looks like peace.
        assert_eq!(panel["fieldConfig"]["defaults"]["noValue"], "not known", "{title}");
        let targets = list(&panel["targets"]);
        assert!(!targets.is_empty(), "{title} shows nothing");
        for part in targets.iter().chain([panel]) {
            assert_eq!(part["datasource"]["uid"], "${datasource}", "{title}");
        }
        titles.push(title);
    }
    for wanted in [
        "State of the last run",
        "Violations by invariant",
        "Last run",
        "Clean runs of 30 days",
        "Time to fix",
        "History of invariants",
        "Duration of a run",
        "Probes",
        "Alerts that wait",
    ] {
        assert!(titles.contains(&wanted), "{wanted} is not among {titles:?}");
    }
}

#[test]
fn no_two_panels_lie_on_each_other() {
    let dashboard = shipped();
    let mut taken = BTreeSet::new();
    for panel in list(&dashboard["panels"]) {
        let place = |key: &str| panel["gridPos"][key].as_u64().expect("a number");
        assert!(place("x") + place("w") <= 24, "{}: wider than the page", panel["title"]);
        for x in place("x")..place("x") + place("w") {
            for y in place("y")..place("y") + place("h") {
                assert!(taken.insert((x, y)), "{} lies on another at {x}, {y}", panel["title"]);
            }
        }
    }
}
