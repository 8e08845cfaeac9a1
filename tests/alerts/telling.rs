//! Who is told what on which night?

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::stage::{Stage, events, good_pagerduty, good_slack, pd_ok, texts};
use crate::fault_server::{FaultServer, Request, Step};

/// What an alert's subject says.
fn words(texts: &[String]) -> Vec<&str> {
    texts.iter().map(|text| text.split_once("Invariants ").unwrap().1.split_once(" @ ").unwrap().0).collect()
}

#[test]
fn an_incident_is_opened_by_each_failing_night_and_closed_once_by_the_night_that_saw_it_mended() {
    let (slack, pagerduty) = (good_slack(), good_pagerduty());
    let mut stage = Stage::new();
    stage.slack(&slack).pagerduty(&pagerduty);
    let mut seen = 0;
    let mut news = || {
        let all = events(&pagerduty.requests());
        let news = all[seen..].to_vec();
        seen = all.len();
        news
    };
    stage.plms("run").expect_status(0);
    assert_eq!(news(), [], "a clean night opens nothing");
    stage.violate(2);
    stage.plms("run").expect_status(1);
    let first = news();
    let [(action, key)] = &first[..] else { panic!("{first:?}") };
    assert!(action == "trigger" && key.starts_with("plms-inv:") && key.len() == 9 + 64, "{action} {key}");
    stage.violate(3);
    stage.plms("run").expect_status(1);
    assert_eq!(news(), first, "the second failing night is the same incident");

    // What was not looked at is not mended: neither a column that is gone, nor a part, nor another database.
    stage.take_away();
    stage.plms("run").expect_status(3);
    let unknown = news();
    let [(action, other)] = &unknown[..] else { panic!("{unknown:?}") };
    assert!(action == "trigger" && other != key, "{unknown:?}");
    stage.give_back();
    stage.violate(0);
    for part in ["--skip lane_overrides", "--only lane_overrides", "--standard", "--tag strict"] {
        stage.plms(part).expect_status(0).expect_stdout("partial");
    }
    fs::copy(&stage.registry, stage.path("copy.db")).unwrap();
    stage.plms("--db copy.db").expect_status(0).expect_stdout("partial");
    assert_eq!(news(), [], "nobody is told of a part");
    // A setting makes a full run of it: all that it is to check was checked, and lane_overrides is not in it.
    stage.set("INVARIANT_TAGS", "strict");
    stage.plms("run").expect_status(0);
    assert_eq!(news(), [("resolve".to_owned(), other.clone())]);
    stage.set("INVARIANT_TAGS", "");

    stage.plms("run").expect_status(0);
    assert_eq!(news(), [("resolve".to_owned(), key.clone())]);
    stage.plms("run").expect_status(0);
    assert_eq!(news(), [], "a recovery is told once");

    let told = texts(&slack.requests());
    assert_eq!(words(&told), ["OK", "FAIL", "FAIL", "FAIL (could not check)", "OK", "OK (recovered)", "OK"]);
    let bodies: Vec<_> = slack.requests().iter().map(Request::text).collect();
    assert!(
        bodies[1].contains("*2 violations, new in this run*") && bodies[2].contains("*3 violations for "),
        "{bodies:#?}"
    );
    for unseen in [&bodies[3], &bodies[4]] {
        assert!(unseen.contains("*Still open, not looked at:* `lane_overrides`"), "{unseen}");
    }
}

/// As the guide says.
#[test]
fn an_invariant_that_is_removed_stays_open_until_a_file_of_its_id_finds_nothing() {
    let pagerduty = good_pagerduty();
    let mut stage = Stage::new();
    stage.pagerduty(&pagerduty);
    stage.invariant("old_id", "severity = \"warning\"", "SELECT id FROM lane_overrides WHERE id = 1;");
    stage.plms("run").expect_status(1);
    let file = stage.path("invariants/old_id.sql");
    fs::rename(&file, stage.path("kept")).unwrap();
    stage.plms("run").expect_status(0);
    assert_eq!(events(&pagerduty.requests()).len(), 1);
    stage.invariant("old_id", "severity = \"warning\"", "SELECT 1 AS id WHERE 0;");
    stage.plms("run").expect_status(0);
    fs::remove_file(&file).unwrap();
    stage.plms("run").expect_status(0);
    let seen = events(&pagerduty.requests());
    assert_eq!(seen.iter().map(|(action, _)| action.as_str()).collect::<Vec<_>>(), ["trigger", "resolve"]);
}

#[test]
fn a_skipped_invariant_resolves_nothing() {
    let pagerduty = good_pagerduty();
    let mut stage = Stage::new();
    stage.pagerduty(&pagerduty);
    let needs = "severity = \"critical\"\nneeds = [\"lane_overrides.corrected_by\"]\non_missing = \"skip\"";
    stage.invariant("signed", needs, "SELECT id FROM lane_overrides WHERE corrected_by IS NULL");
    stage.plms("run").expect_status(2);
    let first = events(&pagerduty.requests());
    stage.sql("ALTER TABLE lane_overrides DROP COLUMN corrected_by");
    stage.plms("run").expect_status(0).expect_stdout("skipped");
    assert_eq!(events(&pagerduty.requests()), first);
}

