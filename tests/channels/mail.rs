//! Does mail reach a server that errs, and does nobody read a password on the way?
//! Numbers of faults are those of the project's list of them. Real servers: `tests/real_mail.rs`.

use std::time::Duration;

use plms_invariants::emit::channels::{Answer, Channel, mail};
use plms_invariants::report::notice::{Subject, test};
use plms_invariants::verdict::telling::{Message, Telling, Word};

use super::fault_mail::{Asked, FaultMail, Reply, Rule};
use super::{LONG, SECRETS, SHORT, at, channel, hand_over, settings};

const PASSWORD: &str = "hunter2 CANARY";

fn by_mail(variables: &[(&str, &str)]) -> Box<dyn Channel> {
    let fixed = [("ALERT_EMAIL", "ops@example.org"), ("MAIL_FROM", "plms@example.org")];
    let all = [variables, &fixed].concat();
    channel(&all)
}

/// Hands over a test.
#[track_caller]
fn ask(channel: &dyn Channel, to: &str, time: Duration) -> Answer {
    let at = at("2025-11-06T07:00:00Z");
    let subject = Subject { env: "test", db_path: "/srv/registry.db", host: "host", invocation_id: "0123" };
    let (notice, telling) = (test(&subject, at), Telling { word: Word::Ok, turns: vec![] });
    hand_over(channel, &Message { notice: &notice, telling: &telling, now: at }, to, time)
}

/// One attempt at a server on this host that follows these rules.
#[track_caller]
fn ask_in_clear(rules: Vec<Rule>, time: Duration) -> (Answer, FaultMail) {
    let server = FaultMail::start("8BITMIME", rules);
    let url = format!("smtp://127.0.0.1:{}", server.port());
    (ask(&*by_mail(&[("SMTP_URL", &url)]), "ops@example.org", time), server)
}

/// One attempt to log in at a server that offers this.
#[track_caller]
fn ask_with_password(ehlo: &'static str, rules: Vec<Rule>, time: Duration) -> (Answer, FaultMail) {
    let server = FaultMail::start(ehlo, rules);
    let url = format!("smtp://alerts@127.0.0.1:{}", server.port());
    (ask(&*by_mail(&[("SMTP_URL", &url), ("SMTP_PASSWORD", PASSWORD)]), "ops@example.org", time), server)
}

fn word(answer: &Answer) -> (&'static str, &str) {
    match answer {
        Answer::Accepted(words) => ("accepted", words),
        Answer::Later { why, after: None } => ("later", why),
        Answer::Later { .. } => panic!("a mail server asks for no time: {answer:?}"),
        Answer::Postponed { why } => ("postponed", why),
        Answer::Refused { why } => ("refused", why),
        Answer::Unusable { why } => ("unusable", why),
    }
}

/// What goes away by itself: from the recipient on it may be about him alone, and keeps nobody else waiting.
fn waits(point: Asked) -> &'static str {
    if matches!(point, Asked::Rcpt | Asked::Data | Asked::Dot) { "postponed" } else { "later" }
}

const POINTS: [Asked; 6] = [Asked::Greeting, Asked::Ehlo, Asked::Mail, Asked::Rcpt, Asked::Data, Asked::Dot];

#[test]
fn a_message_is_taken_when_the_server_says_so_after_the_dot() {
    let (answer, server) = ask_in_clear(vec![], LONG);
    assert_eq!(answer, Answer::Accepted("ops@example.org: 250 2.0.0 fine".to_owned()));
    let said = server.lines();
    assert!(said[0].starts_with("EHLO "), "{said:?}");
    assert_eq!(said[1..4], ["MAIL FROM:<plms@example.org>", "RCPT TO:<ops@example.org>", "DATA"]);
    let letters = server.letters();
    assert_eq!(letters.len(), 1);
    assert!(letters[0].contains("\r\nSubject: [PLMS][test] Invariants TEST @ 2025-11-06T07:00:00Z\r\n"));
}

