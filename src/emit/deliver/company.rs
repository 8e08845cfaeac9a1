//! Is any channel of this delivery still at work? While one is, the others look for what has come meanwhile.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;

/// How often a channel that is done looks for what has come meanwhile.
pub(super) const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// The channels of one delivery.
#[derive(Debug)]
pub(super) struct Company {
    at_work: Cell<usize>,
    all_done: Notify,
}

/// One channel's place among them; dropped, it is done.
#[derive(Debug)]
pub(super) struct Place {
    company: Rc<Company>,
    is_at_work: Cell<bool>,
}

impl Company {
    /// So many, all of them at work.
    pub(super) fn of(members: usize) -> Vec<Place> {
        let company = Rc::new(Self { at_work: Cell::new(members), all_done: Notify::new() });
        (0..members).map(|_| Place { company: Rc::clone(&company), is_at_work: Cell::new(true) }).collect()
    }
}

impl Place {
    /// This one is done for now; the last one ends all.
    pub(super) fn rest(&self) {
        if self.is_at_work.replace(false) {
            let left = self.company.at_work.get().saturating_sub(1);
            self.company.at_work.set(left);
            if left == 0 {
                self.company.all_done.notify_waiters();
            }
        }
    }

    /// This one has found something to do.
    pub(super) fn resume(&self) {
        if !self.is_at_work.replace(true) {
            self.company.at_work.set(self.company.at_work.get().saturating_add(1));
        }
    }

    /// Waits a little; whether any other is still at work then.
    pub(super) async fn is_kept(&self) -> bool {
        if self.company.at_work.get() > 0 {
            let _either = timeout(LOOK_AGAIN, self.company.all_done.notified()).await;
        }
        self.company.at_work.get() > 0
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.rest();
    }
}