#[test]
fn slack_hears_of_every_run_of_changes_or_of_failures_as_it_is_set() {
    // Rows that violate, night by night; and the nights of which Slack hears.
    let nights = [0, 1, 1, 2, 0, 0];
    for (wish, want) in [
        ("", vec!["OK", "FAIL", "FAIL", "FAIL", "OK (recovered)", "OK"]),
        ("always", vec!["OK", "FAIL", "FAIL", "FAIL", "OK (recovered)", "OK"]),
        ("changes", vec!["FAIL", "FAIL", "OK (recovered)"]),
        ("failures", vec!["FAIL", "FAIL", "FAIL", "OK (recovered)"]),
    ] {
        let slack = good_slack();
        let mut stage = Stage::new();
        stage.slack(&slack).set("SLACK_NOTIFY", wish);
        for rows in nights {
            stage.violate(rows);
            stage.plms("run").expect_status(i32::from(rows > 0));
        }
        assert_eq!(words(&texts(&slack.requests())), want, "{wish}");
        assert!(stage.pending().is_empty(), "what he need not hear is settled");
    }
}

#[test]
fn mail_hears_of_every_failing_night_and_once_of_the_recovery() {
    let mut stage = Stage::new();
    let (script, inbox) = (stage.path("sendmail"), stage.path("inbox"));
    fs::write(&script, format!("#!/bin/sh\ncat >>{}\n", inbox.display())).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    stage.set("SENDMAIL", script.to_str().unwrap()).set("ALERT_EMAIL", "ops@example.org");
    for rows in [0, 1, 1, 0, 0] {
        stage.violate(rows);
        stage.plms("run").expect_status(i32::from(rows > 0));
    }
    let inbox = fs::read_to_string(inbox).unwrap();
    let subjects = inbox.lines().filter_map(|line| line.strip_prefix("Subject: [PLMS][test] Invariants "));
    let words: Vec<_> = subjects.map(|subject| subject.split(" @ ").next().unwrap()).collect();
    assert_eq!(words, ["FAIL", "FAIL", "OK (recovered)"], "{inbox}");
}

#[test]
fn more_than_twenty_incidents_are_summed_up_in_one_and_closed_with_the_rest() {
    let pagerduty = good_pagerduty();
    let mut stage = Stage::new();
    stage.pagerduty(&pagerduty);
    for n in 0..25 {
        let rule = format!("SELECT id FROM lane_overrides WHERE id = {} AND predicted_lane = 3", 1000 + n);
        stage.invariant(&format!("rule_{n:02}"), "severity = \"critical\"", &rule);
    }
    stage.violate(25);
    stage.plms("run").expect_status(2);
    let opened = events(&pagerduty.requests());
    let keys: BTreeSet<_> = opened.iter().map(|(_, key)| key.clone()).collect();
    assert!(opened.iter().all(|(action, _)| action == "trigger"), "{opened:?}");
    assert_eq!((opened.len(), keys.len()), (21, 21), "twenty and one that sums up six");
    let sum = pagerduty.requests()[20].json()["payload"]["summary"].as_str().unwrap().to_owned();
    assert!(sum.contains("6 more") || sum.contains("6 invariants more"), "{sum}");
    stage.violate(0);
    stage.plms("run").expect_status(0);
    let closed: BTreeSet<_> = events(&pagerduty.requests())[21..].iter().cloned().collect();
    assert!(closed.iter().all(|(action, _)| action == "resolve"), "{closed:?}");
    let closed: BTreeSet<_> = closed.into_iter().map(|(_, key)| key).collect();
    assert!(keys.is_subset(&closed), "whatever was opened is closed");
}

#[test]
fn one_channel_that_fails_keeps_no_other_from_hearing_and_hears_later_by_itself() {
    let slack = FaultServer::start(vec![Step::answer(404, "no_service"), Step::answer(200, "ok")]);
    let pagerduty = FaultServer::start(vec![pd_ok()]);
    let mut stage = Stage::new();
    stage.slack(&slack).pagerduty(&pagerduty).violate(1);
    stage.plms("run").expect_status(1).expect_stdout("slack was not told: 127.0.0.1 answered 404");
    assert_eq!((slack.requests().len(), pagerduty.requests().len()), (1, 1));
    stage.plms("alert flush").expect_status(0).expect_stdout("slack took 1 alert");
    assert_eq!((slack.requests().len(), pagerduty.requests().len()), (2, 1), "and nobody hears it twice");
}

/// Slack refuses whatever says FAIL, until it is mended: the last word is not one of a failure that is over.
#[test]
fn a_failure_that_slack_takes_only_when_all_is_well_again_is_followed_by_the_recovery() {
    for notify in ["always", "changes", "failures"] {
        let refusing = FaultServer::start(vec![Step::answer(400, "invalid_payload")]);
        let mut stage = Stage::new();
        stage.slack(&refusing).set("SLACK_NOTIFY", notify).violate(2);
        stage.plms("run").expect_status(1);
        let taking = good_slack();
        stage.violate(0);
        stage.plms("run").expect_status(3);
        stage.slack(&taking);
        stage.plms("alert flush").expect_status(0).expect_stdout("2 alerts delivered");
        assert_eq!(words(&texts(&taking.requests())), ["FAIL", "OK (recovered)"], "{notify}");
    }
}
