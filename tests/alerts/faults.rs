//! What do a night's alerts come to when far ends err? By the numbers of the project's list of faults.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use super::common::{Finished, finish, real};
use super::hardship::Damage;
use super::stage::{HOOK, KEY, PROGRAM, Stage, events, good_pagerduty, good_slack, library, pd_ok, texts};
use super::verbs::nobody;
use crate::fault_server::{FaultServer, Step};

/// A run that hung although it was given a few seconds would last as long as one attempt may: half a minute.
const HANGS: Duration = Duration::from_secs(25);

#[test]
fn fault_1_slack_is_left_alone_for_as_long_as_it_asks_and_hears_it_once() {
    let slack =
        FaultServer::start(vec![Step::answer(429, "").header("Retry-After", "1"), Step::answer(200, "ok")]);
    let mut stage = Stage::new();
    stage.slack(&slack);
    stage.plms("run").expect_status(0);
    let [first, second] = &slack.requests()[..] else { panic!("two attempts: {:?}", slack.requests()) };
    assert!(second.at - first.at >= Duration::from_secs(1));
    assert_eq!(first.body, second.body);
    assert!(stage.pending().is_empty());
}

#[test]
fn fault_2_who_asks_for_an_hour_is_asked_again_by_nobody_until_then() {
    let slack = FaultServer::start(vec![Step::answer(429, "").header("Retry-After", "3600")]);
    let mut stage = Stage::new();
    stage.slack(&slack);
    let before = Utc::now();
    stage
        .plms("run")
        .expect_status(3)
        .expect_stdout("slack was not told: 127.0.0.1 answered 429 too many requests");
    let [line] = &stage.pending()[..] else { panic!("{:?}", stage.pending()) };
    let not_before: DateTime<Utc> = line["not_before"].as_str().unwrap().parse().unwrap();
    assert!(
        (not_before - before).num_seconds() >= 3600 && (not_before - before).num_seconds() < 3660,
        "{line}"
    );
    let until = format!("429 too many requests; not before {}Z", not_before.format("%FT%T"));
    stage.plms("alert pending").expect_status(0).expect_stdout(&until);
    // Neither a flush nor the next run asks, and both say why.
    stage.plms("alert flush -t 1").expect_status(2).expect_stdout("it asked to be left alone until ");
    stage.set("DELIVER_BUDGET", "1");
    stage.plms("run").expect_status(3).expect_stdout("it asked to be left alone until ");
    assert_eq!(slack.requests().len(), 1);
    let good = good_slack();
    stage.slack(&good);
    let soon = (Utc::now().timestamp() + 3700).to_string();
    let mut flush = stage.command("alert flush");
    finish(flush.env("LD_PRELOAD", library("clock")).env("TEST_CLOCK", soon)).expect_status(0);
    assert_eq!(good.requests().len(), 2);
}

#[test]
fn fault_2_a_time_that_is_none_is_no_reason_to_wait_for_ever() {
    for garbage in ["soon", "-1", "99999999999999999999", "Thu, 06 Nov 2025 07:01:01 GMT"] {
        let slack = FaultServer::start(vec![
            Step::answer(429, "").header("Retry-After", garbage),
            Step::answer(200, "ok"),
        ]);
        let mut stage = Stage::new();
        stage.slack(&slack);
        let seen = stage.plms("--deliver-budget 5");
        if garbage.len() == 20 {
            seen.expect_status(3);
        } else {
            seen.expect_status(0);
            assert_eq!(slack.requests().len(), 2, "{garbage}");
        }
    }
}

#[test]
fn fault_3_a_portal_that_says_200_has_taken_nothing() {
    for body in ["<html>Welcome to our guest network</html>", "invalid_payload"] {
        let slack = FaultServer::start(vec![Step::answer(200, body)]);
        let mut stage = Stage::new();
        stage.slack(&slack);
        stage
            .plms("--deliver-budget 3")
            .expect_status(3)
            .expect_stdout("slack was not told: 127.0.0.1 answered 200");
        assert_eq!(stage.pending().len(), 1, "{body}");
    }
}

