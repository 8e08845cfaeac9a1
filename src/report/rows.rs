//! How are all rows that violate an invariant written, one by one as they are found?

use std::io::{self, Write};

use super::table::{Align, Table, cut_columns, is_unseen, visible};
use super::{cell, json};
use crate::invariants::{Body, Invariant};
use crate::verdict::invariants::SampleRow;

/// As what violating rows are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum RowsFormat {
    /// Aligned columns for people.
    Table,
    /// One JSON object per line.
    Jsonl,
    /// RFC 4180, with a header.
    Csv,
}

/// A cell of a table; JSON lines and CSV have the whole text.
const WIDEST: usize = 60;

/// Writes violating rows; holds no more than what decides a table's columns.
pub struct RowsWriter<W: Write> {
    to: To<W>,
    columns: Vec<String>,
    with_reason: bool,
    count: u64,
}

enum To<W: Write> {
    /// Before the first row has told its columns.
    Unbegun(RowsFormat, W),
    Table(Table<W>),
    Jsonl(W),
    Csv(Box<csv::Writer<W>>),
    /// While one takes the place of another, and after a failure.
    Gone,
}

impl<W: Write> RowsWriter<W> {
    /// For the rows of `invariant`; where there is none, headings come from its key and `show`.
    pub fn new(format: RowsFormat, invariant: &Invariant, out: W) -> Self {
        let columns = invariant.key.iter().chain(&invariant.show).cloned().collect();
        let with_reason = matches!(&invariant.body, Body::Rows { reason: Some(_), .. });
        Self { to: To::Unbegun(format, out), columns, with_reason, count: 0 }
    }

    /// One violating row.
    ///
    /// # Errors
    /// Where the output takes no more.
    pub fn row(&mut self, row: &SampleRow) -> io::Result<()> {
        if self.count == 0 {
            self.columns = row.cells.iter().map(|(name, _)| name.clone()).collect();
            self.with_reason |= row.reason.is_some();
            self.begin()?;
        }
        self.count += 1;
        let cells = row.cells.iter().map(|(_, cell)| cell::words(cell));
        let reason = self.with_reason.then(|| row.reason.clone().unwrap_or_default());
        match &mut self.to {
            To::Table(table) => table.row(cells.map(|c| cut_columns(&visible(&c), WIDEST)).chain(reason)),
            To::Csv(writer) => Ok(writer.write_record(cells.chain(reason).map(|c| plain(&c)))?),
            To::Jsonl(out) => writeln!(out, "{}", json::line(&cell::object(row))),
            To::Unbegun(..) | To::Gone => Ok(()),
        }
    }

    /// Ends the output; the number of rows.
    ///
    /// # Errors
    /// Where the output takes no more.
    pub fn finish(mut self) -> io::Result<u64> {
        self.begin()?;
        let count = self.count;
        if let Some(mut out) = self.end()? {
            let rows = if count == 1 { "row" } else { "rows" };
            writeln!(out, "{count} {rows}")?;
            out.flush()?;
        }
        Ok(count)
    }

    /// Writes what was found so far, without saying that it is all.
    ///
    /// # Errors
    /// Where the output takes no more.
    pub fn stop(self) -> io::Result<()> {
        self.end().map(|_| ())
    }

    /// A table's output comes back.
    fn end(self) -> io::Result<Option<W>> {
        match self.to {
            To::Table(table) => return table.finish().map(Some),
            To::Csv(mut writer) => writer.flush()?,
            To::Jsonl(mut out) => out.flush()?,
            To::Unbegun(..) | To::Gone => {}
        }
        Ok(None)
    }

    fn begin(&mut self) -> io::Result<()> {
        let (format, out) = match std::mem::replace(&mut self.to, To::Gone) {
            To::Unbegun(format, out) => (format, out),
            begun => {
                self.to = begun;
                return Ok(());
            }
        };
        let reason = self.with_reason.then_some("reason");
        let headings = self.columns.iter().map(String::as_str).chain(reason);
        self.to = match format {
            RowsFormat::Table => {
                let headings: Vec<_> = headings.map(|h| (h, Align::Left)).collect();
                To::Table(Table::new(out, &headings))
            }
            RowsFormat::Jsonl => To::Jsonl(out),
            RowsFormat::Csv => {
                let mut writer = csv::Writer::from_writer(out);
                writer.write_record(headings.map(plain))?;
                To::Csv(Box::new(writer))
            }
        };
        Ok(())
    }
}

