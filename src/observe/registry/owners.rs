//! How is it made impossible that reading as root changes whose a file beside the registry is?
//!
//! SQLite gives each -wal, -shm and -journal that root opens to the owner of the database, even where it
//! opens them only for reading.
#![expect(unsafe_code, reason = "SQLite's table of system calls is one of C functions")]

use std::ffi::c_int;
use std::os::fd::BorrowedFd;

use rusqlite::ffi;
use rustix::fs::{Gid, OFlags, Uid, fchown, fcntl_getfl};

/// Puts our `fchown` in the place of the system's in SQLite's table, which holds for the whole process.
///
/// # Safety
/// `system` must be the default VFS, which lives as long as the process.
pub unsafe fn keep(system: *mut ffi::sqlite3_vfs) -> c_int {
    // SAFETY: the caller vouches for the pointer.
    let Some(set) = (unsafe { (*system).xSetSystemCall }) else { return ffi::SQLITE_ERROR };
    let ours: unsafe extern "C" fn(c_int, u32, u32) -> c_int = unless_reading;
    // SAFETY: SQLite keeps functions of all kinds under this type, and calls this one as what it is.
    let ours: unsafe extern "C" fn() = unsafe { std::mem::transmute(ours) };
    // SAFETY: the name is a C string, and the function lives as long as the process.
    unsafe { set(system, c"fchown".as_ptr(), Some(ours)) }
}

/// Our own state files are opened for writing, and go to their owner as ever.
unsafe extern "C" fn unless_reading(file: c_int, user: u32, group: u32) -> c_int {
    // SAFETY: SQLite has it open for the length of the call.
    let file = unsafe { BorrowedFd::borrow_raw(file) };
    match fcntl_getfl(file) {
        Ok(flags) if flags & OFlags::RWMODE == OFlags::RDONLY => 0,
        _ => match fchown(file, Some(Uid::from_raw(user)), Some(Gid::from_raw(group))) {
            Ok(()) => 0,
            Err(_) => -1,
        },
    }
}
