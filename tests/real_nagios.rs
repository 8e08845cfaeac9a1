//! Does a real Nagios core understand what the probes say?
#![allow(clippy::indexing_slicing, reason = "clippy.toml spares functions marked as tests alone")]

mod common;

use std::collections::BTreeMap;
use std::path::Path;

use common::finish;
use common::real::{beside_systemd, folder};

/// What Nagios wrote of each service, by the service's name.
fn services(status_dat: &str) -> BTreeMap<&str, BTreeMap<&str, &str>> {
    let blocks =
        status_dat.split("servicestatus {\n").skip(1).filter_map(|block| block.split("\n\t}").next());
    let services = blocks.map(|block| block.lines().filter_map(|line| line.trim().split_once('=')));
    services.map(BTreeMap::from_iter).map(|service| (service["service_description"], service)).collect()
}

#[test]
fn nagios_shows_every_state_with_its_sentence_and_perfdata() {
    let Some(mut command) = beside_systemd(&["--packages", "nagios4-core"], folder().join("nagios-field"))
    else {
        return;
    };
    let programs = Path::new(env!("CARGO_BIN_EXE_check_plms_timer")).parent().unwrap();
    let seen = finish(command.arg(programs)).expect_status(0);
    let services = services(&seen.stdout);

    for (name, state, sentence) in [
        ("timer_good", "0", "PLMS TIMER OK: "),
        ("timer_loose", "1", "PLMS TIMER WARNING: "),
        ("timer_stopped", "2", "PLMS TIMER CRITICAL: "),
        ("exit_good", "0", "PLMS EXIT OK: "),
        ("exit_failed", "2", "PLMS EXIT CRITICAL: "),
        ("exit_never", "3", "PLMS EXIT UNKNOWN: "),
        ("freshness_good", "0", "PLMS FRESHNESS OK: "),
        ("freshness_never", "3", "PLMS FRESHNESS UNKNOWN: "),
        ("usage", "3", "PLMS FRESHNESS UNKNOWN: "),
    ] {
        let service = services.get(name).unwrap_or_else(|| panic!("{name} is not there\n{seen:#}"));
        assert_eq!(service["current_state"], state, "{name}: {service:#?}");
        assert!(service["plugin_output"].starts_with(sentence), "{name}: {service:#?}");
    }
    // Perfdata is what follows the one separator; Nagios would take any other for one.
    assert!(
        services["freshness_good"]["performance_data"].contains("'age'="),
        "{:#?}",
        services["freshness_good"]
    );
}
