//! What do `status` and `history` say of earlier runs?

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use plms_invariants::emit::state::StateDb;
use plms_invariants::report::run_json;
use plms_invariants::verdict::invariants::{Evaluation, Outcome, Report, Severity};
use plms_invariants::verdict::{Finding, State};
use serde_json::{Value, json};

use super::common::{Finished, finish, program};
use super::{command, folder, json, plms};

fn evaluation(id: &str, severity: Severity, violations: u64) -> Evaluation {
    Evaluation {
        id: id.into(),
        title: format!("Title of {id}"),
        severity,
        runbook: None,
        owner: None,
        key: vec!["id".into()],
        outcome: Outcome::Checked { violations, examined: Some(10), sample: vec![], errors: vec![] },
        duration: Some(Duration::from_millis(5)),
        notes: vec![],
    }
}

fn run(folder: &Path, finish: DateTime<Utc>, evaluations: Vec<Evaluation>) -> Report {
    Report {
        db_path: fs::canonicalize(folder)
            .unwrap()
            .join("artifacts/registry/registry.db")
            .display()
            .to_string(),
        env: "test".into(),
        strict: true,
        partial: None,
        incomplete: None,
        start: finish - TimeDelta::seconds(3),
        finish,
        invocation_id: "0123456789abcdef0123456789abcdef".into(),
        evaluations,
        findings: vec![],
        reading: None,
        database_size: None,
    }
}

fn leave_status(folder: &Path, report: &Report) {
    fs::write(folder.join("status.json"), run_json::render(report)).unwrap();
}

#[test]
fn status_is_the_last_runs_state_and_its_age() {
    let folder = folder();
    let hour_ago = Utc::now() - TimeDelta::minutes(61);
    for (evaluations, status, sentence) in [
        (
            vec![evaluation("a", Severity::Warning, 0)],
            0,
            "PLMS INVARIANTS OK: test: 1 invariant holds; last ran 1h 1min ago | 'age'=",
        ),
        (
            vec![evaluation("a", Severity::Warning, 1)],
            1,
            "PLMS INVARIANTS WARNING: test: 1 of 1 invariant violated by 1 row (0 allowed): a (1); last ran",
        ),
        (
            vec![
                evaluation("a", Severity::Warning, 3),
                evaluation("b", Severity::Critical, 4),
                evaluation("c", Severity::Critical, 0),
            ],
            2,
            "PLMS INVARIANTS CRITICAL: test: 2 of 3 invariants violated by 7 rows (0 allowed): b (4), a (3); last ran",
        ),
    ] {
        leave_status(folder.path(), &run(folder.path(), hour_ago, evaluations));
        let seen = plms(folder.path(), "status").expect_status(status);
        assert!(seen.service_output().starts_with(sentence), "{seen:#}");
    }
    let seen = plms(folder.path(), "status");
    assert!(
        seen.stdout.contains(
            "\nCRITICAL: b: 4 violations; rule: Title of b\nWARNING: a: 3 violations; rule: Title of a\n"
        ),
        "{seen:#}"
    );
}

#[test]
fn a_run_older_than_25_hours_is_critical_and_one_just_under_is_not() {
    let folder = folder();
    let good = |age| run(folder.path(), Utc::now() - age, vec![evaluation("a", Severity::Warning, 0)]);
    leave_status(folder.path(), &good(TimeDelta::minutes(25 * 60 - 1)));
    plms(folder.path(), "status").expect_status(0);
    leave_status(folder.path(), &good(TimeDelta::minutes(25 * 60 + 61)));
    let seen = plms(folder.path(), "status").expect_status(2);
    let want = "CRITICAL: test: last ran 26h 1min ago (limit 25h); then: 1 invariant holds | ";
    assert!(seen.service_output().contains(want), "{seen:#}");
    leave_status(folder.path(), &good(TimeDelta::days(400)));
    plms(folder.path(), "status").expect_status(2).expect_stdout("400d");
}

#[test]
fn a_run_in_the_future_is_a_warning() {
    let folder = folder();
    let ahead =
        run(folder.path(), Utc::now() + TimeDelta::hours(2), vec![evaluation("a", Severity::Warning, 0)]);
    leave_status(folder.path(), &ahead);
    plms(folder.path(), "status").expect_status(1).expect_stdout("was the clock set back?");
}

