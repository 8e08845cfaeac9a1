//! Which units do names and patterns mean, and is each of them judged, and once?

mod common;
#[path = "common/fake_systemd.rs"]
mod fake_systemd;

use std::time::Duration;

use fake_systemd::{FakeSystemd, FakeUnit, Manners, Value, micros, never_started, service, timer};

const TIMER: &str = env!("CARGO_BIN_EXE_check_plms_timer");
const EXIT: &str = env!("CARGO_BIN_EXE_check_plms_exit");
const FRESHNESS: &str = env!("CARGO_BIN_EXE_check_plms_freshness");
const HOUR: u64 = 3_600_000_000;

fn serve<const N: usize>(units: [(&str, FakeUnit); N]) -> FakeSystemd {
    FakeSystemd::serve(Manners::Good, units.map(|(name, unit)| (name.to_owned(), unit)))
}

fn an_hour_ago() -> u64 {
    micros(Duration::ZERO) - HOUR
}

fn daily(job: &str) -> FakeUnit {
    timer(an_hour_ago(), micros(Duration::ZERO) + HOUR).with("Unit", Value::Text(job.into()))
}

fn started_by(timers: &[&str]) -> FakeUnit {
    let timers = timers.iter().map(|&timer| timer.to_owned()).collect();
    service(an_hour_ago()).with("TriggeredBy", Value::Texts(timers))
}

#[test]
fn a_glob_keeps_a_unit_whose_file_is_gone_where_it_failed_or_a_timer_starts_it() {
    let gone = |sub: [&str; 2], timers: &[&str]| started_by(timers).in_states(["not-found", sub[0], sub[1]]);
    let fake = serve([
        ("job-1.service", started_by(&["job-1.timer"])),
        ("job-2.service", gone(["failed", "failed"], &[])),
        ("job-3.service", gone(["inactive", "dead"], &["other.timer"])),
        ("job-4.service", gone(["inactive", "dead"], &["x.path"])),
        ("job-5.timer", daily("job-5.service").in_states(["not-found", "failed", "failed"])),
    ]);
    for probe in [EXIT, FRESHNESS] {
        let seen = fake.ask(probe, &["-u", "job-*.service", "--expect", "3"]).expect_status(2);
        for name in ["job-2", "job-3"] {
            assert!(seen.stdout.contains(&format!("{name}.service does not exist")), "{name}: {seen:#}");
        }
        assert!(!seen.stdout.contains("job-4") && !seen.stdout.contains("expected"), "{seen:#}");
    }
    fake.ask(TIMER, &["-u", "job-*"]).expect_status(2).expect_stdout("job-5.timer does not exist");
}

#[test]
fn a_pattern_for_nothing_is_unknown_by_itself_and_hides_no_other() {
    let fake = serve([("job.timer", daily("job.service")), ("job.service", started_by(&["job.timer"]))]);
    let seen = fake.ask(TIMER, &["-u", "nope-*", "-u", "nope", "-u", "job"]).expect_status(2);
    assert!(
        seen.service_output().contains("2 of 3 units are not OK, first: nope.timer does not"),
        "{seen:#}"
    );
    assert!(seen.stdout.contains("UNKNOWN: no unit matches 'nope-*.timer'"), "{seen:#}");
    let seen = fake.ask(TIMER, &["-u", "nope-*", "-u", "job"]).expect_status(3);
    assert!(seen.stdout.contains("'job.timer next'="), "{seen:#}");
    // A whole fleet that is gone is no better than one unit that is.
    let seen = fake.ask(TIMER, &["-u", "nope-*", "--expect", "5"]).expect_status(2);
    assert!(seen.service_output().contains("expected 5 units, found 0"), "{seen:#}");
}

#[test]
fn a_job_of_two_timers_is_judged_once_with_both_whatever_their_order() {
    let long_up = daily("two.service")
        .with("LastTriggerUSec", Value::Time(0))
        .with("ActiveEnterTimestamp", Value::Time(micros(Duration::from_secs(30 * 3600))));
    let never = never_started().with("TriggeredBy", Value::Texts(vec!["b.timer".into()]));
    let fake = serve([
        ("two-a.timer", long_up.clone().in_states(["loaded", "inactive", "dead"])),
        ("two-b.timer", long_up),
        ("two.service", never),
    ]);
    for names in [["two-a.timer", "two-b.timer"], ["two-b.timer", "two-a.timer"], ["two-*.timer"; 2]] {
        let args = ["-u", names[0], "-u", names[1], "--never-run", "ok", "--expect", "2"];
        let seen = fake.ask(FRESHNESS, &args).expect_status(2);
        let want = "CRITICAL: two.service never ran since its timer was started 30h ago; its timer has been";
        assert!(seen.service_output().contains(want), "{names:?} {seen:#}");
        assert!(!seen.stdout.contains("expected"), "{names:?} {seen:#}");
    }
}

