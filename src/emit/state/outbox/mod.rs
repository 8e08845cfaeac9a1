//! What has still to be told, and to whom? The outbox in `state.db`: a notice is in it, on disk, before the
//! first attempt, and leaves it only on each channel's own proof.

mod claim;
mod deliver;
pub(super) mod notices;
mod trace;
mod waiting;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use rusqlite::Connection;

use super::mend::MendingLock;
use super::open::{self, Opened, WITHOUT_OUTBOX, explain};
use super::{Aside, StateDb, StateError, apart, in_transaction, mend, salvage};
use crate::emit::channels::ChannelName;
use crate::verdict::backlog::Backlog;
use crate::verdict::notice::{Notice, Occasion};
use crate::verdict::telling::{Telling, Told};

/// The outbox of one state folder, or one beside it where that is of no use.
#[derive(Debug)]
pub struct Outbox {
    connection: Connection,
    path: PathBuf,
    /// A file of the version before, opened to look at it.
    is_without: bool,
    place: Place,
}

/// Where an outbox lies.
#[derive(Debug)]
enum Place {
    /// In `state.db`.
    There,
    /// There, opened to look at it, and what waits beside it.
    ToRead(Option<Box<Outbox>>),
    /// On disk beside this `state.db`, which cannot be used.
    Beside(PathBuf, #[expect(dead_code, reason = "it is held")] MendingLock),
    /// Gone with this process, in the place of this `state.db`.
    InMemory(Option<PathBuf>),
}

/// A notice that one channel has still to tell.
#[derive(Clone, Debug, PartialEq)]
pub struct Waiting {
    /// The notice's number; later ones are greater.
    pub id: i64,
    /// What there is to tell.
    pub notice: Notice,
    /// What the channel was last told of this registry.
    pub told: Told,
    /// A later notice of this registry was told already: this one must not open or close anything that
    /// the later one has closed or opened.
    pub is_overtaken: bool,
    /// What [`Outbox::begin`] kept; `None` before the first attempt.
    pub telling: Option<Telling>,
    /// The parts that the far end has taken.
    pub accepted: BTreeSet<String>,
    /// No attempt before this time, since the far end asked for it.
    pub not_before: Option<DateTime<Utc>>,
    /// Attempts that failed.
    pub attempts: u32,
}

/// A line of what waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// The notice's number.
    pub id: i64,
    /// `ENV_NAME`.
    pub env: String,
    /// The registry.
    pub db_path: String,
    /// What gave the occasion.
    pub occasion: Occasion,
    /// When the run ended, or when it was found to have died; `None` where that cannot be read.
    pub at: Option<DateTime<Utc>>,
    /// For whom it waits, in a word, which may be a newer program's; `None` where no channel has taken it on.
    pub channel: Option<String>,
    /// Attempts that failed.
    pub attempts: u32,
    /// Why the last one failed.
    pub why: Option<String>,
    /// No attempt before this time.
    pub not_before: Option<DateTime<Utc>>,
}

impl Outbox {
    /// Opens the outbox of a state folder, and makes `state.db` where there is none. One that cannot be
    /// read is set aside, and what can be saved of its outbox is in the fresh one; it comes with it until
    /// somebody was told ([`Outbox::put_damage`]).
    ///
    /// # Errors
    ///
    /// The state cannot be written or stays locked: [`Outbox::beside`] is left.
    pub fn open(folder: &Path, now: DateTime<Utc>) -> Result<(Self, Option<Aside>), StateError> {
        let path = StateDb::in_folder(folder).path;
        let connection = match apart::open_with(&path, now) {
            Err(StateError::Unreadable { .. }) => {
                mend::mend(&path, now)?;
                apart::open_with(&path, now)?
            }
            opened => opened?,
        };
        let aside = mend::untold(&path, &connection).map_err(|e| explain(&path, e))?;
        Ok((Self { connection, path, is_without: false, place: Place::There }, aside))
    }

    /// Opens the outbox of a state folder to look at it ([`Outbox::pending`], [`Outbox::counts`],
    /// [`Outbox::was_recorded`]); nothing is made, changed or set aside.
    ///
    /// # Errors
    ///
    /// [`StateError::Absent`] where there is no `state.db`.
    pub fn open_to_read(folder: &Path) -> Result<Self, StateError> {
        let path = StateDb::in_folder(folder).path;
        let is_without = |version| version == WITHOUT_OUTBOX;
        let Opened { connection, version } = open::open_to_read(&path)?;
        let beside = match open::open_to_read(&apart::beside(&path)) {
            Err(StateError::Absent { .. }) => None,
            opened => Some(opened?),
        };
        let beside = beside.map(|Opened { connection, version }| {
            let (path, place) = (apart::beside(&path), Place::There);
            Box::new(Self { connection, path, is_without: is_without(version), place })
        });
        Ok(Self { connection, path, is_without: is_without(version), place: Place::ToRead(beside) })
    }