/// Fault 17: the deadline is one, whatever the server does and wherever it does it.
#[test]
fn fault_17_a_server_that_hangs_or_drips_is_left_at_the_deadline() {
    for point in POINTS {
        for reply in [Reply::Hang, Reply::Drip] {
            let (answer, _server) = ask_in_clear(vec![(point, "", reply.clone())], SHORT);
            let (word, why) = word(&answer);
            assert_eq!(word, waits(point), "{point:?} {why}");
            assert!(why.contains("no answer from smtp://127.0.0.1:"), "{point:?} {why}");
            // Who can tell whether it was taken is told so.
            assert_eq!(why.contains("may so come twice"), point == Asked::Dot, "{point:?} {why}");
        }
    }
}

#[test]
fn a_server_that_hangs_over_its_goodbye_has_taken_the_message() {
    for reply in [Reply::Hang, Reply::Drip, Reply::Close, Reply::Say("421 no")] {
        let (answer, _server) = ask_in_clear(vec![(Asked::Quit, "", reply)], LONG);
        assert_eq!(word(&answer).0, "accepted", "{answer:?}");
    }
}

#[test]
fn a_connection_that_breaks_is_tried_again_whenever_it_breaks() {
    for point in POINTS {
        for reply in [Reply::Reset, Reply::Close, Reply::Endless] {
            let (answer, _server) = ask_in_clear(vec![(point, "", reply.clone())], LONG);
            let (word, why) = word(&answer);
            assert_eq!(word, waits(point), "{point:?} {reply:?} {why}");
            assert!(!why.contains("os error") && why.len() < 300, "{why}");
        }
    }
}

/// Every class of answer at every point: who is to do something about it, and whom does it concern?
#[test]
fn every_answer_at_every_point_has_one_meaning() {
    // An odd yes before the sender is named proves and spoils nothing: the answer to the dot is the proof.
    let table: [(Asked, [(&str, &str); 5]); 6] = [
        (
            Asked::Greeting,
            [
                ("421 later", "later"),
                ("451 later", "later"),
                ("554 no", "unusable"),
                ("250 odd", "accepted"),
                ("no", "later"),
            ],
        ),
        (
            Asked::Ehlo,
            [
                ("421 later", "later"),
                ("451 later", "later"),
                ("550 no", "unusable"),
                ("354 odd", "accepted"),
                ("no", "later"),
            ],
        ),
        (
            Asked::Mail,
            [
                ("421 later", "later"),
                ("451 later", "later"),
                ("550 no", "unusable"),
                ("354 odd", "later"),
                ("no", "later"),
            ],
        ),
        (
            Asked::Rcpt,
            [
                ("421 later", "postponed"),
                ("451 grey", "postponed"),
                ("550 gone", "refused"),
                ("354 odd", "postponed"),
                ("no", "postponed"),
            ],
        ),
        (
            Asked::Data,
            [
                ("421 later", "postponed"),
                ("451 later", "postponed"),
                ("554 no", "refused"),
                ("250 odd", "postponed"),
                ("no", "postponed"),
            ],
        ),
        (
            Asked::Dot,
            [
                ("421 later", "postponed"),
                ("452 full", "postponed"),
                ("554 spam", "refused"),
                ("354 odd", "postponed"),
                ("no", "postponed"),
            ],
        ),
    ];
    for (point, replies) in table {
        for (reply, want) in replies {
            let (answer, _server) = ask_in_clear(vec![(point, "", Reply::Say(reply))], LONG);
            let (word, why) = word(&answer);
            assert_eq!(word, want, "{point:?} {reply}: {why}");
        }
    }
}

