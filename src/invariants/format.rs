//! What does one `.sql` file say? Front matter in the leading comment, then the question (contract 7).

use std::ops::Range;

use thiserror::Error;

use super::front::{Front, Place};
use super::sql::SqlError;
use super::{Invariant, Source};
use crate::near::nearest;

const FIRST_LINE: &str = "/*---";
const LAST_LINE: &str = "---*/";
const DIALECTS: [&str; 2] = ["sqlite", "postgres"];
const MARKER: &str = ":dialect";

/// Every key that front matter may have.
const KEYS: [&str; 18] = [
    "id",
    "title",
    "severity",
    "tags",
    "key",
    "sample",
    "timeout",
    "runbook",
    "owner",
    "description",
    "show",
    "redact",
    "min_examined",
    "needs",
    "on_missing",
    "table",
    "violates",
    "reason",
];

/// Why a file is no invariant.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Problem {
    /// The file begins with something else.
    #[error("no front matter: the file must begin with a line `/*---` that opens it")]
    NoFrontMatter,
    /// The front matter has no last line.
    #[error("front matter without its last line `---*/`")]
    OpenFrontMatter,
    /// The SQL comment would end there.
    #[error("`*/` in front matter would end the comment it stands in")]
    CommentEnd,
    /// No TOML.
    #[error("front matter is not understood: {0}")]
    Toml(String),
    /// A key that means nothing.
    #[error("unknown key `{key}`{}", nearest(key, KEYS))]
    UnknownKey {
        /// The key.
        key: String,
    },
    /// A key without which there is no invariant.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// A value that its key cannot have.
    #[error("`{key}` {want}")]
    Value {
        /// The key.
        key: &'static str,
        /// What the value must be.
        want: String,
    },
    /// Keys that do not go together, or a predicate with a statement.
    #[error("{0}")]
    Contradiction(&'static str),
    /// A `:dialect` line that names nothing.
    #[error("unknown dialect `{name}`{}", nearest(name, DIALECTS))]
    Dialect {
        /// As written.
        name: String,
    },
    /// Two sections of one dialect.
    #[error("a second section for {0}")]
    SecondSection(&'static str),
    /// Sections, and none that `SQLite` could be asked.
    #[error("no section `-- :dialect sqlite`")]
    NoSqlite,
    /// The statement or expression.
    #[error(transparent)]
    Sql(#[from] SqlError),
    /// The same, within front matter.
    #[error("`{key}`: {error}")]
    Expression {
        /// The key.
        key: &'static str,
        /// What is wrong with it.
        error: SqlError,
    },
}

/// A [`Problem`] and the line of the file, from 1, at which it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// From 1.
    pub line: usize,
    /// What is wrong.
    pub problem: Problem,
}

/// Byte offset of a problem within the file; [`parse`] makes a line number of it.
type At = (usize, Problem);

/// Reads one file's text.
///
/// # Errors
/// Where the text is no invariant of contract 7: the problem and its line.
pub fn parse(text: &str, source: Source) -> Result<Invariant, Refused> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    read(text, source).map_err(|(offset, problem)| {
        let before = text.as_bytes().iter().take(offset);
        Refused { line: 1 + before.filter(|&&b| b == b'\n').count(), problem }
    })
}

fn read(text: &str, source: Source) -> Result<Invariant, At> {
    if let Some((at, c)) = stray_control(text) {
        return Err((at, SqlError::Control(c).into()));
    }
    let matter = front_matter(text)?;
    let toml = text.get(matter.clone()).unwrap_or_default();
    let shift = |span: Option<Range<usize>>| matter.start + span.map_or(0, |s| s.start);
    let front = front(toml).map_err(|(span, problem)| (shift(span), problem))?;
    let body_start =
        text.get(matter.end..).and_then(|t| t.find('\n')).map_or(text.len(), |n| matter.end + n + 1);
    let body = for_sqlite(text, body_start)?;
    front.build(&body, source).map_err(|problem| match problem {
        Place::Front(span, problem) => (matter.start + span.start, problem),
        Place::Body(at, problem) => (at, problem),
    })
}

/// A carriage return alone ends a line for people and not for `SQLite`, which would take the next line
/// for the end of a comment.
fn stray_control(text: &str) -> Option<(usize, char)> {
    let next = text.chars().skip(1).map(Some).chain([None]);
    let stray =
        |c: char, next| c.is_control() && !(c == '\n' || c == '\t' || (c == '\r' && next == Some('\n')));
    text.char_indices().zip(next).find(|&((_, c), next)| stray(c, next)).map(|(found, _)| found)
}

/// Where the TOML stands; the range ends where the last line begins.
fn front_matter(text: &str) -> Result<Range<usize>, At> {
    let mut at = 0;
    let mut start = None;
    for line in text.split_inclusive('\n') {
        let (begin, word) = (at, line.trim());
        at += line.len();
        match start {
            None if word.is_empty() => {}
            None if word == FIRST_LINE => start = Some(at),
            None => return Err((begin, Problem::NoFrontMatter)),
            Some(start) if word == LAST_LINE => return Ok(start..begin),
            Some(_) if line.contains("*/") => return Err((begin, Problem::CommentEnd)),
            Some(_) => {}
        }
    }
    Err(if start.is_some() { (text.len(), Problem::OpenFrontMatter) } else { (0, Problem::NoFrontMatter) })
}

/// The file with everything blanked that is not SQL for `SQLite`, line for line, so that offsets stay.
fn for_sqlite(text: &str, body_start: usize) -> Result<String, At> {
    let mut body = blank(text.get(..body_start).unwrap_or_default());
    let mut seen: Vec<&'static str> = Vec::new();
    for line in text.get(body_start..).unwrap_or_default().split_inclusive('\n') {
        let marker = line.trim().strip_prefix("--").and_then(|c| c.trim_start().strip_prefix(MARKER));
        if let Some(name) = marker {
            let name = name.trim();
            let Some(dialect) = DIALECTS.into_iter().find(|d| *d == name) else {
                return Err((body.len(), Problem::Dialect { name: name.into() }));
            };
            if seen.contains(&dialect) {
                return Err((body.len(), Problem::SecondSection(dialect)));
            }
            seen.push(dialect);
        }
        let ours = marker.is_none() && seen.last().is_none_or(|d| *d == "sqlite");
        body.push_str(&if ours { line.to_owned() } else { blank(line) });
    }
    if !seen.is_empty() && !seen.contains(&"sqlite") {
        return Err((body_start, Problem::NoSqlite));
    }
    Ok(body)
}

/// As many bytes, and the same line ends.
fn blank(text: &str) -> String {
    text.bytes().map(|b| if b == b'\n' { '\n' } else { ' ' }).collect()
}

fn front(toml: &str) -> Result<Front, (Option<Range<usize>>, Problem)> {
    let not_understood = |e: &toml::de::Error| (e.span(), Problem::Toml(e.message().replace('\n', "; ")));
    let table = toml::de::DeTable::parse(toml).map_err(|e| not_understood(&e))?;
    let unknown = table
        .get_ref()
        .keys()
        .filter(|k| !KEYS.contains(&k.get_ref().as_ref()))
        .min_by_key(|k| k.span().start);
    if let Some(key) = unknown {
        return Err((Some(key.span()), Problem::UnknownKey { key: key.get_ref().clone().into_owned() }));
    }
    toml::from_str(toml).map_err(|e| not_understood(&e))
}