    /// A copy of what is in a state folder, gone with this process: whoever tries what would be told changes
    /// nothing by it.
    ///
    /// # Errors
    ///
    /// The state cannot be read.
    pub fn copy_of(folder: &Path) -> Result<Self, StateError> {
        let path = StateDb::in_folder(folder).path;
        let connection = open::copy_to_memory(&path)?;
        Ok(Self { connection, path, is_without: false, place: Place::There })
    }

    /// An outbox in the place of one that cannot be used, so that alerts are tried all the same: on disk beside
    /// it, until that can be used again ([`Outbox::open`] takes it in), or where that is not possible, either, in
    /// memory. What channels were told is taken from `folder` as far as it can be read; what waits there is not:
    /// it could not be settled, and people would hear it every night.
    ///
    /// # Errors
    ///
    /// Only where memory is short.
    pub fn beside(folder: &Path, now: DateTime<Utc>) -> Result<Self, StateError> {
        let state_db = StateDb::in_folder(folder).path;
        match apart::open(&state_db, now) {
            Ok((connection, lock)) => {
                let path = apart::beside(&state_db);
                Ok(Self { connection, path, is_without: false, place: Place::Beside(state_db, lock) })
            }
            Err(_) => Self::in_memory(Some(folder)),
        }
    }

    /// As [`Outbox::beside`], gone with this process.
    ///
    /// # Errors
    ///
    /// Only where memory is short.
    pub fn in_memory(folder: Option<&Path>) -> Result<Self, StateError> {
        let path = PathBuf::from(":memory:");
        let connection = open::in_memory().map_err(|source| explain(&path, source))?;
        let state_db = folder.map(|folder| StateDb::in_folder(folder).path);
        let outbox = Self { connection, path, is_without: false, place: Place::InMemory(state_db.clone()) };
        if let Some(state_db) = state_db {
            outbox.in_one_step(|db| {
                // Of what was told beside it there may be something, too, which is later.
                salvage::told(&apart::beside(&state_db), db)?;
                salvage::told(&state_db, db)
            })?;
        }
        Ok(outbox)
    }

