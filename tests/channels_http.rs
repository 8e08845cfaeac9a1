//! Do Slack and PagerDuty hear of it whatever goes wrong on the way, and is no failure taken for success?
//! Numbers of faults are those of the project's list of them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "clippy.toml spares functions marked as tests alone"
)]

#[path = "common/fault_server/mod.rs"]
mod fault_server;

use std::process::Command;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use plms_invariants::config::{Flags, Settings};
use plms_invariants::emit::channels::{Answer, Channel, ChannelName, open};
use plms_invariants::verdict::State;
use plms_invariants::verdict::invariants::Severity;
use plms_invariants::verdict::notice::{Matter, Notice, Occasion, Standing};
use plms_invariants::verdict::telling::{Message, Telling, Topic, Turn, Wish, Word};
use tokio::runtime::Builder;

use fault_server::{Ca, Certificate, FaultServer, Step};

/// The path of a webhook: every piece of it is a secret.
const HOOK: &str = "/services/T00CANARY/B00CANARY/xxCANARYxx";
const KEY: &str = "CANARY7890CANARY7890CANARY789012";
const PART: &str = "trigger:lane_overrides";
const PD_OK: &str = r#"{"status":"success","message":"Event processed","dedup_key":"k"}"#;

/// Time enough for anything on loopback.
const LONG: Duration = Duration::from_secs(20);
/// For a server that hangs: all of it is waited for.
const SHORT: Duration = Duration::from_millis(300);

fn settings(variables: &[(&str, &str)]) -> Settings {
    let flags = Flags { env_file: Some("/dev/null".into()), ..Flags::default() };
    let var = |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).into());
    Settings::load(&flags, &var).unwrap()
}

fn channel(variables: &[(&str, &str)]) -> Box<dyn Channel> {
    let mut channels = open(&settings(variables));
    assert_eq!(channels.len(), 1);
    channels.remove(0)
}

fn slack(url: &str) -> Box<dyn Channel> {
    channel(&[("SLACK_WEBHOOK_URL", url)])
}

fn pagerduty(server: &FaultServer) -> Box<dyn Channel> {
    channel(&[("PD_ROUTING_KEY", KEY), ("PD_EVENTS_URL", &server.at("/v2/enqueue"))])
}

fn at(time: &str) -> DateTime<Utc> {
    time.parse().unwrap()
}

fn notice() -> Notice {
    let matter = Matter {
        id: "lane_overrides".into(),
        title: "A lane override changes the lane".into(),
        severity: Severity::Warning,
        standing: Standing::Violated,
        violations: Some(2),
        errors: vec![],
        failing_since: None,
        runbook: None,
        owner: None,
        rows: vec![],
    };
    Notice {
        occasion: Occasion::Run,
        env: "test".into(),
        db_path: "/srv/registry.db".into(),
        host: "host".into(),
        invocation_id: "0123".into(),
        at: at("2025-11-06T07:00:00Z"),
        state: State::Warning,
        sentence: "1 of 8 invariants violated".into(),
        matters: vec![matter],
        findings: vec![],
        log: None,
    }
}

/// What the channel makes of an attempt with so much time; a channel that does not end by itself long
/// after its deadline fails the test.
#[track_caller]
fn ask(channel: &dyn Channel, part: &str, time: Duration) -> Answer {
    let (notice, turn) = (notice(), (Topic::Invariant("lane_overrides".into()), Turn::New));
    let telling = Telling { word: Word::Fail, turns: vec![turn] };
    let message = Message { notice: &notice, telling: &telling, now: at("2025-11-06T07:00:01Z") };
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let answer = runtime.block_on(async {
        let attempt = channel.send(&message, part, Instant::now() + time);
        tokio::time::timeout(time + LONG, attempt).await
    });
    runtime.shutdown_background();
    let answer = answer.expect("an attempt ends by its deadline");
    let seen = format!("{answer:?} {}", channel.preview(&message));
    assert!(!seen.contains("CANARY"), "a secret is shown: {seen}");
    answer
}

#[track_caller]
fn ask_slack(step: Step) -> Answer {
    let server = FaultServer::start(vec![step]);
    ask(&*slack(&server.at(HOOK)), "", LONG)
}

#[track_caller]
fn ask_pagerduty(step: Step) -> Answer {
    let server = FaultServer::start(vec![step]);
    ask(&*pagerduty(&server), PART, LONG)
}

fn later(why: &str, after: Option<u64>) -> Answer {
    Answer::Later { why: why.into(), after: after.map(Duration::from_secs) }
}

