//! How is one channel told one notice, part by part, and what is kept of it?

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::Instant;

use super::pace::{back_off, gap};
use super::pass::{LONGEST, Passed};
use super::time::{ATTEMPT, Time};
use crate::emit::channels::{Answer, Channel};
use crate::emit::state::StateError;
use crate::emit::state::outbox::{Outbox, Waiting};
use crate::verdict::telling::{Message, Telling, Told, after, tell};

/// A message that a recipient will take a little later holds back later ones to him for at least so long:
/// nobody hears that all is well before he has heard what was wrong.
const HOLDS_BACK: TimeDelta = TimeDelta::hours(1);

/// Why what was taken by some still waits.
const AFTER_AN_EARLIER_ONE: &str = "whoever has not taken an earlier alert yet hears of it after that one";

/// Why a notice was not taken whole.
pub(super) enum Halt {
    /// Others may be.
    Refused(String),
    /// Others may be, and so may this one a little later; `None` where it was not tried at all, since an earlier
    /// one goes first.
    Postponed(Option<String>),
    /// The channel takes nothing more in this pass.
    Stopped { why: String, not_before: Option<DateTime<Utc>> },
}

/// The message that is tried, at any time.
type Made<'m> = dyn Fn(DateTime<Utc>) -> Message<'m> + 'm;

/// Tells one channel, one notice after the other.
pub(super) struct Teller<'a> {
    outbox: &'a Outbox,
    channel: &'a dyn Channel,
    time: &'a Time,
    parts_tried: usize,
    /// Why which part of which notice is not asked for again in this pass.
    refused: BTreeMap<(i64, String), String>,
    /// By which notice, of when, later ones are held back from which part.
    holds_back: BTreeMap<String, (i64, DateTime<Utc>)>,
    /// What was postponed for long holds back nothing any more.
    is_last: bool,
    pub(super) passed: Passed,
}

impl<'a> Teller<'a> {
    pub(super) fn new(outbox: &'a Outbox, channel: &'a dyn Channel, time: &'a Time) -> Self {
        let channel_name = channel.name();
        Self {
            outbox,
            channel,
            time,
            parts_tried: 0,
            refused: BTreeMap::new(),
            holds_back: BTreeMap::new(),
            is_last: false,
            passed: Passed {
                channel: channel_name,
                told: 0,
                moot: 0,
                words: None,
                why_waiting: vec![],
                not_recorded: None,
            },
        }
    }

    /// One notice, from the decision whether to tell it to its end in the outbox: why it was not taken whole,
    /// and whether the outbox knows now that people know of it.
    ///
    /// `known` is what they will know once they were told of earlier notices of its registry that still wait;
    /// `None` where there are none.
    pub(super) async fn tell(&mut self, waiting: &Waiting, known: Option<&Told>) -> (Option<Halt>, bool) {
        let (name, id, notice) = (self.channel.name(), waiting.id, &waiting.notice);
        let (wish, known_then) = (self.channel.wish(), known.unwrap_or(&waiting.told));
        let told_after = after(known_then, notice);
        let begun = waiting.telling.clone();
        // Whoever is never told of the earlier ones hears of what lasts from this one.
        let telling =
            begun.or_else(|| tell(wish, known_then, notice)).or_else(|| tell(wish, &waiting.told, notice));
        let Some(telling) = telling else {
            let done = match known {
                Some(_) => self.outbox.pass_over(name, id),
                None => self.outbox.settle(name, id, &told_after),
            };
            self.note(done);
            return (None, known.is_none());
        };
        let mut taken = 0;
        let halt = self.tell_parts(waiting, &telling, &mut taken).await;
        let is_known = taken > 0 || !waiting.accepted.is_empty();
        let told = is_known.then_some(&told_after);
        match &halt {
            None => {
                let settled = self.outbox.settle(name, id, &told_after);
                self.note(settled);
                let count = if taken > 0 { &mut self.passed.told } else { &mut self.passed.moot };
                *count += 1;
            }
            Some(Halt::Postponed(None)) if taken == 0 => {}
            Some(Halt::Postponed(None)) => {
                let failed = self.outbox.failed(name, id, AFTER_AN_EARLIER_ONE, None, told);
                self.note(failed);
            }
            Some(Halt::Refused(why) | Halt::Postponed(Some(why))) => {
                let failed = self.outbox.failed(name, id, why, None, told);
                self.note(failed);
            }
            Some(Halt::Stopped { why, not_before }) => {
                let failed = self.outbox.failed(name, id, why, *not_before, told);
                self.note(failed);
            }
        }
        let is_settled = halt.is_none();
        (halt, is_known || is_settled)
    }

