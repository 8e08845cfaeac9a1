//! Which statements answer which invariants? Predicates over one table share a scan.

use std::path::PathBuf;
use std::sync::Arc;

use rusqlite::{Connection, Error, ErrorCode};

use super::ask::{self, Asked, FunctionLog, Refusal};
use super::facts::{HAS_POLLUTING_RUN, HAS_RUN, HAS_UNVALIDATED_RUN};
use super::reader::MOST_FOLDED;
use super::schema::{Schema, Table, quoted};
use super::shared::Shared;
use crate::invariants::{Body, Invariant, OnMissing, Source};
use crate::verdict::invariants::Outcome;

/// The table whose runs are folded per project.
pub const RUNS: &str = "project_runs";

/// Everything that is to be asked, and what is settled without asking.
#[derive(Debug, Default)]
pub struct Plan {
    /// Row predicates, by table.
    pub scans: Vec<Scan>,
    /// Statements of their own.
    pub queries: Vec<Query>,
    /// Skipped, or impossible to ask.
    pub settled: Vec<(usize, Outcome)>,
    /// What a reader should know of an invariant beside its outcome.
    pub notes: Vec<(usize, String)>,
}

/// One pass over one table for all predicates that share it.
#[derive(Clone, Debug)]
pub struct Scan {
    /// The table, quoted.
    pub table: String,
    /// The row's number in this table; a table without is read in one piece, and only to fold it.
    pub rowid: Option<&'static str>,
    /// The predicates.
    pub members: Vec<Member>,
    /// Fold facts per project in the same pass: an SQL expression of their bits.
    pub fold: Option<String>,
    /// What must be known before it can begin.
    pub asked: Asked,
    /// An index answers it, so it is neither shared nor split.
    pub indexed: bool,
    /// Counts the entries of an index that has one for every row, where the table has such an index.
    pub entries: Option<String>,
}

/// A row predicate in a scan.
#[derive(Clone, Debug)]
pub struct Member {
    /// The invariant's place in the catalogue.
    pub invariant: usize,
    /// The predicate.
    pub violates: String,
    /// Gives the sample's columns of every violating row, without the others of the scan.
    pub alone: String,
    /// Gives the sample's columns of one row by its number.
    pub sample: String,
    /// How the columns of `sample` are shown.
    pub columns: ask::Columns,
}

/// A statement that returns the violating rows.
#[derive(Clone, Debug)]
pub struct Query {
    /// The invariant's place in the catalogue.
    pub invariant: usize,
    /// The statement.
    pub sql: String,
    /// How its columns are shown.
    pub columns: ask::Columns,
    /// What must be known before it can begin.
    pub asked: Asked,
    /// Its steps are rows of one table.
    pub counts_rows: bool,
}

/// A statement that would do more than read; nothing of the run may take place.
#[derive(Debug, thiserror::Error)]
#[error("invariant {id} ({}): {detail}; an invariant may only read", file.display())]
pub struct Refused {
    /// The invariant.
    pub id: String,
    /// Its file.
    pub file: PathBuf,
    /// What SQLite's authorizer refused.
    pub detail: String,
}

/// Plans a run over a connection that allows reading only.
///
/// # Errors
/// Where an invariant would do more than read.
pub fn plan(
    connection: &Connection,
    functions: &FunctionLog,
    schema: &Schema,
    catalogue: &[Invariant],
    shared: &Arc<Shared>,
) -> Result<Plan, Refused> {
    let mut plan = Plan::default();
    let without_files = shared.artifacts.is_none();
    for (index, invariant) in catalogue.iter().enumerate() {
        if let Some(outcome) = missing(invariant, schema) {
            plan.settled.push((index, outcome));
            continue;
        }
        functions.clear();
        let added = match &invariant.body {
            Body::Rows { .. } => plan.add_rows(connection, functions, schema, index, invariant),
            Body::Query { sql } => plan.add_query(connection, functions, index, invariant, sql),
        };
        if functions.asked().passports && without_files {
            let note = "passport files were not looked at: ARTIFACTS_DIR is not set";
            plan.notes.push((index, note.to_owned()));
        }
        let (refused, words) = match added {
            Ok(()) => continue,
            Err(Unasked::Refused(words)) => (functions.refused().or(Some(Refusal::OfStatement)), words),
            Err(Unasked::Error(words)) => (functions.refused(), words),
        };
        // What a view of the registry asks for, and what a file of ours meets there, is no mistake of the
        // operator's: it is that invariant's error, and the others are asked.
        if let (Some(Refusal::OfStatement), Source::File(file)) = (refused, &invariant.source) {
            return Err(Refused { id: invariant.id.clone(), file: file.clone(), detail: words });
        }
        plan.settled.push((index, Outcome::Failed { errors: vec![words] }));
    }
    if without_files {
        plan.wait_for_no_files();
    }
    plan.add_fold(connection, schema, shared);
    Ok(plan)
}

