//! How is one channel told everything that waits for it, in order, in the time there is?

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::SecondsFormat;

use super::company::LOOK_AGAIN;
use super::pace::back_off;
use super::teller::{Halt, Teller};
use super::time::Time;
use crate::emit::channels::{Channel, ChannelName};
use crate::emit::state::StateError;
use crate::emit::state::outbox::{Outbox, Waiting};
use crate::verdict::telling::{Told, after};

/// The longest that a far end may ask to be left alone.
pub(super) const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// After so many that were refused in a row, those that were refused before come last: whoever refuses these
/// will refuse those, and what is new must not wait behind them.
const REFUSALS: usize = 10;

/// What became of one channel's messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passed {
    /// The channel.
    pub channel: ChannelName,
    /// Messages of which it took what was left of them.
    pub told: usize,
    /// Messages that ended without its taking anything: overtaken, or nobody is left who is to be told.
    pub moot: usize,
    /// What the far end said last when it took something.
    pub words: Option<String>,
    /// Why something still waits; a sentence each.
    pub why_waiting: Vec<String>,
    /// What could not be written down: told, maybe, and to be told again.
    pub not_recorded: Option<String>,
}

/// One channel's work on what waits for it.
pub(super) struct Pass<'a> {
    outbox: &'a Outbox,
    channel: &'a dyn Channel,
    time: &'a Time,
    teller: Teller<'a>,
    /// The last notice that was looked at.
    seen: i64,
    /// Why each still waits.
    waits: BTreeMap<i64, String>,
    /// What may be taken a little later.
    again: BTreeSet<i64>,
    /// The channel takes nothing more, or there is no time for it.
    is_over: bool,
}

/// Which notices have their turn.
enum Turn<'a> {
    /// Those that were not looked at yet.
    New,
    /// These, too.
    Also(&'a BTreeSet<i64>),
}

/// What people will know of a registry once they were told of notices that still wait.
type Known = BTreeMap<(String, String), Told>;

impl<'a> Pass<'a> {
    pub(super) fn new(outbox: &'a Outbox, channel: &'a dyn Channel, time: &'a Time) -> Self {
        Self {
            outbox,
            channel,
            time,
            teller: Teller::new(outbox, channel, time),
            seen: 0,
            waits: BTreeMap::new(),
            again: BTreeSet::new(),
            is_over: false,
        }
    }

    /// Tells what waits and was not looked at, the oldest first, until nothing is left that could be taken
    /// soon, the channel takes nothing more, or the time is over.
    ///
    /// # Errors
    /// Where the outbox cannot be read.
    pub(super) async fn go(&mut self) -> Result<(), StateError> {
        self.outbox.claim(self.channel.name(), self.time.now())?;
        if !self.may_ask().await? {
            self.is_over = true;
            return Ok(());
        }
        self.round(Turn::New).await?;
        // Everybody else comes first: a mailbox that is full keeps nobody from hearing.
        for failed in 1_u32.. {
            if self.is_over || self.again.is_empty() {
                break;
            }
            let is_time = self.wait(back_off(failed, None, fastrand::f64())).await?;
            if is_time || self.teller.ends_holding_back() {
                let again = std::mem::take(&mut self.again);
                self.round(Turn::Also(&again)).await?;
            }
            self.is_over |= !is_time;
        }
        Ok(())
    }

    /// Whether there is something that was not looked at, so that [`Pass::go`] has to be called again.
    pub(super) fn has_news(&self) -> Result<bool, StateError> {
        let name = self.channel.name();
        self.outbox.claim(name, self.time.now())?;
        Ok(self.outbox.next(name, self.seen)?.is_some())
    }

    /// Whether it is of no use to call [`Pass::go`] again.
    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    /// What became of it all.
    pub(super) fn end(self) -> Passed {
        Passed { why_waiting: self.waits.into_values().collect(), ..self.teller.passed }
    }

