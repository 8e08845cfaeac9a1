//! Is somebody else telling this channel just now? One lock file per channel: one that is down keeps nobody from
//! the others.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Time;
use crate::emit::channels::ChannelName;
use crate::emit::{lock, owner};
use crate::plain::plain;

/// How often somebody else's end is looked for.
const LOOK: Duration = Duration::from_millis(100);

/// The lock of one channel; dropped, it is free again. The file stays.
#[derive(Debug)]
pub(super) struct DeliveryLock {
    _held: File,
}

impl DeliveryLock {
    /// Waits for another delivery to end, for as long as there is time; else says so in a sentence.
    pub(super) async fn take(folder: &Path, channel: ChannelName, time: &Time) -> Result<Self, String> {
        loop {
            if let Some(lock) = Self::take_if_free(folder, channel)? {
                return Ok(lock);
            }
            if !time.wait(LOOK).await {
                return Err(format!(
                    "another delivery holds {} and did not end in time; what it leaves is tried again later",
                    place(folder, channel).display()
                ));
            }
        }
    }

    /// The lock, where nobody else has it.
    pub(super) fn take_if_free(folder: &Path, channel: ChannelName) -> Result<Option<Self>, String> {
        let path = place(folder, channel);
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
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _held: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }
}

fn place(folder: &Path, channel: ChannelName) -> PathBuf {
    folder.join(format!("deliver-{}.lock", channel.word()))
}
