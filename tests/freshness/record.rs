//! Does the runner's own record speak, where systemd remembers less, and for its own job alone?

use super::*;

/// What the runner leaves, as far as freshness asks for it.
pub fn status_json(finish: Duration, state: &str) -> String {
    let at = |ago: Duration| {
        let at = chrono::DateTime::from_timestamp_micros(i64::try_from(micros(ago)).unwrap()).unwrap();
        at.to_rfc3339()
    };
    format!(
        r#"{{"timestamp":"{0}","db_path":"/r.db","strict_mode":true,"env":"test","state":"{state}","partial":false,
        "incomplete":false,"start":"{0}","finish":"{1}","invocation_id":"0","checks":{{}},"summary":{{"total_checks":8,
        "passed_checks":8,"failed_checks":0,"error_checks":0,"skipped_checks":0,"total_violations":0,"status":"pass"}}}}"#,
        at(finish + Duration::from_secs(60)),
        at(finish)
    )
}

pub fn with_file(fake: &FakeSystemd, content: &str) -> String {
    let path = fake.folder().join("status.json");
    std::fs::write(&path, content).unwrap();
    path.display().to_string()
}

#[test]
fn the_runners_own_record_outlives_a_reboot() {
    let fake = forgotten(hours(30));
    let path = with_file(&fake, &status_json(hours(3), "ok"));
    let seen = fake.ask(PROBE, &["-u", "job", "--status-file", &path]).expect_status(0);
    assert!(
        seen.service_output().contains("job.service last ran 3h ago, says the status file (limit"),
        "{seen:#}"
    );
    let path = with_file(&fake, &status_json(hours(27), "ok"));
    fake.ask(PROBE, &["-u", "job", "--status-file", &path]).expect_status(2);
}

#[test]
fn of_two_records_of_the_runner_the_newer_counts() {
    let exit = micros(hours(27));
    let fake = FakeSystemd::serve(Manners::Good, [("plms-invariants.service".to_owned(), service(exit))]);
    let path = with_file(&fake, &status_json(hours(2), "critical"));
    for unit in [&[][..], &["-u", "plms-invariants"]] {
        let args = [unit, &["--status-file", &path]].concat();
        fake.ask(PROBE, &args).expect_status(0).expect_stdout("status file");
        let seen = fake.ask(PROBE, &[&args[..], &["--basis", "success"]].concat()).expect_status(2);
        assert!(!seen.stdout.contains("status file"), "{seen:#}");
    }
    let fake = ran(hours(2));
    let path = with_file(&fake, &status_json(hours(27), "ok"));
    fake.ask(PROBE, &["-u", "job", "--status-file", &path]).expect_status(0);
}

#[test]
fn the_runners_record_vouches_for_no_unit_of_which_systemd_knows_better() {
    let exit = micros(hours(27));
    let never = timer(exit, micros(Duration::ZERO) + 1_000_000).with("LastTriggerUSec", Value::Time(0));
    for (name, fake) in [
        ("has a run on record", ran(hours(27))),
        ("never ran, though its timer was up", FakeSystemd::of(never, never_started())),
    ] {
        let path = with_file(&fake, &status_json(hours(2), "ok"));
        let args = ["-u", "job", "--never-run", "ok", "--status-file", &path];
        let seen = fake.ask(PROBE, &args).expect_status(2);
        assert!(
            seen.stdout.contains("is not taken for one of job.service: systemd knows of none then"),
            "{name}: {seen:#}"
        );
    }
}

#[test]
fn a_host_with_cron_is_judged_by_the_file_alone() {
    let nobody = FakeSystemd::serve(Manners::Good, []);
    let path = with_file(&nobody, &status_json(hours(2), "ok"));
    nobody.ask(PROBE, &["--status-file", &path]).expect_status(0).expect_stdout("says the status file");
    let mut without_bus = nobody.probe(PROBE, &["--status-file", &path]);
    without_bus.env("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent");
    common::finish(&mut without_bus).expect_status(0);
    // A unit that was named must be there.
    nobody
        .ask(PROBE, &["-u", "job", "--status-file", &path])
        .expect_status(2)
        .expect_stdout("does not exist");
    let missing = nobody.folder().join("missing").display().to_string();
    nobody.ask(PROBE, &["--status-file", &missing]).expect_status(3).expect_stdout("no run on record");
}

#[test]
fn a_record_that_cannot_be_read_lifts_ok_to_unknown() {
    let fake = ran(hours(2));
    let path = with_file(&fake, "{\"start\": \"20");
    let seen = fake.ask(PROBE, &["-u", "job", "--status-file", &path]).expect_status(3);
    assert!(
        seen.service_output().contains("job.service last ran 2h ago") && seen.stdout.contains("is not one"),
        "{seen:#}"
    );
    let folder = fake.folder().display().to_string();
    fake.ask(PROBE, &["-u", "job", "--status-file", &folder]).expect_status(3);
}

#[test]
fn a_record_that_is_not_there_is_named_and_its_wrong_folder_is_unknown_once_a_run_has_ended() {
    let none = |fake: &FakeSystemd, name: &str, status| {
        let path = fake.folder().join(name).display().to_string();
        let seen = fake.ask(PROBE, &["-u", "job", "--never-run", "ok", "--status-file", &path]);
        let seen = seen.expect_status(status);
        assert!(seen.stdout.contains("no run is recorded in "), "{seen:#}");
    };
    // A typing error; the first boot, when no run has ended; and a folder where no run of this job writes.
    none(&ran(hours(2)), "statsu.json", 0);
    none(&FakeSystemd::of(timer(micros(hours(1)), 0), never_started()), "state/status.json", 0);
    none(&ran(hours(2)), "sttae/status.json", 3);
}