fn unusable(why: &str) -> Answer {
    Answer::Unusable { why: why.into() }
}

fn refused(why: &str) -> Answer {
    Answer::Refused { why: why.into() }
}

#[test]
fn each_channel_that_somebody_configured_is_opened_with_its_wish() {
    let both = [("SLACK_WEBHOOK_URL", "https://hooks.example/x"), ("PD_ROUTING_KEY", KEY)];
    let wishes = |extra: &[(&str, &str)]| -> Vec<_> {
        open(&settings(&[&both[..], extra].concat())).iter().map(|c| (c.name(), c.wish())).collect()
    };
    let with = |wish| vec![(ChannelName::Slack, wish), (ChannelName::PagerDuty, Wish::Failures)];
    assert_eq!(wishes(&[]), with(Wish::Always));
    assert_eq!(wishes(&[("SLACK_NOTIFY", "changes")]), with(Wish::Changes));
    assert_eq!(wishes(&[("SLACK_NOTIFY", "failures")]), with(Wish::Failures));
    assert!(open(&settings(&[])).is_empty());
}

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

#[test]
fn a_redirect_is_followed_by_nobody_and_its_target_not_shown() {
    let elsewhere = FaultServer::start(vec![Step::answer(200, "ok")]);
    for status in [301, 302, 303, 307, 308] {
        let step = Step::redirect(status, &elsewhere.at("/x?token=CANARY"));
        for answer in [ask_slack(step.clone()), ask_pagerduty(step)] {
            let Answer::Unusable { why } = answer else { panic!("{status}: {answer:?}") };
            assert!(why.contains(&status.to_string()) && !why.contains("token"), "{why}");
        }
    }
    assert_eq!(elsewhere.connections(), 0);
}

/// Every way to say nothing: each ends by its deadline.
#[test]
fn who_hangs_is_left_at_the_deadline() {
    let silent = [Step::hang_before_reading(), Step::hang_before_answering()];
    for step in silent {
        let server = FaultServer::start(vec![step]);
        for answer in [ask(&*slack(&server.at(HOOK)), "", SHORT), ask(&*pagerduty(&server), PART, SHORT)] {
            let Answer::Later { why, after: None } = answer else { panic!("later: {answer:?}") };
            assert!(why.starts_with("no answer from 127.0.0.1 within "), "{why}");
        }
        assert_eq!(server.connections(), 2);
    }
    for (step, seen) in [
        (Step::hang_after_headers(200), "200 ok"),
        (Step::hang_in_body(200, "o"), "200 ok: o"),
        // What has come so far looks like a success.
        (Step::hang_in_body(200, "ok"), "200 ok: ok"),
        (Step::drip(200, "ok and then some"), "200 ok"),
    ] {
        let server = FaultServer::start(vec![step]);
        let Answer::Later { why, after: None } = ask(&*slack(&server.at(HOOK)), "", SHORT) else {
            panic!("later")
        };
        let beginning = format!("127.0.0.1 answered {seen}: the rest of the answer did not come within ");
        assert!(why.starts_with(&beginning), "{why}");
    }
    let server = FaultServer::start(vec![Step::hang_in_body(202, PD_OK)]);
    assert!(matches!(ask(&*pagerduty(&server), PART, SHORT), Answer::Later { .. }));
}

#[test]
fn a_refusal_whose_words_never_come_is_a_refusal() {
    let server = FaultServer::start(vec![Step::hang_in_body(404, "no_ser")]);
    let answer = ask(&*slack(&server.at(HOOK)), "", SHORT);
    assert!(
        matches!(&answer, Answer::Unusable { why } if why.contains("404 not found: no_ser")),
        "{answer:?}"
    );
}

#[test]
fn an_answer_that_breaks_off_is_no_answer() {
    let broken = [
        (Step::reset_before_reading(), "no answer from 127.0.0.1: "),
        (Step::reset_before_answering(), "no answer from 127.0.0.1: "),
        (Step::close_before_answering(), "no answer from 127.0.0.1: "),
        (Step::raw("SSH-2.0-OpenSSH\r\n\r\n"), "no answer from 127.0.0.1: "),
        (Step::reset_in_body(200, "ok"), "127.0.0.1 answered 200 ok: "),
        (Step::close_in_body(200, "ok"), "127.0.0.1 answered 200 ok: "),
        (Step::chunked_garbage(200), "127.0.0.1 answered 200 ok: "),
    ];
    for (step, beginning) in broken {
        for answer in [ask_slack(step.clone()), ask_pagerduty(step.clone())] {
            let Answer::Later { why, after: None } = &answer else { panic!("{step:?}: {answer:?}") };
            assert!(why.starts_with(beginning), "{step:?}: {why}");
            assert!(!why.contains("os error") && !why.contains("error sending"), "{why}");
        }
    }
}

