//! Does every channel hear of everything once, in order, whoever holds its settings?

use chrono::{DateTime, TimeDelta, Utc};

use super::*;
use crate::report::fixture::at;
use crate::verdict::State;
use crate::verdict::telling::{Extent, Topic, Turn, Word};
use ChannelName::{Mail, PagerDuty, Slack};

struct Place {
    folder: tempfile::TempDir,
    outbox: Outbox,
}

fn place() -> Place {
    let folder = tempfile::tempdir().unwrap();
    let (outbox, aside) = Outbox::open(folder.path(), day(1)).unwrap();
    assert_eq!(aside, None);
    Place { folder, outbox }
}

/// The night of that day of November.
pub(in crate::emit::state) fn day(day: i64) -> DateTime<Utc> {
    at("2025-10-31T07:00:00Z") + TimeDelta::days(day)
}

pub(in crate::emit::state) fn notice(occasion: Occasion, of: i64) -> Notice {
    Notice {
        occasion,
        env: "production".into(),
        db_path: "/srv/registry.db".into(),
        host: "db1".into(),
        invocation_id: format!("{of:032x}"),
        at: day(of),
        state: State::Critical,
        sentence: format!("night {of}: 1 of 8 invariants violated"),
        matters: vec![],
        findings: vec![],
        log: None,
    }
}

pub(in crate::emit::state) fn night(of: i64) -> Notice {
    notice(Occasion::Run, of)
}

pub(in crate::emit::state) fn told(rows: u64) -> Told {
    let extent = Extent { count: Some(rows), ..Extent::default() };
    let open = [(Topic::Invariant("lane_overrides".into()), extent)];
    Told { state: Some(State::Warning), open: open.into() }
}

pub(in crate::emit::state) fn telling(turn: Turn) -> Telling {
    Telling { word: Word::Fail, turns: vec![(Topic::NotChecked, turn)] }
}

impl Outbox {
    pub(in crate::emit::state) fn put_night(&self, of: i64) -> i64 {
        self.put(&night(of)).unwrap().unwrap()
    }

    /// The nights that wait for a channel, in the order in which it gets them.
    pub(in crate::emit::state) fn nights(&self, channel: ChannelName) -> Vec<i64> {
        let (mut nights, mut after) = (vec![], 0);
        while let Some(waiting) = self.next(channel, after).unwrap() {
            nights.push((waiting.notice.at - day(0)).num_days());
            after = waiting.id;
        }
        nights
    }

    pub(in crate::emit::state) fn claimed(&self, channel: ChannelName, now: DateTime<Utc>) -> Vec<i64> {
        self.claim(channel, now).unwrap();
        self.nights(channel)
    }

    pub(in crate::emit::state) fn done(&self, channel: ChannelName, id: i64, now: DateTime<Utc>) {
        self.accepted(channel, id, "", now).unwrap();
        self.settle(channel, id, &told(1)).unwrap();
    }

    pub(in crate::emit::state) fn lines(&self) -> Vec<(i64, &'static str)> {
        let mut lines = vec![];
        self.pending(|line| {
            let known =
                ChannelName::ALL.into_iter().find(|name| line.channel.as_deref() == Some(name.word()));
            lines.push((line.id, known.map_or("unclaimed", ChannelName::word)));
        })
        .unwrap();
        lines
    }

    /// Channel and number of what waits.
    fn numbers(&self) -> Vec<(String, u64)> {
        self.counts().unwrap().into_iter().map(|of| (of.channel, of.pending)).collect()
    }
}

fn numbers(of: &[(&str, u64)]) -> Vec<(String, u64)> {
    of.iter().map(|(channel, count)| ((*channel).to_owned(), *count)).collect()
}

#[test]
fn a_notice_comes_back_as_it_was_put_after_the_process_is_gone() {
    let Place { folder, outbox } = place();
    let id = outbox.put_night(1);
    drop(outbox);
    let (outbox, _) = Outbox::open(folder.path(), day(2)).unwrap();
    outbox.claim(Slack, day(2)).unwrap();
    let waiting = outbox.next(Slack, 0).unwrap().unwrap();
    assert_eq!((waiting.id, &waiting.notice), (id, &night(1)));
    assert_eq!((waiting.told, waiting.telling, waiting.attempts), (Told::default(), None, 0));
    assert!(waiting.accepted.is_empty() && waiting.not_before.is_none() && !waiting.is_overtaken);
}