#[test]
fn fault_4_a_webhook_that_is_gone_is_asked_once_and_others_are_told() {
    for (status, body) in [(404, "no_service"), (410, "channel_is_archived"), (403, "invalid_token")] {
        let slack = FaultServer::start(vec![Step::answer(status, body)]);
        let pagerduty = good_pagerduty();
        let mut stage = Stage::new();
        stage.slack(&slack).pagerduty(&pagerduty).violate(1);
        let seen = stage.plms("run").expect_status(1).expect_stdout("connect the webhook again");
        seen.expect_stdout(body);
        assert_eq!((slack.requests().len(), pagerduty.requests().len()), (1, 1));
        assert_eq!(stage.pending().len(), 1);
    }
}

#[test]
fn fault_5_a_form_that_is_refused_is_told_in_its_shortest_or_kept() {
    let slack = FaultServer::start(vec![Step::answer(400, "invalid_blocks"), Step::answer(200, "ok")]);
    let mut stage = Stage::new();
    stage.slack(&slack).violate(1);
    stage.plms("run").expect_status(1);
    let short = slack.requests()[1].json();
    assert_eq!(short.as_object().unwrap().len(), 1);
    assert!(short["text"].as_str().unwrap().contains("lane_overrides: 1 violation"), "{short}");
    assert!(stage.pending().is_empty());
    let slack = FaultServer::start(vec![Step::answer(400, "invalid_blocks")]);
    stage.slack(&slack);
    stage.plms("run").expect_status(1).expect_stdout("in its shortest form");
    assert_eq!((slack.requests().len(), stage.pending().len()), (2, 1));
}

/// 6, 7 and 11: five thousand rows of hostile text of 600 bytes, through the registry.
#[test]
fn fault_6_7_and_11_megabytes_of_hostile_text_stay_within_every_limit_and_do_nothing() {
    let (slack, pagerduty) = (good_slack(), good_pagerduty());
    let mut stage = Stage::new();
    stage.slack(&slack).pagerduty(&pagerduty);
    let hostile = format!("<!channel> *b* ```x``` &lt; <https://evil.example|click> {}", "漢🔴".repeat(75));
    stage.sql(&format!(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
         INSERT INTO lane_overrides (id, task_estimate_id, predicted_lane, corrected_lane, corrected_by)
         SELECT 10000 + i, 1, 3, 3, '{hostile}' FROM n"
    ));
    stage.plms("run").expect_status(1);
    let body = slack.requests()[0].json();
    let text = slack.requests()[0].text();
    assert!(
        text.len() < 12_000 && !text.contains("<!channel>") && !text.contains("<https://evil"),
        "{body:#}"
    );
    let section = body["blocks"][2]["text"]["text"].as_str().unwrap();
    assert!(
        section.contains("&lt;!channel&gt;") && section.contains("*5000 violations, new in this run*"),
        "{section}"
    );
    assert!(section.ends_with(" more") && section.matches("```").count() == 2, "{section}");
    let [event] = &pagerduty.requests()[..] else { panic!("one event") };
    assert!(event.body.len() < 512_000);
    assert!(event.json()["payload"]["summary"].as_str().unwrap().chars().count() <= 1024);
}

#[test]
fn fault_9_a_routing_key_of_31_characters_is_found_before_the_night_and_stops_no_other_channel() {
    let (slack, pagerduty) = (good_slack(), good_pagerduty());
    let mut stage = Stage::new();
    stage.slack(&slack).pagerduty(&pagerduty).set("PD_ROUTING_KEY", &KEY[1..]).violate(1);
    stage
        .plms("config check")
        .expect_status(0)
        .expect_stdout("note: PD_ROUTING_KEY is no routing key: it must have 32");
    stage
        .plms("run")
        .expect_status(1)
        .expect_stdout("pagerduty was not told: PD_ROUTING_KEY is no routing key");
    assert_eq!((slack.requests().len(), pagerduty.connections()), (1, 0));
}

