//! Does a file of an older program become one of this, whole or not at all?

use super::*;
use crate::emit::channels::ChannelName::Slack;
use crate::emit::lock::Unfinished;
use crate::emit::state::outbox::Outbox;
use crate::emit::state::outbox::tests::day;
use crate::emit::state::{StateDb, Trace};
use crate::report::fixture::{at, clean};
use crate::verdict::State;

/// A folder with a file of version 1 that holds one clean run.
fn with_version_1() -> tempfile::TempDir {
    with_version(1)
}

fn with_version(version: i64) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let run = clean();
    let connection = old::make_version(version, &folder.path().join("state.db"));
    let sql = "INSERT INTO runs (env, db_path, start_us, finish_us, invocation_id, strict, state,
                                 total, passed, failed, error, skipped, violations)
               VALUES (?, ?, ?, ?, ?, 1, 'ok', 1, 1, 0, 0, 0, 0)";
    let (start, finish) = (run.start.timestamp_micros(), run.finish.timestamp_micros());
    connection
        .execute(sql, rusqlite::params![run.env, run.db_path, start, finish, run.invocation_id])
        .unwrap();
    folder
}

fn version(folder: &tempfile::TempDir) -> i64 {
    number(&Connection::open(folder.path().join("state.db")).unwrap(), "user_version").unwrap()
}

fn runs(folder: &tempfile::TempDir) -> Vec<State> {
    let of = clean();
    let history = StateDb::in_folder(folder.path()).history(&of.env, &of.db_path, 10).unwrap();
    history.runs.iter().map(|run| run.state).collect()
}

#[test]
fn a_file_of_version_1_keeps_its_runs_and_gets_an_outbox() {
    let folder = with_version_1();
    let (outbox, aside) = Outbox::open(folder.path(), day(1)).unwrap();
    assert_eq!((aside, version(&folder)), (None, VERSION));
    assert_eq!(runs(&folder), [State::Ok]);
    outbox.put_night(1);
    assert_eq!(outbox.claimed(Slack, day(1)), [1]);
    assert_eq!(outbox.was_recorded(&clean().invocation_id).unwrap(), Trace::Left);
    let recorded = StateDb::in_folder(folder.path()).record(&clean(), |_| None, day(2)).unwrap();
    assert_eq!(recorded.aside, None);
    assert_eq!(runs(&folder).len(), 2);
}

#[test]
fn a_file_that_was_brought_up_is_like_one_that_was_begun() {
    let folders = [with_version_1(), with_version(2), tempfile::tempdir().unwrap()];
    for folder in &folders {
        Outbox::open(folder.path(), day(1)).unwrap();
    }
    let schema = |folder: &tempfile::TempDir| -> Vec<String> {
        let db = Connection::open(folder.path().join("state.db")).unwrap();
        let sql = "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name";
        db.prepare(sql).unwrap().query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    let [first, second, new] = folders.each_ref().map(schema);
    assert_eq!(first, new);
    assert_eq!(second, new);
}

#[test]
fn looking_into_a_file_of_version_1_leaves_it_as_it_is() {
    let folder = with_version_1();
    let before = std::fs::read(folder.path().join("state.db")).unwrap();
    let outbox = Outbox::open_to_read(folder.path()).unwrap();
    assert_eq!((outbox.lines(), outbox.counts().unwrap()), (vec![], vec![]));
    assert_eq!(outbox.was_recorded(&clean().invocation_id).unwrap(), Trace::Left);
    assert_eq!(outbox.was_recorded("another").unwrap(), Trace::Missing);
    assert_eq!(runs(&folder), [State::Ok]);
    assert_eq!(std::fs::read(folder.path().join("state.db")).unwrap(), before);
}

#[test]
fn a_run_is_known_by_its_id_or_by_the_second_in_which_it_began() {
    let folder = with_version_1();
    let (outbox, _) = Outbox::open(folder.path(), day(1)).unwrap();
    let run = |since: &str, id: Option<&str>| {
        let run = Unfinished { pid: 1, since: at(since), invocation_id: id.map(str::to_owned) };
        outbox.knows(&run).unwrap() == Trace::Left
    };
    assert!(run("2020-01-01T00:00:00Z", Some(&clean().invocation_id)));
    assert!(!run("2025-11-06T07:00:00Z", Some("another")));
    assert!(run("2025-11-06T07:00:00Z", None), "it began at 07:00:00");
    assert!(!run("2025-11-06T07:00:01Z", None) && !run("2025-11-06T06:59:59Z", None));
}

#[test]
fn a_migration_that_cannot_end_leaves_version_1() {
    let folder = with_version_1();
    let path = folder.path().join("state.db");
    // Stands in the way of the last table but one.
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE channels (foreign_one)").unwrap();
    let error = open_to_write(&path).unwrap_err();
    assert!(matches!(error, StateError::Unreadable { .. }), "{error}");
    assert!(error.to_string().contains("table channels already exists"), "{error}");
    assert_eq!(version(&folder), 1);
    let tables = tables(&Connection::open(&path).unwrap()).unwrap();
    assert!(!tables.iter().any(|(table, _)| table == "notices"), "{tables:?}");
    assert_eq!(runs(&folder), [State::Ok]);
}

#[test]
fn two_processes_bring_it_up_once() {
    let folder = with_version_1();
    let path = folder.path().join("state.db");
    let open = || {
        std::thread::scope(|scope| {
            let opened: Vec<_> = (0..4).map(|_| scope.spawn(|| open_or_begin(&path).map(drop))).collect();
            for thread in opened {
                thread.join().unwrap().unwrap();
            }
        });
    };
    open();
    assert_eq!(version(&folder), VERSION);
    std::fs::remove_file(&path).unwrap();
    open();
    assert_eq!(version(&folder), VERSION, "and begin it once");
}
