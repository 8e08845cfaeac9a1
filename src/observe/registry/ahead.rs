//! How is a large table read with few system calls? Pages that follow each other are fetched together.
//!
//! What is fetched early stays true: under a snapshot or a shared lock no page that a reader may ask for
//! is changed in the file, and a file that is read as immutable is looked at again when the run is over.
#![expect(unsafe_code, reason = "a file of SQLite's VFS is a C struct that begins with a table of functions")]

use std::ffi::{c_int, c_void};
use std::ptr;

use rusqlite::ffi;

/// Bytes that are fetched together.
const PIECE: usize = 128 << 10;

/// What we keep of an open database file, whose functions are those of `ours`.
struct Ahead {
    system: *const ffi::sqlite3_io_methods,
    ours: ffi::sqlite3_io_methods,
    piece: Vec<u8>,
    /// Where in the file `piece` begins.
    start: i64,
    /// The end of the last read, where a scan goes on.
    next: i64,
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
        let ahead = Ahead { system, ours, piece: Vec::new(), start: 0, next: -1 };
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
        let goes_on = at == ahead.next || at == ahead.start.saturating_add_unsigned(ahead.piece.len() as u64);
        ahead.next = at.saturating_add(i64::from(amount));
        if !ahead.holds(at, wanted) && goes_on {
            ahead.fetch(file, system, at);
        }
        match ahead.find(at, wanted) {
            Some(found) => {
                ptr::copy_nonoverlapping(found.as_ptr(), to.cast::<u8>(), found.len());
                ffi::SQLITE_OK
            }
            None => system(file, to, amount, at),
        }
    }
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: SQLite closes a file once; the system's functions are put back for its own `xClose`.
    unsafe {
        let ahead = Box::from_raw(of(file));
        (*file).pMethods = ahead.system;
        match (*ahead.system).xClose {
            Some(close) => close(file),
            None => ffi::SQLITE_OK,
        }
    }
}

type Read = unsafe extern "C" fn(*mut ffi::sqlite3_file, *mut c_void, c_int, i64) -> c_int;

impl Ahead {
    fn find(&self, at: i64, amount: usize) -> Option<&[u8]> {
        let from = usize::try_from(at.checked_sub(self.start)?).ok()?;
        self.piece.get(from..from.checked_add(amount)?)
    }

    fn holds(&self, at: i64, amount: usize) -> bool {
        self.find(at, amount).is_some()
    }

    /// Fills the piece from `at` on; whatever stands in the way, a read of the page itself will say it.
    ///
    /// # Safety
    /// `file` is the open file that this belongs to.
    unsafe fn fetch(&mut self, file: *mut ffi::sqlite3_file, system: Read, at: i64) {
        self.start = at;
        let mut size = 0;
        // SAFETY: as above.
        let known = unsafe { (*self.system).xFileSize.map(|ask| ask(file, &raw mut size)) };
        let left = usize::try_from(size.saturating_sub(at)).unwrap_or(0);
        self.piece.resize(if known == Some(ffi::SQLITE_OK) { left.min(PIECE) } else { 0 }, 0);
        let amount = c_int::try_from(self.piece.len()).unwrap_or(0);
        // SAFETY: the piece has room for as many bytes.
        let code = unsafe { system(file, self.piece.as_mut_ptr().cast(), amount, at) };
        if code != ffi::SQLITE_OK {
            self.piece.clear();
        }
    }
}
