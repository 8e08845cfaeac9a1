//! Do all outputs say the same, whichever of them fails?

use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::report::fixture::{at, clean, hostile_run, mixed};
use crate::report::status_record::StatusRecord;

/// Folders for every output, and the lock.
struct Place {
    root: tempfile::TempDir,
    state: StateFolder,
}

fn place() -> Place {
    let root = tempfile::tempdir().unwrap();
    for name in ["state", "log", "textfile"] {
        std::fs::create_dir(root.path().join(name)).unwrap();
    }
    let state = StateFolder::enter(&root.path().join("state"), 1, at("2025-11-06T07:00:00Z"), "a1").unwrap();
    Place { root, state }
}

impl Place {
    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn write(&self, report: &mut Report) -> Outputs {
        self.write_to(report, &self.path("log"), &self.path("textfile"))
    }

    fn write_to(&self, report: &mut Report, log_folder: &Path, textfile: &Path) -> Outputs {
        let state = Some(&self.state);
        let targets =
            Targets { state, log_folder, textfile: Some(textfile), version: "0.1.0", tell_from: None };
        let now = report.finish;
        run_outputs(report, &targets, now).outputs
    }

    fn status(&self) -> StatusRecord {
        StatusRecord::parse(&std::fs::read_to_string(self.path("state/status.json")).unwrap()).unwrap()
    }

    fn metrics(&self) -> String {
        std::fs::read_to_string(self.path("textfile/plms_invariants.prom")).unwrap()
    }

    fn log(&self) -> String {
        let mut entries = std::fs::read_dir(self.path("log")).unwrap();
        std::fs::read_to_string(entries.next().unwrap().unwrap().path()).unwrap()
    }

    fn recorded_states(&self) -> Vec<State> {
        let of = clean();
        let history = self.state.db().history(&of.env, &of.db_path, 10).unwrap();
        history.runs.iter().map(|run| run.state).collect()
    }
}

/// The one sentence that was added to the report.
#[track_caller]
fn only_finding(report: &Report) -> &str {
    let [finding] = report.findings.as_slice() else { panic!("{:?}", report.findings) };
    assert_eq!(finding.state, State::Unknown);
    &finding.sentence
}

#[test]
fn a_clean_run_leaves_four_files_that_say_the_same() {
    let place = place();
    let mut report = clean();
    let outputs = place.write(&mut report);
    assert_eq!(report, clean(), "nothing failed");
    assert_eq!(place.status().state, State::Ok);
    assert!(place.log().contains("✓ All invariants passed\n"));
    assert!(place.metrics().contains("plms_invariants_status{env=\"production\"} 1\n"));
    assert!(place.metrics().contains("last_success_timestamp_seconds{env=\"production\"} 1762412403.412\n"));
    assert_eq!(place.recorded_states(), [State::Ok]);
    let modes = [outputs.log, outputs.state_db, outputs.status_file, outputs.textfile]
        .map(|path| std::fs::metadata(path.unwrap()).unwrap().permissions().mode() & 0o7777);
    assert_eq!(modes, [0o640, 0o600, 0o644, 0o644]);
}

#[test]
fn a_failing_night_after_a_clean_one_keeps_the_last_success() {
    let place = place();
    place.write(&mut clean());
    let mut report = Report { finish: at("2025-11-07T07:00:03Z"), ..mixed() };
    let outputs = place.write(&mut report);
    assert_eq!(outputs.streaks.last_success, Some(clean().finish));
    assert_eq!(outputs.streaks.of("lane_overrides").failing_since, Some(report.finish));
    assert!(place.metrics().contains("last_success_timestamp_seconds{env=\"production\"} 1762412403.412\n"));
    assert_eq!(place.status().state, State::Critical);
}

#[test]
fn a_partial_run_touches_nothing() {
    let place = place();
    let mut report = Report { partial: Some("--only lane_overrides".into()), ..mixed() };
    assert_eq!(place.write(&mut report), Outputs::default());
    let left = |name| std::fs::read_dir(place.path(name)).unwrap().count();
    assert_eq!((left("log"), left("textfile"), left("state")), (0, 0, 1), "the lock alone");
    assert_eq!(report.findings, []);
}

