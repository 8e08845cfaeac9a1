//! Where does an alert wait while `state.db` cannot be used? In a file of the same tables beside it, which is
//! taken into `state.db` by whoever can use that again.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use rusqlite::{Connection, params};

use super::mend::MendingLock;
use super::open::{self, explain, with_suffix};
use super::outbox::notices;
use super::{StateError, mend, salvage};
use crate::verdict::telling::Told;

/// The file; its name is in the guide.
const NAME: &str = "apart.db";

/// Whether a run left a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trace {
    /// It did, and who delivers tells of it.
    Left,
    /// It did not.
    Missing,
    /// What would say so cannot be read; why.
    NotKnown(String),
}

pub(super) fn beside(state_db: &Path) -> PathBuf {
    state_db.with_file_name(NAME)
}

/// Opens the file beside `state_db`, and begins it with what channels were told as far as that can be read. As
/// long as the lock is held nobody takes it into `state.db`, so that nothing is written into a file that is gone.
pub(super) fn open(state_db: &Path, now: DateTime<Utc>) -> Result<(Connection, MendingLock), StateError> {
    let path = beside(state_db);
    for _ in 0..3 {
        let looked = open::open_or_begin_with(&path, |into| salvage::told(state_db, into));
        match looked.and_then(|connection| open::examine(&path, &connection)) {
            Err(StateError::Unreadable { .. }) => mend::mend(&path, now)?,
            looked => looked?,
        }
        let lock = MendingLock::share(&path)?;
        match open::open_to_write(&path) {
            // Taken in meanwhile.
            Err(_) if open::is_absent(&path) => {}
            opened => return Ok((opened?, lock)),
        }
    }
    Err(StateError::Busy { path })
}

/// Opens `state.db` for whoever writes into it, with all in it that waited beside it.
pub(super) fn open_with(state_db: &Path, now: DateTime<Utc>) -> Result<Connection, StateError> {
    let connection = open::open_checked(state_db)?;
    take_in(&connection, state_db, now)?;
    Ok(connection)
}

fn take_in(into: &Connection, state_db: &Path, now: DateTime<Utc>) -> Result<(), StateError> {
    let path = beside(state_db);
    if open::is_absent(&path) {
        return Ok(());
    }
    match open::open_to_write(&path).and_then(|connection| open::examine(&path, &connection)) {
        Err(StateError::Unreadable { .. }) => mend::mend(&path, now)?,
        // It stays for the next one, and until then `status` and `alert pending` name it.
        Err(_) => return Ok(()),
        Ok(()) => {}
    }
    // Somebody delivers from it.
    let Ok(_lock) = MendingLock::take(&path) else { return Ok(()) };
    if open::is_absent(&path) {
        return Ok(());
    }
    let failed = |error| match explain(state_db, error) {
        // Of what is wrong between the two files this one is not to blame: it is not put out of the way for it.
        StateError::Unreadable { path, why } => {
            StateError::Closed { path, source: std::io::Error::other(why), owner: None }
        }
        error => error,
    };
    let Some(name) = path.to_str() else {
        let source = std::io::Error::other("the name of its folder is no text");
        return Err(StateError::Closed { path, source, owner: None });
    };
    into.execute("ATTACH ? AS apart", [name]).map_err(failed)?;
    let taken = copy(into);
    let detached = into.execute_batch("DETACH apart");
    taken.and(detached).map_err(failed)?;
    // Killed before this, it is taken in once more, which changes nothing.
    for gone in [path.clone(), with_suffix(&path, "-journal")] {
        match std::fs::remove_file(&gone) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                return Err(StateError::SetAside { path: gone, source });
            }
            _ => {}
        }
    }
    Ok(())
}

/// Which notice of the one file is which of the other.
const SAME: &str = "m.env = a.env AND m.db_path = a.db_path AND m.invocation_id = a.invocation_id
                    AND m.occasion = a.occasion AND m.at_us = a.at_us";

