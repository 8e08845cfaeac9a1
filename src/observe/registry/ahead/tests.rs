//! Are the bytes those of the file, whatever is lent, cut or read behind them?

use std::path::Path;

use rusqlite::Connection;

use super::super::open::{Access, connect};
use super::*;

/// A registry of `rows` rows, and the connection of its writer.
fn written(path: &Path, mode: &str, rows: u32) -> Connection {
    let writer = Connection::open(path).unwrap();
    let sql = format!(
        "PRAGMA journal_mode = {mode};
         CREATE TABLE t (id INTEGER PRIMARY KEY, generation INTEGER, text TEXT);
         WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
         INSERT INTO t SELECT i, 1, hex(zeroblob(500)) FROM n"
    );
    writer.execute_batch(&sql).unwrap();
    writer
}

#[test]
fn what_a_checkpoint_has_written_since_is_seen_though_nothing_was_committed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("registry.db");
    let writer = written(&path, "WAL", 60);
    writer.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    writer.execute("UPDATE t SET generation = 2 WHERE id % 15 = 0", []).unwrap();
    let reader = connect(&path, Access::Wal).unwrap();
    // Between pages that lie in the -wal, the first scan fetches what they were before.
    for _ in 0..2 {
        let updated: i64 =
            reader.query_row("SELECT count(*) FROM t WHERE generation = 2", [], |row| row.get(0)).unwrap();
        assert_eq!(updated, 4);
        writer.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())).unwrap();
    }
}

#[test]
fn every_lock_forgets_what_was_fetched_before() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("registry.db");
    let writer = written(&path, "WAL", 2_000);
    writer.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    let reader = connect(&path, Access::Wal).unwrap();
    let file = file_of(&reader);
    for in_shared_memory in [false, true] {
        generations(&reader);
        // SAFETY: the connection is open, its file is one of ours, and nothing else uses it just now;
        // whether the lock is given does not matter.
        let (before, after) = unsafe {
            let filled = || (*of(file)).pieces.iter().map(|piece| piece.filled).sum::<usize>();
            let before = filled();
            if in_shared_memory {
                let reading = ffi::SQLITE_SHM_LOCK | ffi::SQLITE_SHM_SHARED;
                lock_shared_memory(file, ffi::SQLITE_SHM_NLOCK - 1, 1, reading);
            } else {
                lock(file, ffi::SQLITE_LOCK_SHARED);
            }
            (before, filled())
        };
        assert!(before > 0 && after == 0, "{before} and then {after} bytes, {in_shared_memory}");
    }
}

/// Rows, and the lowest and highest generation of one scan.
fn generations(reader: &Connection) -> (i64, i64, i64) {
    reader
        .query_row("SELECT count(*), min(generation), max(generation) FROM t", [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .unwrap()
}

fn file_of(reader: &Connection) -> *mut ffi::sqlite3_file {
    let mut file: *mut ffi::sqlite3_file = ptr::null_mut();
    let (what, to) = (ffi::SQLITE_FCNTL_FILE_POINTER, (&raw mut file).cast());
    // SAFETY: the connection is open, and there is room for an address.
    let code = unsafe { ffi::sqlite3_file_control(reader.handle(), c"main".as_ptr(), what, to) };
    assert_eq!(code, ffi::SQLITE_OK);
    file
}

#[test]
fn what_was_fetched_before_a_lock_is_forgotten_with_it() {
    for (mode, access) in [("DELETE", Access::Rollback), ("WAL", Access::Wal)] {
        // Smaller than a piece, and larger than several.
        for rows in [20, 2_000] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("registry.db");
            let writer = written(&path, mode, rows);
            let reader = connect(&path, access).unwrap();
            for generation in 2..5 {
                writer.execute("UPDATE t SET generation = ?1", [generation]).unwrap();
                if access == Access::Wal {
                    writer.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
                }
                let seen = generations(&reader);
                assert_eq!(seen, (rows.into(), generation, generation), "{mode}, {rows} rows");
            }
        }
    }
}

#[test]
fn pages_that_are_held_stay_as_they_are_while_a_scan_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("registry.db");
    drop(written(&path, "DELETE", 2_000));
    let reader = connect(&path, Access::Immutable).unwrap();
    // Several scans at once, at places that are far from each other, each with pages of its own.
    let sql = "SELECT id, length(text) FROM t WHERE id >= ?1 ORDER BY id";
    let mut statements: Vec<_> = (0..12).map(|_| reader.prepare(sql).unwrap()).collect();
    let mut scans: Vec<_> = statements
        .iter_mut()
        .zip((1..).step_by(130))
        .map(|(statement, first)| (first, statement.query([first]).unwrap()))
        .collect();
    for step in 0..500 {
        for (first, rows) in &mut scans {
            let row = rows.next().unwrap().unwrap();
            assert_eq!((row.get::<_, i64>(0).unwrap(), row.get(1).unwrap()), (*first + step, 1_000));
        }
    }
}

#[test]
fn the_file_is_never_mapped_and_its_pages_are_lent() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mapped_or_not.db");
    drop(written(&path, "DELETE", 2_000));
    let reader = connect(&path, Access::Immutable).unwrap();
    let mut statement = reader.prepare("SELECT id FROM t ORDER BY id").unwrap();
    let mut rows = statement.query([]).unwrap();
    for _ in 0..1_000 {
        rows.next().unwrap().unwrap();
    }
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    assert!(!maps.contains("mapped_or_not.db"), "{maps}");
    let mut file: *mut ffi::sqlite3_file = ptr::null_mut();
    // SAFETY: the connection is open, and its file is one of ours.
    let lent: usize = unsafe {
        let (what, to) = (ffi::SQLITE_FCNTL_FILE_POINTER, (&raw mut file).cast());
        assert_eq!(ffi::sqlite3_file_control(reader.handle(), c"main".as_ptr(), what, to), ffi::SQLITE_OK);
        (*of(file)).pieces.iter().map(|piece| piece.lent).sum()
    };
    assert!(lent > 0, "no page lies where it was read");
}