#[test]
fn a_death_told_twice_is_one_alert_and_a_run_of_the_same_invocation_is_another() {
    let Place { folder: _folder, outbox } = place();
    let death = notice(Occasion::Died, 1);
    assert!(outbox.put(&death).unwrap().is_some());
    assert_eq!(outbox.put(&death).unwrap(), None);
    assert!(outbox.put(&Notice { env: "staging".into(), ..death.clone() }).unwrap().is_some());
    assert!(outbox.put(&Notice { db_path: "/other.db".into(), ..death }).unwrap().is_some());
    assert!(outbox.put(&night(1)).unwrap().is_some());
    assert!(outbox.put(&night(1)).unwrap().is_some(), "a run may say more later");
}

#[test]
fn holders_of_different_channels_each_get_every_notice() {
    let Place { folder: _folder, outbox } = place();
    outbox.put_night(1);
    assert_eq!(outbox.claimed(Slack, day(1)), [1]);
    assert_eq!(outbox.claimed(Mail, day(1)), [1]);
    outbox.put_night(2);
    assert_eq!(outbox.claimed(Slack, day(2)), [1, 2]);
    outbox.put_night(3);
    assert_eq!(outbox.claimed(Mail, day(3)), [1, 2, 3]);
    assert_eq!(outbox.claimed(Slack, day(3)), [1, 2, 3]);
    assert_eq!(outbox.claimed(Slack, day(3)), [1, 2, 3], "taken on once");
}

#[test]
fn a_new_channel_gets_three_days_of_what_others_told_and_all_that_nobody_did() {
    let Place { folder: _folder, outbox } = place();
    let first = outbox.put_night(1);
    outbox.put_night(10);
    outbox.put_night(11);
    outbox.claim(Slack, day(11)).unwrap();
    outbox.put_night(2); // an old one that no channel has taken on
    outbox.done(Slack, first, day(11));
    assert_eq!(outbox.claimed(Mail, day(13)), [10, 11, 2]);
    let later = day(13) + TimeDelta::seconds(1);
    assert_eq!(outbox.claimed(PagerDuty, later), [11], "10 is older than three days, 2 is Mail's");
}

#[test]
fn a_channel_that_was_away_for_weeks_gets_all_of_them() {
    let Place { folder: _folder, outbox } = place();
    assert_eq!(outbox.claimed(Mail, day(1)), [0; 0]);
    for of in 1..=40 {
        let id = outbox.put_night(of);
        outbox.claim(Slack, day(of)).unwrap();
        outbox.done(Slack, id, day(of));
        super::notices::forget(&outbox.connection, day(of)).unwrap();
    }
    assert_eq!(outbox.numbers(), numbers(&[("mail", 40), ("slack", 0), ("unclaimed", 0)]));
    assert_eq!(outbox.claimed(Mail, day(41)), (1..=40).collect::<Vec<_>>());
}

#[test]
fn what_was_taken_is_not_forgotten_before_the_whole_is_settled() {
    let Place { folder, outbox } = place();
    let id = outbox.put_night(1);
    outbox.claim(Mail, day(1)).unwrap();
    outbox.begin(Mail, id, &telling(Turn::New)).unwrap();
    outbox.begin(Mail, id, &telling(Turn::Persists)).unwrap();
    outbox.accepted(Mail, id, "ann@example.com", day(1)).unwrap();
    outbox.accepted(Mail, id, "ann@example.com", day(1)).unwrap();
    outbox.failed(Mail, id, "452 mailbox full", Some(day(2)), None).unwrap();
    outbox.failed(Mail, id, "451 try later", None, None).unwrap();
    drop(outbox);
    let (outbox, _) = Outbox::open(folder.path(), day(2)).unwrap();
    let waiting = outbox.next(Mail, 0).unwrap().unwrap();
    assert_eq!(waiting.accepted, BTreeSet::from(["ann@example.com".to_owned()]));
    assert_eq!(waiting.telling, Some(telling(Turn::New)), "what was begun is told");
    assert_eq!((waiting.attempts, waiting.not_before), (2, None));
    outbox.settle(Mail, id, &told(1)).unwrap();
    assert_eq!(outbox.nights(Mail), [0; 0]);
    assert_eq!(outbox.lines(), []);
}

#[test]
fn channels_settle_one_by_one() {
    let Place { folder: _folder, outbox } = place();
    let id = outbox.put_night(1);
    for channel in ChannelName::ALL {
        outbox.claim(channel, day(1)).unwrap();
    }
    outbox.done(Slack, id, day(1));
    outbox.accepted(PagerDuty, id, "a", day(1)).unwrap();
    assert_eq!(outbox.lines(), [(id, "mail"), (id, "pagerduty")]);
    assert!(outbox.next(Mail, 0).unwrap().unwrap().accepted.is_empty());
}

