//! Is a mail one that strict parsers take, that people understand, and that no text can break out of?

use std::path::Path;

use chrono::TimeDelta;
use proptest::prelude::*;

use super::*;
use crate::report::fixture::{at, checked, clean, evaluation, failed, hostile, hostile_run, mixed, run};
use crate::report::golden;
use crate::report::notice::{Subject as About, died, test};
use crate::verdict::invariants::{Report, Severity};
use crate::verdict::notice::Notice;
use crate::verdict::streaks::{Streak, Streaks};
use crate::verdict::telling::{Telling, Told, Wish, after, tell};

fn notice(report: &Report) -> Notice {
    let since = |id: &str, time: &str| {
        (id.to_owned(), Streak { failing_since: Some(at(time)), last_time_to_fix: None })
    };
    let invariants = [
        since("lane_overrides", "2025-11-01T07:00:03Z"),
        since("provider_snapshots", "2025-11-06T07:00:03.412Z"),
    ];
    let streaks = Streaks { last_success: None, invariants: invariants.into() };
    let log = Path::new("/opt/plms/logs/plms/invariants_2025-11-06T07:00:00Z.log");
    crate::report::notice::compose(report, &streaks, "plms1", Some(log))
}

/// What is told after those nights, as if each had been told.
fn told(before: &[&Notice], notice: &Notice) -> Telling {
    let told = before.iter().fold(Told::default(), |told, notice| after(&told, notice));
    tell(Wish::Failures, &told, notice).unwrap()
}

fn letter(notice: &Notice, telling: &Telling, age: TimeDelta) -> String {
    let to = ["ops@example.org".to_owned(), "night.shift@example.org".to_owned()];
    let addresses = Addresses { from: "plms-invariants@plms1.example.org", to: &to };
    let message = Message { notice, telling, now: notice.at + age };
    String::from_utf8(compose(&message, &addresses)).unwrap()
}

fn fresh(before: &[&Notice], notice: &Notice) -> String {
    letter(notice, &told(before, notice), TimeDelta::seconds(2))
}

fn one(finish: &str, violations: u64) -> Notice {
    notice(&run(finish, vec![evaluation("lane_overrides", Severity::Warning, checked(violations))]))
}

fn about() -> About<'static> {
    About {
        env: "production",
        db_path: "/opt/lnsp-phase-4/artifacts/registry/registry.db",
        host: "plms1",
        invocation_id: "fedcba9876543210fedcba9876543210",
    }
}

/// The headers, unfolded.
fn headers(letter: &str) -> Vec<(&str, String)> {
    let head = letter.split("\r\n\r\n").next().unwrap();
    let mut headers: Vec<(&str, String)> = vec![];
    for line in head.split("\r\n") {
        if line.starts_with(' ') {
            headers.last_mut().unwrap().1.push_str(line);
        } else {
            let (name, value) = line.split_once(": ").unwrap_or_else(|| panic!("no header: {line:?}"));
            headers.push((name, value.to_owned()));
        }
    }
    headers
}

fn header(letter: &str, name: &str) -> Option<String> {
    headers(letter).into_iter().find(|(other, _)| *other == name).map(|(_, value)| value)
}

#[test]
fn a_failing_night_lists_what_is_wrong_worst_first() {
    golden::compare("mail_fail.eml", &fresh(&[&one("2025-11-05T07:00:03Z", 12_000)], &notice(&mixed())));
}

#[test]
fn a_recovery_names_what_is_mended() {
    let mut before = mixed();
    before.evaluations.retain(|e| e.id == "provider_snapshots");
    golden::compare("mail_recovered.eml", &fresh(&[&notice(&before)], &notice(&clean())));
}

#[test]
fn a_night_that_could_not_check_is_a_failure_and_says_what_stays_open() {
    let error = "cannot open registry /srv/registry.db: permission denied; is the unit's user in the registry's group?";
    let unknown =
        ["lane_overrides", "provider_snapshots"].map(|id| evaluation(id, Severity::Critical, failed(error)));
    let notice = notice(&run("2025-11-06T07:00:03.412Z", unknown.into()));
    golden::compare("mail_could_not_check.eml", &fresh(&[&one("2025-11-05T07:00:03Z", 3)], &notice));
}

#[test]
fn a_late_mail_says_so_first_and_in_its_subject() {
    let notice = one("2025-11-06T07:00:03Z", 2);
    let late = letter(&notice, &told(&[], &notice), TimeDelta::minutes(187));
    assert_eq!(
        header(&late, "Subject").unwrap(),
        "[PLMS][production] Invariants FAIL @ 2025-11-06T07:00:03Z (3h 7min late)"
    );
    golden::compare("mail_late.eml", &late);
}

#[test]
fn a_death_and_a_test_are_mailed_too() {
    let sentence = "production: the check died and left no record: plms-invariants.service was killed by SIGKILL \
                    (oom-kill); see journalctl -u plms-invariants.service";
    let died = died(&about(), sentence, at("2025-11-06T07:00:09Z"));
    golden::compare("mail_died.eml", &fresh(&[], &died));
    golden::compare("mail_test.eml", &fresh(&[], &test(&about(), at("2025-11-06T09:30:00Z"))));
}

