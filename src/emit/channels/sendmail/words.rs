//! What did a program say on standard error, however much it says?

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::process::ChildStderr;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::report::text::{cut, one_line};

/// Bytes that are kept; the rest is read and forgotten, so that the program is not stopped by a full pipe.
const KEPT: usize = 4096;
/// Bytes that people are shown.
const SHOWN: usize = 300;

/// Somebody who listens in the background.
pub(super) struct Words {
    kept: Arc<Mutex<Vec<u8>>>,
    listening: Option<JoinHandle<()>>,
}

impl Words {
    pub(super) fn of(stderr: Option<ChildStderr>) -> Self {
        let kept = Arc::new(Mutex::new(vec![]));
        let shared = Arc::clone(&kept);
        let listening = stderr.map(|stderr| tokio::spawn(listen(stderr, shared)));
        Self { kept, listening }
    }

    /// One line of what was said, once nobody speaks any more or `patience` is over.
    pub(super) async fn last(mut self, patience: Duration) -> String {
        if let Some(listening) = self.listening.as_mut() {
            let _ = timeout(patience, listening).await;
        }
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        cut(&one_line(&String::from_utf8_lossy(&kept)), SHOWN)
    }
}

impl Drop for Words {
    fn drop(&mut self) {
        if let Some(listening) = &self.listening {
            listening.abort();
        }
    }
}

async fn listen(mut stderr: ChildStderr, kept: Arc<Mutex<Vec<u8>>>) {
    let mut chunk = [0; 4096];
    while let Ok(read) = stderr.read(&mut chunk).await {
        if read == 0 {
            break;
        }
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        let room = KEPT.saturating_sub(kept.len());
        kept.extend(chunk.iter().take(read.min(room)));
    }
}
