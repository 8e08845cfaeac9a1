//! Is every channel told everything, in order, once, whatever the far end answers? A fake far end, and a
//! clock that the test moves.

mod order;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use chrono::TimeDelta;

use super::*;
use crate::emit::channels::{Answer, Attempt, ChannelName};
use crate::emit::state::StateError;
use crate::report::fixture::at;
use crate::report::notice::{Subject, died};
use crate::verdict::invariants::Severity;
use crate::verdict::notice::{Matter, Notice, Occasion, Standing};
use crate::verdict::telling::{Message, Telling, Topic, Turn, Wish, Word};

/// One channel's pass.
async fn pass(outbox: &Outbox, channel: &dyn Channel, time: &Time) -> Result<Passed, StateError> {
    let mut pass = Pass::new(outbox, channel, time);
    pass.go().await.map(|()| pass.end())
}

const NOON: &str = "2025-11-06T12:00:00Z";

/// What the far end does, one after the other; then it takes everything.
enum Does {
    Takes,
    TakesSlowly,
    Later(Option<u64>),
    Postpones,
    Refuses,
    IsUnusable,
    Hangs,
}

/// A far end, and what reached it.
struct Far {
    name: ChannelName,
    wish: Wish,
    parts: Vec<&'static str>,
    /// The notice that it always postpones.
    never: Option<&'static str>,
    does: RefCell<VecDeque<Does>>,
    /// Notice, part, seconds since the first attempt.
    seen: RefCell<Vec<(String, String, u64)>>,
    began: tokio::time::Instant,
}

impl Far {
    fn new(wish: Wish, parts: &[&'static str], does: Vec<Does>) -> Self {
        let (does, began) = (RefCell::new(does.into()), tokio::time::Instant::now());
        Self {
            name: ChannelName::Mail,
            wish,
            parts: parts.to_vec(),
            never: None,
            does,
            seen: RefCell::default(),
            began,
        }
    }

    fn taken(&self) -> Vec<(String, String)> {
        self.seen.borrow().iter().map(|(notice, part, _)| (notice.clone(), part.clone())).collect()
    }
}

impl Channel for Far {
    fn name(&self) -> ChannelName {
        self.name
    }

    fn wish(&self) -> Wish {
        self.wish
    }

    fn parts(&self, _: &Message<'_>) -> Vec<String> {
        self.parts.iter().map(|part| (*part).to_owned()).collect()
    }

    fn send<'a>(&'a self, message: &'a Message<'_>, part: &'a str, _: Instant) -> Attempt<'a> {
        Box::pin(async move {
            let is_never = self.never.is_some_and(|never| never == message.notice.invocation_id);
            let does = if is_never { Some(Does::Postpones) } else { self.does.borrow_mut().pop_front() };
            let seconds = self.began.elapsed().as_secs();
            let id = message.notice.invocation_id.clone();
            self.seen.borrow_mut().push((id, part.to_owned(), seconds));
            match does {
                None | Some(Does::Takes) => Answer::Accepted("ok".into()),
                Some(Does::TakesSlowly) => {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    Answer::Accepted("ok".into())
                }
                Some(Does::Later(after)) => {
                    Answer::Later { why: "503".into(), after: after.map(Duration::from_secs) }
                }
                Some(Does::Postpones) => Answer::Postponed { why: "451 greylisted".into() },
                Some(Does::Refuses) => Answer::Refused { why: "550 no such user".into() },
                Some(Does::IsUnusable) => Answer::Unusable { why: "404 no_service".into() },
                Some(Does::Hangs) => std::future::pending().await,
            }
        })
    }

