//! Does a probe stay honest and quick, whatever is at the other end?

mod common;
#[path = "common/fake_systemd.rs"]
mod fake_systemd;

use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use common::{Finished, finish};
use fake_systemd::{FakeSystemd, Manners, Value, micros, service, timer};

const PROBES: [(&str, &str); 3] = [
    ("PLMS TIMER", env!("CARGO_BIN_EXE_check_plms_timer")),
    ("PLMS EXIT", env!("CARGO_BIN_EXE_check_plms_exit")),
    ("PLMS FRESHNESS", env!("CARGO_BIN_EXE_check_plms_freshness")),
];
const HOUR: u64 = 3_600_000_000;

fn well() -> [(String, fake_systemd::FakeUnit); 2] {
    let now = micros(Duration::ZERO);
    [("job.timer".into(), timer(now - HOUR, now + HOUR)), ("job.service".into(), service(now - HOUR))]
}

/// Contract 1: one line of service output, within the limit, and no separator without perfdata.
#[track_caller]
fn is_one_unknown(seen: &Finished, name: &str, sentence: &str) {
    assert_eq!(seen.status, Some(3), "{seen:#}");
    let line = seen.service_output();
    assert!(
        line.starts_with(&format!("{name} UNKNOWN: ")) && line.contains(sentence),
        "{sentence}\n{seen:#}"
    );
    assert!(seen.stdout.len() <= 4096 && seen.stdout.matches('|').count() <= 1, "{seen:#}");
}

#[test]
fn a_bus_with_bad_manners_is_unknown_with_the_stage_and_in_time() {
    for (manners, sentence) in [
        (Manners::Silent, "no answer within 1s while connecting to the system bus"),
        (Manners::SilentAfterHello, "no answer within 1s while asking systemd"),
        (Manners::Denying, "systemd does not let us ask: Sender is not authorized"),
        (Manners::HangsUp, "the connection to systemd broke off"),
        (Manners::Noise, "cannot reach the system bus: what came is no D-Bus"),
        (Manners::Rambling, "cannot reach the system bus: what came is no D-Bus"),
        (Manners::Rejecting, "the system bus does not let us ask"),
        (Manners::Flooding, "no answer within 1s while asking systemd"),
        (Manners::WrongTypes, "systemd answered the question for units with something else"),
    ] {
        let fake = FakeSystemd::serve(manners, well());
        for (name, probe) in PROBES {
            let begun = Instant::now();
            let seen = fake.ask(probe, &["-u", "job", "-t", "1"]);
            is_one_unknown(&seen, name, sentence);
            assert!(begun.elapsed() < Duration::from_secs(3), "{manners:?} took {:?}", begun.elapsed());
        }
    }
}

#[test]
fn a_file_system_that_hangs_holds_no_probe_beyond_its_time() {
    let fake = FakeSystemd::serve(Manners::Good, well());
    let begun = Instant::now();
    let record = fake.folder().join("status.json").display().to_string();
    let args = ["-u", "job", "-t", "1", "--status-file", &record];
    // The host's zone stands for the record: both are read while judging, and this one can be made to hang.
    let seen = finish(&mut fake.probe_that_hangs(PROBES[2].1, &args, "/etc/localtime"));
    is_one_unknown(&seen, "PLMS FRESHNESS", "no answer within 1s while judging");
    assert!(begun.elapsed() < Duration::from_secs(3), "took {:?}", begun.elapsed());
}

#[test]
fn a_panic_is_one_unknown_line_however_the_program_is_linked() {
    let fake = FakeSystemd::serve(Manners::Good, well());
    let runner = ("PLMS INVARIANTS", env!("CARGO_BIN_EXE_plms-invariants"));
    for (name, program) in PROBES.into_iter().chain([runner]) {
        let seen = finish(&mut fake.program_that_panics(program, &[]));
        is_one_unknown(&seen, name, "internal error at ");
        assert_eq!(seen.stdout.lines().count(), 1, "{seen:#}");
    }
}

#[test]
fn no_bus_is_unknown_and_says_what_to_look_for() {
    let fake = FakeSystemd::serve(Manners::Good, []);
    for (name, probe) in PROBES {
        for address in
            ["unix:path=/nonexistent/socket", "nonsense", "unix:path=/dev/null", "tcp:host=127.0.0.1,port=1"]
        {
            let seen = finish(fake.probe(probe, &["-t", "2"]).env("DBUS_SYSTEM_BUS_ADDRESS", address));
            is_one_unknown(&seen, name, "cannot reach the system bus");
        }
    }
}