/// What a needed column that is not there means.
fn missing(invariant: &Invariant, schema: &Schema) -> Option<Outcome> {
    let tables = invariant.needs.iter().map(|need| need.table.as_str());
    let own = match &invariant.body {
        Body::Rows { table, .. } => Some(table.as_str()),
        Body::Query { .. } => None,
    };
    for table in tables.chain(own) {
        if let Err(error) = schema.table(table) {
            return Some(Outcome::Failed { errors: vec![error] });
        }
    }
    let lacking: Vec<_> = invariant
        .needs
        .iter()
        .filter(|need| schema.table(&need.table).is_ok_and(|table| !table.has(&need.column)))
        .map(|need| format!("{}.{}", need.table, need.column))
        .collect();
    if lacking.is_empty() {
        return None;
    }
    let sentence = format!("the registry has no column {}", lacking.join(", "));
    Some(match invariant.on_missing {
        OnMissing::Skip => Outcome::Skipped { reason: sentence },
        OnMissing::Error => Outcome::Failed { errors: vec![sentence] },
    })
}

enum Unasked {
    Refused(String),
    Error(String),
}

impl From<Error> for Unasked {
    fn from(error: Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::AuthorizationForStatementDenied) => Self::Refused(ask::words(&error)),
            _ => Self::Error(ask::words(&error)),
        }
    }
}

impl Plan {
    fn add_rows(
        &mut self,
        connection: &Connection,
        functions: &FunctionLog,
        schema: &Schema,
        index: usize,
        invariant: &Invariant,
    ) -> Result<(), Unasked> {
        let Body::Rows { table: name, violates, reason } = &invariant.body else { return Ok(()) };
        let table = schema.table(name).map_err(Unasked::Error)?;
        let columns = self.row_columns(index, invariant, table, reason.as_deref())?;
        let from = quoted(name);
        let Some(rowid) = table.rowid else {
            // A view or a table without row numbers is asked as a statement.
            let sql = format!("SELECT {} FROM {from} WHERE ({violates})", columns.select);
            ask::prepare(connection, &sql)?;
            let columns = columns.columns;
            let (asked, counts_rows) = (functions.asked(), ask::is_one_scan(connection, &sql)?);
            self.queries.push(Query { invariant: index, sql, columns, asked, counts_rows });
            return Ok(());
        };
        // In WHERE, where an aggregate is an error: in the shared scan it would swallow the rows.
        let alone = format!("SELECT {rowid} FROM {from} WHERE ({violates})");
        ask::prepare(connection, &alone)?;
        // The reason may ask for more than the predicate: whatever the sample needs must be known, too.
        let sample = format!("SELECT {} FROM {from} WHERE {rowid} = ?1", columns.select);
        let statement = connection.prepare(&sample)?;
        drop(statement);
        let asked = functions.asked();
        // An index does not tell how many rows there are, which `min_examined` asks for.
        let indexed = invariant.min_examined.is_none() && ask::uses_index(connection, &alone)?;
        let every = format!("SELECT {} FROM {from} WHERE ({violates})", columns.select);
        let member = Member {
            invariant: index,
            violates: violates.clone(),
            alone: every,
            sample,
            columns: columns.columns,
        };
        let shares = |scan: &&mut Scan| !scan.indexed && scan.table == from && scan.asked == asked;
        match self.scans.iter_mut().find(shares) {
            Some(scan) if !indexed => scan.members.push(member),
            _ => {
                let entries = if indexed { None } else { count_of_entries(connection, &from) };
                let (members, rowid) = (vec![member], Some(rowid));
                self.scans.push(Scan { table: from, rowid, members, fold: None, asked, indexed, entries });
            }
        }
        Ok(())
    }

    fn row_columns(
        &mut self,
        index: usize,
        invariant: &Invariant,
        table: &Table,
        reason: Option<&str>,
    ) -> Result<RowColumns, Unasked> {
        let mut names = invariant.key.clone();
        if let Some(key) = names.iter().find(|name| !table.has(name)) {
            return Err(Unasked::Error(format!("its key column {key} does not exist")));
        }
        for name in &invariant.show {
            match (&invariant.source, table.has(name)) {
                (_, true) if names.contains(name) => {}
                (_, true) => names.push(name.clone()),
                (Source::File(_), false) => {
                    return Err(Unasked::Error(format!("its show column {name} does not exist")));
                }
                // A registry of another age still has its rows counted.
                (Source::Builtin(_), false) => {
                    self.notes.push((index, format!("column {name} is not shown: the registry lacks it")));
                }
            }
        }
        let mut select: Vec<String> = names.iter().map(|name| quoted(name)).collect();
        if let Some(reason) = reason {
            select.push(format!("({reason}) AS reason"));
        }
        let columns = ask::Columns::new(names, reason.is_some(), &invariant.redact);
        Ok(RowColumns { select: select.join(", "), columns })
    }

