//! How many readers share the work, and who waits for them?

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::Builder;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::board::Board;
use super::open::Access;
use super::reader::{Gate, work};
use super::session::{Invitation, Session};
use super::waiting::Beside;
use crate::plain::plain;

/// How long a reader that must stop may take before the run ends without it: a hung disk answers nobody.
const GRACE: Duration = Duration::from_secs(2);
/// How often progress is shown, and the run's end looked at.
const FRAME: Duration = Duration::from_millis(100);

/// Lets up to `jobs` readers do the work; says how all of them saw one state.
///
/// `progress` is told how many pieces are done, and of how many.
pub fn read(
    board: &Arc<Board>,
    mut session: Session,
    jobs: usize,
    progress: &mut dyn FnMut(usize, usize),
) -> String {
    let further = jobs.min(board.width()).saturating_sub(1);
    let access = session.access;
    let mut alone = match &session.snapshot {
        Some(Err(error)) => Some(error.clone()),
        _ => None,
    };
    let refused = Arc::new(Mutex::new(None));
    let (end, ended) = mpsc::channel();
    if further > 0
        && let Some(invitation) = session.invitation()
    {
        for _ in 0..further {
            let (board, why, invitation) = (Arc::clone(board), Arc::clone(&refused), invitation.clone());
            let end = end.clone();
            let started = Builder::new().spawn(move || {
                let opened = invitation.open(&board.shared, &board.cancel);
                let Invitation { beside, .. } = invitation;
                match opened {
                    Ok((connection, gate)) => take_part(&board, connection, &gate, beside, end),
                    Err(error) => {
                        *lock(&why) = Some(error);
                        drop(beside);
                        drop(end);
                    }
                }
            });
            if let Err(error) = started {
                *lock(&refused) = Some(format!("no thread for another: {}", plain(&error)));
            }
        }
    }
    // The leader keeps its transaction, and with it the snapshot, until there is no work left for anybody.
    let led = Arc::clone(board);
    let leader = Arc::new(Mutex::new(Some((session.leader, session.gate, session.beside, end))));
    let lead = move || {
        let Some((connection, gate, beside, end)) = lock(&leader).take() else { return };
        take_part(&led, connection, &gate, beside, end);
    };
    // Where no thread can be had this one leads: no progress is shown, and no less is checked.
    if Builder::new().spawn(lead.clone()).is_err() {
        lead();
    }
    wait(board, &ended, progress);
    alone = alone.or_else(|| lock(&refused).take());
    describe(access, board.readers(), alone.filter(|_| further > 0).as_deref())
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `end` goes with the thread: once every reader has dropped its own, the work is over.
fn take_part(board: &Board, connection: Connection, gate: &Gate, beside: Option<Beside>, end: Sender<()>) {
    board.join();
    if catch_unwind(AssertUnwindSafe(|| work(board, &connection, gate))).is_err() {
        board.bury();
    }
    // Closed before the run looks whether the file is still the same.
    drop(connection);
    drop(beside);
    drop(end);
}

fn wait(board: &Board, ended: &Receiver<()>, progress: &mut dyn FnMut(usize, usize)) {
    let mut stopped: Option<Instant> = None;
    while ended.recv_timeout(FRAME) == Err(RecvTimeoutError::Timeout) {
        let (done, all) = board.steps();
        progress(done, all);
        if board.cancel.stop().is_some() && stopped.get_or_insert_with(Instant::now).elapsed() > GRACE {
            // Left behind; the process ends soon, and what they would have said is UNKNOWN already.
            return;
        }
    }
}

fn describe(access: Access, readers: usize, alone: Option<&str>) -> String {
    let how = match access {
        Access::Immutable => "an unchanged file, read without locks",
        Access::Wal => "one WAL snapshot",
        Access::Rollback => "one state under a shared lock (rollback journal)",
    };
    let plural = if readers == 1 { "reader" } else { "readers" };
    match alone {
        Some(why) => format!("{how}, {readers} {plural} (fallback: no more could share it: {why})"),
        None => format!("{how}, {readers} {plural}"),
    }
}
