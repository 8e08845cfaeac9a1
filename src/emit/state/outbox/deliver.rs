//! How far has a channel come with a notice? Each step is one transaction, on disk before the next.

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension, params};

use super::Waiting;
use super::notices::{self, Head, json};
use crate::verdict::telling::{Telling, Told};

/// The first pending notice of a channel behind `after`.
pub(super) fn next(db: &Connection, channel: &str, after: i64) -> rusqlite::Result<Option<Waiting>> {
    let mut statement = db.prepare(
        "SELECT n.id, n.env, n.db_path, n.invocation_id, n.occasion, n.at_us, coalesce(n.body, ''),
                d.attempts, d.not_before_us, d.telling, t.told, coalesce(t.upto, 0) > n.id
         FROM deliveries d JOIN notices n ON n.id = d.notice
         LEFT JOIN told t ON t.env = n.env AND t.db_path = n.db_path AND t.channel = d.channel
         WHERE d.channel = ?1 AND d.state = 'pending' AND d.notice > ?2 ORDER BY d.notice LIMIT 1",
    )?;
    let found = statement.query_row(params![channel, after], |row| {
        let (body, told): (String, Option<String>) = (row.get(6)?, row.get(10)?);
        let telling: Option<String> = row.get(9)?;
        let not_before: Option<i64> = row.get(8)?;
        Ok(Waiting {
            id: row.get(0)?,
            notice: notices::read(&Head::read(row, 1)?, &body),
            told: told.and_then(|told| serde_json::from_str(&told).ok()).unwrap_or_default(),
            is_overtaken: row.get(11)?,
            telling: telling.and_then(|json| serde_json::from_str(&json).ok()),
            accepted: std::collections::BTreeSet::new(),
            not_before: not_before.and_then(DateTime::from_timestamp_micros),
            attempts: row.get(7)?,
        })
    });
    let Some(mut waiting) = found.optional()? else { return Ok(None) };
    let mut parts = db.prepare("SELECT part FROM accepted WHERE notice = ? AND channel = ?")?;
    waiting.accepted =
        parts.query_map(params![waiting.id, channel], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    Ok(Some(waiting))
}

pub(super) fn begin(db: &Connection, channel: &str, id: i64, telling: &Telling) -> rusqlite::Result<()> {
    let sql = "UPDATE deliveries SET telling = ? WHERE notice = ? AND channel = ? AND telling IS NULL";
    db.execute(sql, params![json(telling)?, id, channel]).map(drop)
}

pub(super) fn accepted(
    db: &Connection,
    channel: &str,
    id: i64,
    part: &str,
    now: DateTime<Utc>,
) -> rusqlite::Result<()> {
    let at = now.timestamp_micros();
    let sql =
        "INSERT INTO accepted (notice, channel, part, at_us) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING";
    db.execute(sql, params![id, channel, part, at])?;
    db.execute(
        "INSERT INTO last_deliveries (env, channel, at_us) SELECT env, ?, ? FROM notices WHERE id = ?
         ON CONFLICT DO UPDATE SET at_us = excluded.at_us",
        params![channel, at, id],
    )
    .map(drop)
}

/// As [`accepted`] for a notice that is told after a later one: what it says is what people heard last.
pub(super) fn accepted_late(
    db: &Connection,
    channel: &str,
    id: i64,
    part: &str,
    now: DateTime<Utc>,
    told: &Told,
) -> rusqlite::Result<()> {
    accepted(db, channel, id, part, now)?;
    db.execute(
        "UPDATE told SET told = ?1 WHERE channel = ?2
         AND (env, db_path) = (SELECT env, db_path FROM notices WHERE id = ?3)",
        params![json(told)?, channel, id],
    )
    .map(drop)
}

/// Until when the far end asked to be left alone, by whichever of its notices; nothing after `latest` counts.
pub(super) fn left_alone_until(
    db: &Connection,
    channel: &str,
    latest: DateTime<Utc>,
) -> rusqlite::Result<Option<DateTime<Utc>>> {
    let sql = "SELECT max(not_before_us) FROM deliveries
               WHERE channel = ? AND state = 'pending' AND not_before_us <= ?";
    let until: Option<i64> =
        db.query_row(sql, params![channel, latest.timestamp_micros()], |row| row.get(0))?;
    Ok(until.and_then(DateTime::from_timestamp_micros))
}

pub(super) fn settle(db: &Connection, channel: &str, id: i64, told: &Told) -> rusqlite::Result<()> {
    pass_over(db, channel, id)?;
    remember(db, channel, id, told)
}

pub(super) fn pass_over(db: &Connection, channel: &str, id: i64) -> rusqlite::Result<()> {
    db.execute(
        "UPDATE deliveries SET state = 'settled', why = NULL, not_before_us = NULL
         WHERE notice = ? AND channel = ? AND state = 'pending'",
        params![id, channel],
    )?;
    db.execute("DELETE FROM accepted WHERE notice = ? AND channel = ?", params![id, channel]).map(drop)
}

pub(super) fn failed(
    db: &Connection,
    channel: &str,
    id: i64,
    why: &str,
    not_before: Option<DateTime<Utc>>,
    told: Option<&Told>,
) -> rusqlite::Result<()> {
    db.execute(
        "UPDATE deliveries SET attempts = attempts + 1, why = ?, not_before_us = ?
         WHERE notice = ? AND channel = ? AND state = 'pending'",
        params![why, not_before.map(|time| time.timestamp_micros()), id, channel],
    )?;
    told.map_or(Ok(()), |told| remember(db, channel, id, told))
}

/// Forward only: a late retry of an older notice knows less than was told since.
fn remember(db: &Connection, channel: &str, id: i64, told: &Told) -> rusqlite::Result<()> {
    db.execute(
        "INSERT INTO told (env, db_path, channel, told, upto)
         SELECT env, db_path, ?1, ?2, id FROM notices WHERE id = ?3
         ON CONFLICT DO UPDATE SET told = excluded.told, upto = excluded.upto WHERE excluded.upto >= told.upto",
        params![channel, json(told)?, id],
    )
    .map(drop)
}
