//! What waits, for whom, and since when?

use std::collections::BTreeMap;

use chrono::DateTime;
use rusqlite::{Connection, Row};

use super::Pending;
use super::notices::Head;
use crate::verdict::backlog::{Backlog, UNCLAIMED};

/// Everything that somebody has still to be told, with the channel it waits for: what a channel has taken
/// on, what it will take on when it is here again, and what none has taken on (NULL).
const WAITING: &str = "
    SELECT d.notice AS id, d.channel AS channel, d.attempts AS attempts, d.why AS why,
           d.not_before_us AS not_before_us
    FROM deliveries d WHERE d.state = 'pending'
    UNION ALL
    SELECT n.id, c.channel, 0, NULL, NULL FROM channels c JOIN notices n
    ON n.id > c.claimed_upto AND n.body IS NOT NULL
    WHERE EXISTS (SELECT 1 FROM deliveries WHERE notice = n.id)
    AND NOT EXISTS (SELECT 1 FROM deliveries WHERE notice = n.id AND channel = c.channel)
    UNION ALL
    SELECT n.id, NULL, 0, NULL, NULL FROM notices n
    WHERE n.body IS NOT NULL AND NOT EXISTS (SELECT 1 FROM deliveries WHERE notice = n.id)";

pub(super) fn pending(db: &Connection, mut each: impl FnMut(Pending)) -> rusqlite::Result<()> {
    let sql = format!(
        "SELECT w.id, n.env, n.db_path, n.invocation_id, n.occasion, n.at_us, w.channel, w.attempts, w.why,
                w.not_before_us
         FROM ({WAITING}) w JOIN notices n ON n.id = w.id ORDER BY w.id, w.channel"
    );
    let mut statement = db.prepare(&sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        each(line(row)?);
    }
    Ok(())
}

fn line(row: &Row<'_>) -> rusqlite::Result<Pending> {
    let head = Head::read(row, 1)?;
    let (channel, not_before): (Option<String>, Option<i64>) = (row.get(6)?, row.get(9)?);
    Ok(Pending {
        id: row.get(0)?,
        at: head.at(),
        env: head.env,
        db_path: head.db_path,
        occasion: head.occasion,
        channel,
        attempts: row.get(7)?,
        why: row.get(8)?,
        not_before: not_before.and_then(DateTime::from_timestamp_micros),
    })
}

/// By environment and channel.
type Found = BTreeMap<(String, String), Backlog>;

/// Adds to what was found elsewhere.
pub(super) fn counts(db: &Connection, found: &mut Found) -> rusqlite::Result<()> {
    let mut known = db.prepare(
        "SELECT e.env, c.channel FROM (SELECT env FROM notices UNION SELECT env FROM last_deliveries) e,
                (SELECT channel FROM channels UNION ALL SELECT ?1) c",
    )?;
    let mut rows = known.query([UNCLAIMED])?;
    while let Some(row) = rows.next()? {
        backlog(found, row)?;
    }
    let mut last = db.prepare("SELECT env, channel, at_us FROM last_deliveries")?;
    let mut rows = last.query([])?;
    while let Some(row) = rows.next()? {
        // Of a channel that is gone it is of no use to know.
        if let Some(of) = found.get_mut(&(row.get(0)?, row.get(1)?)) {
            of.last_delivery = of.last_delivery.max(DateTime::from_timestamp_micros(row.get(2)?));
        }
    }
    let mut waiting = db.prepare(&format!(
        "SELECT n.env, coalesce(w.channel, ?1), count(*), min(n.at_us)
         FROM ({WAITING}) w JOIN notices n ON n.id = w.id GROUP BY 1, 2"
    ))?;
    let mut rows = waiting.query([UNCLAIMED])?;
    while let Some(row) = rows.next()? {
        let (count, oldest): (u32, i64) = (row.get(2)?, row.get(3)?);
        let of = backlog(found, row)?;
        of.pending += u64::from(count);
        let oldest = DateTime::from_timestamp_micros(oldest);
        of.oldest_pending = of.oldest_pending.into_iter().chain(oldest).min();
    }
    Ok(())
}

/// The backlog of the environment and channel that a row begins with.
fn backlog<'a>(found: &'a mut Found, row: &Row<'_>) -> rusqlite::Result<&'a mut Backlog> {
    let (env, channel): (String, String) = (row.get(0)?, row.get(1)?);
    Ok(found.entry((env.clone(), channel.clone())).or_insert(Backlog {
        env,
        channel,
        pending: 0,
        oldest_pending: None,
        last_delivery: None,
    }))
}