fn copy(db: &Connection) -> rusqlite::Result<()> {
    // Not IMMEDIATE, which would lock both for writing, and take a third file to end both at once. The first
    // statement that is not about the numbers writes.
    let transaction = db.unchecked_transaction()?;
    transaction.execute_batch("DELETE FROM main.deliveries WHERE 0")?;
    let sql = "SELECT coalesce((SELECT seq FROM main.sqlite_sequence WHERE name = 'notices'), 0),
                      coalesce((SELECT min(id) FROM apart.notices), 0)";
    let (last, first): (i64, i64) = transaction.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    transaction.execute(
        &format!(
            "INSERT INTO main.notices (env, db_path, invocation_id, occasion, at_us, rescued, body)
             SELECT env, db_path, invocation_id, occasion, at_us, rescued, body FROM apart.notices a
             WHERE NOT EXISTS (SELECT 1 FROM main.notices m WHERE {SAME}) ORDER BY id ON CONFLICT DO NOTHING"
        ),
        [],
    )?;
    for (table, columns, of) in [
        (
            "deliveries",
            "channel, state, attempts, why, not_before_us, telling",
            "d.channel, d.state, d.attempts, d.why, d.not_before_us, d.telling",
        ),
        ("accepted", "channel, part, at_us", "d.channel, d.part, d.at_us"),
    ] {
        transaction.execute(
            &format!(
                "INSERT OR IGNORE INTO main.{table} (notice, {columns})
                 SELECT m.id, {of} FROM apart.{table} d JOIN apart.notices a ON a.id = d.notice
                 JOIN main.notices m ON {SAME} WHERE m.id > ?"
            ),
            [last],
        )?;
    }
    told(&transaction, first, last)?;
    transaction.execute_batch(
        "INSERT INTO main.last_deliveries SELECT env, channel, at_us FROM apart.last_deliveries WHERE true
         ON CONFLICT DO UPDATE SET at_us = max(at_us, excluded.at_us);
         INSERT INTO main.set_aside SELECT name, why FROM apart.set_aside
         WHERE NOT EXISTS (SELECT 1 FROM main.set_aside);",
    )?;
    transaction.commit()
}

/// What channels were told beside it is what they were told last.
fn told(db: &Connection, first: i64, last: i64) -> rusqlite::Result<()> {
    let mut newer = db.prepare(&format!(
        "SELECT t.env, t.db_path, t.channel, t.told, m.id, o.told, o.upto
         FROM apart.told t JOIN apart.notices a ON a.id = t.upto JOIN main.notices m ON {SAME}
         LEFT JOIN main.told o ON o.env = t.env AND o.db_path = t.db_path AND o.channel = t.channel
         WHERE m.id > ?"
    ))?;
    let mut rows = newer.query([last])?;
    while let Some(row) = rows.next()? {
        let [env, db_path, channel, now]: [String; 4] = [row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?];
        let (upto, before, before_upto): (i64, Option<String>, Option<i64>) =
            (row.get(4)?, row.get(5)?, row.get(6)?);
        let mut told: Told = notices::from_json(&now)?;
        // Numbers there begin behind what was told here. Where more was told here since, or could not be read
        // then, both are open: what is closed once too often does no harm.
        if before_upto.is_some_and(|before| before >= first)
            && let Some(before) = before
        {
            let before: Told = notices::from_json(&before)?;
            for (topic, count) in before.open {
                told.open.entry(topic).or_insert(count);
            }
        }
        db.execute(
            "INSERT INTO main.told VALUES (?, ?, ?, ?, ?)
             ON CONFLICT DO UPDATE SET told = excluded.told, upto = excluded.upto",
            params![env, db_path, channel, notices::json(&told)?, upto],
        )?;
    }
    Ok(())
}

/// What a `state.db` that cannot be used says all the same: read past every lock, and not believed where a
/// change to it is under way or was cut short.
pub(super) fn look(state_db: &Path, has: impl Fn(&Connection) -> rusqlite::Result<bool>) -> Trace {
    if open::is_absent(state_db) {
        return Trace::Missing;
    }
    let read = || -> Result<bool, String> {
        let from = File::open(state_db)
            .map_err(|error| crate::plain::plain(&error))
            .and_then(|_| salvage::open(state_db).ok_or_else(|| "it is not a regular file".to_owned()))?;
        has(&from).map_err(|error| error.to_string())
    };
    let (before, read, after) = (is_changing(state_db), read(), is_changing(state_db));
    match read {
        Ok(_) if before || after => {
            Trace::NotKnown(format!("{}: a change to it has not ended", state_db.display()))
        }
        Ok(true) => Trace::Left,
        Ok(false) => Trace::Missing,
        Err(why) => Trace::NotKnown(format!("{}: {why}", state_db.display())),
    }
}

/// Whether its journal holds what would be rolled back: one that has ended leaves it with zeros in front.
pub(super) fn is_changing(state_db: &Path) -> bool {
    let mut first = [0];
    match File::open(with_suffix(state_db, "-journal")) {
        Ok(mut journal) => journal.read_exact(&mut first).is_ok() && first != [0],
        Err(error) => error.kind() != std::io::ErrorKind::NotFound,
    }
}

#[cfg(test)]
mod tests;
