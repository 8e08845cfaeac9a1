//! Does everybody hear of a violation, and of its repair? One night with every consumer there is, from Debian's
//! packages; its standard output is the transcript in README.md.
#![allow(clippy::expect_used, clippy::panic, reason = "clippy.toml spares functions marked as tests alone")]

mod common;

use std::path::Path;

use common::finish;
use common::real::{beside_systemd, folder};

const PACKAGES: &str = "prometheus prometheus-alertmanager prometheus-node-exporter nagios4-core icinga2-bin \
                        monitoring-plugins-basic postfix sqlite3 sudo";

/// In this order; each is the begin of what is told after the seconds.
const STORY: [&str; 22] = [
    "the timer has started the check",
    "it has ended: PLMS INVARIANTS OK: production: 8 invariants hold",
    "Slack hears that all is well; mail and PagerDuty hear nothing",
    "Prometheus, Nagios and Icinga show green",
    "planted: 2 runs without providers, 3 broken formulas",
    "the timer has started the check",
    "it has ended: PLMS INVARIANTS CRITICAL: production: 2 of 8 invariants violated by 5 rows (0 allowed): ",
    "Slack: [PLMS][production] Invariants FAIL @ ",
    "mail, delivered by Postfix: Subject: [PLMS][production] Invariants FAIL @ ",
    "PagerDuty: 2 incidents opened",
    "Prometheus fires into Alertmanager: PlmsInvariantViolated kpi_formulas, PlmsInvariantViolatedCritical provider_",
    "Alertmanager: firing: A critical invariant of the registry is violated.",
    "Nagios: PLMS INVARIANTS CRITICAL: production: 2 of 8 invariants violated by 5 rows",
    "Icinga: PLMS INVARIANTS CRITICAL: production: 2 of 8 invariants violated by 5 rows",
    "repaired",
    "the timer has started the check",
    "it has ended: PLMS INVARIANTS OK: production: 8 invariants hold",
    "Slack: [PLMS][production] Invariants OK (recovered) @ ",
    "mail, delivered by Postfix: Subject: [PLMS][production] Invariants OK (recovered) @ ",
    "PagerDuty: 2 incidents resolved",
    "Alertmanager: resolved: A critical invariant of the registry is violated.",
    "Nagios: PLMS INVARIANTS OK: production: 8 invariants hold",
];
const END: &str = "Icinga: PLMS INVARIANTS OK: production: 8 invariants hold";

/// What is told, line by line, without the seconds.
fn told(story: &str) -> Vec<&str> {
    story.lines().map(|line| line.trim_start().split_once("  ").map_or(line, |(_, told)| told)).collect()
}

#[test]
fn from_a_violation_in_the_registry_to_everybody_who_must_hear_of_it_and_back_to_green() {
    let Some(mut command) = beside_systemd(&["--packages", PACKAGES], folder().join("story")) else { return };
    let programs = Path::new(env!("CARGO_BIN_EXE_plms-invariants")).parent().expect("a folder of programs");
    let seen = finish(command.arg(programs)).expect_status(0);
    let told = told(&seen.stdout);
    let expected: Vec<_> = STORY.into_iter().chain([END]).collect();
    assert_eq!(told.len(), expected.len(), "{seen:#}");
    for (told, expected) in told.iter().zip(&expected) {
        assert!(told.starts_with(expected), "{expected}\n{seen:#}");
    }
    assert!(!seen.stdout.contains("T0/B0"), "a secret is told");

    // What README.md shows is such a story.
    let readme = include_str!("../README.md");
    let shown = readme.split_once("## One night, end to end").expect("the section is there").1;
    let shown = shown.split("```").nth(1).expect("a transcript").trim_matches('\n');
    let shown = self::told(shown);
    assert_eq!(shown.len(), expected.len(), "{shown:#?}");
    for (shown, expected) in shown.iter().zip(&expected) {
        assert!(shown.starts_with(expected), "README.md: {shown}, not {expected}");
    }
}
