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
mod tests;