#[test]
fn one_property_of_a_wrong_type_is_unknown() {
    let now = micros(Duration::ZERO);
    for (property, value) in [
        ("Result", Value::Number(0)),
        ("ExecMainExitTimestamp", Value::Text("yesterday".into())),
        ("ExecMainStatus", Value::Truth(false)),
    ] {
        let fake = FakeSystemd::of(timer(now - HOUR, now + HOUR), service(now - HOUR).with(property, value));
        for (name, probe) in &PROBES[1..] {
            is_one_unknown(&fake.ask(probe, &["-u", "job"]), name, property);
        }
    }
    for (property, value) in
        [("NextElapseUSecRealtime", Value::Number(0)), ("TimersCalendar", Value::Time(0))]
    {
        let fake = FakeSystemd::of(timer(now - HOUR, now + HOUR).with(property, value), service(now - HOUR));
        is_one_unknown(&fake.ask(PROBES[0].1, &["-u", "job"]), "PLMS TIMER", property);
    }
}

#[test]
fn a_wrong_invocation_is_one_unknown_line_and_asks_nobody() {
    let fake = FakeSystemd::serve(Manners::HangsUp, []);
    let everywhere: [&[&str]; 14] = [
        &["--no-such-flag"],
        &["positional"],
        &["--timeout", "0"],
        &["-t", "nan"],
        &["-t", "-1"],
        &["-t", "1e9"],
        &["-u", "a b"],
        &["-u", ""],
        &["-u", "a/b.timer"],
        &["-u", "x.mount"],
        &["-o", "xml"],
        &["--expect", "0"],
        &["-H", "-oProxyCommand=touch"],
        &["--user", "-H", "db1"],
    ];
    for (name, probe) in PROBES {
        for args in everywhere {
            let seen = fake.ask(probe, args);
            is_one_unknown(&seen, name, "");
            assert_eq!(seen.stdout.lines().count(), 1, "{seen:#}");
        }
        let help = fake.ask(probe, &["--help"]).expect_status(3).expect_stdout("Usage: check_plms_");
        assert!(help.stdout.lines().all(|line| line.len() <= 120), "{help:#}");
        fake.ask(probe, &["-V"]).expect_status(3).expect_stdout(env!("CARGO_PKG_VERSION"));
    }
    for args in [
        ["-w", "foo"],
        ["-c", "nan"],
        ["-c", "20:10"],
        ["-c", ""],
        ["--never-run", "fine"],
        ["--basis", "luck"],
    ] {
        let seen = fake.ask(PROBES[2].1, &args);
        is_one_unknown(&seen, "PLMS FRESHNESS", args[1]);
        assert_eq!(seen.stdout.lines().count(), 1, "{seen:#}");
    }
}

#[test]
fn what_this_machine_keeps_says_nothing_of_another_and_one_record_nothing_of_many() {
    let fake = FakeSystemd::serve(Manners::HangsUp, []);
    let (file, folder) = (fake.folder().join("status.json"), fake.folder());
    let (file, folder) = (file.display().to_string(), folder.display().to_string());
    for (args, sentence) in [
        (&["-H", "db1", "--status-file", &file][..], "--status-file is a file of this machine"),
        (&["-u", "a", "-u", "b", "--status-file", &file], "--status-file is the record of one job"),
        (&["-u", "a*", "--status-file", &file], "--status-file is the record of one job"),
        (&["-H", "db1", "--textfile", &folder], "--textfile with --host is refused"),
        (&["-H", "db1", "--textfile", "/x/y.prom"], "--textfile with --host is refused"),
    ] {
        let seen = fake.ask(PROBES[2].1, args);
        is_one_unknown(&seen, "PLMS FRESHNESS", sentence);
        assert_eq!(seen.stdout.lines().count(), 1, "{seen:#}");
    }
}

#[test]
fn a_closed_or_full_output_lifts_ok_to_unknown_and_keeps_critical() {
    let now = micros(Duration::ZERO);
    let fresh = FakeSystemd::serve(Manners::Good, well());
    let stale = FakeSystemd::of(timer(now - 30 * HOUR, now + HOUR), service(now - 30 * HOUR));
    let probe = PROBES[2].1;
    for (fake, on_paper, want) in [(&fresh, 0, 3), (&stale, 2, 2)] {
        fake.ask(probe, &["-u", "job"]).expect_status(on_paper);
        for redirection in [">&-", ">/dev/full", "| exec true"] {
            let script = format!("set -o pipefail; \"$0\" -u job {redirection}");
            let mut shell = fake.probe("bash", &["-c", &script, probe]);
            let seen = finish(&mut shell);
            // A reader that is gone may or may not be noticed, depending on who is quicker.
            let fits =
                seen.status == Some(want) || (redirection.starts_with('|') && seen.status == Some(on_paper));
            assert!(fits, "{redirection}: expected {want}\n{seen:#}");
        }
        finish(&mut fake.probe("bash", &["-c", "\"$0\" -u job >/dev/null", probe])).expect_status(on_paper);
    }
}