/// A CSV cell keeps its line ends and tabs, which quotes hold together, and nothing else that a terminal
/// would obey or hide.
fn plain(text: &str) -> String {
    if !text.contains(is_unseen) {
        return text.to_owned();
    }
    text.split_inclusive(['\n', '\t'])
        .map(|piece| match piece.strip_suffix(['\n', '\t']) {
            Some(start) => {
                visible(start.trim_end_matches('\r')) + piece.get(start.len()..).unwrap_or_default()
            }
            None => visible(piece),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::invariants::{Catalogue, Source};
    use crate::verdict::invariants::Cell;

    fn invariant(id: &str) -> Invariant {
        Catalogue::load(&[]).unwrap().get(id).unwrap().clone()
    }

    fn row(id: i64, text: &str) -> SampleRow {
        let cells = [
            ("id", Cell::Integer(id)),
            ("name", Cell::Text(text.into())),
            ("none", Cell::Null),
            ("blob", Cell::Blob(3)),
            ("secret", Cell::Redacted),
        ];
        SampleRow { cells: cells.map(|(n, c)| (n.to_owned(), c)).to_vec(), reason: Some("because".into()) }
    }

    fn render(format: RowsFormat, rows: &[SampleRow]) -> String {
        let mut out = Vec::new();
        let mut writer = RowsWriter::new(format, &invariant("lane_overrides"), &mut out);
        for row in rows {
            writer.row(row).unwrap();
        }
        assert_eq!(writer.finish().unwrap(), rows.len() as u64);
        String::from_utf8(out).unwrap()
    }

    const HOSTILE: &str = "a\u{7}\"b,c\nd\u{1b}[31m\u{202e}|";

    #[test]
    fn a_table_is_for_eyes() {
        let expected = "\
id  name                           none  blob             secret      reason
7   a\\u{7}\"b,c\\nd\\u{1b}[31m\\u{202e}|  NULL  (blob, 3 bytes)  (redacted)  because
1 row
";
        let got = render(RowsFormat::Table, &[row(7, HOSTILE)]);
        let squeeze = |t: &str| t.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(squeeze(&got), squeeze(expected));
        let long = render(RowsFormat::Table, &[row(7, &"x".repeat(100_000))]);
        assert!(long.contains(&format!("{}…  NULL", "x".repeat(59))), "{}", long.len());
    }

    #[test]
    fn json_lines_are_read_back_exactly() {
        let text = render(RowsFormat::Jsonl, &[row(7, HOSTILE), row(8, "")]);
        let lines: Vec<serde_json::Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        let words = |text: &str, id: i64| {
            serde_json::json!({ "id": id, "name": text, "none": null, "blob": "(blob, 3 bytes)",
                                "secret": "(redacted)", "reason": "because" })
        };
        assert_eq!(lines, [words(HOSTILE, 7), words("", 8)]);
        assert!(!text.trim_end().lines().any(|l| l.contains(is_unseen)));
        assert_eq!(render(RowsFormat::Jsonl, &[]), "");
    }

    #[test]
    fn csv_has_a_header_and_holds_cells_together_with_quotes() {
        let text = render(RowsFormat::Csv, &[row(7, HOSTILE)]);
        let expected = "id,name,none,blob,secret,reason\n\
                        7,\"a\\u{7}\"\"b,c\nd\\u{1b}[31m\\u{202e}|\",NULL,\"(blob, 3 bytes)\",(redacted),because\n";
        assert_eq!(text, expected);
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        assert_eq!(reader.records().count(), 1);
    }

    #[test]
    fn without_a_row_the_headings_are_those_of_the_invariant() {
        let headings = "id,task_estimate_id,predicted_lane,corrected_lane,corrected_by,reason\n";
        assert_eq!(render(RowsFormat::Csv, &[]), headings);
        let table = render(RowsFormat::Table, &[]);
        assert_eq!(table, headings.replace(',', "  ") + "0 rows\n");
    }

    #[test]
    fn an_output_that_takes_no_more_is_an_error_and_no_panic() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Err(io::ErrorKind::StorageFull.into())
            }
        }
        for format in [RowsFormat::Table, RowsFormat::Jsonl, RowsFormat::Csv] {
            let mut writer = RowsWriter::new(format, &invariant("lane_overrides"), Full);
            let fails = (0..100_000).any(|n| writer.row(&row(n, "x")).is_err());
            assert!(fails, "{format:?}");
            let mut empty = Catalogue::default();
            empty.add("/*---\nid = \"x\"\ntitle = \"x\"\nseverity = \"warning\"\nkey = [\"id\"]\n---*/\nSELECT 1", Source::Builtin("x")).unwrap();
            assert!(RowsWriter::new(format, &empty.invariants[0], Full).finish().is_err(), "{format:?}");
        }
    }
}
