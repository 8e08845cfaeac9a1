//! How is a large table read with few system calls and no second copy? Pages that follow each other are
//! fetched together, and SQLite looks at them where they lie.
//!
//! What is fetched early stays true: under a snapshot or a shared lock no page that a reader may ask for
//! is changed in the file, and a file that is read as immutable is looked at again when the run is over.
//! What was fetched before a lock is forgotten with it. The file is never mapped: a page that is cut off
//! under a mapping would end the process with a signal, and mapping took longer than copying.
#![expect(unsafe_code, reason = "a file of SQLite's VFS is a C struct that begins with a table of functions")]

use std::ffi::{c_int, c_void};
use std::ptr;

use rusqlite::ffi;

/// Bytes that are fetched together.
const PIECE: usize = 128 << 10;
/// SQLite may look a few bytes past the end of a broken page.
const MARGIN: usize = 64;
/// A scan holds a page per level of its tree; each may lie in a piece of its own.
const MOST_PIECES: usize = 8;

/// What we keep of an open database file, whose functions are those of `ours`.
struct Ahead {
    system: *const ffi::sqlite3_io_methods,
    ours: ffi::sqlite3_io_methods,
    pieces: Vec<Piece>,
    /// The piece that served last.
    last: usize,
    /// The end of the last read, where a scan goes on.
    next: i64,
}

/// A part of the file in memory.
struct Piece {
    /// A `Vec` and no `Box`, which nothing else may point into.
    bytes: Vec<u8>,
    /// How many of them are the file's.
    filled: usize,
    /// Where in the file they begin.
    start: i64,
    /// Pages that SQLite holds of it; until they are given back, the bytes stay as they are.
    lent: usize,
}

/// Puts our reading in the place of the system's.
///
/// # Safety
/// `file` was opened by the system's VFS.
pub unsafe fn install(file: *mut ffi::sqlite3_file) {
    // SAFETY: an open file has its functions, which live as long as the VFS.
    unsafe {
        let system = (*file).pMethods;
        let mut ours = *system;
        ours.xRead = Some(read);
        ours.xClose = Some(close);
        ours.xLock = Some(lock);
        ours.xShmLock = Some(lock_shared_memory);
        ours.xFetch = Some(fetch);
        ours.xUnfetch = Some(unfetch);
        let ahead = Ahead { system, ours, pieces: Vec::new(), last: 0, next: -1 };
        // Freed by `close`, to which the functions' address leads.
        let ahead = Box::into_raw(Box::new(ahead));
        (*file).pMethods = &raw const (*ahead).ours;
    }
}

/// Our part of a file.
///
/// # Safety
/// `install` was called for `file`, and `close` was not.
unsafe fn of(file: *mut ffi::sqlite3_file) -> *mut Ahead {
    // SAFETY: the functions of such a file are the field `ours` of its `Ahead`.
    unsafe { (*file).pMethods.byte_sub(std::mem::offset_of!(Ahead, ours)).cast::<Ahead>().cast_mut() }
}

unsafe extern "C" fn read(file: *mut ffi::sqlite3_file, to: *mut c_void, amount: c_int, at: i64) -> c_int {
    // SAFETY: SQLite calls this for a file of ours, with room for `amount` bytes, on one thread at a time.
    unsafe {
        let ahead = &mut *of(file);
        let Some(system) = (*ahead.system).xRead else { return ffi::SQLITE_IOERR_READ };
        let wanted = usize::try_from(amount).unwrap_or(0);
        match ahead.serve(file, at, wanted) {
            Some((place, from)) => {
                ptr::copy_nonoverlapping(from, to.cast::<u8>(), wanted);
                ahead.last = place;
                ffi::SQLITE_OK
            }
            None => system(file, to, amount, at),
        }
    }
}

/// Lends a page, where it is at hand; where not, SQLite reads it.
unsafe extern "C" fn fetch(
    file: *mut ffi::sqlite3_file,
    at: i64,
    amount: c_int,
    to: *mut *mut c_void,
) -> c_int {
    // SAFETY: as above; `to` is where SQLite wants the address, and it never writes to a page that it only
    // reads.
    unsafe {
        *to = ptr::null_mut();
        let ahead = &mut *of(file);
        let next = ahead.next;
        match ahead.serve(file, at, usize::try_from(amount).unwrap_or(0)) {
            Some((place, from)) => {
                if let Some(piece) = ahead.pieces.get_mut(place) {
                    piece.lent += 1;
                    *to = from.cast_mut().cast();
                }
                ahead.last = place;
            }
            // The read that follows decides anew.
            None => ahead.next = next,
        }
    }
    ffi::SQLITE_OK
}

