//! Does what we ship for Nagios, Icinga 2, NRPE and a shell work as it lies there? With the real ones.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "clippy.toml spares tests")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use common::finish;
use common::real::{beside_systemd, folder};

/// Runs one of the scripts in `tests/real`; `None` where it is skipped.
#[track_caller]
fn shipped(packages: &str, script: &str) -> Option<common::Finished> {
    let programs = Path::new(env!("CARGO_BIN_EXE_plms-invariants")).parent().expect("a folder of programs");
    let mut command = beside_systemd(&["--packages", packages], folder().join(script))?;
    Some(finish(command.arg(programs)).expect_status(0))
}

/// Per host and its unit's name: what timer, exit and freshness probe must say of it.
const STATES: [(&str, [u8; 3]); 5] = [
    ("plms", [0, 2, 0]),
    ("good", [0, 0, 0]),
    ("loose", [1, 1, 0]),
    ("failed", [2, 2, 0]),
    ("never", [0, 3, 3]),
];

const WORDS: [&str; 4] = ["OK", "WARNING", "CRITICAL", "UNKNOWN"];

/// Every service as (host, description) with its state and its text, against what it must be.
#[track_caller]
fn expect_states(services: &BTreeMap<(String, String), (String, String)>, seen: &common::Finished) {
    let mut shown = 0;
    for (host, states) in STATES {
        for (probe, state) in ["timer", "exit", "freshness"].into_iter().zip(states) {
            let service = services.get(&(host.to_owned(), format!("PLMS {probe}")));
            let (got, text) = service.unwrap_or_else(|| panic!("{probe} of {host} is not there\n{seen:#}"));
            assert_eq!(*got, state.to_string(), "{probe} of {host}: {text}\n{seen:#}");
            let begin = format!("PLMS {} {}: ", probe.to_uppercase(), WORDS[usize::from(state)]);
            assert!(text.starts_with(&begin), "{probe} of {host}: {text}");
            shown |= 1 << state;
        }
    }
    assert_eq!(shown, 0b1111, "not every state was shown once");
    let (state, text) = &services[&("plms".to_owned(), "PLMS invariants".to_owned())];
    assert_eq!(state, "2", "{text}");
    assert!(text.starts_with("PLMS INVARIANTS CRITICAL: field: "), "{text}");
    assert!(text.contains("calibration_pollution (2)"), "{text}");
}

/// What a status.dat says: state and text by host and description.
fn services(status_dat: &str) -> BTreeMap<(String, String), (String, String)> {
    let blocks =
        status_dat.split("servicestatus {\n").skip(1).filter_map(|block| block.split("\n\t}").next());
    let of = blocks.map(|block| {
        let of: BTreeMap<_, _> = block.lines().filter_map(|line| line.trim().split_once('=')).collect();
        let key = (of["host_name"].to_owned(), of["service_description"].to_owned());
        (key, (of["current_state"].to_owned(), of["plugin_output"].to_owned()))
    });
    of.collect()
}

/// After the repair the run was OK, and that is what is shown of it.
#[track_caller]
fn expect_green(status_dat: &str, seen: &common::Finished) {
    let services = services(status_dat);
    for (service, begin) in
        [("PLMS exit", "PLMS EXIT OK: "), ("PLMS invariants", "PLMS INVARIANTS OK: field: 8 invariants hold")]
    {
        let (state, text) = &services[&("plms".to_owned(), service.to_owned())];
        assert!(state == "0" && text.starts_with(begin), "{service}: {state}: {text}\n{seen:#}");
    }
}

#[test]
fn nagios_shows_every_state_by_the_shipped_configuration_and_green_after_the_repair() {
    let Some(seen) = shipped("nagios4-core nagios4-cgi sqlite3 sudo", "nagios-shipped") else { return };
    assert!(seen.stderr.contains("Total Errors:   0"), "{seen:#}");
    let (status_dat, page) = seen.stdout.split_once("=== page").expect("both are there");
    expect_states(&services(status_dat), &seen);
    let (page, repaired) = page.split_once("=== repaired").expect("the repair is there");
    expect_green(repaired, &seen);

    // What a person sees: kept, so that it can be looked at.
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join("nagios-services.html");
    std::fs::write(kept, page).expect("target/tmp is writable");
    for state in WORDS {
        assert!(page.contains(&format!(">{state}</td>")), "{state} is not on the page\n{page}");
    }
    for text in [
        "PLMS TIMER WARNING: loose.timer",
        "PLMS EXIT CRITICAL: failed.service",
        "PLMS FRESHNESS UNKNOWN: never.service",
        "PLMS INVARIANTS CRITICAL: field: 3 of 8 invariants violated by 4 rows",
    ] {
        assert!(page.contains(text), "{text} is not on the page\n{page}");
    }
}

