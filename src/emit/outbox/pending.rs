//! What waits, for whom, since when, and why?

use chrono::{DateTime, Utc};
use rusqlite::Row;

use super::Outbox;
use crate::emit::state::StateError;
use crate::report::alerts_exposition::Count;

/// A notice that waits for a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// Its number.
    pub id: i64,
    /// `ENV_NAME` of the run.
    pub env: String,
    /// `run` or `died`.
    pub occasion: String,
    /// When there was something to tell.
    pub at: DateTime<Utc>,
    /// The channel's word, or `unclaimed`.
    pub channel: String,
    /// Whether it was ever tried.
    pub is_tried: bool,
    /// What stood in the way the last time.
    pub why: Option<String>,
    /// The far end asked to be left alone until then.
    pub not_before: Option<DateTime<Utc>>,
}

const WAITING: &str = "
  SELECT n.id, n.env, n.occasion, n.at_us, d.channel, d.attempts > 0, d.why, d.not_before_us
  FROM deliveries d JOIN notices n ON n.id = d.notice WHERE d.settled_us IS NULL
  UNION ALL
  SELECT n.id, n.env, n.occasion, n.at_us, 'unclaimed', 0, NULL, NULL
  FROM notices n WHERE NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.notice = n.id)";

impl Outbox {
    /// Hands over everything that waits, the oldest first.
    ///
    /// # Errors
    /// Where `state.db` cannot be read, or `each` fails.
    pub fn pending<E: From<StateError>>(
        &self,
        mut each: impl FnMut(Pending) -> Result<(), E>,
    ) -> Result<(), E> {
        let path = &self.path;
        let failed = |error| E::from(super::explain(path, error));
        let mut statement = self.db.prepare(&format!("{WAITING} ORDER BY 1, 5")).map_err(failed)?;
        let mut rows = statement.query([]).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            each(pending(row).map_err(failed)?)?;
        }
        Ok(())
    }

    /// What waits per environment and channel; a channel that nothing waits for is 0.
    ///
    /// # Errors
    /// Where `state.db` cannot be read.
    pub fn counts(&self) -> Result<Vec<Count>, StateError> {
        let sql = format!(
            "WITH waiting (id, env, occasion, at_us, channel, tried, why, not_before_us) AS ({WAITING}),
             known AS (SELECT env, channel FROM told UNION SELECT env, channel FROM waiting)
             SELECT k.env, k.channel,
               (SELECT count(*) FROM waiting w WHERE (w.env, w.channel) = (k.env, k.channel)),
               (SELECT min(at_us) FROM waiting w WHERE (w.env, w.channel) = (k.env, k.channel)),
               (SELECT max(last_delivery_us) FROM told t WHERE (t.env, t.channel) = (k.env, k.channel))
             FROM known k ORDER BY 1, 2"
        );
        self.ask(|db| {
            let mut statement = db.prepare(&sql)?;
            let counts = statement.query_map([], |row| {
                let time = |column| -> rusqlite::Result<_> {
                    Ok(row.get::<_, Option<i64>>(column)?.and_then(DateTime::from_timestamp_micros))
                };
                Ok(Count {
                    env: row.get(0)?,
                    channel: row.get(1)?,
                    pending: row.get::<_, i64>(2)?.unsigned_abs(),
                    oldest: time(3)?,
                    last_delivery: time(4)?,
                })
            })?;
            counts.collect()
        })
    }
}

fn pending(row: &Row<'_>) -> rusqlite::Result<Pending> {
    let micros: i64 = row.get(3)?;
    Ok(Pending {
        id: row.get(0)?,
        env: row.get(1)?,
        occasion: row.get(2)?,
        at: DateTime::from_timestamp_micros(micros)
            .ok_or(rusqlite::Error::IntegralValueOutOfRange(3, micros))?,
        channel: row.get(4)?,
        is_tried: row.get(5)?,
        why: row.get(6)?,
        not_before: row.get::<_, Option<i64>>(7)?.and_then(DateTime::from_timestamp_micros),
    })
}
