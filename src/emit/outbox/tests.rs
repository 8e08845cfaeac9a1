//! Is nothing lost, whoever holds which channel, and whatever is tried again?

use chrono::{DateTime, TimeDelta, Utc};

use super::*;
use crate::report::fixture::at;
use crate::report::notice::{Subject, died};
use crate::verdict::State;
use crate::verdict::notice::Occasion;
use crate::verdict::telling::{Topic, Word};

const NOON: &str = "2025-11-06T12:00:00Z";

fn notice(number: u32, at: DateTime<Utc>) -> Notice {
    let invocation_id = format!("{number:032x}");
    let subject = Subject { env: "prod", db_path: "/registry.db", host: "h", invocation_id: &invocation_id };
    Notice { occasion: Occasion::Run, state: State::Warning, ..died(&subject, "prod: one", at) }
}

fn outbox_with(count: u32) -> Outbox {
    let outbox = Outbox::in_memory().unwrap();
    for number in 1..=count {
        outbox.put(&notice(number, at(NOON))).unwrap();
    }
    outbox
}

fn waiting_ids(outbox: &Outbox, channel: ChannelName) -> Vec<i64> {
    let mut ids = vec![];
    while let Some(waiting) = outbox.next(channel, ids.last().copied().unwrap_or(0)).unwrap() {
        ids.push(waiting.id);
    }
    ids
}

fn told(count: u64) -> Told {
    Told { state: Some(State::Warning), open: [(Topic::Invariant("x".into()), Some(count))].into() }
}

#[test]
fn every_holder_of_a_channel_gets_every_notice_in_order() {
    let outbox = outbox_with(2);
    outbox.claim(ChannelName::Slack, at(NOON)).unwrap();
    assert_eq!(waiting_ids(&outbox, ChannelName::Slack), [1, 2]);
    assert_eq!(waiting_ids(&outbox, ChannelName::Mail), [] as [i64; 0], "nobody holds mail's settings yet");
    outbox.settle(ChannelName::Slack, 1, &told(1), Some(at(NOON))).unwrap();
    outbox.claim(ChannelName::Mail, at(NOON)).unwrap();
    outbox.put(&notice(3, at(NOON))).unwrap();
    for channel in [ChannelName::Mail, ChannelName::Slack, ChannelName::Mail] {
        outbox.claim(channel, at(NOON)).unwrap();
    }
    assert_eq!(waiting_ids(&outbox, ChannelName::Slack), [2, 3]);
    assert_eq!(waiting_ids(&outbox, ChannelName::Mail), [1, 2, 3]);
}

#[test]
fn a_channel_that_is_new_hears_of_the_last_days_and_of_what_nobody_took_on() {
    let outbox = Outbox::in_memory().unwrap();
    outbox.put(&notice(1, at(NOON) - TimeDelta::days(90))).unwrap();
    outbox.put(&notice(2, at(NOON) - TimeDelta::days(60))).unwrap();
    outbox.claim(ChannelName::Slack, at(NOON) - TimeDelta::days(60)).unwrap();
    assert_eq!(waiting_ids(&outbox, ChannelName::Slack), [1, 2], "unclaimed, however old");
    outbox.put(&notice(3, at(NOON) - TimeDelta::days(2))).unwrap();
    outbox.claim(ChannelName::Slack, at(NOON)).unwrap();
    outbox.claim(ChannelName::Mail, at(NOON)).unwrap();
    assert_eq!(waiting_ids(&outbox, ChannelName::Mail), [3]);
    outbox.put(&notice(4, at(NOON) - TimeDelta::days(400))).unwrap();
    outbox.claim(ChannelName::Slack, at(NOON)).unwrap();
    outbox.claim(ChannelName::Mail, at(NOON)).unwrap();
    assert_eq!(waiting_ids(&outbox, ChannelName::Mail), [3, 4], "a clock that was set back loses nothing");
}

#[test]
fn a_later_attempt_tells_the_same_to_those_who_were_not_told() {
    let outbox = outbox_with(1);
    outbox.claim(ChannelName::Mail, at(NOON)).unwrap();
    let first = outbox.next(ChannelName::Mail, 0).unwrap().unwrap();
    assert_eq!((first.telling, first.accepted.len(), first.told), (None, 0, Told::default()));
    let telling = Telling { word: Word::Fail, turns: vec![] };
    outbox.begin(ChannelName::Mail, 1, &telling).unwrap();
    outbox.accepted(ChannelName::Mail, 1, "a@example.com", at(NOON)).unwrap();
    outbox.accepted(ChannelName::Mail, 1, "a@example.com", at(NOON)).unwrap();
    let until = at(NOON) + TimeDelta::hours(1);
    outbox.failed(ChannelName::Mail, 1, "451 later", Some(until), Some(&told(7))).unwrap();
    let again = outbox.next(ChannelName::Mail, 0).unwrap().unwrap();
    assert_eq!(again.telling, Some(telling));
    assert_eq!(again.accepted, ["a@example.com".to_owned()].into());
    assert_eq!((again.not_before, again.told), (Some(until), told(7)));
    outbox.settle(ChannelName::Mail, 1, &told(7), Some(at(NOON))).unwrap();
    assert_eq!(outbox.next(ChannelName::Mail, 0).unwrap(), None);
}

