//! Does `demo` find what it planted, say where everything is, and leave alone what is not its own?

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use common::{finish, program};

fn demo(folder: &Path, flags: &[&str]) -> Command {
    let mut command = program(env!("CARGO_BIN_EXE_plms-invariants"), folder);
    command.env("TMPDIR", folder).arg("demo").args(flags);
    command
}

#[test]
fn a_demo_finds_what_it_planted_and_names_what_it_left() {
    let folder = tempfile::tempdir().unwrap();
    let shown = finish(&mut demo(folder.path(), &["--runs", "300", "--keep", "kept"])).expect_status(0);
    let shown = shown.expect_stdout("Every planted violation was found, and nothing else.\n");
    let shown = shown.expect_stdout("PLMS INVARIANTS CRITICAL: demo:");
    assert_eq!(shown.stdout.matches('✓').count(), 8, "{shown}");
    assert!(!shown.stdout.contains('\u{1b}'), "escape codes in a pipe\n{shown}");
    let places = shown.stdout.split("Where everything is\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let names: Vec<&str> = places
        .lines()
        .map(|line| {
            let (name, path) = line.trim().split_once(' ').unwrap();
            assert!(Path::new(path.trim()).exists(), "{line}\n{shown}");
            name
        })
        .collect();
    assert_eq!(names, ["registry", "passports", "log", "metrics", "status", "history", "settings"]);
}

#[test]
fn every_command_that_a_demo_proposes_answers() {
    let folder = tempfile::tempdir().unwrap();
    let shown = finish(&mut demo(folder.path(), &["--runs", "300", "--keep", "a kept one"])).expect_status(0);
    let commands = shown.stdout.split("To look further\n").nth(1).unwrap().lines();
    let mut count = 0;
    for command in commands {
        let answered = finish(program("sh", folder.path()).args(["-c", command]));
        // What it tells of the registry is CRITICAL; a verb that only answers is OK.
        let expected = if command.ends_with("status") || command.contains(" run") { 2 } else { 0 };
        answered.expect_status(expected);
        count += 1;
    }
    assert_eq!(count, 6, "{shown}");
}

#[test]
fn a_demo_that_nobody_keeps_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    finish(&mut demo(folder.path(), &["--runs", "100"])).expect_status(0).expect_stdout("is gone");
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_count_that_differs_is_critical_and_what_was_planted_stays_to_be_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let flags = ["--runs", "100", "--artifacts-dir", empty.to_str().unwrap()];
    let shown = finish(&mut demo(folder.path(), &flags)).expect_status(2);
    let shown = shown.expect_stdout("✗").expect_stdout("1 of 8 counts differ from what was planted.\n");
    assert_eq!(shown.stdout.matches('✓').count(), 7, "{shown}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "{shown}");
}

#[test]
fn a_registry_that_is_there_already_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let registry = folder.path().join("mine/artifacts/registry/registry.db");
    fs::create_dir_all(registry.parent().unwrap()).unwrap();
    fs::write(&registry, "precious").unwrap();
    let refused = finish(&mut demo(folder.path(), &["--keep", "mine"])).expect_status(3);
    let refused = refused.expect_stdout("will not overwrite the registry");
    assert_eq!(refused.stdout.lines().count(), 1, "{refused}");
    assert_eq!(fs::read_to_string(&registry).unwrap(), "precious");
    assert_eq!(fs::read_dir(folder.path().join("mine")).unwrap().count(), 1, "something was left beside it");
    finish(&mut demo(folder.path(), &["--db", registry.to_str().unwrap()])).expect_status(3);
}

#[test]
fn a_demo_writes_into_no_other_folder() {
    let folder = tempfile::tempdir().unwrap();
    for flag in ["--state-dir", "--log-dir", "--textfile"] {
        let refused = finish(&mut demo(folder.path(), &["--runs", "100", flag, "mine"])).expect_status(3);
        refused.expect_stdout(&format!("{flag} has no place there"));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "{flag}");
    }
}

#[test]
fn the_settings_of_an_installation_have_no_say_in_a_demo() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = demo(folder.path(), &["--runs", "100", "--json"]);
    for name in ["DB_PATH", "LOG_DIR", "STATE_DIR", "TEXTFILE_DIR", "ARTIFACTS_DIR", "INVARIANTS_DIR"] {
        command.env(name, "/nonexistent/${HERE}");
    }
    let shown = finish(&mut command).expect_status(0);
    let run: serde_json::Value = serde_json::from_str(&shown.stdout).unwrap();
    assert_eq!(run["env"], "demo", "{shown}");
    assert_eq!(run["partial"], false, "{shown}");
}
