//! Does a writer wait for this run to let go of the registry, and for how long already?
//!
//! Only with a rollback journal: who reads it then holds a lock that keeps writers out, and an application
//! that has waited for five seconds gives up with an error.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use super::error::RegistryError;
use super::files;
use crate::observe::cancel::Cancel;

/// How long a writer is kept waiting before it is let in.
const PATIENCE: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(50);

/// The registry's file, open beside SQLite's own connections, to ask the kernel about their locks.
///
/// Whoever has a connection keeps a clone for longer than that: the first descriptor of a file that a
/// process closes takes all its locks on it along (sqlite.org/howtocorrupt.html, 2.2).
#[derive(Clone, Debug)]
pub struct Beside(Arc<File>);

impl Beside {
    /// Opens it, before any connection.
    ///
    /// # Errors
    /// Where it cannot be opened.
    pub fn open(path: &Path) -> Result<Self, RegistryError> {
        Ok(Self(Arc::new(files::open(path)?)))
    }

    /// Whether nobody else has one: every connection is closed.
    #[must_use]
    pub fn is_last(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }
}

/// Looks for waiting writers until it is dropped, and then has closed nothing behind anybody's back.
#[derive(Debug)]
pub struct Watch {
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Tells `cancel` once a writer has waited for long enough. Without a thread nobody looks.
    #[must_use]
    pub fn start(beside: &Beside, cancel: &Cancel) -> Self {
        let (end, ended) = mpsc::channel::<()>();
        let (beside, cancel) = (beside.clone(), cancel.clone());
        let look = move || {
            let mut since = None;
            while ended.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
                if !files::writer_waits(&beside.0) {
                    since = None;
                } else if since.get_or_insert_with(Instant::now).elapsed() >= PATIENCE {
                    return cancel.give_way();
                }
            }
        };
        Self { end: Some(end), thread: Builder::new().spawn(look).ok() }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
