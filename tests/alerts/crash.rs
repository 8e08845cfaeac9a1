//! Killed between any two calls that change a file or talk to a far end: is every alert told all the same?

use std::fs;

use super::stage::{Stage, copy, events, good_pagerduty, good_slack, library, texts};

/// The invocation that is killed, as systemd would name it.
const KILLED: &str = "00112233445566778899aabbccddeeff";

/// Runs a command so that it is killed before its `at`-th step; whether it came that far.
fn killed(stage: &Stage, line: &str, at: usize) -> bool {
    let mut command = stage.command(line);
    command.env("LD_PRELOAD", library("kill")).env("TEST_KILL_AT", at.to_string());
    command.env("INVOCATION_ID", KILLED);
    let seen = super::common::finish(&mut command);
    assert!(seen.status.is_none_or(|status| status <= 3), "{seen:#}");
    seen.status.is_none()
}

/// A state folder as failing nights and the recovery left it, nobody told of any.
fn nights(stage: &Stage, rows: &[u32]) {
    for rows in rows {
        stage.violate(*rows);
        stage.plms("--deliver spool").expect_status(i32::from(*rows > 0));
    }
    assert_eq!(stage.pending().len(), rows.len());
}

/// `alert flush` killed at every step over a copy of the state; then it is called again.
fn kill_each_flush(stage: &mut Stage, what: &str, nights: &[&str], is_damaged: bool) {
    let template = stage.path("template");
    fs::rename(stage.state(), &template).unwrap();
    let (mut points, mut lost, mut twice) = (0, vec![], 0);
    for at in 1.. {
        let (slack, pagerduty) = (good_slack(), good_pagerduty());
        stage.slack(&slack).pagerduty(&pagerduty);
        let _gone = fs::remove_dir_all(stage.state());
        copy(&template, &stage.state());
        let is_killed = killed(stage, "alert flush", at);
        // What it had sent is heard before what comes now.
        slack.settle();
        pagerduty.settle();
        let seen = stage.plms("alert flush");
        // Whoever tells that the state was damaged says so, too: not all that was to be told may be known.
        let is_known = !seen.stdout.contains("set aside");
        seen.expect_status(if is_known { 0 } else { 3 });
        assert!(stage.pending().is_empty());
        // Each night was told at least once, and for the first time in its turn.
        let (damage, mut told): (Vec<_>, Vec<_>) =
            texts(&slack.requests()).into_iter().partition(|text| text.contains("set aside"));
        if damage.is_empty() == is_damaged {
            lost.push((at, vec!["that the state was damaged".into()]));
        }
        twice += usize::from(told.len() > nights.len());
        let all = told.clone();
        told.dedup();
        if told.len() != nights.len() || !nights.iter().zip(&told).all(|(word, text)| text.contains(word)) {
            lost.push((at, all));
        }
        // A trigger per failing night and the end of the incident, each at least once, and the end is the last
        // word.
        let mut seen = events(&pagerduty.requests());
        let rule = seen[0].1.clone();
        // The damage has an incident of its own.
        seen.retain(|(_, key)| *key == rule);
        let of_rule: Vec<_> = seen.iter().collect();
        let triggers = of_rule.iter().filter(|(action, _)| action == "trigger").count();
        if triggers < nights.len() - 1 || of_rule.last().unwrap().0 != "resolve" {
            lost.push((at, seen.iter().map(|(action, key)| format!("{action} {key}")).collect()));
        }
        assert!(seen.len() <= nights.len() + 1, "one event at most is sent again: {seen:?}");
        if !is_killed {
            break;
        }
        points += 1;
    }
    println!("{what}: points killed: {points}, alerts lost: {}, told twice: {twice}", lost.len());
    assert!(lost.is_empty(), "{lost:#?}");
    assert!(points > 50, "{points}");
    assert!(twice > 0, "killed between acceptance and record, Slack must have heard it twice");
}

#[test]
fn fault_14_a_flush_killed_at_any_step_loses_nothing_and_opens_no_incident_again() {
    let mut stage = Stage::in_memory();
    nights(&stage, &[1, 2, 0]);
    kill_each_flush(&mut stage, "alert flush", &["FAIL @", "FAIL @", "OK (recovered) @"], false);
}

/// The whole run, the night's death included: what it had begun is told as its result or as its death.
#[test]
fn fault_14_a_run_killed_at_any_step_is_told_as_what_it_found_or_as_dead() {
    let mut stage = Stage::in_memory();
    stage.violate(1);
    let (mut points, mut before, mut deaths, mut lost) = (0, 0, 0, Vec::<usize>::new());
    for at in 1.. {
        let (slack, pagerduty) = (good_slack(), good_pagerduty());
        stage.slack(&slack).pagerduty(&pagerduty);
        for name in ["state", "logs", "textfile"] {
            let _gone = fs::remove_dir_all(stage.path(name));
            fs::create_dir(stage.path(name)).unwrap();
        }
        if !killed(&stage, "run", at) {
            break;
        }
        points += 1;
        let has_begun = fs::read_to_string(stage.path("state/lock")).is_ok_and(|lock| lock.contains(KILLED));
        stage.plms("run").expect_status(1);
        assert!(stage.pending().is_empty());
        let of_killed: Vec<_> =
            slack.requests().into_iter().filter(|request| request.text().contains(KILLED)).collect();
        match (of_killed.len(), has_begun) {
            (0, false) => before += 1,
            (0, true) => lost.push(at),
            _ => {}
        }
        deaths += usize::from(texts(&of_killed).iter().any(|text| text.contains("died and left no record")));
        let keys: Vec<_> = events(&pagerduty.requests());
        let of_rule = &keys.last().unwrap().1;
        assert!(keys.iter().any(|(action, key)| action == "trigger" && key == of_rule), "{keys:?}");
    }
    println!(
        "run: points killed: {points}, alerts lost: {} (before it had begun: {before}, told as dead: {deaths})",
        lost.len()
    );
    assert!(lost.is_empty(), "{lost:#?}");
    assert!(points > before + 50 && deaths > 10, "{points} {before} {deaths}");
}

/// What is waiting in a damaged `state.db` is saved whenever the saving is cut short, and that it was damaged is
/// told.
#[test]
fn fault_16_a_mending_killed_at_any_step_loses_nothing() {
    let mut stage = Stage::in_memory();
    nights(&stage, &[1, 0]);
    let state = rusqlite::Connection::open(stage.path("state/state.db")).unwrap();
    state.execute_batch("DROP TABLE incidents").unwrap();
    drop(state);
    kill_each_flush(&mut stage, "mending in alert flush", &["FAIL @", "OK (recovered) @"], true);
}

/// What waits beside a `state.db` that was locked is taken into it, whenever that is cut short.
#[test]
fn fault_14_taking_in_what_waited_beside_the_state_killed_at_any_step_loses_nothing() {
    let mut stage = Stage::in_memory();
    nights(&stage, &[1]);
    stage.violate(0);
    let state = rusqlite::Connection::open(stage.path("state/state.db")).unwrap();
    state.execute_batch("BEGIN EXCLUSIVE").unwrap();
    stage.plms("--deliver spool").expect_status(3);
    drop(state);
    assert!(stage.path("state/apart.db").exists());
    kill_each_flush(&mut stage, "taking in", &["FAIL @", "FAIL (could not check) @"], false);
}
