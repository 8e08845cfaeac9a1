//! Does one run at a time hold a state folder, and is one that died found?

use super::*;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

const EVE: &str = "2025-11-06T07:00:03Z";
const MORN: &str = "2025-11-07T07:00:03Z";

/// What other tests start holds a copy of every lock between its fork and its exec.
fn take(folder: &tempfile::TempDir, pid: u32, start: &str, id: &str) -> RunLock {
    let began = std::time::Instant::now();
    loop {
        match RunLock::take(folder.path(), pid, at(start), id) {
            Err(LockError::Held { .. }) if began.elapsed().as_secs() < 5 => std::thread::yield_now(),
            taken => return taken.unwrap(),
        }
    }
}

fn text(folder: &tempfile::TempDir) -> String {
    std::fs::read_to_string(folder.path().join("lock")).unwrap()
}

fn died(pid: u32, since: &str, id: Option<&str>) -> Unfinished {
    Unfinished { pid, since: at(since), invocation_id: id.map(str::to_owned) }
}

#[test]
fn a_second_run_is_told_who_holds_the_lock_since_when() {
    let folder = tempfile::tempdir().unwrap();
    let first = take(&folder, 4711, EVE, "a1");
    let second = RunLock::take(folder.path(), 4712, at("2025-11-06T07:05:00Z"), "b2").unwrap_err();
    let says = second.to_string();
    assert!(says.contains("process 4711, since 2025-11-06T07:00:03Z"), "{says}");
    assert_eq!(text(&folder), "4711 2025-11-06T07:00:03Z a1\n", "the refused one leaves no line");
    first.ended();
    let third = take(&folder, 4712, MORN, "b2");
    assert_eq!(third.left().runs, []);
}

#[test]
fn a_run_that_ended_leaves_nothing_and_one_that_died_is_found() {
    let folder = tempfile::tempdir().unwrap();
    take(&folder, 4711, EVE, "a1").ended();
    assert_eq!(text(&folder), "");
    drop(take(&folder, 4711, EVE, "a1")); // as the kernel does for a killed process
    let next = take(&folder, 4712, MORN, "b2");
    assert_eq!(next.left().runs, [died(4711, EVE, Some("a1"))]);
}

#[test]
fn a_dead_run_is_known_without_the_lock_and_one_at_work_is_not_taken_for_dead() {
    let folder = tempfile::tempdir().unwrap();
    let now = at(MORN) + chrono::TimeDelta::seconds(1);
    assert_eq!(dead(folder.path(), now), Left::default());
    let mut child = std::process::Command::new("true").spawn().unwrap();
    child.wait().unwrap();
    drop(take(&folder, child.id(), EVE, "a1"));
    let at_work = take(&folder, std::process::id(), MORN, "b2");
    let dead = dead(folder.path(), now);
    assert_eq!((dead.runs, dead.doubt), (vec![died(child.id(), EVE, Some("a1"))], None));
    at_work.ended();
}

#[test]
fn a_run_that_panics_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    let run = std::thread::spawn(move || {
        let _lock = RunLock::take(&path, 4711, at(EVE), "a1").unwrap();
        panic!("meant for this test");
    });
    run.join().unwrap_err();
    assert_eq!(take(&folder, 4712, MORN, "b2").left().runs, [died(4711, EVE, Some("a1"))]);
}

#[test]
fn a_death_is_told_until_it_is_in_the_outbox() {
    let folder = tempfile::tempdir().unwrap();
    drop(take(&folder, 1, EVE, "a1"));
    drop(take(&folder, 2, MORN, "b2")); // died before it could tell of the first
    let both = [died(1, EVE, Some("a1")), died(2, MORN, Some("b2"))];
    let third = take(&folder, 3, MORN, "c3");
    assert_eq!(third.left().runs, both);
    third.ended(); // orderly, but nobody was told
    let mut fourth = take(&folder, 4, MORN, "d4");
    assert_eq!(fourth.left().runs, both);
    fourth.reported();
    fourth.ended();
    assert_eq!(take(&folder, 5, MORN, "e5").left().runs, []);
}

#[test]
fn an_older_programs_line_has_no_invocation_id() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("lock"), "4711 2025-11-06T07:00:03Z\n").unwrap();
    assert_eq!(take(&folder, 1, MORN, "b2").left().runs, [died(4711, EVE, None)]);
}

#[test]
fn a_torn_and_a_foreign_text_name_nobody_cast_doubt_and_are_overwritten_whole() {
    let folder = tempfile::tempdir().unwrap();
    let foreign = "4711 2025-11-06T07:00:03Z a1 and more than the next holder writes, much more\n";
    for left in [foreign, "4711 2025-1", "\0\0\0\0", "4711 2025-11-06T07:00:03Z \x1b[31m\n", "\n\n"] {
        std::fs::write(folder.path().join("lock"), left).unwrap();
        let lock = take(&folder, 1, EVE, "a1");
        assert_eq!(lock.left().runs, [], "{left:?}");
        assert_eq!(lock.left().doubt.is_some(), left != "\n\n", "{left:?}");
        assert_eq!(text(&folder), "1 2025-11-06T07:00:03Z a1\n");
    }
}

#[test]
fn a_run_that_dies_every_minute_does_not_fill_the_file() {
    let folder = tempfile::tempdir().unwrap();
    for pid in 1..=100 {
        drop(take(&folder, pid, EVE, &"f".repeat(64)));
    }
    assert!(text(&folder).len() < 2000);
    let left = take(&folder, 101, MORN, "b2");
    let pids: Vec<u32> = left.left().runs.iter().map(|run| run.pid).collect();
    assert_eq!(pids, (85..=100).collect::<Vec<u32>>(), "the newest are told");
}

#[test]
fn nobody_else_can_open_the_lock_and_so_hold_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lock");
    let mode = || std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    take(&folder, 1, EVE, "a1").ended();
    assert_eq!(mode(), 0o600);
    std::fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    take(&folder, 2, EVE, "b2").ended();
    assert_eq!(mode(), 0o600);
}

#[test]
fn a_holder_that_wrote_garbage_is_unnamed() {
    let folder = tempfile::tempdir().unwrap();
    let _first = take(&folder, 4711, EVE, "a1");
    std::fs::write(folder.path().join("lock"), b"\xff\x1b[31m 2025\n").unwrap();
    let error = RunLock::take(folder.path(), 4712, at(MORN), "b2").unwrap_err().to_string();
    assert!(error.contains("did not name itself") && !error.contains('\x1b'), "{error}");
}

#[test]
fn a_missing_folder_and_a_planted_link_or_fifo_are_errors_that_touch_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    let now = at("2025-11-06T07:00:03Z");
    assert!(matches!(RunLock::take(&missing, 1, now, "a1"), Err(LockError::Unavailable { .. })));

    let victim = folder.path().join("victim");
    std::fs::write(&victim, "precious").unwrap();
    let path = folder.path().join("lock");
    std::os::unix::fs::symlink(&victim, &path).unwrap();
    assert!(matches!(RunLock::take(folder.path(), 1, now, "a1"), Err(LockError::Unavailable { .. })));
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "precious");

    std::fs::remove_file(&path).unwrap();
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    assert!(matches!(RunLock::take(folder.path(), 1, now, "a1"), Err(LockError::Unavailable { .. })));
}
