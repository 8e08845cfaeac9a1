//! What do outputs do on a full disk, for a user who may not write, and for root? Each in a process of
//! its own, since limits and users belong to processes.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::process::Command;

use super::*;
use crate::report::fixture::{at, clean};

const NOBODY: u32 = 65_534;

fn folders() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for name in ["state", "log", "textfile"] {
        std::fs::create_dir(root.path().join(name)).unwrap();
    }
    root
}

/// A clean run of the night of that day, with all outputs under `root`.
fn run(root: &Path, day: u32) -> (Report, Outputs) {
    let (log_folder, textfile) = (root.join("log"), root.join("textfile"));
    let mut report = Report { finish: at(&format!("2025-11-{day:02}T07:00:03Z")), ..clean() };
    let entered = StateFolder::enter(&root.join("state"), 1, report.finish, "a1");
    if let Err(error) = &entered {
        report.findings.push(Finding::new(State::Unknown, error.to_string()));
    }
    let state = entered.as_ref().ok();
    let targets = Targets {
        state,
        log_folder: &log_folder,
        textfile: Some(&textfile),
        version: "0.1.0",
        tell_from: None,
    };
    let now = report.finish;
    let outputs = run_outputs(&mut report, &targets, now).outputs;
    (report, outputs)
}

fn names(folder: PathBuf) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Runs one of the ignored tests below, in a copy of this program that any user can reach.
#[track_caller]
fn play(scene: &str, root: &Path, prepare: impl FnOnce(&mut Command)) {
    let stage = tempfile::tempdir().unwrap();
    std::fs::set_permissions(stage.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let program = stage.path().join("program");
    // By another process: a descriptor of ours, open for writing, would leak for a moment into what other
    // tests start, and the copy could not be executed.
    let copied = Command::new("cp").arg(std::env::current_exe().unwrap()).arg(&program).status().unwrap();
    assert!(copied.success());
    let script = r#"trap "" XFSZ; ${LIMIT:-:}; exec "$0" --exact "emit::run::hardship::$SCENE" --ignored"#;
    let mut command = Command::new("bash");
    command.args(["-c", script]).arg(program).env("SCENE", scene).env("PLACE", root).current_dir("/");
    prepare(&mut command);
    let child = command.output().unwrap();
    let stdout = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success() && stdout.contains("1 passed"), "{stdout}");
}

/// Where the scene plays; `None` where the test was asked for by hand.
fn stage() -> Option<PathBuf> {
    std::env::var_os("PLACE").map(PathBuf::from)
}

#[test]
fn a_full_disk_leaves_every_old_file_and_names_each_that_is_old() {
    let root = folders();
    run(root.path(), 6);
    let status = root.path().join("state/status.json");
    let metrics = root.path().join("textfile").join(TEXTFILE);
    let before = (std::fs::read(&status).unwrap(), std::fs::read(&metrics).unwrap());
    play("on_a_full_disk", root.path(), |command| {
        command.env("LIMIT", "ulimit -f 0");
    });
    assert_eq!((std::fs::read(&status).unwrap(), std::fs::read(&metrics).unwrap()), before);
    assert_eq!(names(root.path().join("log")), ["invariants_2025-11-06T07:00:03Z.log"]);
    assert_eq!(names(root.path().join("state")), ["lock", "state.db", "state.db-journal", "status.json"]);
    assert_eq!(names(root.path().join("textfile")), [TEXTFILE]);
    let (next, _) = run(root.path(), 8);
    assert_eq!(next.findings, [], "with room again all is well");
}

#[test]
fn a_full_disk_on_the_first_night_leaves_nothing_torn() {
    let root = folders();
    play("on_a_full_disk", root.path(), |command| {
        command.env("LIMIT", "ulimit -f 0");
    });
    let left = ["log", "state", "textfile"].map(|name| names(root.path().join(name)));
    assert_eq!(left, [vec![], vec!["lock".to_owned()], vec![]]);
}

#[test]
#[ignore = "a scene of a_full_disk_…, played under a file size limit"]
fn on_a_full_disk() {
    let Some(root) = stage() else { return };
    let (report, outputs) = run(&root, 7);
    assert_eq!(outputs, Outputs::default());
    let sentences: Vec<&str> = report.findings.iter().map(|f| f.sentence.as_str()).collect();
    for (sentence, name) in sentences.iter().zip([".log: ", "state.db: ", "status.json: ", ".prom: "]) {
        assert!(sentence.contains(name) && sentence.contains("is there room?"), "{sentences:#?}");
    }
    assert_eq!((sentences.len(), report.state()), (4, State::Unknown));
}

