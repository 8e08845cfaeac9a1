//! What does an operator read at two in the morning? The real programs, sentence by sentence.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper that fails fails its test"
)]

mod common;

use std::fs;
use std::path::Path;
use std::process::Stdio;

use common::{Finished, finish, program, runner};
use rusqlite::Connection;
use serde_json::Value;

const EXAMPLE: &str = "overrides_without_author";

fn plms(folder: &Path, line: &str) -> Finished {
    finish(&mut runner(folder, line))
}

/// The text of a file of this repository.
fn document(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// The text between two others.
fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    text.split_once(before).unwrap().1.split_once(after).unwrap().0
}

/// A folder with `registry.db`, whose override 7 nobody answers for, and `mine/` with the worked example of
/// CONTRIBUTING.md.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    registry(folder.path())
        .execute_batch(
            "CREATE TABLE lane_overrides (id INTEGER PRIMARY KEY, task_estimate_id INTEGER, predicted_lane INTEGER,
                                          corrected_lane INTEGER, corrected_by TEXT);
             INSERT INTO lane_overrides VALUES (6, 40, 1, 2, 'ann'), (7, 41, 1, 2, NULL);
             CREATE TABLE project_runs (id INTEGER PRIMARY KEY, project_id INTEGER, run_id TEXT);
             CREATE TABLE task_estimates (id INTEGER PRIMARY KEY);
             CREATE TABLE estimate_versions (id INTEGER PRIMARY KEY);",
        )
        .unwrap();
    let mine = folder.path().join("mine");
    fs::create_dir(&mine).unwrap();
    let text = document("CONTRIBUTING.md");
    fs::write(mine.join(format!("{EXAMPLE}.sql")), between(&text, "```sql\n", "```")).unwrap();
    folder
}

fn registry(folder: &Path) -> Connection {
    Connection::open(folder.join("registry.db")).unwrap()
}

fn without_perfdata(text: &str) -> String {
    text.lines().map(|line| line.split(" | ").next().unwrap().to_owned() + "\n").collect()
}

#[test]
fn the_worked_example_of_contributing_prints_what_stands_there() {
    let folder = folder();
    let text = document("CONTRIBUTING.md");
    let screen = between(&text, "on a registry that holds one such row:\n\n```\n", "```");
    let mut checked = 0;
    for part in screen.split("$ plms-invariants ").skip(1) {
        let (line, printed) = part.split_once('\n').unwrap();
        let seen = plms(folder.path(), &format!("{line} --db registry.db"));
        assert!(printed.is_empty() || without_perfdata(&seen.stdout) == printed, "{printed}\n{seen:#}");
        seen.expect_status(i32::from(line.contains("--only")));
        checked += 1;
    }
    assert_eq!(checked, 3);
}

#[test]
fn what_stands_in_the_way_of_all_is_one_sentence_on_a_pager_and_in_json_an_error_of_each() {
    let folder = folder();
    let sentence = "cannot open registry /none: there is no such file; is DB_PATH right?";
    let said = format!("{sentence}; 8 invariants were not checked\n");
    let line = "--db /none --log-dir .";
    let seen = plms(folder.path(), line).expect_status(3);
    let want = format!("PLMS INVARIANTS UNKNOWN: test: {said}UNKNOWN: {said}");
    assert_eq!(without_perfdata(&seen.stdout), want, "{seen:#}");
    // What never began took no time that anybody knows.
    assert!(!seen.stdout.contains("time_"), "{seen:#}");
    let seen = plms(folder.path(), &format!("{line} --json")).expect_status(3);
    let run: Value = serde_json::from_str(&seen.stdout).unwrap();
    let checks = run["checks"].as_object().unwrap();
    assert_eq!(checks.len(), 8);
    assert!(checks.values().all(|check| check["errors"] == serde_json::json!([sentence])), "{seen:#}");
    // And the next morning.
    let seen = plms(folder.path(), "status").expect_status(3);
    assert!(seen.stdout.ends_with(&format!("\nUNKNOWN: {said}")), "{seen:#}");
}