#[test]
fn an_alias_is_the_unit_itself_for_every_probe() {
    let id = |unit: FakeUnit, id: &str| unit.with("Id", Value::Text(id.into()));
    let fake = serve([
        ("real.timer", daily("real.service")),
        ("real.service", started_by(&["real.timer"])),
        ("als.service", id(started_by(&["real.timer"]), "real.service")),
        ("als.timer", id(daily("real.service"), "real.timer")),
    ]);
    for (probe, want) in
        [(TIMER, "real.timer is active"), (EXIT, "real.service "), (FRESHNESS, "real.service ")]
    {
        for name in ["als.service", "als.timer"] {
            fake.ask(probe, &["-u", name]).expect_status(0).expect_stdout(want);
        }
        fake.ask(probe, &["-u", "als.timer", "-u", "real.timer", "--expect", "2"]).expect_status(0);
    }
}

#[test]
fn a_name_of_full_length_has_no_partner_and_spoils_no_others() {
    let long = format!("{}.timer", "a".repeat(249));
    let fake = serve([
        (long.as_str(), daily("job.service")),
        ("job.timer", daily("job.service")),
        ("job.service", started_by(&["job.timer"])),
    ]);
    fake.ask(TIMER, &["-u", &long, "-u", "job"]).expect_status(0);
    let seen = fake.ask(TIMER, &["-u", "a!b", "-u", "job"]).expect_status(3);
    assert!(seen.service_output().contains("'a!b' is no unit name"), "{seen:#}");
}

#[test]
fn what_changes_while_it_is_asked_for_is_asked_once_more() {
    let firing = daily("job.service").with("NextElapseUSecRealtime", Value::Time(u64::MAX));
    let begun = never_started().with("ExecMainStartTimestamp", Value::Time(an_hour_ago()));
    let running = begun.clone().in_states(["loaded", "activating", "start"]);
    let running = running.with("InactiveExitTimestamp", Value::Time(an_hour_ago()));
    let named = |timer, job| [("job.timer".to_owned(), timer), ("job.service".to_owned(), job)];
    let later = named(daily("job.service"), running);
    let fake = FakeSystemd::serve_changing(Manners::Good, named(firing.clone(), begun), later);
    fake.ask(TIMER, &["-u", "job"]).expect_status(0).expect_stdout("job.timer fires next");
    for probe in [EXIT, FRESHNESS] {
        fake.ask(probe, &["-u", "job"]).expect_status(0).expect_stdout("job.service is running for 1h");
    }
    // What stays so is what it is.
    let fake = FakeSystemd::of(firing, started_by(&["job.timer"]));
    fake.ask(TIMER, &["-u", "job"]).expect_status(3).expect_stdout("systemd knows no next elapse");
}

#[test]
fn calls_about_other_units_leave_other_files() {
    let fake = serve([("nag.timer", daily("nag.service")), ("nag.service", started_by(&["nag.timer"]))]);
    let folder = fake.folder().join("metrics");
    std::fs::create_dir(&folder).unwrap();
    let place = folder.display().to_string();
    let long = "n".repeat(220);
    for names in [&["nag"][..], &["n?g"], &["n*g"], &["nag", "a"], &["nag", "b"], &[&long], &[&long[1..]]] {
        let names = names.iter().flat_map(|name| ["-u", name]);
        fake.ask(TIMER, &names.chain(["--textfile", &place]).collect::<Vec<_>>());
    }
    let names = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names.len(), 7, "{names:#?}");
    // The same call leaves the same file in every version.
    for name in ["plms_timer_nag.timer.prom", "plms_timer_n_g.timer_7fc75668593c3cbe.prom"] {
        assert!(names.iter().any(|known| known == name), "{name} {names:#?}");
    }
}
