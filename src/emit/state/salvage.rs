//! What of an outbox can be saved from a damaged `state.db`? Row by row, as far as it can be read; in doubt
//! an alert is told twice.

use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rusqlite::{Connection, OpenFlags, Row, params};

use super::outbox::notices::{self, Head};
use crate::emit::channels::ChannelName;
use crate::verdict::notice::Occasion;

/// How far beyond the last number that is known a damaged table is asked for more.
const BEYOND: i64 = 10_000;

/// Puts everything of the outbox of `damaged` that can be read into a fresh one. What cannot be read is no
/// error: the damaged file stays for a person to look at.
pub(super) fn outbox(damaged: &Path, into: &Connection) -> rusqlite::Result<()> {
    let Some(from) = open(damaged) else { return Ok(()) };
    let mut saved = Saved { from: &from, into, is_torn: false, last: 0 };
    saved.notices()?;
    saved.channels()?;
    saved.told()?;
    saved.last_deliveries()?;
    if saved.is_torn {
        saved.doubt()?;
    }
    saved.never_number_twice()
}

/// Only what channels were told, into an outbox that has nothing else.
pub(super) fn told(readable: &Path, into: &Connection) -> rusqlite::Result<()> {
    let Some(from) = open(readable) else { return Ok(()) };
    let mut saved = Saved { from: &from, into, is_torn: false, last: 0 };
    saved.told()?;
    saved.never_number_twice()
}

fn hex_digit(of: u8) -> char {
    char::from_digit(of.into(), 16).unwrap_or('0').to_ascii_uppercase()
}

/// Opens a file that may be anything, never to change it.
pub(super) fn open(path: &Path) -> Option<Connection> {
    if !std::fs::symlink_metadata(path).ok()?.is_file() {
        return None;
    }
    let mut uri = String::from("file:");
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => {
                uri.push(char::from(*byte));
            }
            _ => uri.extend(['%', hex_digit(byte >> 4), hex_digit(byte & 15)]),
        }
    }
    // Immutable: no lock, no journal; what could be rolled back was so when it was opened to be used.
    uri.push_str("?immutable=1");
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let from = Connection::open_with_flags(uri, flags).ok()?;
    // With it SQLite reads on where a file is shorter than its header says.
    from.pragma_update(None, "writable_schema", true).ok()?;
    from.pragma_update(None, "trusted_schema", false).ok()?;
    from.pragma_update(None, "cell_size_check", true).ok()?;
    Some(from)
}

struct Saved<'a> {
    from: &'a Connection,
    into: &'a Connection,
    /// Something of who has taken on or was told what could not be read.
    is_torn: bool,
    /// The greatest number of a notice that anything mentions.
    last: i64,
}