#[test]
fn five_hundred_units_are_one_call_and_one_verdict() {
    let now = micros(Duration::ZERO);
    let units = (0..500).flat_map(|nth| {
        let job = format!("backup-{nth}.service");
        let exit = if nth % 10 == 3 { now - 30 * HOUR } else { now - HOUR };
        let timer = timer(exit, now + HOUR).with("Unit", Value::Text(job.clone()));
        let triggered_by = Value::Texts(vec![format!("backup-{nth}.timer")]);
        [(format!("backup-{nth}.timer"), timer), (job, service(exit).with("TriggeredBy", triggered_by))]
    });
    let fake = FakeSystemd::serve(Manners::Good, units);
    let seen = fake.ask(PROBES[0].1, &["-u", "backup-*.timer", "--expect", "500"]).expect_status(0);
    assert_eq!(
        seen.stdout,
        "PLMS TIMER OK: all 500 units are as they should be | 'ok'=500;;;0 'warning'=0;;;0 'critical'=0;;;0 'unknown'=0;;;0\n"
    );
    let textfile = fake.folder().join("x.prom").display().to_string();
    let seen = fake.ask(PROBES[2].1, &["-u", "backup-*.service", "--textfile", &textfile]).expect_status(2);
    assert!(seen.stdout.len() <= 4096, "{} bytes", seen.stdout.len());
    assert!(
        seen.service_output().contains("50 of 500 units are not OK, first: backup-103.service last ran 30h"),
        "{seen:#}"
    );
    assert!(
        seen.service_output().ends_with("| 'ok'=450;;;0 'warning'=0;;;0 'critical'=50;;;0 'unknown'=0;;;0"),
        "{seen:#}"
    );
    assert!(seen.stdout.lines().last().unwrap().starts_with("and "), "{seen:#}");
    let metrics = std::fs::read_to_string(textfile).unwrap();
    assert_eq!(metrics.matches("plms_probe_state{").count(), 500);
    let seen = fake.ask(PROBES[2].1, &["-u", "backup-*.service", "-o", "json"]).expect_status(2);
    let json: serde_json::Value = serde_json::from_str(&seen.stdout).unwrap();
    assert_eq!(json["units"].as_array().unwrap().len(), 500);
}

#[test]
fn a_reader_that_does_not_read_holds_no_probe_beyond_its_time() {
    let now = micros(Duration::ZERO);
    let units = (0..300).map(|nth| (format!("backup-{nth}.timer"), timer(now - HOUR, now + HOUR)));
    let fake = FakeSystemd::serve(Manners::Good, units.chain([("job.service".into(), service(now - HOUR))]));
    for more in [&["-o", "json"][..], &["--explain"], &["-o", "json", "--textfile", "x.prom"]] {
        let args = [&["-u", "backup-*", "-t", "2"], more].concat();
        let mut probe = fake.probe(PROBES[0].1, &args);
        let begun = Instant::now();
        let mut child =
            probe.current_dir(fake.folder()).stdout(std::process::Stdio::piped()).spawn().unwrap();
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if begun.elapsed() > Duration::from_secs(8) {
                child.kill().unwrap();
                child.wait().unwrap();
                panic!("{more:?}: still there after 8 s");
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        assert_eq!(status.code(), Some(3), "{more:?}");
    }
}

#[test]
fn a_pattern_without_a_match_is_unknown() {
    let fake = FakeSystemd::serve(Manners::Good, well());
    for (name, probe) in PROBES {
        is_one_unknown(&fake.ask(probe, &["-u", "nope-*"]), name, "no unit matches 'nope-*.");
    }
}

#[test]
fn metrics_that_cannot_be_written_are_in_the_sentence_and_lift_ok_to_unknown() {
    let fake = FakeSystemd::serve(Manners::Good, well());
    let folder = fake.folder();
    let target = folder.join("there");
    std::fs::create_dir(&target).unwrap();
    for (name, probe) in PROBES {
        let missing = folder.join("missing").display().to_string();
        is_one_unknown(
            &fake.ask(probe, &["-u", "job", "--textfile", &missing]),
            name,
            "cannot write metrics to ",
        );
        let within = folder.join("missing/x.prom").display().to_string();
        is_one_unknown(
            &fake.ask(probe, &["-u", "job", "--textfile", &within]),
            name,
            "no such file or directory",
        );
        let there = target.display().to_string();
        fake.ask(probe, &["-u", "job", "--textfile", &there]).expect_status(0);
    }
    let mut names: Vec<_> =
        std::fs::read_dir(&target).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(
        names,
        ["plms_exit_job.service.prom", "plms_freshness_job.service.prom", "plms_timer_job.timer.prom"]
    );
    let mode = std::fs::metadata(target.join("plms_exit_job.service.prom")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o644);
}

#[test]
fn an_unknown_state_is_written_to_the_textfile_too_and_only_the_state() {
    let fake = FakeSystemd::serve(Manners::SilentAfterHello, []);
    let path = fake.folder().join("x.prom");
    let textfile = path.display().to_string();
    fake.ask(PROBES[2].1, &["-u", "job", "-t", "4", "--textfile", &textfile]).expect_status(3);
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.contains("plms_probe_state{probe=\"freshness\",unit=\"job.service\"} 3\n"), "{text}");
    assert!(!text.contains("plms_service_last_finish") && !text.contains("plms_freshness_limit"), "{text}");
}

