//! How is one channel told everything that waits for it, in order, in the time there is?

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::pace::{back_off, gap};
use crate::emit::channels::{Answer, Channel, ChannelName};
use crate::emit::state::StateError;
use crate::emit::state::outbox::{Outbox, Waiting};
use crate::verdict::duration::human;
use crate::verdict::telling::{Message, Telling, after, tell};

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

/// What became of one channel's messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passed {
    /// The channel.
    pub channel: ChannelName,
    /// Messages that it took whole.
    pub told: usize,
    /// What the far end said last when it took something.
    pub words: Option<String>,
    /// Why something still waits; a sentence each.
    pub why_waiting: Vec<String>,
    /// What could not be written down: told, maybe, and to be told again.
    pub not_recorded: Option<String>,
}

impl Time {
    fn now(&self) -> DateTime<Utc> {
        let elapsed = TimeDelta::from_std(self.began.elapsed()).unwrap_or_default();
        self.start.checked_add_signed(elapsed).unwrap_or(self.start)
    }

    fn is_over(&self) -> bool {
        Instant::now() >= self.deadline || self.asked_to_stop.load(Ordering::Relaxed)
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
    async fn bounded(&self, attempt: impl Future<Output = Answer>) -> Answer {
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

/// Why a notice was not taken whole.
enum Halt {
    /// Others may be.
    Refused(String),
    /// Others may be, and so may this one a little later.
    Postponed(String),
    /// The channel takes nothing more in this pass.
    Stopped { why: String, not_before: Option<DateTime<Utc>> },
}

/// Tells `channel` what waits for it, the oldest first, until nothing waits, it takes nothing more, or the
/// time is over.
///
/// # Errors
/// Where the outbox cannot be read.
pub async fn pass(outbox: &Outbox, channel: &dyn Channel, time: &Time) -> Result<Passed, StateError> {
    let name = channel.name();
    let mut teller = Teller {
        outbox,
        channel,
        time,
        parts_taken: 0,
        refused: BTreeMap::new(),
        passed: Passed { channel: name, told: 0, words: None, why_waiting: vec![], not_recorded: None },
    };
    outbox.claim(name, time.now())?;
    let mut waits = BTreeMap::new();
    let mut again = teller.round(None, &mut waits).await?;
    // Everybody else comes first: a mailbox that is full keeps nobody from hearing.
    for failed in 1_u32.. {
        if again.is_empty() || !time.wait(back_off(failed, None, fastrand::f64())).await {
            break;
        }
        again = teller.round(Some(&again), &mut waits).await?;
    }
    teller.passed.why_waiting = waits.into_values().collect();
    Ok(teller.passed)
}

struct Teller<'a> {
    outbox: &'a Outbox,
    channel: &'a dyn Channel,
    time: &'a Time,
    parts_taken: usize,
    /// Why which part of which notice is not asked for again in this pass.
    refused: BTreeMap<(i64, String), String>,
    passed: Passed,
}

impl Teller<'_> {
    /// Every notice once, or those of `only`; why each still waits goes into `waits`, and what may be taken a
    /// little later comes back.
    async fn round(
        &mut self,
        only: Option<&BTreeSet<i64>>,
        waits: &mut BTreeMap<i64, String>,
    ) -> Result<BTreeSet<i64>, StateError> {
        let mut last = 0;
        let mut postponed = BTreeSet::new();
        while let Some(waiting) = self.outbox.next(self.channel.name(), last)? {
            last = waiting.id;
            if only.is_some_and(|only| !only.contains(&last)) {
                continue;
            }
            waits.remove(&last);
            match self.tell(&waiting).await {
                Ok(()) => {}
                Err(Halt::Postponed(why)) => {
                    waits.insert(last, why);
                    postponed.insert(last);
                }
                // However many: what is refused today is tried first tomorrow, and must not stand for ever
                // before what would be taken.
                Err(Halt::Refused(why)) => {
                    waits.insert(last, why);
                }
                Err(Halt::Stopped { why, .. }) => {
                    waits.insert(last, why);
                    return Ok(BTreeSet::new());
                }
            }
        }
        Ok(postponed)
    }

    /// One notice, from the decision whether to tell it to its end in the outbox.
    async fn tell(&mut self, waiting: &Waiting) -> Result<(), Halt> {
        let (name, id) = (self.channel.name(), waiting.id);
        let told_after = after(&waiting.told, &waiting.notice);
        let begun = waiting.telling.clone();
        let Some(telling) = begun.or_else(|| tell(self.channel.wish(), &waiting.told, &waiting.notice))
        else {
            let settled = self.outbox.settle(name, id, &told_after);
            self.note(settled);
            return Ok(());
        };
        self.leave_alone(waiting).await?;
        if waiting.telling.is_none() {
            let begun = self.outbox.begin(name, id, &telling);
            self.note(begun);
        }
        let mut any = !waiting.accepted.is_empty();
        let taken = self.tell_parts(waiting, &telling, &mut any).await;
        let any_told = any.then_some(&told_after);
        match &taken {
            Ok(()) => {
                let settled = self.outbox.settle(name, id, &told_after);
                self.note(settled);
                self.passed.told += 1;
            }
            Err(Halt::Refused(why) | Halt::Postponed(why)) => {
                let failed = self.outbox.failed(name, id, why, None, any_told);
                self.note(failed);
            }
            Err(Halt::Stopped { why, not_before }) => {
                let failed = self.outbox.failed(name, id, why, *not_before, any_told);
                self.note(failed);
            }
        }
        taken
    }

    /// A running Retry-After is respected, whoever asks.
    async fn leave_alone(&self, waiting: &Waiting) -> Result<(), Halt> {
        let left = waiting.not_before.and_then(|until| (until - self.time.now()).to_std().ok());
        let (Some(until), Some(left)) = (waiting.not_before, left) else { return Ok(()) };
        // A clock that was set back does not keep people waiting for years.
        if left > DAY || self.time.wait(left).await {
            return Ok(());
        }
        let until = until.to_rfc3339_opts(SecondsFormat::Secs, true);
        Err(Halt::Stopped {
            why: format!("it asked to be left alone until {until}"),
            not_before: waiting.not_before,
        })
    }

    async fn tell_parts(&mut self, waiting: &Waiting, telling: &Telling, any: &mut bool) -> Result<(), Halt> {
        let (channel, name) = (self.channel, self.channel.name());
        let message = |now| Message { notice: &waiting.notice, telling, now };
        let mut left: Vec<String> = vec![];
        let mut is_postponed = false;
        for part in channel.parts(&message(self.time.now())) {
            if waiting.accepted.contains(&part) || is_obsolete(waiting, &part, channel) {
                continue;
            }
            if let Some(why) = self.refused.get(&(waiting.id, part.clone())) {
                left.push(why.clone());
                continue;
            }
            if !self.time.wait(gap(name, self.parts_taken)).await {
                return Err(self.no_time());
            }
            match self.attempts(&message, &part).await {
                Ok(words) => {
                    // Before the next part is tried: what was accepted is not told twice.
                    let accepted = self.outbox.accepted(name, waiting.id, &part, self.time.now());
                    self.note(accepted);
                    self.parts_taken += 1;
                    self.passed.words = Some(words);
                    *any = true;
                }
                Err(Halt::Refused(why)) => {
                    self.refused.insert((waiting.id, part), why.clone());
                    left.push(why);
                }
                Err(Halt::Postponed(why)) => {
                    is_postponed = true;
                    left.push(why);
                }
                Err(stopped) => return Err(stopped),
            }
        }
        match left.join("; ") {
            why if is_postponed => Err(Halt::Postponed(why)),
            why if !left.is_empty() => Err(Halt::Refused(why)),
            _ => Ok(()),
        }
    }

    /// Attempts at one part until there is an answer to keep.
    async fn attempts<'m>(
        &self,
        message: &impl Fn(DateTime<Utc>) -> Message<'m>,
        part: &str,
    ) -> Result<String, Halt> {
        for failed in 1_u32.. {
            if self.time.is_over() {
                return Err(self.no_time());
            }
            let message = message(self.time.now());
            let deadline = self.time.deadline.min(Instant::now() + ATTEMPT);
            let sent = self.channel.send(&message, part, deadline.into_std());
            let (why, asked) = match self.time.bounded(sent).await {
                Answer::Accepted(words) => return Ok(words),
                Answer::Refused { why } => return Err(Halt::Refused(why)),
                Answer::Postponed { why } => return Err(Halt::Postponed(why)),
                Answer::Unusable { why } => return Err(Halt::Stopped { why, not_before: None }),
                Answer::Later { why, after } => (why, after.map(|after| after.min(DAY))),
            };
            let not_before =
                asked.and_then(|asked| self.time.now().checked_add_signed(TimeDelta::from_std(asked).ok()?));
            if !self.time.wait(back_off(failed, asked, fastrand::f64())).await {
                return Err(Halt::Stopped { why, not_before });
            }
        }
        Err(self.no_time())
    }

    fn no_time(&self) -> Halt {
        let why = if self.time.asked_to_stop.load(Ordering::Relaxed) {
            "stopped by a signal".to_owned()
        } else {
            "no time was left".to_owned()
        };
        Halt::Stopped { why, not_before: None }
    }

    /// A record that fails does not keep people from being told.
    fn note(&mut self, written: Result<(), StateError>) {
        if let Err(error) = written {
            self.passed.not_recorded.get_or_insert_with(|| error.to_string());
        }
    }
}

/// A later notice was told already, and said the opposite of this part: an incident that is over is not
/// opened again, and one that lasts is not closed.
fn is_obsolete(waiting: &Waiting, part: &str, channel: &dyn Channel) -> bool {
    waiting.is_overtaken
        && channel.opens(part).is_some_and(|(topic, opens)| waiting.told.open.contains_key(&topic) != opens)
}

/// The longest that a far end may ask to be left alone.
const DAY: Duration = Duration::from_secs(24 * 3600);
