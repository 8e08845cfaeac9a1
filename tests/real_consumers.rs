//! Do those who read our files really take them? `promtool` and a `node_exporter` from Debian.
#![allow(clippy::expect_used, reason = "clippy.toml spares functions marked as tests alone")]

mod common;

use common::exposition::Exposition;
use common::finish;
use common::real::{beside_systemd, folder};
use plms_invariants::report::gauges::Gauges;
use std::fs;
use std::path::{Path, PathBuf};

const PACKAGES: [&str; 2] = ["--packages", "prometheus prometheus-node-exporter"];

/// What `node_exporter` serves of these files, after promtool has accepted each; `None` where it is skipped.
#[track_caller]
fn scraped(files: &[(&str, &str)]) -> Option<common::Finished> {
    let textfiles = empty_folder("textfiles");
    for (name, text) in files {
        fs::write(textfiles.join(name), text).expect("target/tmp is writable");
    }
    scraped_folder(&textfiles)
}

#[track_caller]
fn scraped_folder(textfiles: &Path) -> Option<common::Finished> {
    Some(finish(beside_systemd(&PACKAGES, folder().join("scrape"))?.arg(textfiles)))
}

/// A folder of this test alone.
fn empty_folder(name: &str) -> PathBuf {
    let test = std::thread::current().name().expect("tests have names").to_owned();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("real_consumers").join(test).join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("target/tmp is writable");
    folder
}

/// Fails unless promtool found no fault and every series of the folder's files is served as it is written.
#[track_caller]
fn expect_served_whole(textfiles: &Path, names: &[&str]) {
    let Some(seen) = scraped_folder(textfiles) else { return };
    expect_whole(seen, textfiles, names);
}

#[track_caller]
fn expect_whole(seen: common::Finished, textfiles: &Path, names: &[&str]) {
    let seen = seen.expect_status(0).expect_stdout("\nnode_textfile_scrape_error 0\n");
    // A series that is there twice is dropped with no more than a line in the log.
    assert!(!seen.stderr.contains("level=error"), "{seen:#}");
    let served = Exposition::read(&seen.stdout);
    for name in names {
        let written = Exposition::read(&fs::read_to_string(textfiles.join(name)).expect("the file is there"));
        assert!(!written.series.is_empty(), "{name} holds no series");
        for (series, value) in &written.series {
            assert_eq!(served.series.get(series), Some(value), "{name}: {series}\n{seen:#}");
        }
        for family in written.families() {
            assert_eq!(served.types.get(family).map(String::as_str), Some("gauge"), "{family}\n{seen:#}");
            assert_eq!(served.helps.get(family), written.helps.get(family), "{family}\n{seen:#}");
        }
    }
}

