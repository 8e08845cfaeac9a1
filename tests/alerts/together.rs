//! What do two that deliver at once tell people?

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use super::stage::{Stage, events, good_pagerduty, texts};
use crate::fault_server::{FaultServer, Step};

fn start(stage: &Stage, line: &str) -> Child {
    stage.command(line).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// A Slack that needs two seconds for a message, so that whoever comes second comes in the middle.
fn slow_slack() -> FaultServer {
    FaultServer::start(vec![Step::drip(200, "ok")])
}

#[test]
fn two_flushes_at_once_tell_each_alert_once() {
    let slack = slow_slack();
    let mut stage = Stage::new();
    for rows in [1, 2, 3] {
        stage.violate(rows);
        stage.plms("--deliver spool").expect_status(1);
    }
    stage.slack(&slack);
    let both = [start(&stage, "alert flush"), start(&stage, "alert flush")];
    let ended = both.map(|child| child.wait_with_output().unwrap());
    let told = texts(&slack.requests());
    assert_eq!(told.len(), 3, "{told:#?}");
    for (nth, text) in told.iter().enumerate() {
        assert!(text.contains(&format!("lane_overrides ({})", nth + 1)), "{told:#?}");
    }
    assert_eq!(ended.each_ref().map(|output| output.status.code()), [Some(0); 2], "{ended:?}");
    let said = ended.map(|output| String::from_utf8(output.stdout).unwrap());
    assert!(said.iter().any(|text| text.contains("3 alerts delivered")), "{said:?}");
    assert!(said.iter().any(|text| text.contains("0 alerts delivered")), "{said:?}");
}

#[test]
fn a_run_while_a_flush_is_at_work_tells_its_own_after_the_others_once() {
    let slack = slow_slack();
    let mut stage = Stage::new();
    for rows in [1, 2] {
        stage.violate(rows);
        stage.plms("--deliver spool").expect_status(1);
    }
    stage.slack(&slack).violate(3);
    let flush = start(&stage, "alert flush");
    slack.wait_for(1);
    stage.plms("run").expect_status(1);
    flush.wait_with_output().unwrap();
    let told = texts(&slack.requests());
    assert!(stage.pending().is_empty());
    assert_eq!(told.len(), 3, "{told:#?}");
    assert!(told[2].contains("lane_overrides (3)"), "{told:#?}");
}

#[test]
fn who_does_not_get_his_turn_within_his_budget_says_so_and_leaves_it_for_later() {
    let slack = FaultServer::start(vec![Step::hang_before_answering()]);
    let mut stage = Stage::new();
    stage.plms("--deliver spool").expect_status(0);
    stage.slack(&slack);
    let mut flush = start(&stage, "alert flush");
    slack.wait_for(1);
    stage.plms("--deliver-budget 1").expect_status(3).expect_stdout("another delivery holds ");
    assert_eq!(stage.pending().len(), 2);
    flush.kill().unwrap();
    flush.wait().unwrap();
    let good = super::stage::good_slack();
    stage.slack(&good);
    stage.plms("alert flush").expect_status(0);
    assert_eq!(good.requests().len(), 2);
}

#[test]
fn a_run_that_is_stopped_while_it_delivers_ends_at_once_and_keeps_its_verdict_and_its_alert() {
    let slack = FaultServer::start(vec![Step::hang_before_answering()]);
    let mut stage = Stage::new();
    stage.slack(&slack).violate(1);
    let run = start(&stage, "--deliver-budget 10min");
    slack.wait_for(1);
    let began = Instant::now();
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(run.id().cast_signed()).unwrap(),
        rustix::process::Signal::TERM,
    )
    .unwrap();
    let ended = run.wait_with_output().unwrap();
    // Had it waited for the attempt to end, half a minute would be over.
    assert!(began.elapsed() < Duration::from_secs(20));
    let said = String::from_utf8(ended.stdout).unwrap();
    assert_eq!(ended.status.code(), Some(1), "{said}");
    assert!(said.contains("slack was not told: stopped by a signal before it answered"), "{said}");
    assert_eq!(stage.pending().len(), 1);
    assert!(
        !std::fs::read_to_string(stage.path("state/lock")).unwrap().contains('Z'),
        "nobody takes it for dead"
    );
}

/// Waits until it has seen what it looks for.
#[track_caller]
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_channel_that_is_down_keeps_no_other_from_what_comes_while_it_is_tried() {
    let (slack, pagerduty) = (FaultServer::start(vec![Step::answer(503, "")]), good_pagerduty());
    let mut stage = Stage::new();
    stage.slack(&slack).pagerduty(&pagerduty);
    stage.plms("--deliver spool").expect_status(0);
    let flush = start(&stage, "alert flush -t 20");
    slack.wait_for(2);
    // Whoever looks sees that it is tried, and why in vain.
    let [line] = &stage.pending()[..] else { panic!("{:?}", stage.pending()) };
    assert!(line["attempts"].as_u64() >= Some(1), "{line}");
    assert!(line["why"].as_str().unwrap().contains("503"), "{line}");
    stage.violate(1);
    stage.plms("--deliver spool").expect_status(1);
    until("PagerDuty hears of it", || !pagerduty.requests().is_empty());
    assert_eq!(events(&pagerduty.requests())[0].0, "trigger");
    let began = Instant::now();
    let ended = flush.wait_with_output().unwrap();
    assert!(began.elapsed() > Duration::from_secs(1), "the flush was still at work");
    let said = String::from_utf8(ended.stdout).unwrap();
    assert_eq!(ended.status.code(), Some(2), "{said}");
    assert!(said.contains("pagerduty took 1 alert: 202 accepted"), "{said}");
    assert!(!said.contains("no channel is configured"), "{said}");
    assert!(stage.pending().iter().all(|line| line["channel"] == "slack"), "{:?}", stage.pending());
}

#[test]
fn a_run_tells_each_channel_that_is_free_while_another_delivery_holds_one() {
    let (slack, pagerduty) = (FaultServer::start(vec![Step::answer(503, "")]), good_pagerduty());
    let mut stage = Stage::new();
    stage.slack(&slack).set("DELIVER_BUDGET", "2");
    stage.plms("--deliver spool").expect_status(0);
    let mut flush = start(&stage, "alert flush");
    slack.wait_for(2);
    stage.pagerduty(&pagerduty).violate(1);
    let seen = stage.plms("run").expect_status(1);
    seen.expect_stdout("deliver-slack.lock and did not end in time");
    assert_eq!(events(&pagerduty.requests()).len(), 1);
    flush.kill().unwrap();
    flush.wait().unwrap();
}

#[test]
fn what_is_written_down_while_a_flush_tells_the_last_channel_is_told_by_it() {
    let slack = slow_slack();
    let mut stage = Stage::new();
    stage.plms("--deliver spool").expect_status(0);
    stage.slack(&slack);
    let flush = start(&stage, "alert flush");
    slack.wait_for(1);
    stage.violate(1);
    stage.plms("--deliver spool").expect_status(1);
    assert_eq!(flush.wait_with_output().unwrap().status.code(), Some(0));
    assert_eq!(texts(&slack.requests()).len(), 2);
}