    /// From now on what was postponed for long holds back nothing, so that nobody waits for ever; whether there
    /// is such a thing.
    pub(super) fn ends_holding_back(&mut self) -> bool {
        self.is_last = true;
        self.holds_back.values().any(|(_, at)| !self.is_young(*at))
    }

    async fn tell_parts(&mut self, waiting: &Waiting, telling: &Telling, taken: &mut usize) -> Option<Halt> {
        let (channel, id) = (self.channel, waiting.id);
        let message = |now| Message { notice: &waiting.notice, telling, now };
        let mut left: Vec<String> = vec![];
        let (mut is_postponed, mut is_begun) = (false, waiting.telling.is_some());
        for part in channel.parts(&message(self.time.now())) {
            if waiting.accepted.contains(&part) || is_obsolete(waiting, &part, channel) {
                continue;
            }
            if let Some(why) = self.refused.get(&(id, part.clone())) {
                left.push(why.clone());
                continue;
            }
            if self.is_held_back(id, &part) {
                is_postponed = true;
                continue;
            }
            if !is_begun {
                let begun = self.outbox.begin(channel.name(), id, telling);
                self.note(begun);
                is_begun = true;
            }
            if !self.time.wait(gap(channel.name(), self.parts_tried)).await {
                return Some(self.no_time());
            }
            self.parts_tried += 1;
            self.holds_back.retain(|held, (by, _)| *held != part || *by != id);
            match self.attempts(id, &message, &part).await {
                Ok(words) => {
                    // Before the next part is tried: what was accepted is not told twice.
                    let accepted = self.accepted(waiting, &part);
                    self.note(accepted);
                    self.passed.words = Some(words);
                    *taken += 1;
                }
                Err(Halt::Refused(why)) => {
                    self.refused.insert((id, part), why.clone());
                    left.push(why);
                }
                Err(Halt::Postponed(why)) => {
                    is_postponed = true;
                    self.holds_back.entry(part).or_insert((id, waiting.notice.at));
                    left.extend(why);
                }
                Err(stopped) => return Some(stopped),
            }
        }
        let why = (!left.is_empty()).then(|| left.join("; "));
        match why {
            why if is_postponed => Some(Halt::Postponed(why)),
            Some(why) => Some(Halt::Refused(why)),
            None => None,
        }
    }

    /// Writes down that a part was taken.
    fn accepted(&self, waiting: &Waiting, part: &str) -> Result<(), StateError> {
        let (name, now) = (self.channel.name(), self.time.now());
        // Of a part that opens or closes an incident only what is still true is sent late.
        if waiting.is_overtaken && self.channel.opens(part).is_none() {
            let told = after(&waiting.told, &waiting.notice);
            return self.outbox.accepted_late(name, waiting.id, part, now, &told);
        }
        self.outbox.accepted(name, waiting.id, part, now)
    }

    /// Attempts at one part until there is an answer to keep.
    async fn attempts(&mut self, id: i64, message: &Made<'_>, part: &str) -> Result<String, Halt> {
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
                Answer::Postponed { why } => return Err(Halt::Postponed(Some(why))),
                Answer::Unusable { why } => return Err(Halt::Stopped { why, not_before: None }),
                Answer::Later { why, after } => (why, after.map(|after| after.min(LONGEST))),
            };
            let not_before =
                asked.and_then(|asked| self.time.now().checked_add_signed(TimeDelta::from_std(asked).ok()?));
            let wait = back_off(failed, asked, fastrand::f64());
            if self.time.has(wait) {
                // Whoever looks meanwhile sees that it is tried, and what it says.
                let noted = self.outbox.failed(self.channel.name(), id, &why, not_before, None);
                self.note(noted);
            }
            if !self.time.wait(wait).await {
                return Err(Halt::Stopped { why, not_before });
            }
        }
        Err(self.no_time())
    }

    fn is_held_back(&self, id: i64, part: &str) -> bool {
        let by = self.holds_back.get(part).filter(|(by, _)| *by < id);
        by.is_some_and(|(_, at)| !self.is_last || self.is_young(*at))
    }

    fn is_young(&self, at: DateTime<Utc>) -> bool {
        self.time.now() - at < HOLDS_BACK
    }

    fn no_time(&self) -> Halt {
        Halt::Stopped { why: self.time.why_over().to_owned(), not_before: None }
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
