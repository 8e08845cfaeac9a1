//! Which tables and columns does this registry have?

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, Error, ErrorCode};

use super::ask::words;

/// A table as the registry declares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Lower case, as SQLite compares names without regard to case.
    columns: BTreeSet<String>,
    /// The name under which a row's number can be asked for; `None` for views, `WITHOUT ROWID`, and where
    /// columns have all its names.
    pub rowid: Option<&'static str>,
}

impl Table {
    fn new(columns: BTreeSet<String>, has_rowid: bool) -> Self {
        // A column may be called `rowid`; then one of the other two names still means the row's number.
        let free = |name: &&str| has_rowid && !columns.contains(*name);
        let rowid = ["rowid", "_rowid_", "oid"].into_iter().find(free);
        Self { columns, rowid }
    }

    /// Whether the table has the column.
    #[must_use]
    pub fn has(&self, column: &str) -> bool {
        self.columns.contains(&column.to_ascii_lowercase())
    }
}

/// The tables that a run asks about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schema(BTreeMap<String, Result<Table, String>>);

impl Schema {
    /// Reads the declarations of these tables; those that the registry lacks are left out.
    ///
    /// # Errors
    /// SQLite's own.
    pub fn read<'a>(
        connection: &Connection,
        tables: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, Error> {
        let mut kinds = connection.prepare(
            "SELECT type, wr FROM pragma_table_list WHERE schema = 'main' AND name = ?1 COLLATE NOCASE",
        )?;
        let mut columns = connection.prepare("SELECT lower(name) FROM pragma_table_xinfo(?1)")?;
        let mut schema = Self::default();
        for table in tables {
            let key = table.to_ascii_lowercase();
            if schema.0.contains_key(&key) {
                continue;
            }
            let mut rows = kinds.query([table])?;
            let Some(row) = rows.next()? else { continue };
            let has_rowid = row.get::<_, String>(0)? == "table" && !row.get::<_, bool>(1)?;
            let described = match columns.query_map([table], |row| row.get(0))?.collect::<Result<_, _>>() {
                Ok(columns) => Ok(Table::new(columns, has_rowid)),
                // A view on a table that is gone; the others can be asked all the same.
                Err(error) if error.sqlite_error_code() == Some(ErrorCode::Unknown) => {
                    Err(format!("{table} cannot be read: {}", words(&error)))
                }
                Err(error) => return Err(error),
            };
            schema.0.insert(key, described);
        }
        Ok(schema)
    }

    /// The table of this name.
    ///
    /// # Errors
    /// A sentence, where the registry has none or cannot say what it holds.
    pub fn table(&self, name: &str) -> Result<&Table, String> {
        match self.0.get(&name.to_ascii_lowercase()) {
            Some(table) => table.as_ref().map_err(Clone::clone),
            None => Err(format!("the registry has no table {name}")),
        }
    }

    /// Whether the registry has no table of this name.
    #[must_use]
    pub fn lacks(&self, name: &str) -> bool {
        !self.0.contains_key(&name.to_ascii_lowercase())
    }
}

/// A name in double quotes, as SQL takes it literally.
#[must_use]
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
