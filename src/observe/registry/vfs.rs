//! How is it made impossible that reading creates, changes or deletes a file beside the registry?
//!
//! `SQLITE_OPEN_READONLY` alone does not do it: SQLite creates an empty -wal for a WAL database whose
//! -wal has just gone, and may delete a stale journal. This VFS is the system's own with two doors closed,
//! and with the database read in larger pieces (`ahead.rs`).
#![expect(unsafe_code, reason = "SQLite's VFS is a C table of functions")]

use std::ffi::{CStr, c_char, c_int};
use std::ptr;
use std::sync::OnceLock;

use rusqlite::ffi;

use super::ahead;

use super::owners;

/// The name under which connections ask for it.
pub const NAME: &CStr = c"plms-reading";

/// The VFS that does the work; set once, before ours is registered.
static SYSTEM: OnceLock<usize> = OnceLock::new();
static REGISTERED: OnceLock<c_int> = OnceLock::new();

/// The files that belong to the database; temporary files of a sort are not among them.
const DATABASE_FILES: c_int = ffi::SQLITE_OPEN_MAIN_DB
    | ffi::SQLITE_OPEN_MAIN_JOURNAL
    | ffi::SQLITE_OPEN_SUPER_JOURNAL
    | ffi::SQLITE_OPEN_WAL;

/// Makes the VFS known to SQLite; any number of calls has the effect of one.
///
/// # Errors
/// SQLite's code, should it refuse.
pub fn register() -> Result<(), rusqlite::Error> {
    let code = *REGISTERED.get_or_init(|| {
        // SAFETY: a null name asks for the default VFS, which lives as long as the process.
        let system = unsafe { ffi::sqlite3_vfs_find(ptr::null()) };
        if system.is_null() {
            return ffi::SQLITE_ERROR;
        }
        let _ = SYSTEM.set(system as usize);
        // SAFETY: it is the default VFS.
        let code = unsafe { owners::keep(system) };
        if code != ffi::SQLITE_OK {
            return code;
        }
        // SAFETY: `system` was checked; the table is plain data that the default VFS never changes.
        let mut ours = unsafe { *system };
        ours.pNext = ptr::null_mut();
        ours.zName = NAME.as_ptr();
        ours.xOpen = Some(open_what_exists);
        ours.xDelete = Some(delete_nothing);
        // SAFETY: SQLite keeps the pointer for ever, and so the table is never freed.
        unsafe { ffi::sqlite3_vfs_register(Box::into_raw(Box::new(ours)), 0) }
    });
    if code == ffi::SQLITE_OK {
        Ok(())
    } else {
        Err(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None))
    }
}

unsafe extern "C" fn open_what_exists(
    _: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    let flags = if flags & DATABASE_FILES == 0 {
        flags
    } else {
        let writing = ffi::SQLITE_OPEN_READWRITE | ffi::SQLITE_OPEN_CREATE | ffi::SQLITE_OPEN_EXCLUSIVE;
        flags & !writing & !ffi::SQLITE_OPEN_DELETEONCLOSE | ffi::SQLITE_OPEN_READONLY
    };
    let Some(&system) = SYSTEM.get() else { return ffi::SQLITE_CANTOPEN };
    let system = system as *mut ffi::sqlite3_vfs;
    // SAFETY: the default VFS is alive, and SQLite gave the other arguments for exactly this call.
    unsafe {
        match (*system).xOpen {
            Some(open) => {
                let code = open(system, name, file, flags, out);
                if code == ffi::SQLITE_OK && flags & ffi::SQLITE_OPEN_MAIN_DB != 0 {
                    ahead::install(file);
                }
                code
            }
            None => ffi::SQLITE_CANTOPEN,
        }
    }
}

unsafe extern "C" fn delete_nothing(_: *mut ffi::sqlite3_vfs, _: *const c_char, _: c_int) -> c_int {
    ffi::SQLITE_IOERR_DELETE
}
