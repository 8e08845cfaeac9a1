//! Passports that cannot be looked at: their runs are neither right nor wrong.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};

use super::common::finish;
use super::operators::clean;
use super::reading::empty_outputs;
use super::stage::{Stage, User};

const PASSPORT: &str = r#"{"project_id":2,"run_id":"r1","run_kind":"baseline","provider_matrix":{},"capabilities":[],
    "prd_sha":"ab","env":{"git_commit":"c","python_version":"3.11"},"started_at":"2026-01-01T00:00:00Z"}"#;

/// One run, of project 2, with its passport.
fn stage() -> Stage {
    let mut stage = clean();
    stage.sql(
        "DELETE FROM estimate_versions; DELETE FROM project_runs WHERE id <> 1;
         UPDATE project_runs SET project_id = 2, run_id = 'r1'",
    );
    let artifacts = stage.path("artifacts");
    fs::create_dir_all(artifacts.join("project-2")).unwrap();
    fs::write(artifacts.join("project-2/replay_passport_r1.json"), PASSPORT).unwrap();
    stage.set("ARTIFACTS_DIR", artifacts);
    stage
}

/// UNKNOWN, and a zero nowhere.
#[track_caller]
fn expect_not_looked_at(stage: &Stage, user: User) {
    let night = stage.run_untouched(user).expect_status(3);
    let night = night.expect_unknown("passport_artifacts", "cannot list folder ");
    assert!(night.json["checks"]["passport_artifacts"]["violations"].is_null(), "{:#}", night.finished);
    stage.expect_recorded("unknown");
    let metrics = fs::read_to_string(stage.path("textfile/plms_invariants.prom")).unwrap();
    let counted = |id: &str| {
        let is_of = |line: &&str| line.starts_with("plms_invariants_violations{") && line.contains(id);
        metrics.lines().any(|line| is_of(&line))
    };
    assert!(counted("\"kpi_formulas\"") && !counted("\"passport_artifacts\""), "{metrics}");
    let text = finish(&mut stage.command(user, &[])).expect_status(3);
    text.expect_stdout(" 'passport_artifacts'=U;");
}

#[test]
fn a_passport_behind_a_link_is_found() {
    let stage = stage();
    fs::rename(stage.path("artifacts/project-2"), stage.path("elsewhere")).unwrap();
    symlink("../elsewhere", stage.path("artifacts/project-2")).unwrap();
    stage.run_untouched(User::Owner).expect_status(0).expect_count("passport_artifacts", 0);
    // A link to nowhere, and to a file, is no folder.
    for target in ["nowhere", "../elsewhere/replay_passport_r1.json"] {
        fs::remove_file(stage.path("artifacts/project-2")).unwrap();
        symlink(target, stage.path("artifacts/project-2")).unwrap();
        stage.run_untouched(User::Owner).expect_status(1).expect_count("passport_artifacts", 1);
    }
}

#[test]
fn a_link_that_leads_round_in_a_circle_is_unknown() {
    let stage = stage();
    fs::remove_dir_all(stage.path("artifacts/project-2")).unwrap();
    symlink("project-2", stage.path("artifacts/project-2")).unwrap();
    expect_not_looked_at(&stage, User::Owner);
}

#[test]
fn a_folder_that_may_not_be_entered_is_unknown_behind_a_link_too() {
    if !User::both().contains(&User::Nobody) {
        return;
    }
    let stage = stage();
    empty_outputs(&stage);
    let folder = stage.path("artifacts/project-2");
    fs::set_permissions(&folder, Permissions::from_mode(0o700)).unwrap();
    expect_not_looked_at(&stage, User::Nobody);

    let closed = stage.path("closed");
    fs::create_dir(&closed).unwrap();
    fs::rename(&folder, closed.join("project-2")).unwrap();
    symlink("../closed/project-2", &folder).unwrap();
    fs::set_permissions(&closed, Permissions::from_mode(0o700)).unwrap();
    expect_not_looked_at(&stage, User::Nobody);
}
