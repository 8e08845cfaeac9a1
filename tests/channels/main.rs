//! Do Slack, PagerDuty and mail hear of it whatever goes wrong on the way, and is no failure taken for success?
//! Numbers of faults are those of the project's list of them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "clippy.toml spares functions marked as tests alone"
)]

mod answers;
#[path = "../common/fault_mail.rs"]
mod fault_mail;
#[path = "../common/fault_server/mod.rs"]
mod fault_server;
mod mail;
mod trust;
mod wire;

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use plms_invariants::config::{Flags, Settings};
use plms_invariants::emit::channels::{Answer, Channel, ChannelName, open};
use plms_invariants::verdict::State;
use plms_invariants::verdict::invariants::Severity;
use plms_invariants::verdict::notice::{Matter, Notice, Occasion, Standing};
use plms_invariants::verdict::telling::{Message, Telling, Topic, Turn, Wish, Word};
use tokio::runtime::Builder;

use fault_server::{FaultServer, Step};

/// The path of a webhook: every piece of it is a secret.
const HOOK: &str = "/services/T00CANARY/B00CANARY/xxCANARYxx";
const KEY: &str = "CANARY7890CANARY7890CANARY789012";
const PART: &str = "trigger:lane_overrides";
const PD_OK: &str = r#"{"status":"success","message":"Event processed","dedup_key":"k"}"#;
/// A word of every secret, and a password as it goes over the wire: what `printf '\0alerts\0hunter2 CANARY' | base64`
/// and `printf 'hunter2 CANARY' | base64` print.
const SECRETS: [&str; 3] = ["CANARY", "AGFsZXJ0cwBodW50ZXIyIENBTkFSWQ==", "aHVudGVyMiBDQU5BUlk="];

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
/// after its deadline fails the test, and so does one that shows a secret.
#[track_caller]
fn hand_over(channel: &dyn Channel, message: &Message<'_>, part: &str, time: Duration) -> Answer {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let answer = runtime.block_on(async {
        let attempt = channel.send(message, part, Instant::now() + time);
        tokio::time::timeout(time + LONG, attempt).await
    });
    runtime.shutdown_background();
    let answer = answer.expect("an attempt ends by its deadline");
    let seen = format!("{answer:?} {}", channel.preview(message));
    assert!(!SECRETS.iter().any(|secret| seen.contains(secret)), "a secret is shown: {seen}");
    answer
}

/// Tells of one violated invariant.
#[track_caller]
fn ask(channel: &dyn Channel, part: &str, time: Duration) -> Answer {
    let (notice, turn) = (notice(), (Topic::Invariant("lane_overrides".into()), Turn::New));
    let telling = Telling { word: Word::Fail, turns: vec![turn] };
    hand_over(
        channel,
        &Message { notice: &notice, telling: &telling, now: at("2025-11-06T07:00:01Z") },
        part,
        time,
    )
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
