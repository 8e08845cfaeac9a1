//! Is every incident opened, kept and closed by its own key, and is no event too long to be taken?

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use proptest::prelude::*;

use super::*;
use crate::report::fixture::{checked, evaluation, failed, run};
use crate::report::fixture_alerts::{
    Night, dead, fail, far_too_much, hostile_night, night, notice, ok, recovered, tested,
};
use crate::report::golden;
use crate::verdict::invariants::Outcome;
use crate::verdict::telling::{Told, Wish, after, tell};

fn pretty(events: &[Event]) -> String {
    let events: Vec<Value> =
        events.iter().map(|event| json!({ "part": event.part, "body": event.body })).collect();
    format!("{}\n", serde_json::to_string_pretty(&events).unwrap())
}

/// What the Events API refuses, from its reference.
fn assert_taken(events: &[Event]) {
    let parts: BTreeSet<&str> = events.iter().map(|event| event.part.as_str()).collect();
    assert_eq!(parts.len(), events.len(), "each part once");
    for Event { part, body } in events {
        assert!(body.to_string().len() + 100 < 512_000, "{part}");
        assert!(body.get("routing_key").is_none(), "{part}");
        if let Some(key) = body.get("dedup_key") {
            let key = key.as_str().unwrap();
            assert!(key.len() == 73 && key.starts_with("plms-inv:"), "{key}");
        }
        if body["event_action"] == "resolve" {
            assert!(body["dedup_key"].is_string(), "{part}");
            continue;
        }
        assert_eq!(body["event_action"], "trigger");
        let payload = &body["payload"];
        let summary = payload["summary"].as_str().unwrap();
        assert!((1..=1024).contains(&summary.encode_utf16().count()), "{part}");
        assert!(!payload["source"].as_str().unwrap().is_empty(), "{part}");
        assert!(["critical", "error", "warning", "info"].contains(&payload["severity"].as_str().unwrap()));
        chrono::DateTime::parse_from_rfc3339(payload["timestamp"].as_str().unwrap()).unwrap();
    }
}

fn parts(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.part.as_str()).collect()
}

#[test]
fn every_kind_of_message_reads_as_agreed() {
    let nights = [
        ("trigger", fail()),
        ("trigger_late", fail().late(TimeDelta::minutes(187))),
        ("resolve", recovered()),
        ("overflow", far_too_much()),
        ("died", dead()),
        ("test", tested()),
        ("hostile", hostile_night()),
    ];
    for (name, night) in &nights {
        let events = events(&night.message());
        assert_taken(&events);
        golden::compare(&format!("pagerduty_{name}.json"), &pretty(&events));
    }
    assert_eq!(events(&ok().message()), [], "a clean night is nobody's incident");
}

#[test]
fn a_key_is_made_of_environment_registry_and_topic_and_of_nothing_else() {
    // printf 'production\0/opt/lnsp-phase-4/artifacts/registry/registry.db\0lane_overrides' | sha256sum
    let want = "plms-inv:4226db72d661a4c6c7a1c40b0e3b26d131b64793458b4b31880ee9149fff5268";
    let key_of = |night: &Night| {
        let events = events(&night.message());
        events.iter().find(|event| event.part.ends_with(":lane_overrides")).unwrap().body["dedup_key"].clone()
    };
    let first = fail();
    assert_eq!(key_of(&first), want);
    let mut other = fail().late(TimeDelta::days(2));
    other.notice.host = "plms2".into();
    other.notice.at += TimeDelta::days(9);
    other.notice.invocation_id = "another".into();
    for matter in &mut other.notice.matters {
        matter.severity = Severity::Critical;
        matter.violations = Some(1);
    }
    assert_eq!(key_of(&other), want);
    let mut elsewhere = fail();
    elsewhere.notice.env = "staging".into();
    assert_ne!(key_of(&elsewhere), want);
    let mut moved = fail();
    moved.notice.db_path = "/srv/registry.db".into();
    assert_ne!(key_of(&moved), want);
    let keys: BTreeSet<String> =
        events(&first.message()).iter().map(|event| event.body["dedup_key"].to_string()).collect();
    assert_eq!(keys.len(), 3, "one each");
}

#[test]
fn an_empty_part_makes_no_key_and_loses_no_alert() {
    let mut night = fail();
    night.notice.env = String::new();
    let events = events(&night.message());
    assert_taken(&events);
    assert_eq!(events.len(), 3);
    assert!(events.iter().all(|event| event.body.get("dedup_key").is_none()));
}

/// A night on which these invariants are violated, those hold, and the others are not looked at.
fn seen(violated: std::ops::Range<u32>, holds: std::ops::Range<u32>) -> Notice {
    let of = |n: u32, outcome: Outcome| evaluation(&format!("rule_{n:02}"), Severity::Warning, outcome);
    let violated = violated.map(|n| of(n, checked(1)));
    let holds = holds.map(|n| of(n, checked(0)));
    notice(&run("2025-11-06T07:00:03Z", violated.chain(holds).collect()))
}