#[test]
fn hostile_text_is_text_in_every_part() {
    let mut report = hostile_run();
    report.env = format!("prod\r\nBcc: evil@example.org\r\n\r\n<script>{}", hostile());
    let letter = fresh(&[], &notice(&report));
    golden::compare("mail_hostile.eml", &letter);
}

#[test]
fn a_duplicate_is_known_by_its_id_and_a_thread_holds_an_incident() {
    let nights =
        [one("2025-11-05T07:00:03Z", 3), one("2025-11-06T07:00:03Z", 4), one("2025-11-07T07:00:03Z", 0)];
    let first = fresh(&[], &nights[0]);
    let again = letter(&nights[0], &told(&[], &nights[0]), TimeDelta::hours(9));
    let second = fresh(&[&nights[0]], &nights[1]);
    let recovery = fresh(&[&nights[0], &nights[1]], &nights[2]);
    let id = |letter: &str| header(letter, "Message-ID").unwrap();
    assert_eq!(id(&first), id(&again));
    assert!(id(&first) != id(&second) && id(&second) != id(&recovery));
    let thread = header(&first, "In-Reply-To").unwrap();
    for letter in [&second, &recovery, &again] {
        assert_eq!(header(letter, "In-Reply-To").as_ref(), Some(&thread));
        assert_eq!(header(letter, "References").as_ref(), Some(&thread));
    }
    // Two tests within a day are two messages.
    let tested = |time: &str| id(&fresh(&[], &test(&About { invocation_id: "test", ..about() }, at(time))));
    assert_ne!(tested("2025-11-06T09:30:00Z"), tested("2025-11-06T09:30:01Z"));
}

#[test]
fn five_thousand_violated_invariants_are_one_readable_mail() {
    let text = "ü漢🔴".repeat(70);
    let many = (0..5000).map(|n| {
        let mut one = evaluation(&format!("rule_{n:04}"), Severity::Warning, checked(3));
        one.title.clone_from(&text);
        one.owner = Some(text.clone());
        one
    });
    let letter = fresh(&[], &notice(&run("2025-11-06T07:00:03Z", many.collect())));
    assert!(letter.len() < 512 * 1024, "{} bytes", letter.len());
    assert!(letter.split("\r\n").all(|line| line.len() <= 998 && line.is_ascii()));
    let text = Page::of(&Message {
        notice: &one("2025-11-06T07:00:03Z", 900),
        telling: &told(&[], &one("2025-11-06T07:00:03Z", 900)),
        now: at("2025-11-06T07:00:03Z"),
    });
    assert!(
        text::render(&text).contains("    +897 more: plms-invariants rows lane_overrides\n"),
        "{}",
        text::render(&text)
    );
}

#[test]
fn a_long_list_of_recipients_is_a_folded_header() {
    let to: Vec<String> = (0..300).map(|n| format!("person.number.{n}@department.example.org")).collect();
    let (notice, before) = (one("2025-11-06T07:00:03Z", 2), []);
    let message = Message { notice: &notice, telling: &told(&before, &notice), now: notice.at };
    let addresses = Addresses { from: "plms@example.org", to: &to };
    let letter = String::from_utf8(compose(&message, &addresses)).unwrap();
    // RFC 5322, 2.1.1.
    assert!(letter.split("\r\n").all(|line| line.len() <= 78), "{letter}");
    let mut seen: Vec<String> = vec![];
    seen.extend(header(&letter, "To").unwrap().split(',').map(|one| one.trim().to_owned()));
    assert_eq!(seen, to);
}

proptest! {
    #[test]
    fn no_text_makes_a_header_or_a_second_line(env in any::<String>(), path in any::<String>(), extra in "[\r\n\0 :]{0,6}Bcc: x@y") {
        let about = About { env: &(env + &extra), db_path: &path, host: &extra, invocation_id: &path };
        let notice = died(&about, &extra, at("2025-11-06T07:00:09Z"));
        let letter = fresh(&[], &notice);
        let names: Vec<&str> = headers(&letter).into_iter().map(|(name, _)| name).collect();
        prop_assert_eq!(names, [
            "From", "To", "Subject", "Date", "Message-ID", "In-Reply-To", "References", "Auto-Submitted",
            "MIME-Version", "Content-Type",
        ]);
        prop_assert!(letter.is_ascii() && letter.split("\r\n").all(|line| line.len() <= 998));
        prop_assert!(!letter.replace("\r\n", "").contains(['\r', '\n', '\0']));
        let message = Message { notice: &notice, telling: &told(&[], &notice), now: at("2026-11-06T07:00:09Z") };
        let subject = words::subject(&message);
        prop_assert!(subject.chars().count() <= 200);
        prop_assert!(!subject.contains(|c: char| c.is_control() || crate::report::text::is_invisible(c)));
    }

    #[test]
    fn no_text_leaves_its_place_in_the_html(text in ".{0,40}[<>\"'&]{0,4}.{0,40}") {
        let html = html::escape(&text);
        prop_assert!(!html.contains(['<', '>', '"', '\'']));
        let back = html.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&#39;", "'");
        prop_assert_eq!(back.replace("&amp;", "&"), text);
    }
}
