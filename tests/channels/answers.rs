//! What does each answer of Slack and PagerDuty mean for a message?

use plms_invariants::emit::channels::Answer;

use super::fault_server::{FaultServer, Step};
use super::{
    HOOK, KEY, LONG, PART, PD_OK, ask, ask_pagerduty, ask_slack, channel, later, pagerduty, refused, slack,
    unusable,
};

#[test]
fn slack_has_taken_a_message_when_it_says_ok() {
    let server = FaultServer::start(vec![Step::answer(200, "ok")]);
    assert_eq!(ask(&*slack(&server.at(HOOK)), "", LONG), Answer::Accepted("200 ok: ok".into()));
    let [request] = &server.requests()[..] else { panic!("one request: {:?}", server.requests()) };
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", HOOK));
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert!(request.header("user-agent").unwrap().starts_with("plms-invariants/"));
    assert!(request.json().get("text").is_some());
}

#[test]
fn an_interim_answer_is_no_answer() {
    assert_eq!(ask_slack(Step::answer(200, "ok").after_continue()), Answer::Accepted("200 ok: ok".into()));
}

/// Fault 1, and 2: the waiting is the engine's, which must hear how long.
#[test]
fn fault_1_and_2_slack_asks_to_be_left_alone() {
    let told = |header: &str| ask_slack(Step::answer(429, "").header("Retry-After", header));
    let why = "127.0.0.1 answered 429 too many requests";
    assert_eq!(told("1"), later(why, Some(1)));
    assert_eq!(told("3600"), later(why, Some(3600)));
    assert_eq!(told("999999999"), later(why, Some(86400)));
    assert_eq!(told("soon"), later(why, None));
    assert_eq!(told("Thu, 06 Nov 2025 07:01:01 GMT"), later(why, Some(60)));
    let dated = Step::answer(429, "").header("Retry-After", "Thu, 06 Nov 2025 09:00:05 GMT");
    assert_eq!(ask_slack(dated.header("Date", "Thu, 06 Nov 2025 09:00:00 GMT")), later(why, Some(5)));
    assert_eq!(ask_slack(Step::answer(429, "")), later(why, None));
    let body = r#"{"ok":false,"error":"rate_limited","retry_after":7}"#;
    assert_eq!(ask_slack(Step::answer(429, body)), later(&format!("{why}: {body}"), Some(7)));
    assert_eq!(
        ask_slack(Step::answer(200, body)),
        later(&format!("127.0.0.1 answered 200 ok: {body}"), Some(7))
    );
}