#[test]
fn what_was_told_moves_forward_only_and_an_older_notice_knows_that_it_is_overtaken() {
    let Place { folder: _folder, outbox } = place();
    let (first, second) = (outbox.put_night(1), outbox.put_night(2));
    outbox.claim(Slack, day(2)).unwrap();
    outbox.failed(Slack, first, "429", None, Some(&told(1))).unwrap();
    assert_eq!(outbox.next(Slack, first).unwrap().unwrap().told, told(1));
    outbox.settle(Slack, second, &told(2)).unwrap();
    let old = outbox.next(Slack, 0).unwrap().unwrap();
    assert_eq!((old.id, old.is_overtaken, old.told), (first, true, told(2)));
    outbox.settle(Slack, first, &told(1)).unwrap();
    outbox.put_night(3);
    let third = outbox.claim(Slack, day(3)).and_then(|()| outbox.next(Slack, 0)).unwrap().unwrap();
    assert_eq!((third.told, third.is_overtaken), (told(2), false));
}

#[test]
fn what_was_told_of_one_registry_says_nothing_of_another_or_to_another_channel() {
    let Place { folder: _folder, outbox } = place();
    let id = outbox.put_night(1);
    for other in
        [Notice { env: "staging".into(), ..night(2) }, Notice { db_path: "/other.db".into(), ..night(2) }]
    {
        outbox.put(&other).unwrap();
    }
    outbox.claim(Slack, day(2)).unwrap();
    outbox.claim(Mail, day(2)).unwrap();
    outbox.settle(Slack, id, &told(1)).unwrap();
    assert_eq!(outbox.next(Slack, id).unwrap().unwrap().told, Told::default());
    assert_eq!(outbox.next(Slack, id + 1).unwrap().unwrap().told, Told::default());
    assert_eq!(outbox.next(Mail, 0).unwrap().unwrap().told, Told::default());
}

#[test]
fn a_line_of_what_waits_says_for_whom_and_why() {
    let Place { folder: _folder, outbox } = place();
    let id = outbox.put_night(1);
    outbox.claim(Slack, day(1)).unwrap();
    outbox.failed(Slack, id, "slack answered 429", Some(day(2)), None).unwrap();
    outbox.put_night(2);
    let mut lines = vec![];
    outbox.pending(|line| lines.push(line)).unwrap();
    let [slack, unclaimed] = lines.as_slice() else { panic!("{lines:?}") };
    let want = Pending {
        id,
        env: "production".into(),
        db_path: "/srv/registry.db".into(),
        occasion: Occasion::Run,
        at: Some(day(1)),
        channel: Some("slack".into()),
        attempts: 1,
        why: Some("slack answered 429".into()),
        not_before: Some(day(2)),
    };
    assert_eq!(slack, &want);
    assert_eq!((&unclaimed.channel, unclaimed.attempts, &unclaimed.why), (&None, 0, &None));
}

#[test]
fn counts_tell_a_true_zero_from_what_is_not_known() {
    let Place { folder: _folder, outbox } = place();
    assert_eq!(outbox.counts().unwrap(), []);
    let id = outbox.put_night(2);
    outbox.put(&Notice { env: "staging".into(), ..night(1) }).unwrap();
    let count = |env: &str, channel: &str, pending, oldest: Option<i64>, last: Option<i64>| Backlog {
        env: env.into(),
        channel: channel.into(),
        pending,
        oldest_pending: oldest.map(day),
        last_delivery: last.map(day),
    };
    let nobody =
        [count("production", "unclaimed", 1, Some(2), None), count("staging", "unclaimed", 1, Some(1), None)];
    assert_eq!(outbox.counts().unwrap(), nobody);
    outbox.claim(Slack, day(2)).unwrap();
    outbox.done(Slack, id, day(3));
    let want = [
        count("production", "slack", 0, None, Some(3)),
        count("production", "unclaimed", 0, None, None),
        count("staging", "slack", 1, Some(1), None),
        count("staging", "unclaimed", 0, None, None),
    ];
    assert_eq!(outbox.counts().unwrap(), want);
}

#[test]
fn what_a_channel_will_take_on_when_it_is_back_is_counted_and_listed() {
    let Place { folder: _folder, outbox } = place();
    outbox.claim(Mail, day(1)).unwrap();
    let id = outbox.put_night(1);
    assert_eq!(outbox.lines(), [(id, "unclaimed")]);
    outbox.claim(Slack, day(1)).unwrap();
    assert_eq!(outbox.lines(), [(id, "mail"), (id, "slack")]);
    assert_eq!(outbox.numbers(), numbers(&[("mail", 1), ("slack", 1), ("unclaimed", 0)]));
}