#[test]
fn twenty_incidents_are_opened_and_one_for_all_others() {
    let twenty = events(&night(&[], seen(0..20, 0..0)).message());
    assert_eq!(twenty.len(), 20);
    let more = events(&night(&[], seen(0..21, 0..0)).message());
    assert_eq!(more.len(), 21);
    assert_eq!(more[20].part, "trigger:and-more");
    assert_eq!(
        more[20].body["payload"]["summary"],
        "[PLMS][production] 1 invariant more violated: rule_20 (1)"
    );
    let keys: BTreeSet<String> = more.iter().map(|event| event.body["dedup_key"].to_string()).collect();
    assert_eq!(keys.len(), 21);
}

#[test]
fn the_sum_is_closed_once_when_there_is_nothing_to_sum_up() {
    let many = seen(0..25, 0..0);
    let next = events(&night(&[&many], seen(0..12, 12..25)).message());
    assert_eq!(next.len(), 12 + 13 + 1);
    assert_eq!(next[25].part, "resolve:and-more");
    let few = seen(0..12, 12..25);
    let after = events(&night(&[&many, &few], seen(0..12, 12..25)).message());
    assert!(!parts(&after).contains(&"resolve:and-more"), "{:?}", parts(&after));
    let still = events(&night(&[&many], seen(0..22, 22..25)).message());
    assert!(!parts(&still).contains(&"resolve:and-more") && parts(&still).contains(&"trigger:and-more"));
}

#[test]
fn a_night_on_which_nothing_was_looked_at_closes_nothing() {
    let many = seen(0..25, 0..0);
    let unknown = notice(&run(
        "2025-11-06T07:00:03Z",
        vec![evaluation("rule_00", Severity::Warning, failed("locked"))],
    ));
    assert_eq!(parts(&events(&night(&[&many], unknown).message())), ["trigger:not-checked"]);
    assert_eq!(parts(&events(&night(&[&many], dead().notice).message())), ["trigger:check-died"]);
}

/// As PagerDuty keeps incidents: a trigger opens one or is appended, a resolve closes it.
fn take(open: &mut BTreeMap<String, String>, events: &[Event]) {
    for Event { part, body } in events {
        let key = body["dedup_key"].as_str().unwrap().to_owned();
        match body["event_action"].as_str().unwrap() {
            "trigger" => {
                open.insert(key, part.trim_start_matches("trigger:").to_owned());
            }
            _ => {
                open.remove(&key);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(80))]

    #[test]
    fn what_is_open_has_an_incident_and_what_is_mended_has_none(
        nights in proptest::collection::vec(proptest::collection::vec(prop_oneof![
            3 => Just(Some(1_u64)), 2 => Just(Some(0)), 2 => Just(None)], 30), 1..8),
    ) {
        let (mut told, mut open) = (Told::default(), BTreeMap::new());
        for seen in nights {
            let seen = seen.into_iter().enumerate().filter_map(|(n, count)| {
                Some(evaluation(&format!("rule_{n:02}"), Severity::Warning, checked(count?)))
            });
            let seen = notice(&run("2025-11-06T07:00:03Z", seen.collect()));
            if let Some(telling) = tell(Wish::Failures, &told, &seen) {
                let night = Night { notice: seen.clone(), telling, age: TimeDelta::zero() };
                let events = events(&night.message());
                assert_taken(&events);
                prop_assert!(events.iter().filter(|event| event.part.starts_with("trigger:")).count() <= 21);
                take(&mut open, &events);
                // Sent again after a crash.
                take(&mut open, &events);
            }
            told = after(&told, &seen);
            let incidents: BTreeSet<&str> = open.values().map(String::as_str).collect();
            let has_sum = incidents.contains("and-more");
            for topic in told.open.keys() {
                prop_assert!(incidents.contains(topic.word()) || has_sum, "{} has no incident", topic.word());
            }
            for incident in incidents {
                let is_open = told.open.keys().any(|topic| topic.word() == incident);
                prop_assert!(is_open || (incident == "and-more" && told.open.len() > MOST), "{incident} stays open");
            }
        }
    }

    #[test]
    fn no_text_makes_an_event_that_is_refused(text in prop_oneof![any::<String>(), "(🔴|漢|\"|\\\\|\0|\n){0,6000}"]) {
        let mut night = fail();
        let notice = &mut night.notice;
        notice.env = format!("{}{text}", notice.env);
        (notice.db_path, notice.host) = (format!("/{text}"), text.clone());
        (notice.sentence, notice.log) = (text.clone(), Some(text.clone()));
        for matter in &mut notice.matters {
            (matter.title, matter.owner, matter.runbook) = (text.clone(), Some(text.clone()), Some(text.clone()));
            matter.errors = vec![text.clone(); 100];
            let row = crate::verdict::notice::Row { cells: vec![(text.clone(), text.clone())], reason: Some(text.clone()) };
            matter.rows = vec![row; 100];
        }
        assert_taken(&events(&night.message()));
    }
}

#[test]
fn details_that_are_too_long_give_way_and_the_event_does_not() {
    let long: String = "x".repeat(600_000);
    let body = bounded(json!({ "payload": { "summary": "s", "custom_details": { "rows": long } } }));
    assert_eq!(
        body,
        json!({ "payload": { "summary": "s", "custom_details": {
            "note": "the details were too long for PagerDuty; the log of the run has them" } } })
    );
}
