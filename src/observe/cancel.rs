//! Must the work stop, and why? One answer for every thread of a run.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Why work was stopped before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// A signal asked for it.
    Asked,
    /// The time for the whole run is over.
    Deadline,
    /// The time for this one piece of work is over.
    Timeout,
    /// Somebody waits to write to what is read.
    Writer,
}

/// A run's deadline and the flag that a signal sets.
#[derive(Clone, Debug)]
pub struct Cancel {
    asked: Arc<AtomicBool>,
    deadline: Instant,
    writer_waits: Arc<AtomicBool>,
}

impl Cancel {
    /// A run that must end at `deadline`, or once `asked` is set.
    #[must_use]
    pub fn new(asked: Arc<AtomicBool>, deadline: Instant) -> Self {
        Self { asked, deadline, writer_waits: Arc::default() }
    }

    /// The same for one of several attempts, each of which may have to give way to a writer.
    #[must_use]
    pub fn of_attempt(&self) -> Self {
        Self { writer_waits: Arc::default(), ..self.clone() }
    }

    /// This attempt must end, for a writer's sake.
    pub fn give_way(&self) {
        self.writer_waits.store(true, Ordering::Relaxed);
    }

    /// When the whole run must end.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Whether the run as a whole must stop, and why.
    #[must_use]
    pub fn stop(&self) -> Option<Stop> {
        if self.asked.load(Ordering::Relaxed) {
            Some(Stop::Asked)
        } else if Instant::now() >= self.deadline {
            Some(Stop::Deadline)
        } else if self.writer_waits.load(Ordering::Relaxed) {
            Some(Stop::Writer)
        } else {
            None
        }
    }

    /// As [`Cancel::stop`], for a piece of work that has its own end.
    #[must_use]
    pub fn stop_before(&self, own: Instant) -> Option<Stop> {
        self.stop().or_else(|| (Instant::now() >= own).then_some(Stop::Timeout))
    }
}