/// As somebody who is not root: who runs the tests, or nobody.
fn as_a_user(command: &mut Command) {
    if rustix::process::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
}

#[test]
fn folders_that_this_user_may_not_write_are_named() {
    let root = folders();
    std::fs::set_permissions(root.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    for name in ["state", "log", "textfile"] {
        let read_only = std::fs::Permissions::from_mode(0o555);
        std::fs::set_permissions(root.path().join(name), read_only).unwrap();
    }
    play("in_folders_of_another", root.path(), as_a_user);
}

#[test]
#[ignore = "a scene of folders_that_this_user_may_not_write_are_named"]
fn in_folders_of_another() {
    let Some(root) = stage() else { return };
    let (report, outputs) = run(&root, 7);
    assert_eq!(outputs, Outputs::default());
    let sentences: Vec<&str> = report.findings.iter().map(|f| f.sentence.as_str()).collect();
    for (sentence, name) in sentences.iter().zip(["/lock: permission denied", "/log", "/textfile"]) {
        assert!(sentence.contains(name) && sentence.contains("permission denied"), "{sentences:#?}");
    }
    assert_eq!((sentences.len(), report.state()), (3, State::Unknown));
}

#[test]
fn a_record_that_this_user_may_not_read_is_left_alone_and_named() {
    let root = folders();
    std::fs::set_permissions(root.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    for name in ["state", "log", "textfile"] {
        std::fs::set_permissions(root.path().join(name), std::fs::Permissions::from_mode(0o777)).unwrap();
    }
    run(root.path(), 6);
    let lock = root.path().join("state/lock");
    std::fs::set_permissions(lock, std::fs::Permissions::from_mode(0o666)).unwrap();
    let db = root.path().join("state/state.db");
    std::fs::set_permissions(&db, std::fs::Permissions::from_mode(0o000)).unwrap();
    let before = names(root.path().join("state"));
    // It is not damaged: what waits in it must not be put out of the way, but be told when it can be read again.
    play("with_a_record_of_another", root.path(), as_a_user);
    if rustix::process::geteuid().is_root() {
        // Readable for all, and not to be made private by this user.
        std::fs::set_permissions(&db, std::fs::Permissions::from_mode(0o644)).unwrap();
        play("with_a_record_of_another", root.path(), as_a_user);
    }
    assert_eq!(names(root.path().join("state")), before);
    std::fs::set_permissions(db, std::fs::Permissions::from_mode(0o600)).unwrap();
    if rustix::process::geteuid().is_root() {
        assert_eq!(run(root.path(), 8).0.findings, []);
    }
}

#[test]
#[ignore = "a scene of a_record_that_this_user_may_not_read_is_left_alone_and_named"]
fn with_a_record_of_another() {
    let Some(root) = stage() else { return };
    let (report, outputs) = run(&root, 7);
    let [finding] = report.findings.as_slice() else { panic!("{:?}", report.findings) };
    let sentence = &finding.sentence;
    let remedy =
        if rustix::process::geteuid().as_raw() == NOBODY { "chown it to 65534" } else { "the right to" };
    let why = ["permission denied", "operation not permitted"].iter().any(|why| sentence.contains(why));
    assert!(why && sentence.contains(remedy), "{sentence}");
    assert_eq!(report.state(), State::Unknown);
    assert!(outputs.state_db.is_none() && outputs.status_file.is_some() && outputs.log.is_some());
}

#[test]
fn what_root_writes_belongs_to_the_owner_of_the_folder_it_lies_in() {
    let root = folders();
    std::fs::remove_dir(root.path().join("state")).unwrap();
    if rustix::process::geteuid().is_root() {
        for path in [root.path().to_owned(), root.path().join("log"), root.path().join("textfile")] {
            chown(path, Some(12_345), Some(12_346)).unwrap();
        }
    }
    let (report, _) = run(root.path(), 6);
    assert_eq!(report.findings, []);
    let owner = |path: &Path| std::fs::metadata(path).map(|seen| (seen.uid(), seen.gid())).unwrap();
    let want = owner(root.path());
    for folder in ["state", "log", "textfile"].map(|name| root.path().join(name)) {
        assert_eq!(owner(&folder), want);
        for name in names(folder.clone()) {
            assert_eq!(owner(&folder.join(&name)), want, "{name}");
        }
    }
    assert_eq!(names(root.path().join("state")), ["lock", "state.db", "state.db-journal", "status.json"]);
}