#[test]
fn what_waits_for_a_channel_that_is_gone_can_be_given_up_and_nothing_else_is() {
    let Place { folder: _folder, outbox } = place();
    let first = outbox.put_night(1);
    outbox.claim(Mail, day(1)).unwrap();
    outbox.claim(Slack, day(1)).unwrap();
    outbox.done(Mail, first, day(1));
    let second = outbox.put_night(2);
    outbox.claim(Slack, day(2)).unwrap(); // Mail has not been here since
    let third = outbox.put_night(3); // nobody has
    assert_eq!(outbox.discard(Mail).unwrap(), 1);
    assert_eq!(outbox.lines(), [(first, "slack"), (second, "slack"), (third, "unclaimed")]);
    assert_eq!(outbox.discard(Slack).unwrap(), 2);
    assert_eq!(outbox.lines(), [(third, "unclaimed")], "what was given up is not what nobody took on");
    assert_eq!(outbox.numbers(), numbers(&[("unclaimed", 1)]));
    assert_eq!(outbox.claimed(Mail, day(3)), [3], "what was given up stays so");
}

#[test]
fn a_settled_body_is_forgotten_after_30_days_and_a_pending_one_never() {
    let Place { folder: _folder, outbox } = place();
    let bodies = |now| {
        super::notices::forget(&outbox.connection, now).unwrap();
        let count = "SELECT count(body) FROM notices";
        outbox.connection.query_row(count, [], |row| row.get::<_, i64>(0)).unwrap()
    };
    let (settled, pending) = (outbox.put_night(1), outbox.put_night(2));
    outbox.claim(Slack, day(2)).unwrap();
    outbox.done(Slack, settled, day(2));
    outbox.put_night(3); // unclaimed
    assert_eq!(bodies(day(31)), 3, "30 days to the second are kept");
    assert_eq!(bodies(day(31) + TimeDelta::seconds(1)), 2);
    assert_eq!(bodies(day(10_000)), 2);
    assert_eq!(outbox.lines(), [(pending, "slack"), (pending + 1, "unclaimed")]);
    let died = notice(Occasion::Died, 3);
    assert_eq!(outbox.claimed(Mail, day(32)), [3], "nothing is taken on that has no body");
    assert!(outbox.put(&died).unwrap().is_some());
}

#[test]
fn without_a_folder_alerts_are_tried_all_the_same_and_what_was_told_is_known() {
    let Place { folder, outbox } = place();
    let id = outbox.put_night(1);
    outbox.claim(Slack, day(1)).unwrap();
    outbox.settle(Slack, id, &told(3)).unwrap();
    outbox.put_night(2);
    let memory = Outbox::in_memory(Some(folder.path())).unwrap();
    memory.put_night(3);
    assert_eq!(memory.claimed(Slack, day(3)), [3], "what waits on disk is not told every night");
    let waiting = memory.next(Slack, 0).unwrap().unwrap();
    assert_eq!((waiting.told, waiting.is_overtaken), (told(3), false));
    memory.done(Slack, waiting.id, day(3));
    assert_eq!(outbox.nights(Slack), [0; 0], "and nothing on disk has changed");
    for useless in [None, Some(Path::new("/nonexistent")), Some(Path::new("/proc/self"))] {
        let memory = Outbox::in_memory(useless).unwrap();
        memory.put_night(1);
        assert_eq!(memory.claimed(Slack, day(1)), [1]);
    }
}

#[test]
fn looking_makes_nothing_and_changes_nothing() {
    let Place { folder, outbox } = place();
    let empty = tempfile::tempdir().unwrap();
    assert!(matches!(Outbox::open_to_read(empty.path()), Err(StateError::Absent { .. })));
    assert_eq!(std::fs::read_dir(empty.path()).unwrap().count(), 0);
    outbox.put_night(1);
    let looking = Outbox::open_to_read(folder.path()).unwrap();
    assert_eq!(looking.lines().len(), 1);
    assert_eq!(looking.numbers(), numbers(&[("unclaimed", 1)]));
    let error = looking.put(&night(2)).unwrap_err();
    assert!(matches!(error, StateError::Access { .. }), "{error}");
}

#[test]
fn ten_thousand_pending_are_read_one_by_one() {
    let Place { folder: _folder, outbox } = place();
    outbox.in_one_step(|db| (0..10_000).try_for_each(|of| notices::put(db, &night(of)).map(drop))).unwrap();
    outbox.claim(Slack, day(10_000)).unwrap();
    let mut last = 0;
    let mut count = 0;
    outbox
        .pending(|line| {
            assert!(line.id > last);
            (last, count) = (line.id, count + 1);
        })
        .unwrap();
    assert_eq!(count, 10_000);
    assert_eq!(outbox.nights(Slack), (0..10_000).collect::<Vec<_>>());
}

mod strange;