#[test]
fn fault_10_an_event_whose_fate_is_unknown_is_sent_again_under_the_same_key() {
    let steps = vec![Step::answer(429, ""), Step::answer(500, ""), Step::reset_before_answering(), pd_ok()];
    let pagerduty = FaultServer::start(steps);
    let mut stage = Stage::new();
    stage.pagerduty(&pagerduty).violate(1);
    stage.plms("run").expect_status(1);
    let mut seen = events(&pagerduty.requests());
    assert_eq!(seen.len(), 4);
    seen.dedup();
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert!(stage.pending().is_empty());
}

/// The run is over in time, its verdict stands, everything is written and nothing lost.
#[track_caller]
fn ends_in_time(stage: &Stage, command: &mut Command, pending: usize) -> Finished {
    let began = Instant::now();
    let seen = finish(command).expect_status(1).expect_stdout("PLMS INVARIANTS WARNING: ");
    assert!(began.elapsed() < HANGS, "{:?}\n{seen}", began.elapsed());
    assert!(stage.metrics("plms_invariants.prom").contains("plms_invariants_state{env=\"test\"} 1\n"));
    assert!(stage.metrics("plms_alerts.prom").contains("channel=\"slack\"} 1\n"));
    let status = fs::read_to_string(stage.path("state/status.json")).unwrap();
    assert!(
        status.contains("\"state\": \"warning\"") || status.contains("\"state\":\"warning\""),
        "{status}"
    );
    let logs: Vec<_> = fs::read_dir(stage.path("logs")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(fs::read_to_string(&logs[0]).unwrap().contains("Total violations: 1"));
    assert_eq!(stage.pending().len(), pending);
    seen
}

#[test]
fn fault_12_a_run_whose_endpoints_are_all_dead_ends_within_its_budget() {
    let (hangs, drips) = (
        FaultServer::start(vec![Step::hang_before_reading()]),
        FaultServer::start(vec![Step::drip(202, "{\"status\":\"success\"}")]),
    );
    let mut stage = Stage::new();
    stage.set("SLACK_WEBHOOK_URL", nobody()).pagerduty(&drips).violate(1);
    stage.set("ALERT_EMAIL", "ops@example.org").set("SMTP_URL", hangs.url().replace("http", "smtp"));
    let seen = ends_in_time(&stage, &mut stage.command("--deliver-budget 3"), 3);
    for channel in ["slack", "pagerduty", "mail"] {
        assert!(seen.stdout.contains(&format!("{channel} was not told: ")), "{seen}");
    }
}

#[test]
fn fault_12_a_resolver_that_never_answers_does_not_keep_the_run() {
    let mut stage = Stage::new();
    stage.set("SLACK_WEBHOOK_URL", format!("https://hooks.example{HOOK}")).violate(1);
    let mut command = stage.command("--deliver-budget 2");
    let seen = ends_in_time(&stage, command.env("LD_PRELOAD", library("resolver")), 1);
    seen.expect_stdout("slack was not told: no answer ");
}

#[test]
fn fault_12_without_any_network_the_run_says_so() {
    if !rustix::process::geteuid().is_root() {
        real::skip("only root can take the network away from a program");
        return;
    }
    let mut stage = Stage::new();
    stage.set("SLACK_WEBHOOK_URL", format!("https://192.0.2.1{HOOK}")).violate(1);
    let inner = stage.command("--deliver-budget 2");
    let mut command = Command::new("unshare");
    command.arg("--net").arg(PROGRAM).args(inner.get_args()).current_dir(stage.folder.path()).env_clear();
    command.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
    ends_in_time(&stage, &mut command, 1).expect_stdout("network is unreachable");
}

#[test]
fn fault_13_old_alerts_come_in_order_once_and_say_that_they_are_late() {
    let pagerduty = good_pagerduty();
    let mut stage = Stage::new();
    stage.set("SLACK_WEBHOOK_URL", nobody()).set("DELIVER_BUDGET", "1").pagerduty(&pagerduty);
    for (hours, rows) in [(3, 1), (2, 2)] {
        stage.violate(rows);
        let mut run = stage.command("run");
        let then = (Utc::now().timestamp() - hours * 3600).to_string();
        finish(run.env("LD_PRELOAD", library("clock")).env("TEST_CLOCK", then)).expect_status(1);
    }
    let slack = good_slack();
    stage.slack(&slack).violate(0);
    stage.plms("run").expect_status(0);
    let told = texts(&slack.requests());
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told[0].contains("lane_overrides (1)") && told[1].contains("lane_overrides (2)"), "{told:?}");
    assert!(told[2].contains("OK (recovered)"), "{told:?}");
    let late = |nth: usize| slack.requests()[nth].text().contains("this message is ");
    assert_eq!([late(0), late(1), late(2)], [true, true, false]);
    // PagerDuty took its own when they were new, and hears none of them again.
    assert_eq!(events(&pagerduty.requests()).iter().filter(|(action, _)| action == "trigger").count(), 2);
}

