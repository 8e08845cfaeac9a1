//! Does everybody hear of what they asked for, and is nothing forgotten that is still wrong?

use proptest::prelude::*;

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

struct Case {
    field: &'static str,
    before: &'static [&'static str],
    now: &'static str,
    word: Word,
    turns: &'static str,
    /// Of always, changes, failures: `acf`.
    who: &'static str,
}

const fn case(
    field: &'static str,
    before: &'static [&'static str],
    now: &'static str,
    word: Word,
    turns: &'static str,
    who: &'static str,
) -> Case {
    Case { field, before, now, word, turns, who }
}

const CASES: &[Case] = &[
    case("the first run ever is clean", &[], "ok: a, b", Word::Ok, "", "a"),
    case("the first run ever finds something", &[], "warning: a 3, b", Word::Fail, "a new", "acf"),
    case(
        "the first run ever cannot check",
        &[],
        "unknown: a?, b?",
        Word::CouldNotCheck,
        "not-checked new",
        "acf",
    ),
    case("a clean run after a clean run", &["ok: a"], "ok: a", Word::Ok, "", "a"),
    case("a new violation", &["ok: a, b"], "critical: a! 1, b", Word::Fail, "a new", "acf"),
    case(
        "a second one beside an old one",
        &["warning: a 3"],
        "critical: b! 1, a 3",
        Word::Fail,
        "b new, a persists",
        "acf",
    ),
    case("the same as last night", &["warning: a 3"], "warning: a 3", Word::Fail, "a persists", "af"),
    case("another number of rows", &["warning: a 3"], "warning: a 4", Word::Fail, "a changed", "acf"),
    case("fewer rows are no recovery", &["warning: a 3"], "warning: a 1", Word::Fail, "a changed", "acf"),
    case(
        "a warning that has become critical",
        &["warning: a 3"],
        "critical: a! 3",
        Word::Fail,
        "a persists",
        "acf",
    ),
    case("mended", &["warning: a 3"], "ok: a", Word::Recovered, "a recovered", "acf"),
    case("mended is told once", &["warning: a 3", "ok: a"], "ok: a", Word::Ok, "", "a"),
    case(
        "failing again after it was mended",
        &["warning: a 3", "ok: a"],
        "warning: a 3",
        Word::Fail,
        "a new",
        "acf",
    ),
    case(
        "one of two mended",
        &["warning: a 3, b 1"],
        "warning: b 1, a",
        Word::Fail,
        "b persists, a recovered",
        "acf",
    ),
    case(
        "not checked is no recovery",
        &["warning: a 3"],
        "unknown: a?",
        Word::CouldNotCheck,
        "not-checked new, a unseen",
        "acf",
    ),
    case(
        "nor is it on the second night",
        &["warning: a 3", "unknown: a?"],
        "unknown: a?",
        Word::CouldNotCheck,
        "not-checked persists, a unseen",
        "af",
    ),
    case("skipped is no recovery", &["warning: a 3"], "ok: a-, b", Word::Ok, "a unseen", "ac"),
    case("not selected is no recovery", &["warning: a 3"], "ok: b", Word::Ok, "a unseen", "ac"),
    case(
        "what nobody looks at is not news each night",
        &["warning: a 3", "ok: b"],
        "ok: b",
        Word::Ok,
        "a unseen",
        "a",
    ),
    case(
        "one mended, one not looked at, is not recovered",
        &["warning: a 3, b 1"],
        "ok: a, b-",
        Word::Ok,
        "a recovered, b unseen",
        "acf",
    ),
    case(
        "not looked at for a while, then mended",
        &["warning: a 3", "unknown: a?"],
        "ok: a",
        Word::Recovered,
        "not-checked recovered, a recovered",
        "acf",
    ),
    case(
        "not looked at for a while, and as it was",
        &["warning: a 3", "unknown: a?"],
        "warning: a 3",
        Word::Fail,
        "a persists, not-checked recovered",
        "acf",
    ),
    case(
        "checked again and clean",
        &["unknown: a?"],
        "ok: a",
        Word::Recovered,
        "not-checked recovered",
        "acf",
    ),
    case(
        "more was not checked than last night",
        &["unknown: a?, b"],
        "unknown: a?, b?",
        Word::CouldNotCheck,
        "not-checked changed",
        "acf",
    ),
    case(
        "a violation and one that was not checked",
        &[],
        "warning: a 3, b?",
        Word::Fail,
        "not-checked new, a new",
        "acf",
    ),
    case(
        "critical, then not known, then warning",
        &[],
        "critical: w 1, c! 1, u?",
        Word::Fail,
        "c new, not-checked new, w new",
        "acf",
    ),
    case(
        "violations that came along with errors",
        &["critical: a! 3"],
        "critical: a! 3?",
        Word::Fail,
        "a persists, not-checked new",
        "acf",
    ),
    case(
        "errors alone keep a violation open",
        &["critical: a! 3"],
        "unknown: a?",
        Word::CouldNotCheck,
        "not-checked new, a unseen",
        "acf",
    ),
    case(
        "a clean run whose output failed",
        &["ok: a"],
        "unknown: a + the textfile was not written",
        Word::CouldNotCheck,
        "not-checked new",
        "acf",
    ),
    case(
        "an output failed while an invariant was mended",
        &["warning: a 3"],
        "unknown: a + the textfile was not written",
        Word::CouldNotCheck,
        "not-checked new, a recovered",
        "acf",
    ),
    case(
        "an output fails as it did last night",
        &["unknown: a + x"],
        "unknown: a + x",
        Word::CouldNotCheck,
        "not-checked persists",
        "af",
    ),
    case(
        "an output failed and something is violated",
        &["warning: a 3"],
        "warning: a 3 + x",
        Word::Fail,
        "not-checked new, a persists",
        "acf",
    ),
    case("no invariant was selected", &["ok: a"], "unknown:", Word::CouldNotCheck, "not-checked new", "acf"),
    case("a state that nothing explains", &["ok: a"], "critical: a", Word::Fail, "not-checked new", "acf"),
    case("a violation that the state knows nothing of", &["ok: a"], "ok: a 1", Word::Fail, "a new", "acf"),
    case(
        "an error that the state knows nothing of",
        &["ok: a"],
        "ok: a?",
        Word::CouldNotCheck,
        "not-checked new",
        "acf",
    ),
    case("the first run ever died", &[], "died", Word::CouldNotCheck, "check-died new", "acf"),
    case("a run died", &["warning: a 3"], "died", Word::CouldNotCheck, "check-died new, a unseen", "acf"),
    case("another run died", &["ok: a", "died"], "died", Word::CouldNotCheck, "check-died persists", "acf"),
    case(
        "a run after one that died",
        &["ok: a", "died"],
        "ok: a",
        Word::Recovered,
        "check-died recovered",
        "acf",
    ),
    case(
        "a death says nothing about what was violated",
        &["warning: a 3", "died"],
        "warning: a 3",
        Word::Fail,
        "a persists, check-died recovered",
        "acf",
    ),
    case(
        "nor about what could not be checked",
        &["unknown: a?", "died"],
        "unknown: a?",
        Word::CouldNotCheck,
        "not-checked persists, check-died recovered",
        "acf",
    ),
    case(
        "a run that left a record and could not check",
        &["died"],
        "unknown: a?",
        Word::CouldNotCheck,
        "not-checked new, check-died recovered",
        "acf",
    ),
];

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
    assert_eq!(text, r#"{"state":"unknown","open":{"check-died":null,"not-checked":1,"a":3}}"#);
    assert_eq!(serde_json::from_str::<Told>(&text).unwrap(), told);
    let telling = tell(Wish::Always, &told, &read("warning: a 3, b")).unwrap();
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