/// Fault 18, without TLS that could fail: `tests/real_mail.rs` has certificates.
#[test]
fn fault_18_no_password_and_no_message_is_sent_in_clear() {
    let injected = Reply::Say("220 go on\r\n250-mail.example\r\n250 AUTH PLAIN LOGIN");
    let table: [(&'static str, Vec<Rule>, &str, &str); 6] = [
        ("AUTH PLAIN LOGIN", vec![], "unusable", "offers no STARTTLS"),
        (
            "STARTTLS\nAUTH PLAIN LOGIN",
            vec![(Asked::StartTls, "", Reply::Say("454 4.7.0 not now"))],
            "later",
            "454 4.7.0 not now",
        ),
        (
            "STARTTLS\nAUTH PLAIN LOGIN",
            vec![(Asked::StartTls, "", Reply::Say("501 5.5.4 what?"))],
            "unusable",
            "501 5.5.4 what?",
        ),
        // What stands behind the yes, in clear, is read as TLS, and never as an answer under it.
        (
            "STARTTLS\nAUTH PLAIN LOGIN",
            vec![(Asked::StartTls, "", Reply::Say("220 go on\r\n250 AUTH PLAIN"))],
            "later",
            "while TLS begins: it does not speak TLS",
        ),
        (
            "STARTTLS\nAUTH PLAIN LOGIN",
            vec![(Asked::StartTls, "", injected)],
            "later",
            "while TLS begins: it does not speak TLS",
        ),
        (
            "STARTTLS\nAUTH PLAIN LOGIN",
            vec![(Asked::StartTls, "", Reply::Close)],
            "later",
            "while TLS begins",
        ),
    ];
    for (ehlo, rules, want, pattern) in table {
        let (answer, server) = ask_with_password(ehlo, rules.clone(), LONG);
        let (word, why) = word(&answer);
        assert!(word == want && why.contains(pattern), "{rules:?}: {word} {why}");
        let said = server.lines().join("\n");
        for never in ["AUTH", "MAIL", "RCPT"].into_iter().chain(SECRETS) {
            assert!(!said.contains(never), "{rules:?}: {said}");
        }
        assert!(server.letters().is_empty());
    }
    let hang = vec![(Asked::StartTls, "", Reply::Hang)];
    assert_eq!(word(&ask_with_password("STARTTLS", hang, SHORT).0).0, "later");
}

/// Fault 19: who is refused and who is put off is his business alone; the engine asks for each by himself.
#[test]
fn fault_19_each_recipient_has_his_own_answer() {
    let rules: Vec<Rule> = vec![
        (Asked::Rcpt, "second@", Reply::Say("550 5.1.1 no such user")),
        (Asked::Rcpt, "third@", Reply::Say("451 4.7.1 greylisted")),
    ];
    let server = FaultMail::start("8BITMIME", rules);
    let url = format!("smtp://127.0.0.1:{}", server.port());
    let channel = by_mail(&[("SMTP_URL", &url)]);
    let said = ["first", "second", "third"].map(|name| {
        let to = format!("{name}@example.org");
        let answer = ask(&*channel, &to, LONG);
        let (word, why) = word(&answer);
        assert!(why.starts_with(&to), "{why}");
        word
    });
    assert_eq!(said, ["accepted", "refused", "postponed"]);
    assert_eq!(server.letters().len(), 1);
}

/// A server may ask another one whether somebody is there, and wait; or end the conversation over him.
#[test]
fn a_recipient_over_whom_a_server_hangs_keeps_nobody_else_waiting() {
    for reply in [Reply::Hang, Reply::Close, Reply::Say("421 4.3.2 not for him")] {
        let server = FaultMail::start("8BITMIME", vec![(Asked::Rcpt, "first@", reply)]);
        let url = format!("smtp://127.0.0.1:{}", server.port());
        let channel = by_mail(&[("SMTP_URL", &url)]);
        let answer = ask(&*channel, "first@example.org", SHORT);
        let (word, why) = word(&answer);
        assert!(word == "postponed" && why.starts_with("first@example.org: "), "{why}");
    }
}

#[test]
fn a_sender_that_is_refused_late_is_named_as_what_to_mend() {
    let late = "550 5.7.1 <plms@example.org>: Sender address rejected";
    let (answer, _server) = ask_in_clear(vec![(Asked::Rcpt, "", Reply::Say(late))], LONG);
    let (word, why) = word(&answer);
    assert!(word == "refused" && why.ends_with("; set MAIL_FROM to one that it takes"), "{why}");
}

/// Fault 21, the last of it, by SMTP: a word of the list that is no address stops nobody, and is sent nowhere.
#[test]
fn fault_21_what_is_no_address_is_sent_nowhere() {
    let server = FaultMail::start("8BITMIME", vec![]);
    let url = format!("smtp://127.0.0.1:{}", server.port());
    let channel = by_mail(&[("SMTP_URL", &url)]);
    for to in ["a@x>\r\nRCPT TO:<evil@example.org", "a b@x", "", "<a@x>", "@x", "a@x y"] {
        let answer = ask(&*channel, to, LONG);
        assert_eq!(word(&answer).0, "refused", "{to:?}");
    }
    assert!(server.lines().is_empty(), "{:?}", server.lines());
    assert_eq!(word(&ask(&*channel, "-oQ/tmp/x@example.org", LONG)).0, "accepted");
    assert!(server.lines().contains(&"RCPT TO:<-oQ/tmp/x@example.org>".to_owned()));
}

#[test]
fn nobody_there_is_said_in_words() {
    let port = FaultMail::start("", vec![]).port();
    let answer =
        ask(&*by_mail(&[("SMTP_URL", &format!("smtp://127.0.0.1:{port}"))]), "ops@example.org", LONG);
    let why = format!("cannot reach smtp://127.0.0.1:{port}: connection refused");
    assert_eq!(answer, Answer::Later { why, after: None });
}

/// Settings, the way that mail goes by them, and what is wrong with them.
type Row<'a> = (&'a [(&'a str, &'a str)], Option<String>, &'a [&'a str]);

