//! Is everything in a notice that people must hear of, and never more than a message can hold?

use super::*;
use crate::report::fixture::{at, checked, clean, evaluation, failed, hostile_run, mixed, run};
use crate::report::golden;
use crate::verdict::Finding;
use crate::verdict::invariants::{Cell, Severity};
use crate::verdict::streaks::Streak;
use crate::verdict::telling::{Told, after};

fn composed(report: &Report) -> Notice {
    compose(report, &Streaks::default(), "plms1", None)
}

/// Bytes of everything that comes from the registry, the catalogue's files or errors.
fn text(notice: &Notice) -> usize {
    let of_matter = |matter: &Matter| {
        let of_row = |row: &Row| {
            let cells = row.cells.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
            cells + row.reason.as_ref().map_or(0, String::len)
        };
        matter.title.len()
            + matter.errors.iter().map(String::len).sum::<usize>()
            + matter.runbook.as_ref().map_or(0, String::len)
            + matter.owner.as_ref().map_or(0, String::len)
            + matter.rows.iter().map(of_row).sum::<usize>()
    };
    notice.sentence.len()
        + notice.matters.iter().map(of_matter).sum::<usize>()
        + notice.findings.iter().map(|said| said.sentence.len()).sum::<usize>()
}

#[test]
fn a_notice_is_kept_as_it_was_composed() {
    let streak = Streak { failing_since: Some(at("2025-11-01T07:00:03Z")), last_time_to_fix: None };
    let streaks = Streaks { last_success: None, invariants: [("lane_overrides".to_owned(), streak)].into() };
    let log = Path::new("/var/log/plms/invariants_2025-11-06T07:00:03Z.log");
    let notice = compose(&mixed(), &streaks, "plms1", Some(log));
    let json = serde_json::to_string_pretty(&notice).unwrap();
    golden::compare("notice_mixed.json", &format!("{json}\n"));
    assert_eq!(serde_json::from_str::<Notice>(&json).unwrap(), notice);
    let clean = composed(&clean());
    let json = serde_json::to_string(&clean).unwrap();
    assert_eq!(serde_json::from_str::<Notice>(&json).unwrap(), clean);
}

#[test]
fn what_an_invariant_redacts_nobody_is_told() {
    let notice = composed(&mixed());
    let rows = notice.matters.iter().find(|matter| matter.id == "lane_overrides").unwrap().rows.clone();
    assert_eq!(rows[1].cells[1], ("corrected_by".to_owned(), "(redacted)".to_owned()));
}

#[test]
fn five_thousand_violations_with_megabytes_of_text_are_a_message_and_none_is_forgotten() {
    let many = (0..5000).map(|n| {
        let mut one = evaluation(&format!("rule_{n:04}"), Severity::Warning, checked(3));
        one.title = "ü".repeat(200);
        one.owner = Some("o".repeat(200));
        one
    });
    let mut report = run("2025-11-06T07:00:03Z", many.collect());
    report.findings = (0..500).map(|_| Finding::new(State::Unknown, "x".repeat(1000))).collect();
    let notice = composed(&report);
    assert!(text(&notice) <= 128 * 1024, "{} bytes", text(&notice));
    assert_eq!(notice.matters.len(), 5000);
    assert_eq!(after(&Told::default(), &notice).open.len(), 5001, "each of them, and that not all is known");
    assert_eq!(notice.findings.last().unwrap().sentence, "and 460 more findings; the log has them");
}

#[test]
fn one_wide_table_leaves_room_for_the_rows_of_others() {
    let wide = |id: &str| {
        let cells = (0..50).map(|n| (format!("column_{n}"), Cell::Text("漢".repeat(200)))).collect();
        let sample = vec![SampleRow { cells, reason: Some("because".repeat(100)) }; 12];
        let outcome = Outcome::Checked { violations: 1000, examined: None, sample, errors: vec![] };
        evaluation(id, Severity::Warning, outcome)
    };
    let notice = composed(&run("2025-11-06T07:00:03Z", vec![wide("a"), wide("b"), wide("c")]));
    for matter in &notice.matters {
        assert!((2..=MOST_ROWS).contains(&matter.rows.len()), "{}", matter.rows.len());
        assert_eq!(matter.rows[0].cells.last().unwrap(), &("…".to_owned(), "46 more columns".to_owned()));
    }
}

#[test]
fn errors_are_never_cut_to_none() {
    let mut many: Vec<_> = (0..2000)
        .map(|n| evaluation(&format!("rule_{n:04}"), Severity::Critical, failed(&"e".repeat(400))))
        .collect();
    many[7].outcome =
        Outcome::Checked { violations: 1, examined: None, sample: vec![], errors: vec!["x".into(); 9] };
    let notice = composed(&run("2025-11-06T07:00:03Z", many));
    assert!(notice.matters.iter().all(|matter| !matter.errors.is_empty()));
    assert_eq!(notice.matters[0].errors, ["x", "x", "x", "6 more; the log has them"]);
    assert_eq!(notice.matters[1999].errors, ["1 more; the log has them"]);
    assert!(text(&notice) <= 128 * 1024);
}

#[test]
fn hostile_text_is_cut_and_moves_no_cursor() {
    let notice = composed(&hostile_run());
    let said = notice.matters.iter().flat_map(|matter| {
        let cells = matter.rows.iter().flat_map(|row| row.cells.iter().map(|(_, value)| value));
        cells.chain(&matter.errors).chain([&matter.title]).chain(&matter.runbook).chain(&matter.owner)
    });
    for text in said.chain(notice.findings.iter().map(|said| &said.sentence)).chain([&notice.sentence]) {
        assert!(
            text.len() <= SENTENCE && !text.contains(|c: char| c.is_control() || c == '\u{202e}'),
            "{text:?}"
        );
    }
}

#[test]
fn a_death_and_a_test_say_what_is_known() {
    let subject = Subject {
        env: "production",
        db_path: "/srv/registry.db",
        host: "plms1",
        invocation_id: "0123456789abcdef0123456789abcdef",
    };
    let died = died(&subject, "plms-invariants.service was killed by SIGKILL", at("2025-11-06T07:05:00Z"));
    assert_eq!((died.occasion, died.state), (Occasion::Died, State::Unknown));
    assert_eq!(died.sentence, "plms-invariants.service was killed by SIGKILL");
    assert_eq!(died.invocation_id, subject.invocation_id);
    let test = test(&subject, at("2025-11-06T07:05:00Z"));
    assert_eq!((test.occasion, test.state), (Occasion::Test, State::Ok));
    assert_eq!(test.sentence, "production: this is a test of the alert channels; nothing is wrong");
}