#[test]
fn no_output_shows_the_number_of_a_system_error() {
    let folder = folder();
    for line in [
        "--db registry.db --log-dir none",
        "--db registry.db --log-dir /proc --textfile none/x.prom --state-dir /proc/none",
        "--db registry.db --log-dir . --artifacts-dir none",
        "--db registry.db/x --log-dir .",
        "--env-file none",
        "list --invariants none",
        "demo --runs 10 --keep /proc/none",
        "demo --runs 10 --env-file none",
        "history --state-dir registry.db",
        "status --state-dir registry.db",
    ] {
        let seen = plms(folder.path(), line);
        assert!(!format!("{}{}", seen.stdout, seen.stderr).contains("(os error"), "{line}: {seen:#}");
        seen.expect_status(3);
    }
    for probe in ["timer", "exit", "freshness"] {
        let path = format!("{}/check_plms_{probe}", bin());
        let mut command = program(path, folder.path());
        command.args(["--user", "--textfile", "none/x.prom"]).env("XDG_RUNTIME_DIR", folder.path());
        let seen = finish(&mut command).expect_status(3);
        assert!(!seen.stdout.contains("(os error"), "{seen:#}");
    }
}

fn bin() -> &'static str {
    Path::new(env!("CARGO_BIN_EXE_plms-invariants")).parent().unwrap().to_str().unwrap()
}

#[test]
fn a_status_that_is_ok_says_what_was_not_looked_at() {
    let folder = folder();
    let full = "--db registry.db --log-dir .";
    let mut run = runner(folder.path(), full);
    finish(run.env("INVARIANT_TAGS", "standard").arg("--allow-empty"));
    let want = "passport_artifacts: passport files were not looked at: ARTIFACTS_DIR is not set";
    plms(folder.path(), full).expect_stdout(want);
    plms(folder.path(), "status").expect_stdout(&format!("\nOK: {want}\n"));
}