#[test]
fn an_operator_is_told_before_the_night_which_way_mail_goes_and_what_is_wrong_with_it() {
    let to = ("ALERT_EMAIL", "ops@example.org, night@example.org");
    let from = ("MAIL_FROM", "plms@example.org");
    let both = |way: &str| Some(format!("to 2 recipients by {way}, from plms@example.org"));
    let (none, relay): (&[&str], _) = (&[], ("SMTP_URL", "smtp://alerts@mail.example"));
    let local = "smtp://localhost:25, or /usr/sbin/sendmail where nothing listens there";
    let table: [Row<'_>; 12] = [
        (&[], None, none),
        (&[to, from], both(local), none),
        (&[to, from, ("SENDMAIL", "/bin/true")], both("/bin/true"), none),
        (&[to, from, ("SMTP_URL", "smtps://mail.example")], both("smtps://mail.example:465"), none),
        (&[to, from, relay, ("SMTP_PASSWORD", PASSWORD)], both("smtp://mail.example:25"), none),
        (
            &[to, from, relay],
            both("smtp://mail.example:25"),
            &["SMTP_URL names a user, and SMTP_PASSWORD is not set"],
        ),
        (
            &[to, from, ("SMTP_PASSWORD", PASSWORD)],
            both(local),
            &["SMTP_PASSWORD is set and never used: SMTP_URL names nobody who logs in (smtp://user@host)"],
        ),
        (
            &[to, from, ("SMTP_URL", "smtp://mail.example"), ("SENDMAIL", "/bin/true")],
            both("smtp://mail.example:25"),
            &["SENDMAIL is not used: SMTP_URL stands over it"],
        ),
        (&[to, from, ("SENDMAIL", "/nowhere")], both("/nowhere"), &["SENDMAIL: /nowhere is no program"]),
        (
            &[from, ("ALERT_EMAIL", "root, ops@example.org"), ("SMTP_URL", "smtps://mail.example")],
            Some("to 1 recipient by smtps://mail.example:465, from plms@example.org".to_owned()),
            &[
                "ALERT_EMAIL: root has no domain, which only mail that is handed over on this host can do without",
            ],
        ),
        (
            &[to, from, ("SENDMAIL", "sendmail")],
            None,
            &[
                "nobody can be mailed: SENDMAIL must be the absolute path of a program, such as /usr/sbin/sendmail, \
               and nothing else",
            ],
        ),
        (
            &[from, ("SMTP_URL", "smtps://mail.example")],
            None,
            &[
                "SMTP_URL is set, and nobody is mailed: ALERT_EMAIL is not",
                "MAIL_FROM is set, and nobody is mailed: ALERT_EMAIL is not",
            ],
        ),
    ];
    for (variables, way, faults) in table {
        let settings = settings(variables);
        assert_eq!(mail::way(&settings), way, "{variables:?}");
        assert_eq!(mail::faults(&settings), faults, "{variables:?}");
    }
}