#[test]
fn icinga_shows_every_state_by_the_shipped_configuration_and_green_after_the_repair() {
    let Some(seen) = shipped("icinga2-bin monitoring-plugins-basic sqlite3 sudo", "icinga-shipped") else {
        return;
    };
    let (before, after) = seen.stdout.split_once("=== handed in").expect("both are there");
    expect_states(&services(before), &seen);
    let (after, repaired) = after.split_once("=== repaired").expect("the repair is there");
    expect_green(repaired, &seen);
    let handed_in = |text| services(text)[&("plms".to_owned(), "PLMS handed in".to_owned())].clone();
    let silence = "PLMS INVARIANTS UNKNOWN: nothing was handed in for 25.5 hours";
    assert_eq!(handed_in(before), ("3".to_owned(), silence.to_owned()), "{seen:#}");
    assert_eq!(handed_in(after), ("2".to_owned(), "handed in".to_owned()), "{seen:#}");
}

#[test]
fn icinga_s_commands_have_every_argument_of_the_probes() {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("deployment/icinga2/plms.conf");
    let shipped = std::fs::read_to_string(shipped).expect("it is shipped");
    let (common, own) = shipped.split_once("object CheckCommand").expect("commands follow the template");
    let own: Vec<_> = own.split("object CheckCommand").collect();
    for (probe, own) in [
        env!("CARGO_BIN_EXE_check_plms_timer"),
        env!("CARGO_BIN_EXE_check_plms_exit"),
        env!("CARGO_BIN_EXE_check_plms_freshness"),
    ]
    .into_iter()
    .zip(own)
    {
        let help = finish(std::process::Command::new(probe).arg("--help")).stdout;
        let flags = help.split_whitespace().filter_map(|word| word.strip_prefix("--"));
        let flags: BTreeSet<_> =
            flags.map(|flag| flag.trim_matches(|c: char| c != '-' && !c.is_alphabetic())).collect();
        assert!(flags.len() > 8, "{help}");
        for flag in flags.into_iter().filter(|flag| !["help", "version", "output", "verbose"].contains(flag))
        {
            let line = format!("\"--{flag}\" = ");
            assert!(common.contains(&line) || own.contains(&line), "{probe}: {flag} is missing");
        }
    }
}

#[test]
fn the_shell_lines_under_dash_and_the_nrpe_snippet_tell_every_state() {
    let Some(seen) = shipped("sudo", "shell-shipped") else { return };
    let mut expected = vec!["good exit status 0".to_owned()];
    for (name, word) in [
        ("loose", "in the morning: PLMS EXIT WARNING"),
        ("failed", "now: PLMS EXIT CRITICAL"),
        ("never", "nobody knows: PLMS EXIT UNKNOWN"),
        ("plms-invariants", "now: PLMS EXIT CRITICAL"),
    ] {
        expected.push(format!("{name} exit status 1"));
        expected.push(format!("{name}: {word}: {name}.service "));
    }
    expected.push("failed: PLMS TIMER CRITICAL: failed.timer ".to_owned());
    expected.push("never: PLMS FRESHNESS UNKNOWN: never.service ".to_owned());
    for begin in &expected {
        assert!(seen.stdout.lines().any(|said| said.starts_with(begin.as_str())), "{begin}\n{seen:#}");
    }
    assert!(!seen.stdout.contains("good: "), "{seen:#}");
    for (probe, begin) in [
        ("timer", "0: PLMS TIMER OK: "),
        ("exit", "2: PLMS EXIT CRITICAL: "),
        ("freshness", "0: PLMS FRESHNESS OK: "),
        ("status", "2: PLMS INVARIANTS CRITICAL: field: "),
    ] {
        let begin = format!("nrpe check_plms_{probe} {begin}");
        assert!(seen.stdout.lines().any(|said| said.starts_with(&begin)), "{begin}\n{seen:#}");
    }
}