    /// Whether what is in it outlives this process.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        !matches!(self.place, Place::InMemory(_))
    }

    /// Keeps a notice, on disk when this returns; its number. `None` where it tells of a death that is
    /// in the outbox already.
    ///
    /// # Errors
    ///
    /// It is not kept.
    pub fn put(&self, notice: &Notice) -> Result<Option<i64>, StateError> {
        self.in_one_step(|db| notices::put(db, notice))
    }

    /// As [`Outbox::put`] for a notice of the file that was set aside, which nobody else has to tell of then.
    ///
    /// # Errors
    ///
    /// It is not kept, and who opens the outbox next hears of that file.
    pub fn put_damage(&self, notice: &Notice) -> Result<(), StateError> {
        self.in_one_step(|db| {
            notices::put(db, notice)?;
            mend::forget(db)
        })
    }

    /// Takes on for a channel what it has still to tell; called by whoever holds its settings.
    ///
    /// A channel that was here before gets every notice since. One that is new gets what no channel has
    /// taken on, however old, and what others took on in the last three days.
    ///
    /// # Errors
    ///
    /// Nothing was taken on.
    pub fn claim(&self, channel: ChannelName, now: DateTime<Utc>) -> Result<(), StateError> {
        self.in_one_step(|db| claim::claim(db, channel.word(), now))
    }

    /// The first pending notice of a channel after the one numbered `after` (0 at first), by number.
    ///
    /// # Errors
    ///
    /// Reading failed.
    pub fn next(&self, channel: ChannelName, after: i64) -> Result<Option<Waiting>, StateError> {
        deliver::next(&self.connection, channel.word(), after).map_err(|e| explain(&self.path, e))
    }

    /// Keeps what will be told, before the first attempt; a later call changes nothing.
    ///
    /// # Errors
    ///
    /// It is not kept.
    pub fn begin(&self, channel: ChannelName, id: i64, telling: &Telling) -> Result<(), StateError> {
        self.in_one_step(|db| deliver::begin(db, channel.word(), id, telling))
    }

    /// The far end took a part: on disk when this returns, so that it is not sent again. A channel whose
    /// message has no parts calls its one part `""`.
    ///
    /// # Errors
    ///
    /// It is not kept: it will be sent once more.
    pub fn accepted(
        &self,
        channel: ChannelName,
        id: i64,
        part: &str,
        now: DateTime<Utc>,
    ) -> Result<(), StateError> {
        self.in_one_step(|db| deliver::accepted(db, channel.word(), id, part, now))
    }

    /// As [`Outbox::accepted`] for a part that is told after a later notice of its registry: what the channel
    /// knows is `told` now, since that is what people heard last.
    ///
    /// # Errors
    ///
    /// Neither is kept.
    pub fn accepted_late(
        &self,
        channel: ChannelName,
        id: i64,
        part: &str,
        now: DateTime<Utc>,
        told: &Told,
    ) -> Result<(), StateError> {
        self.in_one_step(|db| deliver::accepted_late(db, channel.word(), id, part, now, told))
    }

    /// Until when a channel asked to be left alone; a time after `latest` is not one that it can have named.
    ///
    /// # Errors
    ///
    /// Reading failed.
    pub fn left_alone_until(
        &self,
        channel: ChannelName,
        latest: DateTime<Utc>,
    ) -> Result<Option<DateTime<Utc>>, StateError> {
        deliver::left_alone_until(&self.connection, channel.word(), latest)
            .map_err(|e| explain(&self.path, e))
    }

    /// There is nothing to tell of this notice, and an earlier one is still to be told: the channel is done with
    /// this one, and knows what it knew.
    ///
    /// # Errors
    ///
    /// It stays pending.
    pub fn pass_over(&self, channel: ChannelName, id: i64) -> Result<(), StateError> {
        self.in_one_step(|db| deliver::pass_over(db, channel.word(), id))
    }

    /// All parts were taken, or there was nothing to tell: the channel is done with this notice, and
    /// knows `told` from now on, unless it was told of a later one already.
    ///
    /// # Errors
    ///
    /// It stays pending.
    pub fn settle(&self, channel: ChannelName, id: i64, told: &Told) -> Result<(), StateError> {
        self.in_one_step(|db| deliver::settle(db, channel.word(), id, told))
    }

    /// An attempt failed: the notice stays pending. `told` where so much of it was taken that the channel
    /// counts as told.
    ///
    /// # Errors
    ///
    /// Neither the reason nor the time is kept; it stays pending all the same.
    pub fn failed(
        &self,
        channel: ChannelName,
        id: i64,
        why: &str,
        not_before: Option<DateTime<Utc>>,
        told: Option<&Told>,
    ) -> Result<(), StateError> {
        self.in_one_step(|db| deliver::failed(db, channel.word(), id, why, not_before, told))
    }

    /// Everything that waits, oldest first, one line at a time.
    ///
    /// # Errors
    ///
    /// Reading failed; `each` has seen a part.
    pub fn pending(&self, mut each: impl FnMut(Pending)) -> Result<(), StateError> {
        for outbox in self.with_beside() {
            waiting::pending(&outbox.connection, &mut each).map_err(|e| explain(&outbox.path, e))?;
        }
        Ok(())
    }

    /// How much waits, by environment and channel: for each channel that was ever here, and for what no
    /// channel has taken on.
    ///
    /// # Errors
    ///
    /// Reading failed.
    pub fn counts(&self) -> Result<Vec<Backlog>, StateError> {
        let mut found = BTreeMap::new();
        for outbox in self.with_beside() {
            waiting::counts(&outbox.connection, &mut found).map_err(|e| explain(&outbox.path, e))?;
        }
        Ok(found.into_values().collect())
    }

    /// This one and what waits beside it, as far as they have an outbox at all.
    fn with_beside(&self) -> impl Iterator<Item = &Self> {
        let beside = match &self.place {
            Place::ToRead(Some(beside)) => Some(&**beside),
            _ => None,
        };
        std::iter::once(self).chain(beside).filter(|outbox| !outbox.is_without)
    }

    /// Gives up what waits for a channel that is no longer used, and forgets that it was here. How many notices
    /// that were. A channel that comes back is new, but for what it was told.
    ///
    /// # Errors
    ///
    /// Nothing was given up.
    pub fn discard(&self, channel: ChannelName) -> Result<u64, StateError> {
        self.in_one_step(|db| claim::discard(db, channel.word()))
    }

    fn in_one_step<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StateError> {
        in_transaction(&self.connection, work).map_err(|e| explain(&self.path, e))
    }
}

#[cfg(test)]
pub(super) mod tests;
