//! Does nobody hear that all is well before he has heard what was wrong, and does nothing wait for ever behind
//! what is refused?

use std::task::Poll;

use super::*;

/// Runs both at once.
async fn both<A, B>(one: impl Future<Output = A>, other: impl Future<Output = B>) -> (A, B) {
    let (mut one, mut other) = (std::pin::pin!(one), std::pin::pin!(other));
    let (mut of_one, mut of_other) = (None, None);
    std::future::poll_fn(|context| {
        if of_one.is_none() {
            of_one = ready(one.as_mut().poll(context));
        }
        if of_other.is_none() {
            of_other = ready(other.as_mut().poll(context));
        }
        if of_one.is_some() && of_other.is_some() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    (of_one.unwrap(), of_other.unwrap())
}

fn ready<T>(polled: Poll<T>) -> Option<T> {
    match polled {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

/// The turns of what is to be told next.
fn next_turns(outbox: &Outbox, after: i64) -> Vec<Turn> {
    let telling = outbox.next(ChannelName::Mail, after).unwrap().unwrap().telling.unwrap();
    telling.turns.into_iter().map(|(_, turn)| turn).collect()
}

#[test]
fn who_takes_a_failure_a_little_later_hears_of_it_before_the_recovery_and_keeps_nobody_waiting() {
    with_paused_clock(async {
        let outbox = outbox(&[failing("1", 3), failing("2", 0)]);
        let does = vec![Does::Takes, Does::Postpones, Does::Takes, Does::Postpones];
        let far = Far::new(Wish::Failures, &["a", "b"], does);
        let passed = pass(&outbox, &far, &time(60)).await.unwrap();
        let expected = [("1", "a"), ("1", "b"), ("2", "a"), ("1", "b"), ("1", "b"), ("2", "b")];
        assert_eq!(far.taken(), pairs(&expected));
        assert_eq!((passed.told, passed.why_waiting.len(), waiting(&outbox)), (2, 0, vec![]));
    });
}

#[test]
fn who_has_heard_of_the_recovery_does_not_hear_of_it_again_while_another_has_still_to() {
    with_paused_clock(async {
        let outbox = outbox(&[failing("1", 3), failing("2", 0), failing("3", 0)]);
        let far = Far::new(Wish::Failures, &["a", "b"], vec![Does::Takes, Does::Postpones]);
        pass(&outbox, &far, &time(60)).await.unwrap();
        let expected = [("1", "a"), ("1", "b"), ("2", "a"), ("1", "b"), ("2", "b")];
        assert_eq!((far.taken(), waiting(&outbox)), (pairs(&expected), vec![]));
        outbox.put(&failing("4", 0)).unwrap();
        assert_eq!(pass(&outbox, &far, &time(60)).await.unwrap().told, 0);
    });
}

#[test]
fn a_failure_that_nobody_took_in_its_night_is_told_and_then_its_recovery() {
    with_paused_clock(async {
        for wish in [Wish::Failures, Wish::Changes, Wish::Always] {
            let outbox = outbox(&[failing("1", 3)]);
            let far = Far::new(wish, &[""], vec![Does::Refuses]);
            pass(&outbox, &far, &time(60)).await.unwrap();
            outbox.put(&failing("2", 0)).unwrap();
            let far = Far::new(wish, &[""], vec![Does::Refuses, Does::Refuses]);
            pass(&outbox, &far, &time(60)).await.unwrap();
            assert_eq!(next_turns(&outbox, 1), [Turn::Recovered], "{wish:?}");
            let far = Far::new(wish, &[""], vec![]);
            assert_eq!(pass(&outbox, &far, &time(60)).await.unwrap().told, 2);
            assert_eq!(far.taken(), pairs(&[("1", ""), ("2", "")]), "{wish:?}");
        }
    });
}

#[test]
fn a_failure_that_is_taken_after_its_recovery_is_followed_by_another_one() {
    with_paused_clock(async {
        let outbox = outbox(&[failing("1", 3), failing("2", 0)]);
        let far = Far::new(Wish::Changes, &[""], vec![Does::Refuses]);
        pass(&outbox, &far, &time(60)).await.unwrap();
        assert_eq!(far.taken(), pairs(&[("1", ""), ("2", "")]), "what is refused holds up nothing");
        assert_eq!(waiting(&outbox).len(), 1);
        for id in ["3", "4"] {
            outbox.put(&failing(id, 0)).unwrap();
        }
        let far = Far::new(Wish::Changes, &[""], vec![]);
        pass(&outbox, &far, &time(60)).await.unwrap();
        assert_eq!(far.taken(), pairs(&[("1", ""), ("3", "")]));
    });
}

#[test]
fn what_lasts_is_told_by_a_later_night_where_the_first_one_is_refused_for_ever() {
    with_paused_clock(async {
        let outbox = outbox(&[failing("1", 3), failing("2", 3), failing("3", 3)]);
        let far = Far::new(Wish::Changes, &[""], vec![Does::Refuses]);
        assert_eq!(pass(&outbox, &far, &time(60)).await.unwrap().told, 1);
        assert_eq!(far.taken(), pairs(&[("1", ""), ("2", "")]));
        assert_eq!(waiting(&outbox).len(), 1, "the third night is no news");
    });
}

#[test]
fn what_is_no_news_beside_an_alert_that_waits_makes_that_alert_no_older() {
    with_paused_clock(async {
        let skipped = || {
            let mut notice = failing("2", 0);
            notice.matters[0].standing = Standing::Skipped;
            notice
        };
        let outbox = outbox(&[failing("1", 3), skipped()]);
        let far = Far::new(Wish::Failures, &[""], vec![Does::Refuses]);
        pass(&outbox, &far, &time(60)).await.unwrap();
        let left = outbox.next(ChannelName::Mail, 0).unwrap().unwrap();
        assert_eq!((left.id, left.is_overtaken, left.told.open.len()), (1, false, 0));
        assert_eq!(waiting(&outbox).len(), 1);
    });
}

#[test]
fn what_is_postponed_for_long_keeps_nobody_from_hearing_what_comes_after_it() {
    with_paused_clock(async {
        for (hours, told) in [(0, 0), (2, 1)] {
            let outbox = outbox(&[failing("1", 3), failing("2", 0)]);
            let far = Far { never: Some("1"), ..Far::new(Wish::Failures, &["a"], vec![]) };
            let time = Time { start: at(NOON) + TimeDelta::hours(hours), ..time(60) };
            let passed = pass(&outbox, &far, &time).await.unwrap();
            assert_eq!(passed.told, told, "{:?}", far.taken());
            let last = far.taken().pop().unwrap().0;
            assert_eq!(last, if told == 1 { "2" } else { "1" });
        }
    });
}

#[test]
fn only_a_message_of_which_something_was_taken_counts_as_told() {
    with_paused_clock(async {
        let outbox = outbox(&[failing("1", 3)]);
        let far = Far::new(Wish::Failures, &["a", "gone"], vec![Does::Takes, Does::Refuses]);
        pass(&outbox, &far, &time(60)).await.unwrap();
        let far = Far::new(Wish::Failures, &["a"], vec![]);
        let passed = pass(&outbox, &far, &time(60)).await.unwrap();
        assert_eq!((passed.told, passed.moot, passed.words), (0, 1, None));
        assert_eq!((far.taken(), waiting(&outbox)), (vec![], vec![]));
    });
}

#[test]
fn refused_messages_are_sent_no_faster_than_taken_ones_and_what_is_new_comes_before_most_of_them() {
    with_paused_clock(async {
        let mut notices: Vec<_> = (1..=30).map(|of| failing(&of.to_string(), of)).collect();
        let outbox = outbox(&notices);
        let far = || Far { name: ChannelName::Slack, ..Far::new(Wish::Always, &[""], vec![]) };
        let refusing =
            |count| Far { does: RefCell::new((0..count).map(|_| Does::Refuses).collect()), ..far() };
        let first = refusing(30);
        pass(&outbox, &first, &time(60)).await.unwrap();
        let took = first.seen.borrow().last().unwrap().2;
        assert!((29..=31).contains(&took), "about one a second: {took}");

        notices.push(failing("new", 1));
        outbox.put(notices.last().unwrap()).unwrap();
        let next = refusing(10);
        let passed = pass(&outbox, &next, &time(60)).await.unwrap();
        let order: Vec<_> = next.taken().into_iter().map(|(notice, _)| notice).collect();
        assert_eq!(order.iter().position(|notice| notice == "new"), Some(10), "{order:?}");
        assert_eq!((order.len(), passed.told, waiting(&outbox).len()), (31, 21, 10));
    });
}

#[test]
fn who_asks_to_be_left_alone_is_for_whichever_message_he_asked() {
    with_paused_clock(async {
        let outbox = outbox(&[failing("1", 3), failing("2", 0)]);
        let far = Far::new(Wish::Always, &[""], vec![Does::Refuses, Does::Later(Some(3600))]);
        pass(&outbox, &far, &time(60)).await.unwrap();
        let again = Far::new(Wish::Always, &[""], vec![]);
        let passed = pass(&outbox, &again, &time(60)).await.unwrap();
        assert_eq!((again.taken(), passed.why_waiting.len()), (vec![], 1));
        assert!(passed.why_waiting[0].starts_with("it asked to be left alone until "), "{passed:?}");
        let later = Time { start: at(NOON) + TimeDelta::minutes(61), ..time(60) };
        assert_eq!(pass(&outbox, &again, &later).await.unwrap().told, 2);
    });
}

#[test]
fn what_is_put_into_the_outbox_while_something_is_postponed_is_told_soon() {
    with_paused_clock(async {
        let outbox = outbox(&[failing("1", 3)]);
        let far = Far { never: Some("1"), ..Far::new(Wish::Failures, &["a"], vec![]) };
        let other = Notice { env: "staging".into(), ..failing("2", 3) };
        let (time, later) = (time(120), Time { start: at(NOON) + TimeDelta::hours(2), ..time(120) });
        let (_, put) = both(pass(&outbox, &far, &later), async {
            time.wait(Duration::from_secs(40)).await;
            outbox.put(&other)
        })
        .await;
        assert!(put.unwrap().is_some());
        assert!(far.taken().contains(&("2".to_owned(), "a".to_owned())), "{:?}", far.taken());
    });
}

#[test]
fn whoever_looks_while_an_alert_is_tried_again_sees_that_it_is() {
    with_paused_clock(async {
        let outbox = outbox(&[failing("1", 3)]);
        let far = Far::new(Wish::Always, &[""], (0..100).map(|_| Does::Later(None)).collect());
        let (time, budget) = (time(60), time(60));
        let (_, seen) = both(pass(&outbox, &far, &budget), async {
            time.wait(Duration::from_secs(5)).await;
            let mut tries = 0;
            outbox.pending(|line| tries = line.attempts).unwrap();
            (tries, waiting(&outbox)[0].1.clone())
        })
        .await;
        assert!(seen.0 >= 2 && seen.1.as_deref() == Some("503"), "{seen:?}");
    });
}
