//! How do several connections see one state of a database that others write to (WAL)?
#![expect(unsafe_code, reason = "rusqlite has no wrapper of sqlite3_snapshot")]

use std::ptr::{self, NonNull};

use rusqlite::{Connection, ffi};

/// A state of a WAL database, held by the connection that it was taken from.
#[derive(Debug)]
pub struct Snapshot(NonNull<ffi::sqlite3_snapshot>);

// SAFETY: a snapshot is a copy of the WAL index' header, which no call changes after it was taken.
unsafe impl Send for Snapshot {}
// SAFETY: as above; `sqlite3_snapshot_open` only reads it.
unsafe impl Sync for Snapshot {}

impl Snapshot {
    /// The state that the open read transaction of `leader` sees; it must stay open while others use it.
    ///
    /// # Errors
    /// Where there is nothing to take: no WAL, or one without a transaction in it.
    pub fn take(leader: &Connection) -> Result<Self, rusqlite::Error> {
        let mut snapshot = ptr::null_mut();
        // SAFETY: the handle is alive as long as `leader`, and the name is a C string.
        let code = unsafe { ffi::sqlite3_snapshot_get(leader.handle(), c"main".as_ptr(), &raw mut snapshot) };
        match NonNull::new(snapshot) {
            Some(snapshot) if code == ffi::SQLITE_OK => Ok(Self(snapshot)),
            _ => Err(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)),
        }
    }

    /// Lets the transaction that `worker` has begun, and not yet read in, see this state.
    ///
    /// # Errors
    /// Where the state is gone (`SQLITE_ERROR_SNAPSHOT`).
    pub fn open(&self, worker: &Connection) -> Result<(), rusqlite::Error> {
        // SAFETY: both pointers are alive for the call.
        let code = unsafe { ffi::sqlite3_snapshot_open(worker.handle(), c"main".as_ptr(), self.0.as_ptr()) };
        if code == ffi::SQLITE_OK {
            Ok(())
        } else {
            Err(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None))
        }
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        // SAFETY: it came from `sqlite3_snapshot_get` and is freed once.
        unsafe { ffi::sqlite3_snapshot_free(self.0.as_ptr()) };
    }
}