#[test]
fn what_a_run_could_not_check_or_write_is_still_said() {
    let folder = folder();
    let mut report = run(folder.path(), Utc::now(), vec![evaluation("a", Severity::Warning, 0)]);
    report.incomplete = Some("stopped by SIGTERM".into());
    leave_status(folder.path(), &report);
    plms(folder.path(), "status").expect_status(3).expect_stdout("UNKNOWN: the last run is incomplete");

    let mut report = run(folder.path(), Utc::now(), vec![]);
    leave_status(folder.path(), &report);
    plms(folder.path(), "status").expect_status(3).expect_stdout("no invariant was checked; last ran");
    report.findings.push(Finding::new(State::Unknown, "cannot open registry | \u{1b}[31m\n0"));
    leave_status(folder.path(), &report);
    let seen = plms(folder.path(), "status").expect_status(3);
    assert!(
        seen.service_output().contains("cannot open registry / ?[31m; 0; no invariant was checked; last ran"),
        "{seen:#}"
    );
}

#[test]
fn no_record_a_torn_one_and_something_else_in_its_place_are_unknown() {
    let folder = folder();
    let path = folder.path().join("status.json");
    let unknown = |sentence: &str| {
        let seen = plms(folder.path(), "status").expect_status(3);
        assert!(
            seen.service_output().starts_with("PLMS INVARIANTS UNKNOWN: ") && seen.stdout.contains(sentence),
            "{seen:#}"
        );
        let seen = plms(folder.path(), "status -o json").expect_status(3);
        assert_eq!(json(&seen)["state"], "unknown");
    };
    unknown("no run is recorded in ");
    let whole =
        run_json::render(&run(folder.path(), Utc::now(), vec![evaluation("a", Severity::Warning, 0)]));
    for text in ["", "{}", "null", whole.split_at(whole.len() / 2).0] {
        fs::write(&path, text).unwrap();
        unknown("the record of the last run ");
    }
    fs::remove_file(&path).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    unknown("it is no regular file");
}

#[test]
fn status_in_json_holds_the_run_as_it_was_recorded() {
    let folder = folder();
    let report =
        run(folder.path(), Utc::now() - TimeDelta::hours(30), vec![evaluation("a", Severity::Warning, 3)]);
    leave_status(folder.path(), &report);
    let seen = json(&plms(folder.path(), "status -o json").expect_status(2));
    let recorded: Value = serde_json::from_str(&run_json::render(&report)).unwrap();
    assert_eq!((&seen["state"], &seen["run"]), (&json!("critical"), &recorded));
    assert!(seen["age_seconds"].as_f64().unwrap() >= 30.0 * 3600.0);
}

#[test]
fn a_user_who_cannot_write_to_the_systems_state_folder_is_told_where_theirs_is() {
    let folder = folder();
    let own = folder.path().join("s/plms-invariants");
    fs::create_dir_all(&own).unwrap();
    leave_status(&own, &run(folder.path(), Utc::now(), vec![evaluation("a", Severity::Warning, 0)]));
    // Nobody may enter the folders of whoever builds this.
    let copy = folder.path().join("plms-invariants");
    fs::copy(env!("CARGO_BIN_EXE_plms-invariants"), &copy).unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = program(&copy, folder.path());
    command.args(["status", "--env-file", "/dev/null"]).env("XDG_STATE_HOME", folder.path().join("s"));
    if rustix::process::geteuid().is_root() {
        command.uid(65_534).gid(65_534);
    }
    let seen = finish(&mut command).expect_status(0);
    seen.expect_stderr(
        "note: STATE_DIR: this user cannot write to /var/lib/plms-invariants, so state is in ",
    );
}