#[test]
fn fault_23_a_broken_env_file_sends_nothing_and_shows_no_value() {
    let slack = good_slack();
    let stage = Stage::new();
    let url = slack.at(HOOK);
    for (text, line) in [
        (format!("export SLACK_WEBHOOK_URL={url}\n"), ":1: "),
        (format!("ENV_NAME=x\r\nSLACK_WEBHOOK_URL={url}\r\n"), ":1: "),
        (format!("ENV_NAME=x\nSLACK_WEBHOOK_URL={url} # ours\n"), ":2: "),
        (format!("SLACK_WEBHOOK_URL={url}\nSLACK_WEBHOOK_URL={url}\n"), ":2: "),
        (format!("SLACK_WEBHOOK_URL=$CANARY{url}\n"), ":1: "),
    ] {
        fs::write(stage.path("env"), text).unwrap();
        for verb in ["run", "alert flush", "alert test", "config check"] {
            let mut command = Command::new(PROGRAM);
            command.args(verb.split(' ')).arg("--env-file").arg(stage.path("env"));
            command.env_clear().env("DB_PATH", &stage.registry).env("STATE_DIR", stage.state());
            let seen = finish(&mut command).expect_status(3);
            let said = format!("{}{}", seen.stdout, seen.stderr);
            assert!(said.contains(line) && !said.contains("CANARY"), "{verb}: {seen}");
        }
    }
    assert_eq!(slack.connections(), 0);
}

#[test]
fn fault_24_a_registry_that_cannot_be_checked_is_an_alert_and_is_never_made_or_changed() {
    let damages: [Damage<'_>; 5] = [
        ("missing", &|stage| fs::remove_file(&stage.registry).unwrap()),
        ("a folder", &|stage| {
            fs::remove_file(&stage.registry).unwrap();
            fs::create_dir(&stage.registry).unwrap();
        }),
        ("no database", &|stage| fs::write(&stage.registry, "x".repeat(9000)).unwrap()),
        ("empty", &|stage| fs::write(&stage.registry, "").unwrap()),
        ("cut", &|stage| {
            let bytes = fs::read(&stage.registry).unwrap();
            fs::write(&stage.registry, &bytes[..bytes.len() / 2]).unwrap();
        }),
    ];
    for (name, damage) in damages {
        let (slack, pagerduty) = (good_slack(), good_pagerduty());
        let mut stage = Stage::new();
        stage.slack(&slack).pagerduty(&pagerduty).violate(1);
        stage.plms("run").expect_status(1);
        damage(&stage);
        let before = fs::read(&stage.registry).ok();
        stage.plms("run").expect_status(3);
        assert_eq!(fs::read(&stage.registry).ok(), before, "{name}");
        let told = texts(&slack.requests());
        assert!(told.len() == 2 && told[1].contains("FAIL (could not check)"), "{name}: {told:#?}");
        let seen = events(&pagerduty.requests());
        assert!(seen.len() == 2 && seen[1].0 == "trigger" && seen[0].1 != seen[1].1, "{name}: {seen:?}");
    }
}