#[test]
fn every_golden_file_is_served_whole_beside_the_others() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("textfile");
    let textfiles = empty_folder("textfiles");
    let mut names = Vec::new();
    for entry in fs::read_dir(golden).expect("the golden files are there") {
        let name = entry.expect("a folder that can be read").file_name().into_string().expect("plain names");
        if Path::new(&name).extension().is_some_and(|extension| extension == "prom") {
            let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("textfile").join(&name);
            fs::copy(golden, textfiles.join(&name)).expect("target/tmp is writable");
            names.push(name);
        }
    }
    assert!(!names.is_empty(), "no golden file in textfile/");
    expect_served_whole(&textfiles, &names.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn labels_that_hold_hostile_text_are_served_whole() {
    let textfiles = empty_folder("textfiles");
    let mut gauges = Gauges::default();
    let family = gauges.family("plms_invariants_state", "State of the last full run.");
    let hostile = [
        "a\"b\\c",
        "two\nlines\r\n",
        "{x=\"1\"} 2",
        "\u{1b}[31m\u{9b}\0\u{202e}",
        "ü漢🔴",
        "\\",
        "# EOF",
        "",
    ];
    for (nth, env) in (0_u64..).zip(hostile) {
        family.set(&[("env", env)], nth);
    }
    family.set(&[("env", &"\\\"ü".repeat(5000))], f64::MAX);
    fs::write(textfiles.join("hostile.prom"), gauges.render()).expect("target/tmp is writable");
    expect_served_whole(&textfiles, &["hostile.prom"]);
}

// The two that follow test the test: what node_exporter drops must be seen to be dropped.

#[test]
fn a_file_that_node_exporter_drops_is_seen() {
    let good = "# HELP plms_good Good.\n# TYPE plms_good gauge\nplms_good 1\n";
    let bad = "# HELP plms_bad Bad.\n# TYPE plms_bad gauge\nplms_bad 1 1700000000000\n";
    let Some(seen) = scraped(&[("good.prom", good), ("bad.prom", bad)]) else { return };
    let seen = seen.expect_stdout("\nnode_textfile_scrape_error 1\n").expect_stdout("\nplms_good 1\n");
    assert!(!seen.stdout.contains("plms_bad"), "{seen:#}");
}

#[test]
fn a_name_that_promtool_finds_fault_with_is_seen() {
    let text = "# HELP plms_age_minutes Age.\n# TYPE plms_age_minutes gauge\nplms_age_minutes 1\n";
    let Some(seen) = scraped(&[("plms.prom", text)]) else { return };
    seen.expect_status(1).expect_stderr("plms_age_minutes use base unit");
}

#[test]
fn what_the_runner_wrote_is_served_whole() {
    let folder = empty_folder("registry");
    plms_invariants::demo::generate(&plms_invariants::demo::Plan::new(&folder, 1_000))
        .expect("target/tmp is writable");
    let textfiles = empty_folder("textfiles");
    let mut run = common::program(env!("CARGO_BIN_EXE_plms-invariants"), &folder);
    run.env("ENV_NAME", "a \"name\" with \\ and |").args(["--env-file", "/dev/null"]);
    run.args(["--state-dir", "state", "--log-dir", "log", "--artifacts-dir", "artifacts", "--textfile"]);
    finish(run.arg(&textfiles)).expect_status(2);
    let written = fs::read_to_string(textfiles.join("plms_invariants.prom")).expect("the runner wrote it");
    let written = Exposition::read(&written);
    for name in [
        "state",
        "status",
        "violations",
        "invariant_state",
        "invariant_duration_seconds",
        "examined_rows",
        "failing_since_timestamp_seconds",
        "checks",
        "last_run_timestamp_seconds",
        "duration_seconds",
        "database_size_bytes",
        "build_info",
    ] {
        assert!(
            written.families().contains(&*format!("plms_invariants_{name}")),
            "{name} is missing\n{written:#?}"
        );
    }
    expect_served_whole(&textfiles, &["plms_invariants.prom"]);
}

#[test]
fn what_the_probes_wrote_is_served_whole_beside_what_the_runner_wrote() {
    let textfiles = empty_folder("textfiles");
    let runner = Path::new(env!("CARGO_MANIFEST_DIR")).join("textfile/plms_invariants.prom");
    fs::copy(runner, textfiles.join("plms_invariants.prom")).expect("target/tmp is writable");
    let programs =
        Path::new(env!("CARGO_BIN_EXE_check_plms_timer")).parent().expect("programs lie in a folder");
    let Some(mut command) = beside_systemd(&PACKAGES, folder().join("scrape-probes")) else { return };
    let seen = finish(command.arg(programs).arg(&textfiles));
    let mut names = vec!["plms_invariants.prom".to_owned()];
    let written: Vec<_> = fs::read_dir(&textfiles).expect("it is there").collect();
    let written: Vec<_> = written
        .into_iter()
        .map(|file| file.expect("it is there").file_name().into_string().expect("text"))
        .collect();
    for (probe, kind) in [("timer", "timer"), ("exit", "service"), ("freshness", "service")] {
        // What other calls about several units leave has another end.
        let several = format!("plms_{probe}_good.{kind}_and_1_more");
        names.extend(written.iter().find(|name| name.starts_with(&several)).cloned());
        names.push(format!("plms_{probe}_never.{kind}.prom"));
    }
    assert_eq!(names.len(), 7, "{written:?}");
    expect_whole(seen, &textfiles, &names.iter().map(String::as_str).collect::<Vec<_>>());
}