    fn add_query(
        &mut self,
        connection: &Connection,
        functions: &FunctionLog,
        index: usize,
        invariant: &Invariant,
        sql: &str,
    ) -> Result<(), Unasked> {
        let names = ask::prepare(connection, sql)?;
        let wanted = invariant.key.iter().map(|name| ("key", name));
        let wanted = wanted.chain(invariant.show.iter().map(|name| ("show", name)));
        if let Some((what, name)) = { wanted }.find(|(_, name)| !names.contains(name)) {
            return Err(Unasked::Error(format!(
                "its statement returns no column {name}, which its {what} names"
            )));
        }
        let columns = ask::Columns::of_query(&names, &invariant.key, &invariant.show, &invariant.redact);
        let (asked, counts_rows) = (functions.asked(), ask::is_one_scan(connection, sql)?);
        self.queries.push(Query { invariant: index, sql: sql.to_owned(), columns, asked, counts_rows });
        Ok(())
    }

    /// With no folder configured there is nothing to wait for, and no reason for a scan of its own.
    fn wait_for_no_files(&mut self) {
        for query in &mut self.queries {
            query.asked.passports = false;
        }
        let mut scans: Vec<Scan> = vec![];
        for mut scan in std::mem::take(&mut self.scans) {
            scan.asked.passports = false;
            let shares = |known: &&mut Scan| {
                !known.indexed && !scan.indexed && known.table == scan.table && known.asked == scan.asked
            };
            match scans.iter_mut().find(shares) {
                Some(known) => known.members.append(&mut scan.members),
                None => scans.push(scan),
            }
        }
        self.scans = scans;
    }

    /// Folds the runs in the pass that reads them anyway, else in one of its own.
    fn add_fold(&mut self, connection: &Connection, schema: &Schema, shared: &Shared) {
        let asks = |asked: &Asked| asked.facts;
        if !self.scans.iter().any(|s| asks(&s.asked)) && !self.queries.iter().any(|q| asks(&q.asked)) {
            return;
        }
        let from = quoted(RUNS);
        let table = match schema.table(RUNS) {
            Ok(table) => table,
            Err(words) => {
                let _ = shared.facts.set(Err(words));
                return;
            }
        };
        let fold = Some(fold_expression(table));
        let free = Asked::default();
        let has_room = |s: &&mut Scan| s.members.len() <= MOST_FOLDED;
        let mut same = self.scans.iter_mut().filter(|s| s.table == from && s.asked == free && !s.indexed);
        match same.find(has_room) {
            Some(scan) => scan.fold = fold,
            None => self.scans.push(Scan {
                table: from,
                rowid: table.rowid,
                members: vec![],
                fold,
                asked: free,
                indexed: false,
                entries: table.rowid.and_then(|_| count_of_entries(connection, &quoted(RUNS))),
            }),
        }
        // First in line: others wait for what it finds.
        self.scans.sort_by_key(|scan| scan.fold.is_none());
    }
}

/// A statement that counts a table's rows by an index alone, where there is an index that has them all.
fn count_of_entries(connection: &Connection, from: &str) -> Option<String> {
    let sql = format!("SELECT count(*) FROM {from}");
    // An index that only the application can read (its own collation) is nobody's mistake.
    ask::uses_index(connection, &sql).is_ok_and(|uses| uses).then_some(sql)
}

struct RowColumns {
    select: String,
    columns: ask::Columns,
}

/// The bits of [`super::facts`] for one run; a column that is not there says nothing, and the
/// invariants that need it have found that out for themselves.
fn fold_expression(table: &Table) -> String {
    let when = |column: &str, case: &str| {
        if table.has(column) { format!(" | (CASE {case} ELSE 0 END)") } else { String::new() }
    };
    let failed = HAS_UNVALIDATED_RUN | HAS_POLLUTING_RUN;
    let validation = when(
        "validation_pass",
        &format!(
            "WHEN validation_pass IS NULL THEN {HAS_UNVALIDATED_RUN} WHEN validation_pass = 0 THEN {failed}"
        ),
    );
    // The most frequent kind first: it is then the only comparison of texts for most rows.
    let kind = when(
        "run_kind",
        &format!(
            "run_kind WHEN 'baseline' THEN 0 WHEN 'rehearsal' THEN {HAS_POLLUTING_RUN} \
             WHEN 'replay' THEN {HAS_POLLUTING_RUN}"
        ),
    );
    let sandbox = when("write_sandbox", &format!("WHEN write_sandbox = 1 THEN {HAS_POLLUTING_RUN}"));
    let all = format!("{HAS_RUN}{validation}{kind}{sandbox}");
    // Most runs are clean, and this finds it out with few comparisons and no arithmetic.
    if ["validation_pass", "run_kind", "write_sandbox"].iter().all(|column| table.has(column)) {
        let clean = "write_sandbox = 0 AND validation_pass = 1 AND run_kind IN ('baseline', 'hotfix')";
        format!("CASE WHEN {clean} THEN {HAS_RUN} ELSE {all} END")
    } else {
        all
    }
}
