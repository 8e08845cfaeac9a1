//! Which notices are for a channel?

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::params;

use super::Outbox;
use crate::emit::channels::ChannelName;
use crate::emit::state::StateError;

/// What a channel that is seen for the first time hears of, though others took it on before.
const LATELY: TimeDelta = TimeDelta::days(3);
/// How long a notice stays that every channel has settled.
const KEPT: TimeDelta = TimeDelta::days(30);

impl Outbox {
    /// Called by whoever holds a channel's settings: from now on, what is for it waits for it.
    ///
    /// That is every notice since the channel was first seen, and those that nobody has ever taken on.
    /// Two holders of different channels both get every notice.
    ///
    /// # Errors
    /// The outbox stays as it was.
    pub fn claim(&self, channel: ChannelName, now: DateTime<Utc>) -> Result<(), StateError> {
        let channel = channel.word();
        let micros = |before: TimeDelta| (now - before).timestamp_micros();
        self.work(|db| {
            db.execute(
                "INSERT INTO channels (channel, since_notice)
                 SELECT ?1, coalesce((SELECT min(id) FROM notices WHERE at_us >= ?2),
                                     (SELECT coalesce(max(id), 0) + 1 FROM notices))
                 WHERE NOT EXISTS (SELECT 1 FROM channels WHERE channel = ?1)",
                params![channel, micros(LATELY)],
            )?;
            db.execute(
                "INSERT INTO deliveries (channel, notice)
                 SELECT ?1, n.id FROM notices n, channels c WHERE c.channel = ?1
                   AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.channel = ?1 AND d.notice = n.id)
                   AND (n.id >= c.since_notice
                        OR NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.notice = n.id))",
                params![channel],
            )?;
            db.execute(
                "DELETE FROM notices WHERE at_us < ?1
                   AND EXISTS (SELECT 1 FROM deliveries d WHERE d.notice = id)
                   AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.notice = id AND d.settled_us IS NULL)",
                params![micros(KEPT)],
            )?;
            Ok(())
        })
    }

    /// Gives up what waits for a channel that is no longer used; how many notices that were.
    ///
    /// # Errors
    /// The outbox stays as it was.
    pub fn discard(&self, channel: ChannelName, now: DateTime<Utc>) -> Result<usize, StateError> {
        let channel = channel.word();
        self.work(|db| {
            db.execute("DELETE FROM accepted WHERE channel = ?", params![channel])?;
            let given_up = db.execute(
                "UPDATE deliveries SET settled_us = ?2, why = 'given up by an operator', telling = NULL
                 WHERE channel = ?1 AND settled_us IS NULL",
                params![channel, now.timestamp_micros()],
            )?;
            // Configured again, it begins anew.
            db.execute("DELETE FROM channels WHERE channel = ?", params![channel])?;
            Ok(given_up)
        })
    }
}