#[test]
fn what_a_channel_was_told_never_moves_back() {
    let outbox = outbox_with(3);
    outbox.claim(ChannelName::Slack, at(NOON)).unwrap();
    outbox.settle(ChannelName::Slack, 2, &told(2), Some(at(NOON))).unwrap();
    outbox.settle(ChannelName::Slack, 1, &told(1), Some(at(NOON))).unwrap();
    assert_eq!(outbox.next(ChannelName::Slack, 0).unwrap().unwrap().told, told(2));
}

#[test]
fn one_death_is_one_notice() {
    let outbox = Outbox::in_memory().unwrap();
    for (invocation, host) in [("a", "h"), ("a", "h"), ("b", "h"), ("a", "other")] {
        let subject = Subject { env: "prod", db_path: "/r.db", host, invocation_id: invocation };
        outbox.put(&died(&subject, "prod: died", at(NOON))).unwrap();
    }
    outbox.claim(ChannelName::Slack, at(NOON)).unwrap();
    assert_eq!(waiting_ids(&outbox, ChannelName::Slack).len(), 2);
}

#[test]
fn what_waits_is_counted_and_named_even_where_nobody_has_picked_it_up() {
    let outbox = outbox_with(2);
    let count = |channel: &str| {
        let counts = outbox.counts().unwrap();
        counts.into_iter().find(|count| count.channel == channel).map(|count| (count.pending, count.oldest))
    };
    assert_eq!(count("unclaimed"), Some((2, Some(at(NOON)))));
    outbox.claim(ChannelName::Slack, at(NOON)).unwrap();
    assert_eq!((count("unclaimed"), count("slack")), (None, Some((2, Some(at(NOON))))));
    for id in [1, 2] {
        outbox.settle(ChannelName::Slack, id, &told(1), Some(at("2025-11-06T13:00:00Z"))).unwrap();
    }
    assert_eq!(count("slack"), Some((0, None)), "nothing waits, and that is known");
    assert_eq!(outbox.counts().unwrap()[0].last_delivery, Some(at("2025-11-06T13:00:00Z")));
    let mut lines = vec![];
    outbox.put(&notice(3, at(NOON))).unwrap();
    outbox.claim(ChannelName::Slack, at(NOON)).unwrap();
    outbox.failed(ChannelName::Slack, 3, "503", None, None).unwrap();
    outbox
        .pending(|line| -> Result<(), StateError> {
            lines.push((line.id, line.channel, line.why));
            Ok(())
        })
        .unwrap();
    assert_eq!(lines, [(3, "slack".to_owned(), Some("503".to_owned()))]);
}

#[test]
fn a_channel_that_is_given_up_waits_for_nothing_and_begins_anew_when_it_is_back() {
    let outbox = outbox_with(2);
    outbox.claim(ChannelName::PagerDuty, at(NOON)).unwrap();
    assert_eq!(outbox.discard(ChannelName::PagerDuty, at(NOON)).unwrap(), 2);
    assert_eq!(waiting_ids(&outbox, ChannelName::PagerDuty), [] as [i64; 0]);
    outbox.put(&notice(3, at(NOON))).unwrap();
    outbox.claim(ChannelName::PagerDuty, at(NOON)).unwrap();
    assert_eq!(waiting_ids(&outbox, ChannelName::PagerDuty), [3]);
}

#[test]
fn what_everybody_settled_is_forgotten_after_a_month_and_what_waits_never() {
    let outbox = outbox_with(3);
    outbox.claim(ChannelName::Slack, at(NOON)).unwrap();
    outbox.settle(ChannelName::Slack, 1, &told(1), Some(at(NOON))).unwrap();
    let later = at(NOON) + TimeDelta::days(31);
    outbox.claim(ChannelName::Slack, later).unwrap();
    let known: Vec<i64> = outbox
        .ask(|db| {
            db.prepare("SELECT id FROM notices ORDER BY id")?.query_map([], |row| row.get(0))?.collect()
        })
        .unwrap();
    assert_eq!(known, [2, 3]);
    assert_eq!(waiting_ids(&outbox, ChannelName::Slack), [2, 3]);
}
