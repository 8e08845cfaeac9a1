//! What became of an attempt?

use chrono::{DateTime, Utc};
use rusqlite::{Connection, params};

use super::{Outbox, to_json};
use crate::emit::channels::ChannelName;
use crate::emit::state::StateError;
use crate::verdict::telling::{Telling, Told};

impl Outbox {
    /// Before the first attempt: what is told is kept, so that a later attempt tells the same.
    ///
    /// # Errors
    /// The outbox stays as it was.
    pub fn begin(&self, channel: ChannelName, id: i64, telling: &Telling) -> Result<(), StateError> {
        self.work(|db| {
            let sql = "UPDATE deliveries SET telling = ?3, attempts = attempts + 1
                       WHERE channel = ?1 AND notice = ?2";
            db.execute(sql, params![channel.word(), id, to_json(telling)?]).map(|_| ())
        })
    }

    /// The far end took a part.
    ///
    /// # Errors
    /// The outbox stays as it was.
    pub fn accepted(
        &self,
        channel: ChannelName,
        id: i64,
        part: &str,
        now: DateTime<Utc>,
    ) -> Result<(), StateError> {
        self.work(|db| {
            let sql = "INSERT INTO accepted (channel, notice, part) VALUES (?, ?, ?) ON CONFLICT DO NOTHING";
            db.execute(sql, params![channel.word(), id, part])?;
            // The last delivery is known even where the rest of the message is not taken.
            let sql = "UPDATE told SET last_delivery_us = ?3 WHERE channel = ?1
                       AND (env, db_path) = (SELECT env, db_path FROM notices WHERE id = ?2)";
            db.execute(sql, params![channel.word(), id, now.timestamp_micros()]).map(|_| ())
        })
    }

    /// The far end took everything, at `delivered`; or there was nothing to tell it.
    ///
    /// # Errors
    /// The outbox stays as it was.
    pub fn settle(
        &self,
        channel: ChannelName,
        id: i64,
        told: &Told,
        delivered: Option<DateTime<Utc>>,
    ) -> Result<(), StateError> {
        self.work(|db| {
            let delivered = delivered.map(|at| at.timestamp_micros());
            db.execute(
                "UPDATE deliveries SET why = NULL, not_before_us = NULL, telling = NULL,
                        settled_us = coalesce(?3, (SELECT at_us FROM notices WHERE id = ?2))
                 WHERE channel = ?1 AND notice = ?2",
                params![channel.word(), id, delivered],
            )?;
            db.execute("DELETE FROM accepted WHERE channel = ? AND notice = ?", params![channel.word(), id])?;
            advance(db, channel, id, told, delivered)
        })
    }

    /// Something of it was not taken, and waits; `told` where some of it was.
    ///
    /// # Errors
    /// The outbox stays as it was.
    pub fn failed(
        &self,
        channel: ChannelName,
        id: i64,
        why: &str,
        not_before: Option<DateTime<Utc>>,
        told: Option<&Told>,
    ) -> Result<(), StateError> {
        self.work(|db| {
            let not_before = not_before.map(|at| at.timestamp_micros());
            let sql = "UPDATE deliveries SET why = ?3, not_before_us = ?4 WHERE channel = ?1 AND notice = ?2";
            db.execute(sql, params![channel.word(), id, why, not_before])?;
            told.map_or(Ok(()), |told| advance(db, channel, id, told, None))
        })
    }
}

/// What a channel was told moves forward only: the retry of an older notice does not move it back.
fn advance(
    db: &Connection,
    channel: ChannelName,
    id: i64,
    told: &Told,
    delivered: Option<i64>,
) -> rusqlite::Result<()> {
    db.execute(
        "INSERT INTO told (env, db_path, channel, notice, told, last_delivery_us)
         SELECT env, db_path, ?1, id, ?3, ?4 FROM notices WHERE id = ?2
         ON CONFLICT (env, db_path, channel) DO UPDATE SET
           told = CASE WHEN excluded.notice >= notice THEN excluded.told ELSE told END,
           notice = max(notice, excluded.notice),
           last_delivery_us = coalesce(excluded.last_delivery_us, last_delivery_us)",
        params![channel.word(), id, to_json(told)?, delivered],
    )?;
    Ok(())
}
