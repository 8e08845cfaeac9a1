//! Does it help at two in the morning?

use super::*;
use crate::report::fixture::{at, checked, clean, evaluation, failed, hostile_run, mixed, run};
use crate::report::golden;
use crate::verdict::streaks::Streak;

fn failing_since(id: &str, time: &str) -> Streaks {
    let streak = Streak { failing_since: Some(at(time)), last_time_to_fix: None };
    Streaks { last_success: None, invariants: [(id.to_owned(), streak)].into() }
}

fn text(report: &Report) -> String {
    output(report, &Streaks::default()).render()
}

fn service_output(report: &Report) -> String {
    text(report).lines().next().unwrap().to_owned()
}

#[test]
fn a_clean_and_a_mixed_run_read_well() {
    golden::compare("run_clean.txt", &text(&clean()));
    let mut streaks = failing_since("lane_overrides", "2025-11-01T07:00:03Z");
    streaks.invariants.extend(failing_since("provider_snapshots", "2025-11-06T07:00:03.412Z").invariants);
    streaks.invariants.extend(failing_since("calibration_pollution", "2025-11-05T05:00:03Z").invariants);
    golden::compare("run_mixed.txt", &output(&mixed(), &streaks).render());
}

#[test]
fn a_run_that_checked_nothing_says_why() {
    let mut report = run("2025-11-06T07:00:03Z", vec![]);
    report.findings.push(Finding::new(State::Unknown, "all four tables of the registry are empty"));
    assert_eq!(
        service_output(&report),
        "PLMS INVARIANTS UNKNOWN: production: all four tables of the registry are empty; no invariant was checked \
         | 'violations'=U;;;0 'time'=3.412s;;;0"
    );
    let report = run("2025-11-06T07:00:03Z", vec![evaluation("x", Severity::Warning, failed("locked"))]);
    assert!(
        service_output(&report).contains("UNKNOWN: production: 1 of 1 invariant not checked: x; locked | ")
    );
    assert!(service_output(&report).contains("'x'=U;0;;0"), "not checked is no zero");
}

#[test]
fn a_run_of_nothing_but_skipped_invariants_says_that_none_was_checked() {
    let skipped = Outcome::Skipped { reason: "too old".into() };
    let report = run("2025-11-06T07:00:03Z", vec![evaluation("x", Severity::Warning, skipped)]);
    let want = "PLMS INVARIANTS UNKNOWN: production: no invariant was checked; 1 skipped | ";
    assert!(service_output(&report).starts_with(want), "{}", service_output(&report));
}

#[test]
fn what_stands_in_the_way_of_all_is_said_once() {
    let closed = "cannot open registry /srv/registry.db: permission denied";
    let all = ["a", "b", "c", "d", "e", "f"].map(|id| evaluation(id, Severity::Critical, failed(closed)));
    let mut report = run("2025-11-06T07:00:03Z", all.into());
    let want = format!("6 of 6 invariants not checked: a, b, c, d, 2 more; {closed} | ");
    assert!(service_output(&report).contains(&want), "{}", service_output(&report));

    report.findings.push(Finding::new(State::Unknown, closed));
    let want = format!("UNKNOWN: production: {closed}; 6 invariants were not checked | ");
    assert!(service_output(&report).contains(&want), "{}", service_output(&report));
    let text = output(&report, &failing_since("b", "2025-11-01T07:00:03Z")).render();
    let long_output: Vec<&str> = text.lines().skip(1).collect();
    let b = "b was failing for 5d, since 2025-11-01 07:00 UTC";
    assert_eq!(long_output, [format!("UNKNOWN: {closed}; 6 invariants were not checked; {b}")]);
}

#[test]
fn an_invariant_that_was_never_asked_took_no_known_time() {
    let mut never = evaluation("never", Severity::Warning, failed("no file"));
    never.duration = None;
    let late = evaluation("late", Severity::Warning, failed("timed out"));
    let text = text(&run("2025-11-06T07:00:03Z", vec![never, late]));
    assert!(text.contains("'time_late'=0.012s") && !text.contains("time_never"), "{text}");
}

#[test]
fn empty_tables_are_said_before_the_invariants_that_hold_over_nothing() {
    let mut report = clean();
    report.findings.push(Finding::new(State::Unknown, "all four PLMS tables are empty"));
    let first = service_output(&report);
    assert!(
        first.contains("UNKNOWN: production: all four PLMS tables are empty; 2 invariants hold; "),
        "{first}"
    );
}