/// Takes a page back; without one, SQLite says that what it knows of the file is out of date.
unsafe extern "C" fn unfetch(file: *mut ffi::sqlite3_file, _: i64, page: *mut c_void) -> c_int {
    // SAFETY: as above.
    let ahead = unsafe { &mut *of(file) };
    if page.is_null() {
        ahead.forget();
    } else if let Some(piece) =
        ahead.pieces.iter_mut().find(|piece| piece.bytes.as_ptr_range().contains(&page.cast_const().cast()))
    {
        piece.lent = piece.lent.saturating_sub(1);
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn lock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    // SAFETY: as above.
    unsafe {
        let ahead = &mut *of(file);
        ahead.forget();
        (*ahead.system).xLock.map_or(ffi::SQLITE_IOERR_LOCK, |lock| lock(file, level))
    }
}

/// With a -wal, the locks of readers lie in the -shm.
unsafe extern "C" fn lock_shared_memory(
    file: *mut ffi::sqlite3_file,
    at: c_int,
    count: c_int,
    flags: c_int,
) -> c_int {
    // SAFETY: as above.
    unsafe {
        let ahead = &mut *of(file);
        if flags & ffi::SQLITE_SHM_LOCK != 0 {
            ahead.forget();
        }
        (*ahead.system).xShmLock.map_or(ffi::SQLITE_IOERR_SHMLOCK, |lock| lock(file, at, count, flags))
    }
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: SQLite closes a file once, after it has given every page back; the system's functions are put
    // back for its own `xClose`.
    unsafe {
        let ahead = Box::from_raw(of(file));
        (*file).pMethods = ahead.system;
        match (*ahead.system).xClose {
            Some(close) => close(file),
            None => ffi::SQLITE_OK,
        }
    }
}

impl Ahead {
    /// The piece that holds these bytes, and where; a scan that goes on has its next piece fetched.
    ///
    /// # Safety
    /// `file` is the open file that this belongs to.
    unsafe fn serve(
        &mut self,
        file: *mut ffi::sqlite3_file,
        at: i64,
        amount: usize,
    ) -> Option<(usize, *const u8)> {
        let goes_on = at == self.next || self.pieces.get(self.last).is_some_and(|piece| piece.ends_at(at));
        self.next = at.saturating_add_unsigned(amount as u64);
        if let Some(found) = self.find(at, amount) {
            return Some(found);
        }
        // SAFETY: as above.
        if goes_on && unsafe { self.fill(file, at) } { self.find(at, amount) } else { None }
    }

    fn find(&self, at: i64, amount: usize) -> Option<(usize, *const u8)> {
        let of = |place: usize| Some((place, self.pieces.get(place)?.find(at, amount)?.as_ptr()));
        of(self.last).or_else(|| (0..self.pieces.len()).find_map(of))
    }

    /// Fills a piece from `at` on; whatever stands in the way, a read of the page itself will say it.
    ///
    /// # Safety
    /// `file` is the open file that this belongs to.
    unsafe fn fill(&mut self, file: *mut ffi::sqlite3_file, at: i64) -> bool {
        let free = self.pieces.iter().position(|piece| piece.lent == 0);
        if free.is_none() && self.pieces.len() < MOST_PIECES {
            self.pieces.push(Piece { bytes: vec![0; PIECE + MARGIN], filled: 0, start: 0, lent: 0 });
        }
        let place = free.unwrap_or(self.pieces.len().saturating_sub(1));
        let Some(piece) = self.pieces.get_mut(place).filter(|piece| piece.lent == 0) else { return false };
        let mut size = 0;
        // SAFETY: the system's functions live as long as the VFS; a piece has room for as many bytes.
        let code = unsafe {
            let (Some(ask), Some(read)) = ((*self.system).xFileSize, (*self.system).xRead) else {
                return false;
            };
            if ask(file, &raw mut size) != ffi::SQLITE_OK {
                return false;
            }
            piece.filled = usize::try_from(size.saturating_sub(at)).unwrap_or(0).min(PIECE);
            piece.start = at;
            read(file, piece.bytes.as_mut_ptr().cast(), c_int::try_from(piece.filled).unwrap_or(0), at)
        };
        if code != ffi::SQLITE_OK {
            piece.filled = 0;
        }
        code == ffi::SQLITE_OK
    }

    /// Nothing is at hand any more, though what is lent stays.
    fn forget(&mut self) {
        for piece in &mut self.pieces {
            piece.filled = 0;
        }
        self.next = -1;
    }
}

impl Piece {
    fn find(&self, at: i64, amount: usize) -> Option<&[u8]> {
        let from = usize::try_from(at.checked_sub(self.start)?).ok()?;
        self.bytes.get(..self.filled)?.get(from..from.checked_add(amount)?)
    }

    fn ends_at(&self, at: i64) -> bool {
        self.filled > 0 && at == self.start.saturating_add_unsigned(self.filled as u64)
    }
}

#[cfg(test)]
mod tests {
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
            let updated: i64 = reader
                .query_row("SELECT count(*) FROM t WHERE generation = 2", [], |row| row.get(0))
                .unwrap();
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
            assert_eq!(
                ffi::sqlite3_file_control(reader.handle(), c"main".as_ptr(), what, to),
                ffi::SQLITE_OK
            );
            (*of(file)).pieces.iter().map(|piece| piece.lent).sum()
        };
        assert!(lent > 0, "no page lies where it was read");
    }
}