#[test]
fn fault_3_a_portal_that_answers_200_is_not_slack() {
    for body in
        ["<html>Welcome to our guest network</html>", "", "OK", "ok ok", r#"{"ok":true}"#, "\u{feff}ok"]
    {
        let answer = ask_slack(Step::answer(200, body));
        assert!(matches!(answer, Answer::Later { .. }), "{body}: {answer:?}");
    }
    for status in [201, 202, 204, 206] {
        let answer = ask_slack(Step::answer(status, "ok"));
        assert!(matches!(answer, Answer::Later { .. }), "{status}: {answer:?}");
    }
}

#[test]
fn fault_3_a_refusal_under_200_is_a_refusal() {
    let server = FaultServer::start(vec![Step::answer(200, "invalid_payload")]);
    let answer = ask(&*slack(&server.at(HOOK)), "", LONG);
    let twice =
        "127.0.0.1 answered 200 ok: invalid_payload, in its shortest form (first 200 ok: invalid_payload)";
    assert_eq!(answer, refused(twice));
    assert_eq!(server.requests().len(), 2);
    let gone = ask_slack(Step::answer(200, "no_service"));
    assert!(matches!(gone, Answer::Unusable { .. }), "{gone:?}");
}

#[test]
fn fault_4_a_webhook_that_is_gone_is_asked_once_and_the_operator_told() {
    for (status, word) in [
        (404, "not found: no_service"),
        (410, "gone: channel_is_archived"),
        (403, "forbidden: invalid_token"),
        (401, "unauthorized: invalid_auth"),
        (400, "bad request: invalid_token"),
    ] {
        let body = word.split(": ").nth(1).unwrap();
        let server = FaultServer::start(vec![Step::answer(status, body)]);
        let why = format!(
            "127.0.0.1 answered {status} {word}; connect the webhook again and set SLACK_WEBHOOK_URL to its new URL"
        );
        assert_eq!(ask(&*slack(&server.at(HOOK)), "", LONG), unusable(&why));
        assert_eq!(server.requests().len(), 1, "{status}");
    }
}

#[test]
fn fault_5_a_form_that_is_refused_is_tried_once_in_its_shortest() {
    for (status, body) in
        [(400, "invalid_blocks"), (400, "no_text"), (400, "msg_blocks_too_long"), (400, "<html>"), (413, "")]
    {
        let server = FaultServer::start(vec![Step::answer(status, body), Step::answer(200, "ok")]);
        let Answer::Accepted(words) = ask(&*slack(&server.at(HOOK)), "", LONG) else {
            panic!("{status} {body}")
        };
        assert!(words.starts_with(&format!("200 ok: ok, in its shortest form (first {status}")), "{words}");
        let requests = server.requests();
        assert_eq!(requests.len(), 2);
        // One text, and nothing that could be wrong about it.
        assert_eq!(requests[1].json().as_object().unwrap().keys().collect::<Vec<_>>(), ["text"]);
    }
    let server = FaultServer::start(vec![Step::answer(400, "invalid_blocks")]);
    let answer = ask(&*slack(&server.at(HOOK)), "", LONG);
    assert!(matches!(answer, Answer::Refused { .. }), "{answer:?}");
    assert_eq!(server.requests().len(), 2);
    // The short form met another hardship: that one counts.
    let server = FaultServer::start(vec![Step::answer(400, "invalid_blocks"), Step::answer(503, "")]);
    let answer = ask(&*slack(&server.at(HOOK)), "", LONG);
    assert!(matches!(answer, Answer::Later { .. }), "{answer:?}");
}

#[test]
fn fault_8_pagerduty_has_taken_an_event_when_it_says_so_with_202() {
    let server = FaultServer::start(vec![Step::answer(202, PD_OK)]);
    let channel = pagerduty(&server);
    assert!(matches!(ask(&*channel, PART, LONG), Answer::Accepted(_)));
    assert!(matches!(ask(&*channel, PART, LONG), Answer::Accepted(_)));
    let [first, second] = &server.requests()[..] else { panic!("two: {:?}", server.requests()) };
    assert_eq!((first.method.as_str(), first.path.as_str()), ("POST", "/v2/enqueue"));
    assert_eq!(first.json()["routing_key"], KEY);
    assert_eq!(first.json()["event_action"], "trigger");
    assert!(first.json()["dedup_key"].as_str().is_some_and(|key| !key.is_empty()));
    // The second failing night is the same incident.
    assert_eq!(first.json()["dedup_key"], second.json()["dedup_key"]);
    for (status, body) in [(200, PD_OK), (202, "ok"), (202, ""), (202, r#"{"status":"queued"}"#), (204, "")] {
        let answer = ask_pagerduty(Step::answer(status, body));
        assert!(matches!(answer, Answer::Later { .. }), "{status} {body}: {answer:?}");
    }
}

#[test]
fn fault_9_a_routing_key_of_31_characters_is_sent_nowhere() {
    let server = FaultServer::start(vec![Step::answer(202, PD_OK)]);
    let url = server.at("/v2/enqueue");
    let why = "PD_ROUTING_KEY is no routing key: it must have 32 characters, all of them letters and digits; \
               copy the integration key of an Events API v2 integration";
    for key in ["CANARY7890CANARY7890CANARY78901", "CANARY7890-ANARY7890CANARY789012", "CANARY\n"] {
        let channel = channel(&[("PD_ROUTING_KEY", key), ("PD_EVENTS_URL", &url)]);
        assert_eq!(ask(&*channel, PART, LONG), unusable(why), "{key}");
    }
    assert_eq!(server.connections(), 0);
}

#[test]
fn fault_9_an_event_that_is_refused_is_told_from_a_key_that_is() {
    let body =
        r#"{"status":"invalid event","message":"Event object is invalid","errors":["summary is too long"]}"#;
    assert_eq!(
        ask_pagerduty(Step::answer(400, body)),
        refused(&format!("127.0.0.1 answered 400 bad request: {body}"))
    );
    let body = r#"{"status":"invalid event","errors":["Length of 'routing_key' is incorrect (should be 32 characters)"]}"#;
    for step in [Step::answer(400, body), Step::answer(401, ""), Step::answer(403, "")] {
        let Answer::Unusable { why } = ask_pagerduty(step) else { panic!("unusable") };
        assert!(
            why.ends_with("; set PD_ROUTING_KEY to the integration key of an Events API v2 integration"),
            "{why}"
        );
    }
    let Answer::Unusable { why } = ask_pagerduty(Step::answer(404, "")) else { panic!("unusable") };
    assert!(why.ends_with("; is PD_EVENTS_URL right, or a proxy in the way?"), "{why}");
}

#[test]
fn fault_10_an_event_whose_fate_is_unknown_is_sent_again_under_the_same_key() {
    let server = FaultServer::start(vec![
        Step::answer(429, ""),
        Step::answer(500, ""),
        Step::reset_before_answering(),
        Step::close_before_answering(),
        Step::answer(202, PD_OK),
    ]);
    let channel = pagerduty(&server);
    for _ in 0..4 {
        let answer = ask(&*channel, PART, LONG);
        assert!(matches!(answer, Answer::Later { .. }), "{answer:?}");
    }
    assert!(matches!(ask(&*channel, PART, LONG), Answer::Accepted(_)));
    let requests = server.requests();
    assert_eq!(requests.len(), 5);
    assert!(requests.iter().all(|request| request.body == requests[0].body));
}

#[test]
fn an_event_that_is_not_of_this_message_is_not_sent() {
    let server = FaultServer::start(vec![Step::answer(202, PD_OK)]);
    let answer = ask(&*pagerduty(&server), "trigger:other", LONG);
    assert!(matches!(answer, Answer::Refused { .. }), "{answer:?}");
    assert_eq!(server.connections(), 0);
}

/// What each status is taken for where no body says more: `L` passes, `U` lasts until somebody mends the settings,
/// `R` is about this message alone, and `S` likewise after a second try in Slack's shortest form.
#[test]
fn every_status_is_told_apart_and_none_without_its_proof_is_a_success() {
    let class = |answer: Answer| match answer {
        Answer::Accepted(_) => 'A',
        Answer::Later { .. } => 'L',
        Answer::Unusable { .. } => 'U',
        Answer::Refused { .. } => 'R',
        Answer::Postponed { .. } => 'P',
    };
    for status in 200..=599_u16 {
        let (to_slack, to_pagerduty) = match status {
            401 | 403 | 404 | 405 | 407 | 410 => ('U', 'U'),
            408 | 425 | 429 => ('L', 'L'),
            400 | 413 | 422 => ('S', 'R'),
            _ => match status / 100 {
                3 => ('U', 'U'),
                4 => ('R', 'R'),
                _ => ('L', 'L'),
            },
        };
        let server = FaultServer::start(vec![Step::answer(status, "")]);
        let seen = class(ask(&*slack(&server.at(HOOK)), "", LONG));
        let (want, tries) = if to_slack == 'S' { ('R', 2) } else { (to_slack, 1) };
        assert_eq!((seen, server.requests().len()), (want, tries), "Slack {status}");
        assert_eq!(class(ask_pagerduty(Step::answer(status, ""))), to_pagerduty, "PagerDuty {status}");
    }
}
