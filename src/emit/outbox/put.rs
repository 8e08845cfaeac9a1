//! How does a notice come into the outbox?

use rusqlite::{Connection, OptionalExtension, params};

use super::to_json;
use crate::verdict::notice::{Notice, Occasion};

/// Writes a notice down; its number, `None` where this death is in it already.
pub(in crate::emit) fn put(db: &Connection, notice: &Notice) -> rusqlite::Result<Option<i64>> {
    let occasion = match notice.occasion {
        Occasion::Died => "died",
        Occasion::Run | Occasion::Test => "run",
    };
    let sql = "INSERT INTO notices (env, db_path, invocation_id, occasion, at_us, body)
               VALUES (?, ?, ?, ?, ?, ?)
               ON CONFLICT (env, db_path, invocation_id) WHERE occasion = 'died' DO NOTHING
               RETURNING id";
    let values = params![
        notice.env,
        notice.db_path,
        notice.invocation_id,
        occasion,
        notice.at.timestamp_micros(),
        to_json(notice)?
    ];
    db.query_row(sql, values, |row| row.get(0)).optional()
}

/// Puts another text in the place of a notice that nobody was told yet: a later output failed.
pub(in crate::emit) fn replace(db: &Connection, id: i64, notice: &Notice) -> rusqlite::Result<()> {
    let sql = "UPDATE notices SET body = ?2
               WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM deliveries WHERE notice = ?1 AND attempts > 0)";
    db.execute(sql, params![id, to_json(notice)?]).map(|_| ())
}