    fn preview(&self, _: &Message<'_>) -> String {
        String::new()
    }
}

fn failing(id: &str, violations: u64) -> Notice {
    let subject = Subject { env: "prod", db_path: "/r.db", host: "h", invocation_id: id };
    let matter = Matter {
        id: "x".into(),
        title: "X".into(),
        severity: Severity::Warning,
        standing: if violations == 0 { Standing::Holds } else { Standing::Violated },
        violations: Some(violations),
        errors: vec![],
        failing_since: None,
        runbook: None,
        owner: None,
        rows: vec![],
    };
    let state = if violations == 0 { State::Ok } else { State::Warning };
    Notice { occasion: Occasion::Run, state, matters: vec![matter], ..died(&subject, "prod: x", at(NOON)) }
}

fn outbox(notices: &[Notice]) -> Outbox {
    let outbox = Outbox::in_memory(None).unwrap();
    for notice in notices {
        outbox.put(notice).unwrap();
    }
    outbox
}

fn time(budget: u64) -> Time {
    let began = tokio::time::Instant::now();
    let deadline = began + Duration::from_secs(budget);
    Time { start: at(NOON), began, deadline, asked_to_stop: Arc::new(AtomicBool::new(false)) }
}

fn with_paused_clock<T>(test: impl Future<Output = T>) -> T {
    let runtime = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(test)
}

fn waiting(outbox: &Outbox) -> Vec<(i64, Option<String>)> {
    let mut lines = vec![];
    outbox.pending(|line| lines.push((line.id, line.why))).unwrap();
    lines
}

fn pairs(of: &[(&str, &str)]) -> Vec<(String, String)> {
    of.iter().map(|(notice, part)| ((*notice).to_owned(), (*part).to_owned())).collect()
}

#[test]
fn what_waits_goes_out_in_order_and_once() {
    with_paused_clock(async {
        let outbox = outbox(&[failing("1", 3), failing("2", 3), failing("3", 0)]);
        let far = Far::new(Wish::Failures, &["a", "b"], vec![]);
        let passed = pass(&outbox, &far, &time(60)).await.unwrap();
        let expected = pairs(&[("1", "a"), ("1", "b"), ("2", "a"), ("2", "b"), ("3", "a"), ("3", "b")]);
        assert_eq!(far.taken(), expected);
        assert_eq!((passed.told, passed.why_waiting.len(), waiting(&outbox)), (3, 0, vec![]));
        pass(&outbox, &far, &time(60)).await.unwrap();
        assert_eq!(far.taken(), expected, "told is told");
    });
}

#[test]
fn nobody_is_told_what_he_does_not_want_to_hear_and_it_is_settled() {
    with_paused_clock(async {
        let outbox = outbox(&[failing("1", 0), failing("2", 0)]);
        let far = Far::new(Wish::Failures, &[""], vec![]);
        let passed = pass(&outbox, &far, &time(60)).await.unwrap();
        assert_eq!((far.taken(), passed.told, waiting(&outbox)), (vec![], 0, vec![]));
    });
}

#[test]
fn a_busy_far_end_is_tried_again_at_growing_distances_until_the_time_is_over() {
    with_paused_clock(async {
        let outbox = outbox(&[failing("1", 3), failing("2", 3)]);
        let far = Far::new(Wish::Always, &[""], (0..100).map(|_| Does::Later(None)).collect());
        let passed = pass(&outbox, &far, &time(60)).await.unwrap();
        let seen = far.seen.borrow();
        assert!((5..=12).contains(&seen.len()), "{seen:?}");
        assert!(seen.iter().all(|(notice, _, seconds)| notice == "1" && *seconds <= 60), "{seen:?}");
        assert_eq!(passed.why_waiting, ["503"]);
        assert_eq!(waiting(&outbox), [(1, Some("503".to_owned())), (2, None)]);
    });
}

#[test]
fn a_far_end_that_asks_to_be_left_alone_is_within_the_time_and_beyond_it() {
    with_paused_clock(async {
        let outbox = outbox(&[failing("1", 3)]);
        let far = Far::new(Wish::Always, &[""], vec![Does::Later(Some(10)), Does::Later(Some(3600))]);
        let passed = pass(&outbox, &far, &time(60)).await.unwrap();
        let seconds: Vec<u64> = far.seen.borrow().iter().map(|seen| seen.2).collect();
        assert_eq!(seconds, [0, 10]);
        assert_eq!(passed.why_waiting, ["503"]);
        // A second program, half an hour later: it is asked for nothing yet.
        let later = Time { start: at(NOON) + TimeDelta::minutes(30), ..time(60) };
        let passed = pass(&outbox, &far, &later).await.unwrap();
        assert_eq!(far.seen.borrow().len(), 2);
        assert!(
            passed.why_waiting[0].starts_with("it asked to be left alone until 2025-11-06T13:00:1"),
            "{passed:?}"
        );
        let later = Time { start: at(NOON) + TimeDelta::minutes(61), ..time(60) };
        assert_eq!(pass(&outbox, &far, &later).await.unwrap().told, 1);
    });
}

#[test]
fn a_refused_recipient_does_not_stop_the_others_and_is_the_only_one_tried_again() {
    with_paused_clock(async {
        let outbox = outbox(&[failing("1", 3)]);
        let far = Far::new(Wish::Failures, &["a", "b", "c"], vec![Does::Takes, Does::Refuses, Does::Takes]);
        let passed = pass(&outbox, &far, &time(60)).await.unwrap();
        assert_eq!(far.taken(), pairs(&[("1", "a"), ("1", "b"), ("1", "c")]));
        assert_eq!((passed.told, passed.why_waiting), (0, vec!["550 no such user".to_owned()]));
        assert_eq!(outbox.next(ChannelName::Mail, 0).unwrap().unwrap().told.state, Some(State::Warning));
        far.seen.borrow_mut().clear();
        assert_eq!(pass(&outbox, &far, &time(60)).await.unwrap().told, 1);
        assert_eq!((far.taken(), waiting(&outbox)), (pairs(&[("1", "b")]), vec![]));
    });
}

#[test]
fn a_channel_whose_settings_are_wrong_is_tried_once_and_a_message_that_is_refused_holds_up_no_other() {
    with_paused_clock(async {
        let notices = [failing("1", 1), failing("2", 2), failing("3", 3)];
        let unusable = outbox(&notices);
        let far = Far::new(Wish::Always, &[""], vec![Does::IsUnusable]);
        pass(&unusable, &far, &time(60)).await.unwrap();
        assert_eq!((far.taken(), waiting(&unusable).len()), (pairs(&[("1", "")]), 3));

        let refusing = outbox(&notices);
        let far = Far::new(Wish::Always, &[""], vec![Does::Refuses]);
        assert_eq!(pass(&refusing, &far, &time(60)).await.unwrap().told, 2);
        assert_eq!(waiting(&refusing), [(1, Some("550 no such user".to_owned()))]);
    });
}

#[test]
fn messages_that_are_refused_for_ever_do_not_keep_a_later_one_from_being_told() {
    with_paused_clock(async {
        let notices: Vec<_> = (1..=5).map(|of| failing(&of.to_string(), of)).collect();
        let outbox = outbox(&notices);
        for _ in 0..3 {
            let far = Far::new(Wish::Always, &[""], (0..4).map(|_| Does::Refuses).collect());
            pass(&outbox, &far, &time(60)).await.unwrap();
        }
        assert_eq!(waiting(&outbox).iter().map(|line| line.0).collect::<Vec<_>>(), [1, 2, 3, 4]);
    });
}

#[test]
fn a_channel_that_hangs_leaves_the_others_their_time_for_a_test() {
    let hangs = Box::new(Far::new(Wish::Always, &[""], vec![Does::Hangs]));
    let takes = Box::new(Far::new(Wish::Always, &[""], vec![Does::TakesSlowly]));
    let (notice, telling) = (failing("1", 1), Telling { word: Word::Ok, turns: vec![] });
    let message = Message { notice: &notice, telling: &telling, now: at(NOON) };
    // The clock of a paused runtime cannot be had in there: a second will do.
    let deadline = std::time::Instant::now() + Duration::from_secs(1);
    let seen = try_each(&[hangs, takes], &message, deadline);
    let Answer::Later { why, .. } = &seen[0].1 else { panic!("{seen:?}") };
    assert_eq!(why, "no answer in time");
    assert_eq!(seen[1].1, Answer::Accepted("ok".into()));
}

#[test]
fn a_far_end_that_hangs_costs_no_more_than_the_time_there_is_and_a_signal_ends_it_at_once() {
    with_paused_clock(async {
        let outbox = outbox(&[failing("1", 3)]);
        let far = Far::new(Wish::Always, &[""], (0..9).map(|_| Does::Hangs).collect());
        let time = time(40);
        pass(&outbox, &far, &time).await.unwrap();
        assert!(time.began.elapsed() <= Duration::from_secs(41), "{:?}", time.began.elapsed());
        assert_eq!(far.seen.borrow().len(), 2, "one attempt for half a minute, and the rest for another");
        assert!(waiting(&outbox)[0].1.as_ref().unwrap().starts_with("no answer within "));

        let time = self::time(3600);
        time.asked_to_stop.store(true, Ordering::Relaxed);
        pass(&outbox, &far, &time).await.unwrap();
        assert!(time.began.elapsed() < Duration::from_secs(1));
        assert_eq!(waiting(&outbox)[0].1.as_deref(), Some("stopped by a signal"));
    });
}

#[test]
fn recovery_is_told_once_though_the_failure_was_told_by_another_program() {
    with_paused_clock(async {
        let outbox = outbox(&[failing("1", 3)]);
        let far = Far::new(Wish::Failures, &[""], vec![]);
        pass(&outbox, &far, &time(60)).await.unwrap();
        for id in ["2", "3"] {
            outbox.put(&failing(id, 0)).unwrap();
        }
        let again = Far::new(Wish::Failures, &[""], vec![]);
        pass(&outbox, &again, &time(60)).await.unwrap();
        assert_eq!(again.taken(), pairs(&[("2", "")]));
    });
}

#[test]
fn a_later_attempt_tells_what_the_first_one_would_have_told() {
    with_paused_clock(async {
        let outbox = outbox(&[failing("1", 3)]);
        let far = Far::new(Wish::Failures, &[""], vec![Does::IsUnusable]);
        pass(&outbox, &far, &time(60)).await.unwrap();
        let begun = outbox.next(ChannelName::Mail, 0).unwrap().unwrap().telling.unwrap();
        assert_eq!(begun.turns, [(Topic::Invariant("x".into()), Turn::New)]);
    });
}