#[test]
fn of_several_outputs_that_failed_the_others_are_counted() {
    let mut report = clean();
    for output in ["state", "log", "textfile"] {
        report.findings.push(Finding::new(State::Unknown, format!("the {output} was not written")));
    }
    let first = service_output(&report);
    assert!(first.contains("production: the state was not written (and 2 more below); 2 inv"), "{first}");
}

#[test]
fn an_incomplete_and_a_partial_run_are_marked() {
    let mut report = mixed();
    report.incomplete = Some("stopped by SIGTERM".into());
    report.partial = Some("--tag standard".into());
    let text = text(&report);
    let first = text.lines().next().unwrap();
    assert!(first.contains("incomplete: stopped by SIGTERM; partial: --tag standard"), "{first}");
    assert!(text.contains("\nUNKNOWN: the run is incomplete: stopped by SIGTERM\n"), "{text}");
    assert!(text.contains("\nOK: a partial run (--tag standard): nothing of it was recorded\n"), "{text}");
}

#[test]
fn a_failed_output_is_said_in_the_service_output() {
    let mut report = clean();
    report.findings.push(Finding::new(State::Ok, "old logs stay"));
    report.findings.push(Finding::new(State::Unknown, "the log was not written: no room"));
    let first = service_output(&report);
    assert!(
        first.starts_with(
            "PLMS INVARIANTS UNKNOWN: production: the log was not written: no room; 2 invariants hold; 1 skipped | "
        ),
        "{first}"
    );
}

#[test]
fn many_invariants_are_counted_and_their_perfdata_is_four_counts() {
    let many = (0..30).map(|n| evaluation(&format!("rule_{n}"), Severity::Critical, checked(n % 2)));
    let text = text(&run("2025-11-06T07:00:03Z", many.collect()));
    let (sentence, perfdata) = text.lines().next().unwrap().split_once(" | ").unwrap();
    assert!(
        sentence.ends_with(
            "15 of 30 invariants violated by 15 rows (0 allowed): rule_1 (1), rule_3 (1), rule_5 (1), rule_7 (1), 11 more"
        ),
        "{sentence}"
    );
    assert_eq!(perfdata, "'ok'=15;;;0 'warning'=0;;;0 'critical'=15;;;0 'unknown'=0;;;0 'time'=3.412s;;;0");
    assert_eq!(text.lines().filter(|line| line.starts_with("CRITICAL: rule_")).count(), 15);
}

#[test]
fn a_failure_is_new_though_the_clock_is_finer_than_the_history() {
    let mut report = mixed();
    report.finish = at("2025-11-06T07:00:03.412000345Z");
    let text = output(&report, &failing_since("lane_overrides", "2025-11-06T07:00:03.412Z")).render();
    assert!(text.contains("lane_overrides: 12408 violations, new in this run; rule: "), "{text}");
}

#[test]
fn a_failure_of_a_moment_ago_is_not_given_in_milliseconds() {
    let text = output(&mixed(), &failing_since("lane_overrides", "2025-11-06T07:00:03.100Z")).render();
    let want = "lane_overrides: 12408 violations for less than a minute, since 2025-11-06 07:00 UTC; rule: ";
    assert!(text.contains(want), "{text}");
}

#[test]
fn a_clock_set_back_says_nothing_about_the_age_of_a_failure() {
    let text = output(&mixed(), &failing_since("lane_overrides", "2025-12-01T07:00:00Z")).render();
    assert!(text.contains("WARNING: lane_overrides: 12408 violations; rule: A lane "), "{text}");
}

#[test]
fn hostile_text_makes_neither_perfdata_nor_lines_nor_escapes() {
    let report = hostile_run();
    let text = text(&report);
    assert!(text.len() <= 4096);
    assert_eq!(text.matches('|').count(), 1, "{text}");
    assert!(text.lines().next().unwrap().contains(" | "));
    assert!(!text.contains(|c: char| (c.is_control() && c != '\n') || c == '\u{202e}'));
    let starts = ["CRITICAL: ", "UNKNOWN: ", "OK: ", "and "];
    let mut long_output = text.lines().skip(1);
    assert!(long_output.all(|line| starts.iter().any(|start| line.starts_with(start))), "{text}");
}
