//! How do rows read in columns, without keeping all of them?

use std::fmt::Write as _;
use std::io::{self, Write};

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::text::is_invisible;

/// So many rows decide how wide the columns are; a later, wider cell pushes its line to the right.
const DECIDING: usize = 200;
/// Between columns.
const GAP: &str = "  ";

/// On which side a column is filled up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// Rows that are written in aligned columns as they come.
pub struct Table<W: Write> {
    out: W,
    align: Vec<Align>,
    /// Widths, once they are decided.
    widths: Option<Vec<usize>>,
    waiting: Vec<Vec<String>>,
}

impl<W: Write> Table<W> {
    /// A table with a line of headings.
    pub fn new(out: W, headings: &[(&str, Align)]) -> Self {
        let heading = headings.iter().map(|(name, _)| visible(name)).collect();
        let align = headings.iter().map(|(_, align)| *align).collect();
        Self { out, align, widths: None, waiting: vec![heading] }
    }

    /// One row; what its cells hold is cleaned here.
    ///
    /// # Errors
    /// Where the output takes no more.
    pub fn row<S: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = S>) -> io::Result<()> {
        let cells: Vec<String> = cells.into_iter().map(|c| visible(c.as_ref())).collect();
        if let Some(widths) = &self.widths {
            return write_row(&mut self.out, &self.align, widths, &cells);
        }
        self.waiting.push(cells);
        if self.waiting.len() > DECIDING { self.decide() } else { Ok(()) }
    }

    /// Writes what still waits and gives the output back.
    ///
    /// # Errors
    /// Where the output takes no more.
    pub fn finish(mut self) -> io::Result<W> {
        if self.widths.is_none() {
            self.decide()?;
        }
        Ok(self.out)
    }

    fn decide(&mut self) -> io::Result<()> {
        let widest = |column: usize| {
            let cells = self.waiting.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.width()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.align.len()).map(widest).collect();
        for row in std::mem::take(&mut self.waiting) {
            write_row(&mut self.out, &self.align, &widths, &row)?;
        }
        self.widths = Some(widths);
        Ok(())
    }
}

fn write_row(out: &mut impl Write, align: &[Align], widths: &[usize], cells: &[String]) -> io::Result<()> {
    let mut line = String::new();
    for ((cell, width), align) in cells.iter().zip(widths).zip(align) {
        let fill = " ".repeat(width.saturating_sub(cell.width()));
        let (before, after) =
            if *align == Align::Right { (fill, String::new()) } else { (String::new(), fill) };
        let _ = write!(line, "{before}{cell}{after}{GAP}");
    }
    writeln!(out, "{}", line.trim_end())
}

/// Text of which nothing moves a terminal's cursor or hides from a reader: a line end reads `\n`, a control
/// or invisible character `\u{1b}`.
#[must_use]
pub fn visible(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => clean.push_str("\\n"),
            '\r' => clean.push_str("\\r"),
            '\t' => clean.push_str("\\t"),
            c if is_unseen(c) => {
                let _ = write!(clean, "\\u{{{:x}}}", u32::from(c));
            }
            c => clean.push(c),
        }
    }
    clean
}

/// Moves or hides what stands around it.
pub(super) fn is_unseen(c: char) -> bool {
    c.is_control() || is_invisible(c) || matches!(c, '\u{2028}' | '\u{2029}')
}

/// As much of `text` as fits into `columns`, with `…` where something is left out.
#[must_use]
pub fn cut_columns(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let mut width = 1;
    let fits = |c: &char| {
        width += c.width().unwrap_or(0);
        width <= columns
    };
    text.chars().take_while(fits).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Align, Table, cut_columns, visible};

    fn render(headings: &[(&str, Align)], rows: &[&[&str]]) -> String {
        let mut table = Table::new(Vec::new(), headings);
        for row in rows {
            table.row(row.iter()).unwrap();
        }
        String::from_utf8(table.finish().unwrap()).unwrap()
    }

    #[test]
    fn columns_line_up_under_wide_and_combining_characters() {
        let table = render(
            &[("NAME", Align::Left), ("COUNT", Align::Right), ("TITLE", Align::Left)],
            &[
                &["漢字漢字", "7", "wide"],
                &["e\u{301}", "12345678", "combining"],
                &["", "", ""],
                &["ascii", "1", "x "],
            ],
        );
        let expected = "\
NAME         COUNT  TITLE
漢字漢字         7  wide
e\u{301}         12345678  combining

ascii            1  x
";
        assert_eq!(table, expected);
    }

    #[test]
    fn a_table_without_rows_is_its_headings() {
        assert_eq!(render(&[("A", Align::Left), ("B", Align::Right)], &[]), "A  B\n");
    }

    #[test]
    fn rows_after_the_deciding_ones_are_written_at_once() {
        let mut table = Table::new(Vec::new(), &[("A", Align::Left), ("B", Align::Left)]);
        for _ in 0..200 {
            table.row(["xx", "y"]).unwrap();
        }
        assert_eq!(table.waiting.len(), 0);
        table.row(["much wider", "y"]).unwrap();
        let text = String::from_utf8(table.finish().unwrap()).unwrap();
        assert_eq!(text.lines().count(), 202);
        assert!(text.starts_with("A   B\nxx  y\n") && text.ends_with("xx  y\nmuch wider  y\n"));
    }

    #[test]
    fn hostile_text_is_shown_and_does_nothing() {
        let text = "a\nb\tc\u{1b}[31m\u{202e}|\u{9b}\0";
        assert_eq!(visible(text), "a\\nb\\tc\\u{1b}[31m\\u{202e}|\\u{9b}\\u{0}");
    }

    #[test]
    fn a_cut_text_has_its_columns() {
        assert_eq!((cut_columns("abc", 3).as_str(), cut_columns("abcd", 3).as_str()), ("abc", "ab…"));
        assert_eq!(
            (cut_columns("漢字漢", 6).as_str(), cut_columns("漢字漢字", 6).as_str()),
            ("漢字漢", "漢字…")
        );
    }

    proptest! {
        #[test]
        fn no_cell_breaks_its_line(text in any::<String>()) {
            let table = render(&[("A", Align::Left)], &[&[&text]]);
            prop_assert_eq!(table.lines().count(), 2);
            prop_assert!(!table.trim_end_matches('\n').lines().any(|l| l.contains(super::is_unseen)));
        }
    }
}
