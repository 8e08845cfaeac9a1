//! How much time is there for a delivery, and was it asked to stop?

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::emit::channels::Answer;
use crate::verdict::duration::human;

/// One attempt takes no longer, however much time there is: what hangs for so long hangs for ever.
pub(super) const ATTEMPT: Duration = Duration::from_secs(30);
/// How soon a signal is noticed.
const LOOK: Duration = Duration::from_millis(50);

/// The present and the time there is.
#[derive(Clone, Debug)]
pub struct Time {
    /// When delivery began, by the clock.
    pub start: DateTime<Utc>,
    /// The same moment, by the monotonic clock.
    pub began: Instant,
    /// When it must end.
    pub deadline: Instant,
    /// Set by a signal.
    pub asked_to_stop: Arc<AtomicBool>,
}

impl Time {
    /// At most `budget` from now on, and no longer than until `end`.
    #[must_use]
    pub fn within(
        start: DateTime<Utc>,
        budget: Duration,
        end: Option<std::time::Instant>,
        asked_to_stop: Arc<AtomicBool>,
    ) -> Self {
        let began = Instant::now();
        let deadline = began.checked_add(budget).unwrap_or(began);
        let deadline = end.map_or(deadline, |end| deadline.min(end.into()));
        Self { start, began, deadline, asked_to_stop }
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        let elapsed = TimeDelta::from_std(self.began.elapsed()).unwrap_or_default();
        self.start.checked_add_signed(elapsed).unwrap_or(self.start)
    }

    pub(super) fn is_over(&self) -> bool {
        Instant::now() >= self.deadline || self.asked_to_stop.load(Ordering::Relaxed)
    }

    /// What is said where it is over.
    pub(super) fn why_over(&self) -> &'static str {
        if self.asked_to_stop.load(Ordering::Relaxed) { "stopped by a signal" } else { "no time was left" }
    }

    /// Whether there is time for it.
    pub(super) fn has(&self, wait: Duration) -> bool {
        Instant::now().checked_add(wait).is_some_and(|end| end < self.deadline)
    }

    /// Waits where there is time for it.
    pub(super) async fn wait(&self, wait: Duration) -> bool {
        let Some(end) = Instant::now().checked_add(wait).filter(|end| *end < self.deadline) else {
            return false;
        };
        while Instant::now() < end {
            if self.asked_to_stop.load(Ordering::Relaxed) {
                return false;
            }
            sleep_until(end.min(Instant::now() + LOOK)).await;
        }
        true
    }

    /// The answer of an attempt, or that there was no time for one.
    pub(super) async fn bounded(&self, attempt: impl Future<Output = Answer>) -> Answer {
        let began = Instant::now();
        let end = self.deadline.min(began + ATTEMPT);
        let mut attempt = std::pin::pin!(attempt);
        loop {
            let look = end.min(Instant::now() + LOOK);
            if let Ok(answer) = timeout_at(look, &mut attempt).await {
                return answer;
            }
            let why = if self.asked_to_stop.load(Ordering::Relaxed) {
                "stopped by a signal before it answered".to_owned()
            } else if Instant::now() >= end {
                format!("no answer within {}", human(end.saturating_duration_since(began)))
            } else {
                continue;
            };
            return Answer::Later { why, after: None };
        }
    }
}
