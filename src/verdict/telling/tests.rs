//! Does everybody hear of what they asked for, and is nothing forgotten that is still wrong?

mod cases;

use proptest::prelude::*;

use cases::{CASES, Case};

use super::*;
use crate::verdict::notice::Said;

fn at(day: u32) -> DateTime<Utc> {
    format!("2025-11-{day:02}T07:00:03Z").parse().unwrap()
}

fn notice(occasion: Occasion, state: State, matters: Vec<Matter>) -> Notice {
    Notice {
        occasion,
        env: "production".into(),
        db_path: "/srv/registry.db".into(),
        host: "plms1".into(),
        invocation_id: "0123".into(),
        at: at(6),
        state,
        sentence: String::new(),
        matters,
        findings: vec![],
        log: None,
    }
}

/// `a! 3` violated, critical · `a 3` violated, warning · `a 3?` violated and not checked in full · `a` holds ·
/// `a?` not checked · `a-` skipped.
fn matter(text: &str) -> Matter {
    let (name, count) = text.split_once(' ').unwrap_or((text, ""));
    let is_unsure = text.ends_with('?');
    let count: Option<u64> = count.trim_end_matches('?').parse().ok();
    let standing = match (count, name.chars().last()) {
        (Some(_), _) => Standing::Violated,
        (None, Some('?')) => Standing::NotChecked,
        (None, Some('-')) => Standing::Skipped,
        (None, _) => Standing::Holds,
    };
    Matter {
        id: name.trim_end_matches(['!', '?', '-']).into(),
        title: String::new(),
        severity: if name.ends_with('!') { Severity::Critical } else { Severity::Warning },
        standing,
        violations: if standing == Standing::Holds { Some(0) } else { count },
        errors: if is_unsure { vec!["locked".into()] } else { vec![] },
        failing_since: None,
        runbook: None,
        owner: None,
        rows: vec![],
    }
}

/// `ok: a, b 3`; `died`; after `+` a finding that was UNKNOWN.
fn read(text: &str) -> Notice {
    if text == "died" {
        return notice(Occasion::Died, State::Unknown, vec![]);
    }
    let (text, finding) = text.split_once(" + ").map_or((text, None), |(text, said)| (text, Some(said)));
    let (state, matters) = text.split_once(':').unwrap();
    let state = match state {
        "ok" => State::Ok,
        "warning" => State::Warning,
        "critical" => State::Critical,
        "unknown" => State::Unknown,
        _ => panic!("{state}"),
    };
    let matters = matters.split(',').map(str::trim).filter(|text| !text.is_empty()).map(matter).collect();
    let mut notice = notice(Occasion::Run, state, matters);
    notice.findings.extend(finding.map(|sentence| Said { state: State::Unknown, sentence: sentence.into() }));
    notice
}

/// What was told before: notices, one after the other.
fn told(before: &[&str]) -> Told {
    before.iter().fold(Told::default(), |told, text| after(&told, &read(text)))
}

fn turn_word(turn: Turn) -> &'static str {
    match turn {
        Turn::New => "new",
        Turn::Changed => "changed",
        Turn::Persists => "persists",
        Turn::Recovered => "recovered",
        Turn::Unseen => "unseen",
    }
}

#[test]
fn everybody_hears_of_what_they_asked_for() {
    for Case { field, before, now, word, turns, who } in CASES {
        let (told, notice) = (told(before), read(now));
        let mut asked = String::new();
        for (letter, wish) in [('a', Wish::Always), ('c', Wish::Changes), ('f', Wish::Failures)] {
            let Some(telling) = tell(wish, &told, &notice) else { continue };
            asked.push(letter);
            let seen: Vec<String> = telling
                .turns
                .iter()
                .map(|(topic, turn)| format!("{} {}", topic.word(), turn_word(*turn)))
                .collect();
            assert_eq!((telling.word, seen.join(", ").as_str()), (*word, *turns), "{field}: {wish:?}");
        }
        assert_eq!(asked, *who, "{field}");
    }
}

#[test]
fn a_test_is_told_to_everybody_and_changes_nothing() {
    let told = told(&["warning: a 3", "died"]);
    let test = notice(Occasion::Test, State::Ok, vec![matter("a")]);
    for wish in [Wish::Always, Wish::Changes, Wish::Failures] {
        assert_eq!(tell(wish, &told, &test), Some(Telling { word: Word::Ok, turns: vec![] }));
    }
    assert_eq!(after(&told, &test), told);
}

#[test]
fn what_was_told_outlives_the_program() {
    let told = told(&["critical: a! 3, b?", "died"]);
    let text = serde_json::to_string(&told).unwrap();
    assert_eq!(
        text,
        r#"{"state":"unknown","open":{"check-died":{"count":null,"severity":null,"ids":[]},"not-checked":{"count":1,"severity":null,"ids":["b"]},"a":{"count":3,"severity":"critical","ids":[]}}}"#
    );
    assert_eq!(serde_json::from_str::<Told>(&text).unwrap(), told);
    let telling = tell(Wish::Always, &told, &read("critical: a! 3, b")).unwrap();
    let text = serde_json::to_string(&telling).unwrap();
    assert_eq!(
        text,
        r#"{"word":"fail","turns":[["a","persists"],["check-died","recovered"],["not-checked","recovered"]]}"#
    );
    assert_eq!(serde_json::from_str::<Telling>(&text).unwrap(), telling);
}