#[test]
fn history_shows_runs_and_the_time_from_first_failure_to_recovery() {
    let folder = folder();
    let state = StateDb::in_folder(folder.path());
    let start: DateTime<Utc> = "2025-11-01T07:00:00Z".parse().unwrap();
    // Violations per night, of two invariants.
    for (night, (a, b)) in [(0, 0), (2, 0), (5, 1), (0, 1)].into_iter().enumerate() {
        let finish = start + TimeDelta::days(i64::try_from(night).unwrap());
        let report = run(
            folder.path(),
            finish,
            vec![evaluation("a", Severity::Warning, a), evaluation("b", Severity::Critical, b)],
        );
        state.record(&report, |_| None, finish).unwrap();
    }
    let seen = plms(folder.path(), "history").expect_status(0);
    let squeezed: Vec<String> =
        seen.stdout.lines().map(|l| l.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    let expected = [
        "START STATE TOOK PASSED VIOLATED UNKNOWN SKIPPED VIOLATIONS",
        "2025-11-04T06:59:57Z CRITICAL 3s 1 1 0 0 1",
        "2025-11-03T06:59:57Z CRITICAL 3s 0 2 0 0 6",
        "2025-11-02T06:59:57Z WARNING 3s 1 1 0 0 2",
        "2025-11-01T06:59:57Z OK 3s 2 0 0 0 0",
        "",
        "INVARIANT FIRST FAILURE RECOVERY TIME TO FIX",
    ];
    assert_eq!(squeezed[..7], expected);
    assert!(squeezed[7].starts_with("b 2025-11-03T07:00:00Z - open for "), "{seen:#}");
    assert_eq!(squeezed[8], "a 2025-11-02T07:00:00Z 2025-11-04T07:00:00Z 2d");

    let seen = json(&plms(folder.path(), "history -o json -n 1").expect_status(0));
    assert_eq!(seen["runs"].as_array().unwrap().len(), 1);
    assert_eq!(seen["runs"][0]["checks"]["b"]["violations"], 1);
    assert_eq!(seen["incidents"][1]["time_to_fix_seconds"], 172_800.0);
    assert_eq!(seen["incidents"][0]["recovered"], Value::Null);

    // Another environment has no history.
    let other = finish(command(folder.path(), "history").env("ENV_NAME", "other")).expect_status(0);
    assert!(other.stdout.starts_with("no run of other on "), "{other:#}");
}

#[test]
fn without_a_history_there_is_no_answer() {
    let folder = folder();
    let seen = plms(folder.path(), "history").expect_status(3);
    assert!(seen.service_output().starts_with("PLMS INVARIANTS UNKNOWN: no run is recorded in "), "{seen:#}");
    assert!(fs::read_dir(folder.path()).unwrap().next().is_none(), "a reading verb leaves nothing behind");
}

#[test]
fn the_record_of_another_registry_or_environment_is_no_answer() {
    let folder = folder();
    let record = run(folder.path(), Utc::now(), vec![evaluation("a", Severity::Warning, 0)]);
    leave_status(folder.path(), &record);
    let ask =
        |line: &str, vars: &[(&str, &str)]| finish(command(folder.path(), line).envs(vars.iter().copied()));
    let own = record.db_path.as_str();
    for vars in [&[("DB_PATH", own), ("ENV_NAME", "test")][..], &[], &[("DB_PATH", "not/here.db")]] {
        ask("status", vars).expect_status(0);
    }
    ask(&format!("status --db {own}"), &[]).expect_status(0);
    let refused = |seen: Finished, words: &str| {
        let seen = seen.expect_status(3);
        assert!(seen.stdout.contains(words) && !seen.stdout.contains("OK"), "{words}\n{seen:#}");
    };
    let other = format!("of registry {own}, and not of /else/where.db: ");
    refused(ask("status --db /else/where.db", &[]), &other);
    refused(ask("status --json --db /else/where.db", &[]), &other);
    refused(ask("status", &[("DB_PATH", "/else/where.db")]), &other);
    refused(ask("status --db not/here.db", &[("DB_PATH", own)]), "not/here.db: ");
    refused(ask("status", &[("ENV_NAME", "staging")]), "of environment test, and not of staging: ");
}

#[test]
fn a_history_of_no_runs_is_none_that_could_be_asked_for() {
    let folder = folder();
    super::refused(folder.path(), "history --limit 0", "invalid value '0' for '--limit <N>'");
}

#[test]
fn what_no_run_counted_is_no_zero_afterwards() {
    let folder = folder();
    let mut record = run(folder.path(), Utc::now(), vec![evaluation("a", Severity::Warning, 0)]);
    record.evaluations[0].outcome = Outcome::Failed { errors: vec!["no such file".into()] };
    leave_status(folder.path(), &record);
    plms(folder.path(), "status").expect_status(3).expect_stdout(" 'violations'=U;");
}
