//! Is somebody else delivering from this outbox just now? One lock file, held for the length of a delivery.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::Duration;

use super::Time;
use crate::emit::{lock, owner};
use crate::plain::plain;

/// How often somebody else's end is looked for.
const LOOK: Duration = Duration::from_millis(100);

/// The lock; dropped, it is free again. The file stays.
#[derive(Debug)]
pub(super) struct DeliveryLock {
    _file: File,
}

impl DeliveryLock {
    /// Waits for another delivery to end, for as long as there is time; else says so in a sentence.
    pub(super) async fn take(folder: &Path, time: &Time) -> Result<Self, String> {
        let path = folder.join("deliver.lock");
        let failed = |error: std::io::Error| {
            format!(
                "cannot take the lock {}: {}; is the state folder writable for this user?",
                path.display(),
                plain(&error)
            )
        };
        let file = lock::open(&path).map_err(failed)?;
        // A user who may use the folder may use a lock that root made there.
        let _kept = owner::adopt(&file, folder);
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _file: file }),
                Err(TryLockError::Error(error)) => return Err(failed(error)),
                Err(TryLockError::WouldBlock) if time.wait(LOOK).await => {}
                Err(TryLockError::WouldBlock) => {
                    return Err(format!(
                        "another delivery holds {} and did not end in time; what it leaves is tried again later",
                        path.display()
                    ));
                }
            }
        }
    }
}