#[test]
fn json_and_explanation_hold_what_the_plugin_text_says() {
    let now = micros(Duration::ZERO);
    let fake = FakeSystemd::of(timer(now - 30 * HOUR, now + HOUR), service(now - 30 * HOUR));
    let seen = fake.ask(PROBES[2].1, &["-u", "job", "-o", "json"]).expect_status(2);
    let json: serde_json::Value = serde_json::from_str(&seen.stdout).unwrap();
    assert_eq!(json["probe"], "freshness");
    assert_eq!(json["state"], "critical");
    assert_eq!(json["units"][0]["unit"], "job.service");
    assert_eq!(json["units"][0]["reason"], "stale");
    assert_eq!(json["units"][0]["sentence"], json["sentence"]);
    assert_eq!(json["units"][0]["observation"]["job"]["Result"], "success");
    assert_eq!(json["perfdata"][0]["label"], "age");
    assert_eq!(json["perfdata"][0]["crit"], "90060");
    let seen = fake.ask(PROBES[2].1, &["-u", "job", "--explain"]).expect_status(2);
    assert!(seen.service_output().contains(json["sentence"].as_str().unwrap()), "{seen:#}");
    let want = "  CRITICAL (stale): job.service last ran 30h ago (limit 25h 1min)\n";
    assert!(seen.stdout.contains(want) && seen.stdout.contains("  job.ExecMainStatus = 0\n"), "{seen:#}");
}

#[test]
fn what_nobody_asked_for_is_not_shown_and_what_is_shown_is_what_systemd_said() {
    let now = micros(Duration::ZERO);
    let truths = [
        ("Result", Value::Text("exit-code".into())),
        ("ExecMainCode", Value::Number(2)),
        ("ExecMainStatus", Value::Number(9)),
        ("NeedDaemonReload", Value::Truth(true)),
    ];
    let job = truths.into_iter().fold(service(now - HOUR), |job, (name, value)| job.with(name, value));
    let fake = FakeSystemd::of(timer(now - HOUR, now + HOUR), job);
    for (name, path) in PROBES {
        let seen = fake.ask(path, &["-u", "job", "-o", "json"]);
        let json: serde_json::Value = serde_json::from_str(&seen.stdout).unwrap();
        let job = json["units"][0]["observation"]["job"].as_object().unwrap();
        let said: [(&str, serde_json::Value); 6] = [
            ("Result", "exit-code".into()),
            ("ExecMainCode", 2.into()),
            ("ExecMainStatus", 9.into()),
            ("NeedDaemonReload", true.into()),
            ("ConditionResult", true.into()),
            ("AssertResult", true.into()),
        ];
        let shown: Vec<_> = said.iter().filter(|(key, _)| job.contains_key(*key)).collect();
        assert!(!shown.is_empty(), "{name}: {job:?}");
        for (key, value) in shown {
            assert_eq!(&job[*key], value, "{name}: {key}");
        }
        assert!(!job.values().any(serde_json::Value::is_null), "{name}: {job:?}");
    }
}

#[test]
fn a_probe_holds_none_of_the_runners_code_and_no_table_of_zones() {
    // What is told to a debugger names every crate that shares an object file with ours: it is no code.
    let folder = tempfile::tempdir().unwrap();
    let bare = folder.path().join("program");
    let strip = |path: &str| {
        let mut strip = common::program("strip", folder.path());
        finish(strip.args(["-g", "-o"]).arg(&bare).arg(path)).expect_status(0);
    };
    let holds = |text: &str| {
        let mut grep = common::program("grep", folder.path());
        finish(grep.args(["-aqF", text]).arg(&bare)).status == Some(0)
    };
    strip(env!("CARGO_BIN_EXE_plms-invariants"));
    for text in ["SQLite format 3", "reqwest", "rustls", "tokio"] {
        assert!(holds(text), "the runner itself does not hold {text}, so that its absence proves nothing");
    }
    for (name, probe) in PROBES {
        strip(probe);
        for text in
            ["SQLite format 3", "reqwest", "rustls", "tokio", "lettre", "Asia/Kolkata", "Pacific/Chatham"]
        {
            assert!(!holds(text), "{name} holds {text}");
        }
    }
}
