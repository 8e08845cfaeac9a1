//! What of a far end that hangs, breaks off, rambles or echoes, and of a secret that cannot be used?

use plms_invariants::emit::channels::Answer;

use super::fault_server::{FaultServer, Step};
use super::{
    HOOK, KEY, LONG, PART, PD_OK, SHORT, ask, ask_pagerduty, ask_slack, channel, later, pagerduty, slack,
    unusable,
};

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
            // A reset may come before the client knows that it is connected.
            let is_early = !step.reads() && why == "cannot reach 127.0.0.1: connection reset by peer";
            assert!(why.starts_with(beginning) || is_early, "{step:?}: {why}");
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