impl Saved<'_> {
    fn notices(&mut self) -> rusqlite::Result<()> {
        // typeof, because IS NULL would read the whole body, and where that is damaged find no notice at all.
        let head = "SELECT env, db_path, invocation_id, occasion, at_us, rescued, typeof(body) = 'null'
                    FROM notices WHERE id = ?";
        // Apart from the body, which lies on pages of its own.
        let body = "SELECT body FROM notices WHERE id = ?";
        let (Ok(mut head), Ok(mut body)) = (self.from.prepare(head), self.from.prepare(body)) else {
            return Ok(()); // no outbox in there
        };
        for id in self.numbers() {
            let read = head.query_row([id], |row| {
                let head = Head {
                    env: text(row, 0)?,
                    db_path: text(row, 1)?,
                    invocation_id: text(row, 2)?,
                    occasion: notices::occasion(&text(row, 3)?).unwrap_or(Occasion::Run),
                    at_us: row.get(4)?,
                };
                Ok((head, row.get::<_, bool>(5)?, row.get::<_, bool>(6)?))
            });
            let Ok((head, rescued, is_forgotten)) = read else { continue };
            let body = (!is_forgotten).then(|| {
                let read = body.query_row([id], |row| row.get::<_, String>(0)).ok();
                read.filter(|text| notices::is_body(text)).unwrap_or_else(|| head.lost_body())
            });
            if notices::insert(self.into, Some(id), &head, rescued, body.as_deref())?.is_some() {
                self.last = self.last.max(id);
                self.deliveries(id)?;
            }
        }
        Ok(())
    }

    /// The numbers of all notices that can be reached: from the front, from the back, and one by one in
    /// between.
    fn numbers(&self) -> BTreeSet<i64> {
        let scan = |order: &str| {
            let mut found = BTreeSet::new();
            let sql = format!("SELECT id FROM notices NOT INDEXED ORDER BY id {order}");
            let Ok(mut statement) = self.from.prepare(&sql) else { return (found, false) };
            let Ok(mut rows) = statement.query([]) else { return (found, false) };
            loop {
                match rows.next() {
                    Ok(Some(row)) => found.extend(row.get::<_, i64>(0)),
                    Ok(None) => return (found, true),
                    Err(_) => return (found, false),
                }
            }
        };
        let (mut numbers, is_whole) = scan("ASC");
        if is_whole {
            return numbers;
        }
        let front = numbers.last().copied().unwrap_or(0);
        let (behind, _) = scan("DESC");
        let used = "SELECT seq FROM sqlite_sequence WHERE name = 'notices'";
        let used = self.from.query_row(used, [], |row| row.get::<_, i64>(0)).unwrap_or(front + BEYOND);
        let back = behind.first().copied().unwrap_or(used.saturating_add(1));
        numbers.extend(behind);
        let gap = front.saturating_add(1).max(back.saturating_sub(1_000_000))..back;
        if let Ok(mut is_there) = self.from.prepare("SELECT 1 FROM notices WHERE id = ?") {
            numbers.extend(gap.filter(|id| is_there.exists([id]).unwrap_or(false)));
        }
        numbers
    }

    fn deliveries(&mut self, notice: i64) -> rusqlite::Result<()> {
        let sql =
            "SELECT channel, state, attempts, why, not_before_us, telling FROM deliveries WHERE notice = ?";
        let mut insert = self.into.prepare(
            "INSERT OR IGNORE INTO deliveries (notice, channel, state, attempts, why, not_before_us, telling)
             VALUES (?, ?, ?, ?, ?, ?, ?)",
        )?;
        let is_whole = each(
            self.from,
            sql,
            Some(notice),
            |row| {
                // A state of a newer program is taken for one that still waits.
                let state = Some(text(row, 1)?).filter(|word| word == "settled" || word == "given-up");
                let telling: Option<String> = row.get(5).unwrap_or_default();
                let telling = telling.filter(|json| notices::is_telling(json));
                Ok((channel(row, 0)?, state, row.get(2)?, row.get(3)?, row.get(4)?, telling))
            },
            |(channel, state, attempts, why, not_before, telling): Delivery| {
                let state = state.as_deref().unwrap_or("pending");
                insert.execute(params![notice, channel, state, attempts, why, not_before, telling]).map(drop)
            },
        )?;
        self.is_torn |= !is_whole;
        let sql = "SELECT channel, part, at_us FROM accepted WHERE notice = ?";
        let mut insert = self.into.prepare(
            "INSERT OR IGNORE INTO accepted (notice, channel, part, at_us) SELECT ?1, ?2, ?3, ?4
             WHERE EXISTS (SELECT 1 FROM deliveries WHERE notice = ?1 AND channel = ?2)",
        )?;
        // A part that is lost is sent twice; there is nothing to doubt.
        each(
            self.from,
            sql,
            Some(notice),
            |row| Ok((channel(row, 0)?, text(row, 1)?, row.get(2)?)),
            |(channel, part, at): (String, String, i64)| {
                insert.execute(params![notice, channel, part, at]).map(drop)
            },
        )?;
        Ok(())
    }

    fn channels(&mut self) -> rusqlite::Result<()> {
        let sql = "SELECT channel, claimed_upto FROM channels";
        let mut last = 0;
        let is_whole = each(
            self.from,
            sql,
            None,
            |row| Ok((channel(row, 0)?, row.get(1)?)),
            |(channel, upto): (String, i64)| {
                last = last.max(upto);
                self.into
                    .execute("INSERT OR IGNORE INTO channels VALUES (?, ?)", params![channel, upto])
                    .map(drop)
            },
        )?;
        self.last = self.last.max(last);
        self.is_torn |= !is_whole;
        Ok(())
    }

    fn told(&mut self) -> rusqlite::Result<()> {
        let sql = "SELECT env, db_path, channel, told, upto FROM told";
        let mut last = 0;
        each(
            self.from,
            sql,
            None,
            |row| Ok((text(row, 0)?, text(row, 1)?, channel(row, 2)?, text(row, 3)?, row.get(4)?)),
            |(env, db_path, channel, told, upto): (String, String, String, String, i64)| {
                if !notices::is_told(&told) {
                    return Ok(());
                }
                last = last.max(upto);
                let sql = "INSERT OR IGNORE INTO told VALUES (?, ?, ?, ?, ?)";
                self.into.execute(sql, params![env, db_path, channel, told, upto]).map(drop)
            },
        )?;
        self.last = self.last.max(last);
        Ok(())
    }

    fn last_deliveries(&mut self) -> rusqlite::Result<()> {
        let sql = "SELECT env, channel, at_us FROM last_deliveries";
        each(
            self.from,
            sql,
            None,
            |row| Ok((text(row, 0)?, channel(row, 1)?, row.get(2)?)),
            |(env, channel, at): (String, String, i64)| {
                let sql = "INSERT OR IGNORE INTO last_deliveries VALUES (?, ?, ?)";
                self.into.execute(sql, params![env, channel, at]).map(drop)
            },
        )?;
        Ok(())
    }

    /// Nobody can say any more who has taken on what: whoever has no delivery of a notice takes it on, and
    /// may tell it a second time.
    fn doubt(&self) -> rusqlite::Result<()> {
        self.into.execute_batch("UPDATE notices SET rescued = 1; UPDATE channels SET claimed_upto = 0;")
    }

    /// A number that is used again would be one that was told already.
    fn never_number_twice(&self) -> rusqlite::Result<()> {
        let used = "SELECT seq FROM sqlite_sequence WHERE name = 'notices'";
        let used = self.from.query_row(used, [], |row| row.get::<_, i64>(0)).unwrap_or(0).max(self.last);
        self.into.execute("DELETE FROM sqlite_sequence WHERE name = 'notices'", [])?;
        self.into.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('notices', ?)", [used]).map(drop)
    }
}