#[test]
fn a_log_that_cannot_be_written_lifts_ok_to_unknown_everywhere() {
    let place = place();
    for folder in [place.path("missing"), place.path("state/lock"), "/proc/self".into()] {
        let mut report = clean();
        let outputs = place.write_to(&mut report, &folder, &place.path("textfile"));
        let sentence = only_finding(&report);
        assert!(sentence.contains(folder.to_str().unwrap()) && sentence.contains("LOG_DIR"), "{sentence}");
        assert_eq!((report.state(), outputs.log), (State::Unknown, None));
        assert_eq!(place.status().state, State::Unknown);
        assert_eq!(place.recorded_states()[0], State::Unknown);
        assert!(place.metrics().contains("plms_invariants_state{env=\"production\"} 3\n"));
        assert!(!place.metrics().contains("last_success"));
    }
    assert!(!place.path("missing").exists());
}

#[test]
fn a_textfile_that_cannot_be_written_lifts_what_was_written_before_it() {
    let place = place();
    let mut report = clean();
    let outputs = place.write_to(&mut report, &place.path("log"), &place.path("missing"));
    let sentence = only_finding(&report);
    assert!(sentence.contains("missing") && sentence.contains("TEXTFILE_DIR"), "{sentence}");
    assert_eq!(place.status().state, State::Unknown);
    assert_eq!(place.status().findings[0].sentence, sentence);
    assert_eq!(place.recorded_states(), [State::Unknown]);
    assert_eq!(outputs.streaks.last_success, None);
    let log = place.log();
    assert!(log.contains("UNKNOWN: the textfile was not written") && !log.contains('✓'), "{log}");
    assert_eq!(std::fs::read_dir(place.path("log")).unwrap().count(), 1, "one log per run");
}

#[test]
fn a_status_file_that_cannot_be_written_lifts_the_record_and_the_metrics() {
    let place = place();
    std::fs::create_dir(place.path("state/status.json")).unwrap();
    let mut report = clean();
    let outputs = place.write(&mut report);
    let sentence = only_finding(&report);
    assert!(sentence.contains("status.json") && sentence.contains("STATE_DIR"), "{sentence}");
    assert_eq!(outputs.status_file, None);
    assert_eq!(place.recorded_states(), [State::Unknown]);
    assert!(place.metrics().contains("plms_invariants_state{env=\"production\"} 3\n"));
    assert!(!place.metrics().contains("last_success"));
}

#[test]
fn a_record_that_cannot_be_read_is_set_aside_and_said_everywhere() {
    let place = place();
    std::fs::write(place.path("state/state.db"), "garbage").unwrap();
    let mut report = clean();
    place.write(&mut report);
    let sentence = only_finding(&report);
    assert!(sentence.contains("state.db.set-aside-2025-11-06T07:00:03Z"), "{sentence}");
    assert_eq!((place.status().state, place.recorded_states()), (State::Unknown, vec![State::Unknown]));
    place.write(&mut clean());
    assert_eq!(place.status().state, State::Ok, "the next night is clean again");
}

#[test]
fn a_failing_output_never_lowers_a_critical() {
    let place = place();
    let mut report = mixed();
    place.write_to(&mut report, &place.path("missing"), &place.path("missing"));
    assert_eq!((report.state(), report.findings.len()), (State::Critical, 2));
    assert_eq!(place.status().state, State::Critical);
}

#[test]
fn without_a_state_folder_the_rest_is_written() {
    let place = place();
    let mut report = clean();
    report.findings.push(Finding::new(State::Unknown, "cannot make the state folder"));
    let (log_folder, textfile) = (place.path("log"), place.path("textfile"));
    let targets = Targets {
        state: None,
        log_folder: &log_folder,
        textfile: Some(&textfile),
        version: "0.1.0",
        tell_from: None,
    };
    let outputs = run_outputs(&mut report, &targets, at("2025-11-06T07:00:04Z")).outputs;
    assert_eq!(report.findings.len(), 1);
    assert!(outputs.log.is_some() && outputs.textfile.is_some() && outputs.state_db.is_none());
    assert!(place.metrics().contains("plms_invariants_state{env=\"production\"} 3\n"));
}

#[test]
fn hostile_text_arrives_in_all_outputs_and_breaks_none() {
    let place = place();
    let mut report = hostile_run();
    place.write(&mut report);
    assert_eq!(report, hostile_run());
    assert_eq!(place.status().env, report.env);
    assert_eq!(place.log().lines().filter(|line| line.contains("Total violations:")).count(), 1);
}
