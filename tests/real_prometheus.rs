//! Do Prometheus' own tools and daemons take what we ship? From Debian's packages.
#![allow(clippy::expect_used, reason = "clippy.toml spares functions marked as tests alone")]

mod common;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use common::dashboard::{expressions, shipped};
use common::finish;
use common::real::{beside_systemd, folder};

const PACKAGES: [&str; 2] = ["--packages", "prometheus prometheus-alertmanager prometheus-node-exporter"];

/// Runs a line of shell in `deployment/prometheus`; `None` where it is skipped.
#[track_caller]
fn in_our_folder(line: &str) -> Option<common::Finished> {
    let mut command = beside_systemd(&PACKAGES, "sh")?;
    Some(finish(command.args(["-ec", &format!("cd deployment/prometheus; {line}")])))
}

#[test]
fn promtool_finds_no_fault_with_the_rules() {
    let check = "promtool check rules --lint=all --lint-fatal plms-alerts.rules.yml plms-recording.rules.yml";
    let Some(seen) = in_our_folder(check) else { return };
    seen.expect_status(0).expect_stdout("SUCCESS: 20 rules found").expect_stdout("SUCCESS: 10 rules found");
}

#[test]
fn every_rule_speaks_and_is_silent_when_it_should() {
    let Some(seen) = in_our_folder("promtool test rules plms-rules.test.yml") else { return };
    seen.expect_status(0).expect_stdout("SUCCESS");
}

#[test]
fn a_rule_that_is_broken_is_seen_to_be() {
    // A limit of 27 hours: the night of 26 passes in silence.
    let broken = "cp plms-*.yml /tmp; cd /tmp; sed -i 's/25.5 \\* 3600/27 * 3600/' plms-alerts.rules.yml; \
                  promtool test rules plms-rules.test.yml";
    let Some(seen) = in_our_folder(broken) else { return };
    seen.expect_status(1).expect_stderr("alertname: PlmsInvariantsStale, time: 1d1h35m");
}

#[test]
fn promtool_understands_every_panel_of_the_dashboard() {
    let mut rules = "groups: [{ name: panels, rules: [\n".to_owned();
    for (nth, expression) in expressions(&shipped()).iter().enumerate() {
        // JSON is YAML.
        let expression = serde_json::Value::from(expression.as_str());
        writeln!(rules, "{{ record: panel_{nth}, expr: {expression} }},").expect("a String takes it");
    }
    rules += "] }]\n";
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("panels.rules.yml");
    fs::write(&file, rules).expect("target/tmp is writable");
    let Some(seen) = in_our_folder(&format!("promtool check rules {}", file.display())) else { return };
    seen.expect_status(0).expect_stdout("SUCCESS");
}

#[test]
fn what_is_critical_wakes_somebody_and_everything_reaches_the_operators() {
    let route = "amtool check-config alertmanager.example.yml; \
                 amtool config routes test --config.file=alertmanager.example.yml";
    for (labels, receivers) in [
        ("alertname=PlmsInvariantsStale severity=critical", "on-call,operators"),
        ("alertname=PlmsInvariantViolated severity=warning", "operators"),
        ("alertname=SomebodyElses severity=critical", "operators"),
    ] {
        let Some(seen) = in_our_folder(&format!("{route} {labels}")) else { return };
        let seen = seen.expect_status(0);
        assert_eq!(seen.stdout.lines().last(), Some(receivers), "{seen:#}");
    }
}

#[test]
fn from_a_violation_in_the_registry_to_a_message_and_back_to_green() {
    let packages = ["--packages", "prometheus prometheus-alertmanager prometheus-node-exporter sqlite3"];
    let Some(mut command) = beside_systemd(&packages, folder().join("prometheus-story")) else { return };
    let programs = Path::new(env!("CARGO_BIN_EXE_plms-invariants")).parent().expect("a folder of programs");
    let seen = finish(command.arg(programs)).expect_status(0);
    for told in [
        "PLMS INVARIANTS CRITICAL: field: 3 of 8 invariants violated by 4 rows",
        "a message: A critical invariant of the registry is violated",
        "a message: An invariant of the registry is violated",
        "firing: PlmsInvariantViolatedCritical calibration_pollution",
        "firing: PlmsInvariantViolated kpi_formulas",
        "PLMS INVARIANTS OK: field: ",
        "two messages: resolved",
        "PlmsTextfileError is pending",
    ] {
        assert!(seen.stdout.contains(told), "{told}\n{seen:#}");
    }
}