#[test]
fn of_a_huge_answer_little_is_read_and_less_is_shown() {
    let body = vec![b'x'; 10 * 1024 * 1024];
    let Answer::Later { why, .. } = ask_slack(Step::answer(500, &body)) else { panic!("later") };
    assert!(why.len() < 400 && why.ends_with("x…: and more, which was not read"), "{why}");
    // Such a body proves nothing, though it begins well.
    let answer = ask_slack(Step::answer(200, [b"ok".as_slice(), &b" ".repeat(10 * 1024 * 1024)].concat()));
    assert!(matches!(answer, Answer::Later { .. }), "{answer:?}");
}

/// Fault 12, as far as one attempt goes.
#[test]
fn fault_12_nobody_there_is_said_in_words() {
    let gone = FaultServer::start(vec![Step::answer(200, "ok")]).at(HOOK);
    assert_eq!(ask(&*slack(&gone), "", LONG), later("cannot reach 127.0.0.1: connection refused", None));
    let answer = ask(&*slack(&format!("https://hooks.invalid{HOOK}")), "", SHORT);
    assert!(
        matches!(&answer, Answer::Later { why, after: None } if why.contains("hooks.invalid")),
        "{answer:?}"
    );
}

#[test]
fn a_far_end_that_echoes_what_it_was_sent_does_not_make_us_print_it() {
    let echo =
        |path: &str| format!("cannot POST {path} (http://127.0.0.1{path}); key {KEY}; xxCANARYxx T00CANARY");
    for status in [200, 202, 400, 403, 404, 418, 429, 500] {
        for body in [echo(HOOK), echo(HOOK).replace('/', "\\/"), echo(HOOK).replace(' ', "\r\n")] {
            let body = body.replace(KEY, "");
            let _asked = ask_slack(Step::answer(status, body));
        }
        let _asked = ask_pagerduty(Step::answer(status, format!(r#"{{"routing_key":"{KEY}"}}"#)));
    }
}

/// Fault 22, as far as these two channels go.
#[test]
fn fault_22_a_secret_that_cannot_be_used_is_not_shown_either() {
    for url in [
        "CANARY",
        "http://hooks.example/CANARY",
        "https://hooks.example/CAN\nARY/CANARY",
        "https://hooks.example:CANARY/",
        "https://[::CANARY]/",
        "ftp://127.0.0.1/CANARY",
        "http://CANARY.example\\@localhost/CANARY",
    ] {
        let answer = ask(&*slack(url), "", LONG);
        assert!(
            matches!(&answer, Answer::Unusable { why } if why.contains("SLACK_WEBHOOK_URL")),
            "{answer:?}"
        );
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hook");
    let missing = channel(&[("SLACK_WEBHOOK_URL_FILE", file.to_str().unwrap())]);
    let why = format!("SLACK_WEBHOOK_URL cannot be used: cannot read {}: it is not there", file.display());
    assert_eq!(ask(&*missing, "", LONG), unusable(&why));
    // It is read at send time: what was mended meanwhile holds.
    let server = FaultServer::start(vec![Step::answer(200, "ok")]);
    std::fs::write(&file, format!("{}\n", server.at(HOOK))).unwrap();
    assert!(matches!(ask(&*missing, "", LONG), Answer::Accepted(_)));
}

/// Asks the webhook that the environment names, in a process whose environment a test has set.
#[test]
#[ignore = "run by other tests, in a process of its own"]
fn asks_the_webhook_of_the_environment() {
    let url = std::env::var("PLMS_TEST_WEBHOOK").expect("run by another test");
    println!("ANSWER {:?}", ask(&*slack(&url), "", LONG));
}

/// What a process with these variables makes of the webhook.
#[track_caller]
fn ask_in_environment(url: &str, variables: &[(&str, &str)]) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "--ignored", "--nocapture", "asks_the_webhook_of_the_environment"]);
    command.env_clear().env("PLMS_TEST_WEBHOOK", url).envs(variables.iter().copied());
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let answer =
        text.lines().find_map(|line| line.split_once("ANSWER ")).map(|(_, answer)| answer.to_owned());
    answer.unwrap_or_else(|| panic!("{command:?}\n{text}\n{}", String::from_utf8_lossy(&output.stderr)))
}

#[test]
fn a_companys_own_ca_is_trusted_through_the_systems_store() {
    let (folder, ca) = (tempfile::tempdir().unwrap(), Ca::new());
    let store = folder.path().join("ca.pem");
    ca.write(&store);
    let trusted = [("SSL_CERT_FILE", store.to_str().unwrap())];
    let server = FaultServer::start_tls(vec![Step::answer(200, "ok")], &ca, Certificate::Good);
    assert_eq!(ask_in_environment(&server.at(HOOK), &trusted), r#"Accepted("200 ok: ok")"#);
    assert_eq!(server.requests()[0].path, HOOK);
}

#[test]
fn a_certificate_that_is_wrong_gets_no_secret_and_the_reason_is_said() {
    let (folder, ca) = (tempfile::tempdir().unwrap(), Ca::new());
    let store = folder.path().join("ca.pem");
    ca.write(&store);
    let trusted = [("SSL_CERT_FILE", store.to_str().unwrap())];
    for (certificate, why) in [
        (Certificate::OtherHost, "its certificate is not for this host"),
        (Certificate::Expired, "its certificate has expired"),
        (Certificate::NotYet, "its certificate is not valid yet; is the clock of this host right?"),
        (
            Certificate::SelfSigned,
            "its certificate is from a CA that this host does not trust; is that CA in the system's store?",
        ),
    ] {
        let server = FaultServer::start_tls(vec![Step::answer(200, "ok")], &ca, certificate);
        let want = format!("Later {{ why: \"cannot reach localhost: {why}\", after: None }}");
        assert_eq!(ask_in_environment(&server.at(HOOK), &trusted), want);
        assert!(server.requests().is_empty(), "{certificate:?}");
    }
    let other = Ca::new();
    let server = FaultServer::start_tls(vec![Step::answer(200, "ok")], &other, Certificate::Good);
    let answer = ask_in_environment(&server.at(HOOK), &trusted);
    assert!(
        answer.contains("that this host does not trust"),
        "the CA has the name of a trusted one: {answer}"
    );
    // Plain HTTP where TLS should be.
    let server =
        FaultServer::start(vec![Step::hang_before_answering(), Step::raw("HTTP/1.1 400 Bad\r\n\r\n")]);
    let url = server.at(HOOK).replace("http://", "https://");
    drop(server);
    assert!(ask_in_environment(&url, &trusted).contains("cannot reach 127.0.0.1"));
    let none = [("SSL_CERT_FILE", "/nowhere"), ("SSL_CERT_DIR", "/nowhere")];
    let answer = ask_in_environment("https://localhost:1/CANARY", &none);
    assert!(answer.starts_with("Unusable") && answer.contains("ca-certificates"), "{answer}");
    // Without any CA, loopback is reached all the same.
    let server = FaultServer::start(vec![Step::answer(200, "ok")]);
    assert_eq!(ask_in_environment(&server.at(HOOK), &none), r#"Accepted("200 ok: ok")"#);
}

#[test]
fn a_proxy_is_asked_for_a_way_and_told_no_secret() {
    let proxy = FaultServer::start(vec![Step::answer(403, "no way for xxCANARYxx")]);
    let variables = [("HTTPS_PROXY", proxy.url()), ("HTTP_PROXY", proxy.url()), ("ALL_PROXY", proxy.url())];
    let variables: Vec<_> = variables.iter().map(|(name, url)| (*name, url.as_str())).collect();
    let answer = ask_in_environment(&format!("https://hooks.example{HOOK}"), &variables);
    assert!(answer.starts_with("Later"), "{answer}");
    let [request] = &proxy.requests()[..] else { panic!("one: {:?}", proxy.requests()) };
    assert_eq!((request.method.as_str(), request.path.as_str()), ("CONNECT", "hooks.example:443"));
    // Loopback is never behind a proxy.
    let server = FaultServer::start(vec![Step::answer(200, "ok")]);
    assert_eq!(ask_in_environment(&server.at(HOOK), &variables), r#"Accepted("200 ok: ok")"#);
    assert_eq!(proxy.connections(), 1);
    let gone = "http://user:CANARYpass@127.0.0.1:1";
    let answer = ask_in_environment(&format!("https://hooks.example{HOOK}"), &[("HTTPS_PROXY", gone)]);
    assert!(answer.starts_with("Later") && answer.contains("connection refused"), "{answer}");
}
