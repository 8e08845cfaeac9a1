//! Which notices has a channel to tell?

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::{Connection, OptionalExtension, params};

/// A channel that is new is not told what is older than this and was told elsewhere.
const NEWS: TimeDelta = TimeDelta::days(3);

/// Makes pending deliveries.
pub(super) fn claim(db: &Connection, channel: &str, now: DateTime<Utc>) -> rusqlite::Result<()> {
    let last: i64 = db.query_row("SELECT coalesce(max(id), 0) FROM notices", [], |row| row.get(0))?;
    let sql = "SELECT claimed_upto FROM channels WHERE channel = ?";
    match db.query_row(sql, [channel], |row| row.get::<_, i64>(0)).optional()? {
        Some(upto) if upto >= last => return may_be_written(db, channel),
        Some(upto) => db.execute(
            "INSERT INTO deliveries (notice, channel) SELECT id, ?1 FROM notices n
             WHERE id > ?2 AND body IS NOT NULL
             AND NOT EXISTS (SELECT 1 FROM deliveries WHERE notice = n.id AND channel = ?1)",
            params![channel, upto],
        )?,
        None => db.execute(
            "INSERT INTO deliveries (notice, channel) SELECT id, ?1 FROM notices n
             WHERE body IS NOT NULL
             AND NOT EXISTS (SELECT 1 FROM deliveries WHERE notice = n.id AND channel = ?1)
             AND (rescued OR at_us >= ?2 OR NOT EXISTS (SELECT 1 FROM deliveries WHERE notice = n.id))",
            params![channel, (now - NEWS).timestamp_micros()],
        )?,
    };
    db.execute(
        "INSERT INTO channels (channel, claimed_upto) VALUES (?, ?)
         ON CONFLICT DO UPDATE SET claimed_upto = excluded.claimed_upto",
        params![channel, last],
    )
    .map(drop)
}

/// Writes where something waits, although there is nothing to change: where not even that can be written down,
/// nor can be that the far end took something, and people would hear it again with every try.
fn may_be_written(db: &Connection, channel: &str) -> rusqlite::Result<()> {
    let waits = "SELECT 1 FROM deliveries WHERE channel = ? AND state = 'pending'";
    if !db.prepare(waits)?.exists([channel])? {
        return Ok(());
    }
    // It is what it was, and is written all the same, unlike a row.
    let version: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
    db.pragma_update(None, "user_version", version)
}

/// Ends what waits for a channel, and forgets that it was here; how many notices that were.
pub(super) fn discard(db: &Connection, channel: &str) -> rusqlite::Result<u64> {
    db.execute(
        "INSERT INTO deliveries (notice, channel) SELECT n.id, c.channel FROM channels c JOIN notices n
         ON n.id > c.claimed_upto AND n.body IS NOT NULL WHERE c.channel = ?1
         AND EXISTS (SELECT 1 FROM deliveries WHERE notice = n.id)
         AND NOT EXISTS (SELECT 1 FROM deliveries WHERE notice = n.id AND channel = ?1)",
        [channel],
    )?;
    // The rows stay: a notice that was told nowhere else is not one that nobody has taken on.
    let ended = db.execute(
        "UPDATE deliveries SET state = 'given-up', not_before_us = NULL WHERE channel = ? AND state = 'pending'",
        [channel],
    )?;
    db.execute("DELETE FROM accepted WHERE channel = ?", [channel])?;
    db.execute("DELETE FROM channels WHERE channel = ?", [channel])?;
    Ok(ended as u64)
}