/// Channel, state, attempts, why, not before, telling.
type Delivery = (String, Option<String>, u32, Option<String>, Option<i64>, Option<String>);

/// Reads rows until one cannot be read, and goes on behind it where it can; whether that was all.
fn each<T>(
    from: &Connection,
    sql: &str,
    notice: Option<i64>,
    read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
    mut keep: impl FnMut(T) -> rusqlite::Result<()>,
) -> rusqlite::Result<bool> {
    let key = if notice.is_some() { "channel" } else { "1" };
    let mut is_whole = true;
    for order in ["ASC", "DESC"] {
        let Ok(mut statement) = from.prepare(&format!("{sql} ORDER BY {key} {order}")) else {
            return Ok(false);
        };
        let Ok(mut rows) = statement.query(rusqlite::params_from_iter(notice)) else { return Ok(false) };
        let reached_the_end = loop {
            match rows.next() {
                Ok(Some(row)) => match read(row) {
                    Ok(values) => keep(values)?,
                    Err(_) => is_whole = false,
                },
                Ok(None) => break true,
                Err(_) => break false,
            }
        };
        is_whole &= reached_the_end;
        if reached_the_end {
            break;
        }
    }
    Ok(is_whole)
}

/// Text, whatever its bytes: a name with a broken letter is still a name.
fn text(row: &Row<'_>, column: usize) -> rusqlite::Result<String> {
    match row.get_ref(column)? {
        rusqlite::types::ValueRef::Text(bytes) => Ok(String::from_utf8_lossy(bytes).into_owned()),
        other => Err(rusqlite::Error::InvalidColumnType(column, "text".into(), other.data_type())),
    }
}

/// The word of a channel that this program knows.
fn channel(row: &Row<'_>, column: usize) -> rusqlite::Result<String> {
    let word = text(row, column)?;
    if ChannelName::ALL.iter().any(|name| name.word() == word) {
        Ok(word)
    } else {
        Err(rusqlite::Error::InvalidColumnName(word))
    }
}

#[cfg(test)]
mod tests;