    /// A running Retry-After is respected, whoever asks, for the whole channel.
    async fn may_ask(&mut self) -> Result<bool, StateError> {
        let now = self.time.now();
        // A clock that was set back does not keep people waiting for years.
        let latest = now + LONGEST;
        let Some(until) = self.outbox.left_alone_until(self.channel.name(), latest)? else { return Ok(true) };
        let left = (until - now).to_std().unwrap_or_default();
        if left.is_zero() || self.time.wait(left).await {
            return Ok(true);
        }
        let until = until.to_rfc3339_opts(SecondsFormat::Secs, true);
        self.waits.insert(0, format!("it asked to be left alone until {until}"));
        Ok(false)
    }

    /// Waits where there is time for it, and tells meanwhile what comes.
    async fn wait(&mut self, mut left: Duration) -> Result<bool, StateError> {
        if !self.time.has(left) {
            return Ok(false);
        }
        while !left.is_zero() && !self.is_over {
            let slice = left.min(LOOK_AGAIN);
            if !self.time.wait(slice).await {
                return Ok(false);
            }
            left = left.saturating_sub(slice);
            if !left.is_zero() && self.has_news()? {
                self.round(Turn::New).await?;
            }
        }
        Ok(!self.is_over)
    }

    /// Everything whose turn it is, once.
    async fn round(&mut self, turn: Turn<'_>) -> Result<(), StateError> {
        let before = self.seen;
        let is_turn = |id: i64| id > before || matches!(turn, Turn::Also(again) if again.contains(&id));
        let put_off = self.walk(&is_turn, true).await?;
        if !put_off.is_empty() && !self.is_over {
            self.walk(&|id| put_off.contains(&id), false).await?;
        }
        Ok(())
    }

    /// Goes over what waits, in order; what was put off.
    async fn walk(
        &mut self,
        is_turn: &impl Fn(i64) -> bool,
        may_put_off: bool,
    ) -> Result<BTreeSet<i64>, StateError> {
        let (mut last, mut refusals) = (0, 0);
        let (mut known, mut put_off) = (Known::new(), BTreeSet::new());
        while let Some(waiting) = self.outbox.next(self.channel.name(), last)? {
            last = waiting.id;
            self.seen = self.seen.max(last);
            let is_put_off = may_put_off && refusals >= REFUSALS && waiting.attempts > 0;
            let is_told = if !is_turn(last) {
                false
            } else if is_put_off {
                put_off.insert(last);
                false
            } else {
                let (halt, is_told) = self.teller.tell(&waiting, before(&known, &waiting)).await;
                match halt {
                    Some(Halt::Refused(_)) if !is_told => refusals += 1,
                    _ => refusals = 0,
                }
                self.keep(last, halt);
                is_told
            };
            learn(&mut known, &waiting, is_told);
            if self.is_over {
                break;
            }
        }
        Ok(put_off)
    }

    /// Keeps why a notice still waits.
    fn keep(&mut self, id: i64, halt: Option<Halt>) {
        self.waits.remove(&id);
        match halt {
            None => {}
            Some(Halt::Postponed(why)) => {
                self.again.insert(id);
                self.waits.extend(why.map(|why| (id, why)));
            }
            // However many: what is refused today is tried first tomorrow, and must not stand for ever before
            // what would be taken.
            Some(Halt::Refused(why)) => {
                self.waits.insert(id, why);
            }
            Some(Halt::Stopped { why, .. }) => {
                self.waits.insert(id, why);
                self.is_over = true;
            }
        }
    }
}

/// What people will know when they are told of this notice, where earlier ones still wait.
fn before<'k>(known: &'k Known, waiting: &Waiting) -> Option<&'k Told> {
    known.get(&registry(waiting)).filter(|_| !waiting.is_overtaken)
}

/// What they will know once this one was told: that is in the outbox, or it still waits.
fn learn(known: &mut Known, waiting: &Waiting, is_told: bool) {
    if waiting.is_overtaken {
        return;
    }
    if is_told || !waiting.accepted.is_empty() {
        known.remove(&registry(waiting));
        return;
    }
    let told = after(before(known, waiting).unwrap_or(&waiting.told), &waiting.notice);
    known.insert(registry(waiting), told);
}

fn registry(waiting: &Waiting) -> (String, String) {
    (waiting.notice.env.clone(), waiting.notice.db_path.clone())
}