#[test]
fn a_message_is_late_after_five_minutes_and_never_where_the_clock_was_set_back() {
    let notice = read("ok: a");
    let telling = Telling { word: Word::Ok, turns: vec![] };
    let late = |seconds| {
        let now = notice.at + chrono::TimeDelta::seconds(seconds);
        Message { notice: &notice, telling: &telling, now }.late().map(|late| late.as_secs())
    };
    assert_eq!(
        [late(-3600), late(0), late(300), late(301), late(86_400)],
        [None, None, None, Some(301), Some(86_400)]
    );
}

/// Any night: four invariants, each seen or not, an output that failed or not, or a death.
fn any_notice() -> impl Strategy<Value = Notice> {
    let standing = prop_oneof![
        Just(None),
        Just(Some(Standing::Holds)),
        Just(Some(Standing::Violated)),
        Just(Some(Standing::NotChecked)),
        Just(Some(Standing::Skipped)),
    ];
    let seen = proptest::collection::vec((standing, 1_u64..4, any::<bool>(), any::<bool>()), 4);
    let said =
        proptest::option::of(prop_oneof![Just(State::Ok), Just(State::Unknown), Just(State::Critical)]);
    (seen, said, 0..10).prop_map(|(seen, said, fate)| {
        if fate == 0 {
            return notice(Occasion::Died, State::Unknown, vec![]);
        }
        let mut state = State::Ok;
        let mut matters = vec![];
        for ((standing, count, is_critical, has_errors), id) in seen.into_iter().zip(["a", "b", "c", "d"]) {
            let Some(standing) = standing else { continue };
            let severity = if is_critical { Severity::Critical } else { Severity::Warning };
            let is_unsure = standing == Standing::NotChecked || standing == Standing::Violated && has_errors;
            state = state.max(match standing {
                Standing::Violated => severity.state(),
                Standing::NotChecked => State::Unknown,
                Standing::Holds | Standing::Skipped => State::Ok,
            });
            let errors = if is_unsure { vec!["x".into()] } else { vec![] };
            let violations = (standing == Standing::Violated).then_some(count);
            matters.push(Matter { severity, standing, violations, errors, ..matter(id) });
        }
        state = state.max(said.unwrap_or(State::Ok));
        let mut notice = notice(Occasion::Run, state, matters);
        notice.findings.extend(said.map(|state| Said { state, sentence: String::new() }));
        notice
    })
}

fn standing_of(notice: &Notice, topic: &Topic) -> Option<Standing> {
    notice.matters.iter().find(|matter| matter.id == topic.word()).map(|matter| matter.standing)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn nothing_wrong_is_forgotten_and_nothing_is_closed_that_was_not_seen_to_hold(
        nights in proptest::collection::vec(any_notice(), 1..12),
        wish in prop_oneof![Just(Wish::Always), Just(Wish::Changes), Just(Wish::Failures)],
    ) {
        let mut told = Told::default();
        for notice in &nights {
            let telling = tell(wish, &told, notice);
            let next = after(&told, notice);
            prop_assert_eq!(&after(&next, notice), &next, "told twice is told once");
            for matter in &notice.matters {
                let is_open = next.open.contains_key(&Topic::Invariant(matter.id.clone()));
                match matter.standing {
                    Standing::Violated => prop_assert!(is_open, "{} is forgotten", matter.id),
                    Standing::Holds => prop_assert!(!is_open, "{} is never closed", matter.id),
                    Standing::NotChecked | Standing::Skipped => {}
                }
            }
            prop_assert!(notice.state == State::Ok || !next.open.is_empty(), "nothing explains the state");
            for topic in told.open.keys().filter(|topic| !next.open.contains_key(topic)) {
                prop_assert!(notice.occasion == Occasion::Run, "a death closes nothing");
                match topic {
                    Topic::Invariant(_) => prop_assert_eq!(standing_of(notice, topic), Some(Standing::Holds)),
                    Topic::NotChecked => prop_assert!(notice.state != State::Unknown),
                    Topic::Died => {}
                }
                prop_assert!(telling.is_some(), "a recovery is told, whatever was asked for");
            }
            let is_failing = notice.state != State::Ok;
            prop_assert!(!(is_failing && wish != Wish::Changes && telling.is_none()), "a failing run is told");
            prop_assert!(!(next.open.keys().any(|topic| !told.open.contains_key(topic)) && telling.is_none()));
            if let Some(telling) = telling {
                let is_good = matches!(telling.word, Word::Ok | Word::Recovered);
                prop_assert_eq!(is_good, !is_failing, "OK is said of a state that is OK, and of no other");
                let topics: BTreeSet<&Topic> = telling.turns.iter().map(|(topic, _)| topic).collect();
                prop_assert_eq!(topics.len(), telling.turns.len(), "each topic once");
                prop_assert!(told.open.keys().chain(next.open.keys()).all(|topic| topics.contains(topic)));
                for (topic, turn) in &telling.turns {
                    prop_assert_eq!(*turn == Turn::Recovered, !next.open.contains_key(topic));
                    prop_assert_eq!(*turn == Turn::New, !told.open.contains_key(topic));
                }
            }
            told = next;
        }
    }
}

#[test]
fn what_an_older_program_kept_is_read() {
    let told: Told =
        serde_json::from_str(r#"{"state":"warning","open":{"a":3,"not-checked":null}}"#).unwrap();
    let counts: Vec<_> = told.open.values().map(|extent| extent.count).collect();
    assert_eq!(counts, [None, Some(3)]);
    let kept = serde_json::to_string(&after(&told, &read("critical: a! 3, b?"))).unwrap();
    assert_eq!(serde_json::from_str::<Told>(&kept).unwrap(), after(&told, &read("critical: a! 3, b?")));
}
