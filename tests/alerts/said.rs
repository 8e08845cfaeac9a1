//! Do the verbs say what is true of each channel: who was told, who was not, who is missing, and what stays open?

use super::stage::{HOOK, Stage, events, good_pagerduty, good_slack, pd_ok};
use crate::fault_server::{FaultServer, Step};

#[test]
fn a_test_closes_its_incident_as_soon_as_it_can_or_says_that_it_stays() {
    let refusing = FaultServer::start(vec![pd_ok(), Step::answer(500, "")]);
    let mut stage = Stage::new();
    stage.pagerduty(&refusing);
    let seen = stage.plms("alert test -t 3").expect_status(2).expect_stdout("answered 500");
    seen.expect_stdout(
        "the incident of this test, \"test: this is a test of the alert channels; nothing is wrong\", stays open",
    );
    let seen = events(&refusing.requests());
    assert!(seen.len() > 2 && seen[1..].iter().all(|(action, _)| action == "resolve"), "{seen:?}");
    let busy = FaultServer::start(vec![pd_ok(), Step::answer(500, ""), Step::answer(429, ""), pd_ok()]);
    stage.pagerduty(&busy);
    stage.plms("alert test").expect_status(0).expect_stdout("pagerduty took it");
    assert_eq!(events(&busy.requests()).iter().filter(|(action, _)| action == "resolve").count(), 3);
}

#[test]
fn a_proxy_that_does_not_answer_is_named_and_its_password_is_not() {
    let mut stage = Stage::new();
    stage.set("SLACK_WEBHOOK_URL", format!("https://hooks.example{HOOK}"));
    stage.set("HTTPS_PROXY", "http://user:CANARYPW@127.0.0.1:1");
    let seen = stage.plms("alert test -t 3").expect_status(2);
    let why = "cannot reach hooks.example through the proxy 127.0.0.1:1: connection refused";
    let seen = seen.expect_stdout(why);
    assert!(!seen.stdout.contains("CANARY") && !seen.stderr.contains("CANARY"), "{seen}");
    // One that it does not go through is none of its business.
    stage.set("NO_PROXY", "hooks.example");
    let seen = stage.plms("alert test -t 3").expect_status(2);
    assert!(!seen.stdout.contains("proxy"), "{seen}");
}

/// Its secret is gone, and two alerts wait for it.
#[test]
fn a_channel_that_is_no_longer_configured_is_named_wherever_its_alerts_are_missed() {
    let (slack, pagerduty) = (good_slack(), FaultServer::start(vec![Step::answer(404, "")]));
    let mut stage = Stage::new();
    stage.slack(&slack).pagerduty(&pagerduty).violate(1);
    stage.plms("run").expect_status(1);
    stage.set("PD_ROUTING_KEY", "").set("PD_EVENTS_URL", "").violate(0);
    let why = |alerts: &str| {
        format!(
            "pagerduty is not configured here, and {alerts} for it; if nobody uses it any more: plms-invariants alert \
             flush --discard pagerduty"
        )
    };
    stage.plms("alert pending").expect_status(0).expect_stdout(
        "pagerduty is not configured here, though the delivery may have its credential; if nobody uses it any more: \
         plms-invariants alert flush --discard pagerduty",
    );
    stage.plms("run").expect_status(3).expect_stdout(&why("2 alerts wait"));
    let seen = stage.plms("alert flush").expect_status(2).expect_stdout(&why("2 alerts wait"));
    assert!(!seen.stdout.contains("no channel is configured"), "{seen}");
    // Nor is it forgotten by a run that knows no channel at all.
    stage.set("SLACK_WEBHOOK_URL", "");
    stage.plms("run").expect_status(3).expect_stdout(&why("2 alerts wait"));
    // A check that has no secrets knows nothing of it.
    stage.plms("--deliver spool").expect_status(0);
    stage.slack(&slack);
    stage.plms("alert flush --discard pagerduty").expect_status(0);
    stage.plms("run").expect_status(0);
}

#[test]
fn a_flush_is_as_good_as_the_worst_that_it_has_to_say() {
    let slack = good_slack();
    let mut stage = Stage::new();
    stage.slack(&slack).violate(1);
    stage.plms("--deliver spool").expect_status(1);
    let folder = stage.path("textfile").display().to_string();
    stage.set("TEXTFILE_DIR", stage.registry.display().to_string());
    let seen = stage.plms("alert flush").expect_status(3).expect_stdout("1 alert delivered, nothing waits");
    seen.expect_stdout("the metrics of the alerts were not written: ");
    stage.set("TEXTFILE_DIR", folder);
    stage.plms("alert flush").expect_status(0);
}

#[test]
fn a_flush_says_of_no_alert_that_it_was_taken_which_was_sent_nowhere() {
    let refuses = r#"{"status":"invalid event","message":"Event object is invalid","errors":["x"]}"#;
    let pagerduty = FaultServer::start(vec![Step::answer(400, refuses), pd_ok()]);
    let mut stage = Stage::new();
    stage.pagerduty(&pagerduty).violate(1);
    stage.plms("run").expect_status(1);
    // The trigger is refused once more, and the resolve is taken: there is nothing to open any more.
    let resolves = FaultServer::start(vec![Step::answer(400, refuses), pd_ok()]);
    stage.pagerduty(&resolves).violate(0);
    stage.plms("run").expect_status(3);
    let silent = good_pagerduty();
    stage.pagerduty(&silent);
    let seen = stage.plms("alert flush").expect_status(0).expect_stdout("0 alerts delivered, nothing waits");
    seen.expect_stdout("1 alert needed no telling to pagerduty any more: overtaken, or ");
    assert_eq!(silent.requests().len(), 0);
}