#[test]
fn a_failure_is_new_then_lasts_and_its_end_is_in_the_history() {
    let folder = folder();
    let rule = folder.path().join("mine").join(format!("{EXAMPLE}.sql"));
    let tagged = fs::read_to_string(&rule).unwrap().replacen("key =", "tags = [\"mine\"]\nkey =", 1);
    fs::write(&rule, tagged).unwrap();
    let night = |status| {
        let mut run = runner(folder.path(), "--db registry.db --log-dir . --invariants mine");
        finish(run.env("INVARIANT_TAGS", "mine")).expect_status(status)
    };
    let set = |author: &str| {
        let sql = format!("UPDATE lane_overrides SET corrected_by = {author} WHERE id = 7");
        registry(folder.path()).execute_batch(&sql).unwrap();
    };
    set("'ann'");
    night(0);
    set("NULL");
    night(1).expect_stdout("1 violation, new in this run; rule: ");
    night(1).expect_stdout("1 violation for less than a minute, since ");
    set("'ann'");
    night(0);
    let seen = plms(folder.path(), "history --json --db registry.db").expect_status(0);
    let history: Value = serde_json::from_str(&seen.stdout).unwrap();
    let states: Vec<&str> =
        history["runs"].as_array().unwrap().iter().map(|r| r["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["ok", "warning", "warning", "ok"], "{seen:#}");
    let incident = &history["incidents"][0];
    let run = |nth: usize| &history["runs"][nth]["finish"];
    assert_eq!((&incident["opened"], &incident["recovered"]), (run(2), run(0)), "{seen:#}");
    assert!(incident["time_to_fix_seconds"].as_f64().unwrap() > 0.0, "{seen:#}");
}

#[test]
fn whatever_the_flags_and_the_output_the_exit_status_is_one_of_four_and_unheard_is_not_ok() {
    const WORDS: [&str; 32] = [
        "",
        "run",
        "list",
        "status",
        "history",
        "config check",
        "rows lane_overrides",
        "explain lane_overrides",
        "explain none",
        "demo --runs 20",
        "help",
        "-V",
        "--help",
        "--only lane_overrides",
        "--skip none",
        "--tag strict",
        "--standard",
        "--strict",
        "--jobs 1",
        "--jobs 0",
        "--allow-empty",
        "-t 5",
        "-t 0",
        "-t soon",
        "--json",
        "-o xml",
        "--db registry.db",
        "--db /none",
        "--invariants mine",
        "--log-dir .",
        "--textfile none/x.prom",
        "--none",
    ];
    let folder = folder();
    let mut seed = 7_u64;
    let mut choose = |of: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).unwrap() % of
    };
    let mut answered = 0;
    for _ in 0..160 {
        let words: Vec<&str> = (0..choose(4)).map(|_| WORDS[choose(WORDS.len())]).collect();
        let mut command = runner(folder.path(), &words.join(" "));
        let is_full = choose(4) == 0;
        if is_full {
            let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
            command.stdout(Stdio::from(full));
        }
        let child = command.stderr(Stdio::piped());
        let child = if is_full { child } else { child.stdout(Stdio::piped()) };
        let output = child.spawn().unwrap().wait_with_output().unwrap();
        let status = output.status.code();
        assert!(matches!(status, Some(0..=3)), "{words:?}: {status:?}");
        assert!(!(is_full && status == Some(0)), "{words:?}: nobody heard that all is well");
        let text = [output.stdout, output.stderr].concat();
        assert!(
            !text.contains(&0x1b) && !String::from_utf8_lossy(&text).contains("internal error"),
            "{words:?}"
        );
        answered += usize::from(status != Some(3));
    }
    assert!(answered > 5, "hardly anything was asked for that has an answer: {answered}");
}

#[test]
fn the_help_of_a_probe_says_its_question_its_unit_and_its_exit_status() {
    for (probe, question, unit) in [
        ("timer", "Is the timer active, enabled, and going to fire again?", "plms-invariants.timer"),
        ("exit", "Did the last run succeed?", "plms-invariants.service"),
        ("freshness", "Did the job really run in time?", "plms-invariants.service"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let mut help = program(format!("{}/check_plms_{probe}", bin()), folder.path());
        let seen = finish(help.arg("--help")).expect_status(3);
        assert!(seen.stdout.starts_with(question), "{seen:#}");
        seen.expect_stdout(&format!("Without --unit: {unit}.")).expect_stdout("Exit status: 0 OK, 1 WARNING");
    }
}

/// All of the library's text, tests and all.
fn sources(folder: &Path) -> String {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let text = |path: std::path::PathBuf| {
        if path.is_dir() { sources(&path) } else { String::from_utf8(fs::read(&path).unwrap()).unwrap() }
    };
    entries.map(text).collect()
}

#[test]
fn every_sentence_of_the_operators_guide_is_one_that_a_program_says() {
    let guide = document("deployment/README.md");
    let (_, tables) = guide.split_once("## When it says UNKNOWN").unwrap();
    let said = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    // What the library puts together, or SQLite says.
    let elsewhere = [
        "no such column",
        "cannot be read: no such table",
        "the log was not written",
        "the textfile was not written",
        "cannot reach the system bus",
        "the record of this run was not written",
        "the final state of this run was not written",
        "the status file was not written",
    ];
    let mut sentences = 0;
    for sentence in
        tables.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |")).map(|(s, _)| s)
    {
        assert!(elsewhere.contains(&sentence) || said.contains(sentence), "no program says: {sentence}");
        sentences += 1;
    }
    assert!(sentences > 35, "{sentences}");
}

/// A heading as GitHub names it in a link.
fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase().replace(' ', "-");
    kept.chars().filter(|c| c.is_alphanumeric() || "-_".contains(*c)).collect()
}

#[test]
fn every_link_of_the_guide_leads_to_a_page_and_a_heading_that_are_there() {
    let pages = ["README.md", "alerts.md", "sandboxing.md", "monitoring.md"];
    let text = |page: &str| document(&format!("deployment/{page}"));
    let mut links = 0;
    for page in pages {
        let written = text(page);
        for link in written.split("](").skip(1).map(|rest| rest.split_once(')').unwrap().0) {
            if link.starts_with("https:") {
                continue;
            }
            let (to, heading) = link.split_once('#').unwrap_or((link, ""));
            let to = if to.is_empty() { page } else { to };
            assert!(pages.contains(&to), "{page}: {link} leads out of what is installed");
            let there = text(to);
            let headings = there.lines().filter(|line| line.starts_with('#'));
            let found = headings.map(|line| anchor(line.trim_start_matches('#').trim()));
            assert!(heading.is_empty() || found.into_iter().any(|one| one == heading), "{page}: {link}");
            links += 1;
        }
    }
    assert!(links > 20, "{links}");
}
