//! Is this one statement that reads? Answered from `SQLite`'s lexical rules alone, so that a refusal
//! can name the line; what a statement may really touch is enforced by `SQLite`'s authorizer.

use thiserror::Error;

/// Why a text is no statement, or no expression, of an invariant.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SqlError {
    /// Only blanks and comments.
    #[error("no SQL: the front matter must be followed by one statement that returns the violating rows")]
    Empty,
    /// Something follows the first statement.
    #[error("a second statement: an invariant is one statement that returns the violating rows")]
    Second,
    /// The first word is no reading one.
    #[error("`{0}` does not read: an invariant is a SELECT, WITH or VALUES statement")]
    NotReading(String),
    /// A word that only writing statements have.
    #[error("`{0}` writes: an invariant only reads")]
    Writing(String),
    /// A quote, bracket or comment without its end.
    #[error("{0} without its end")]
    Unterminated(&'static str),
    /// A placeholder; it would be NULL, and the invariant would hold for ever.
    #[error("`{0}` is a placeholder, and nothing fills it in")]
    Placeholder(String),
    /// More or fewer `)` than `(`.
    #[error("parentheses do not match")]
    Parentheses,
    /// A semicolon in an expression.
    #[error("`;` in an expression")]
    Semicolon,
    /// An expression of blanks and comments.
    #[error("an empty expression")]
    EmptyExpression,
    /// NUL and its kin: people cannot see what `SQLite` reads there.
    #[error("a control character (U+{:04X})", u32::from(*.0))]
    Control(char),
}

/// A [`SqlError`] and the byte offset at which it was seen.
pub type Refused = (usize, SqlError);

/// The one reading statement in `text`, with the comments before and in it, without its semicolon.
///
/// # Errors
/// Where there is no statement, a second one, or one that plainly does not read.
pub fn statement(text: &str) -> Result<&str, Refused> {
    let mut first: Option<Token> = None;
    let mut end = None;
    let mut depth = Depth::default();
    for token in Tokens::new(text) {
        let token = token?;
        if token.kind == Kind::Blank {
            continue;
        }
        if token.kind == Kind::Semicolon {
            end = end.or(first.map(|_| token.start));
            continue;
        }
        if end.is_some() {
            return Err((token.start, SqlError::Second));
        }
        depth.follow(&token)?;
        let word = token.text(text).to_ascii_uppercase();
        if first.is_none() && !["SELECT", "WITH", "VALUES"].contains(&word.as_str()) {
            return Err((token.start, SqlError::NotReading(cut(&word))));
        }
        // These three are reserved words: unquoted, they are never the name of a column.
        if token.kind == Kind::Word && ["INSERT", "UPDATE", "DELETE"].contains(&word.as_str()) {
            return Err((token.start, SqlError::Writing(word)));
        }
        first = first.or(Some(token));
    }
    if first.is_none() {
        return Err((text.len(), SqlError::Empty));
    }
    depth.close()?;
    let end = end.unwrap_or(text.len());
    Ok(text.get(..end).unwrap_or(text).trim())
}

/// Whether `text` can stand between parentheses without changing what is around them.
///
/// # Errors
/// Where it cannot.
pub fn expression(text: &str) -> Result<(), Refused> {
    let mut depth = Depth::default();
    let mut empty = true;
    for token in Tokens::new(text) {
        let token = token?;
        if token.kind == Kind::Semicolon {
            return Err((token.start, SqlError::Semicolon));
        }
        depth.follow(&token)?;
        empty &= token.kind == Kind::Blank;
    }
    if empty {
        return Err((0, SqlError::EmptyExpression));
    }
    depth.close()
}

/// A word of an operator's file, short enough for one line.
fn cut(word: &str) -> String {
    word.chars().take(40).collect()
}

/// Open parentheses, by offset.
#[derive(Default)]
struct Depth(Vec<usize>);

impl Depth {
    fn follow(&mut self, token: &Token) -> Result<(), Refused> {
        match token.kind {
            Kind::Open => self.0.push(token.start),
            Kind::Close if self.0.pop().is_none() => return Err((token.start, SqlError::Parentheses)),
            _ => {}
        }
        Ok(())
    }

    fn close(&self) -> Result<(), Refused> {
        self.0.first().map_or(Ok(()), |&open| Err((open, SqlError::Parentheses)))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Blanks and comments.
    Blank,
    /// A keyword, an unquoted name, a number.
    Word,
    /// A string or a quoted name.
    Quoted,
    Semicolon,
    Open,
    Close,
    Operator,
}

#[derive(Clone, Copy, Debug)]
struct Token {
    kind: Kind,
    start: usize,
    end: usize,
}

impl Token {
    fn text<'a>(&self, whole: &'a str) -> &'a str {
        whole.get(self.start..self.end).unwrap_or_default()
    }
}

struct Tokens<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Tokens<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Length of the token that `rest` begins with.
    fn measure(rest: &str, first: char) -> Result<(Kind, usize), SqlError> {
        let second = rest.chars().nth(1);
        Ok(match (first, second) {
            ('-', Some('-')) => (Kind::Blank, rest.find('\n').unwrap_or(rest.len())),
            ('/', Some('*')) => {
                let inner = rest.get(2..).unwrap_or_default();
                let close = inner.find("*/").ok_or(SqlError::Unterminated("a comment"))?;
                (Kind::Blank, close + 4)
            }
            ('\'', _) => (Kind::Quoted, quoted(rest, '\'').ok_or(SqlError::Unterminated("a string"))?),
            ('"' | '`', _) => {
                (Kind::Quoted, quoted(rest, first).ok_or(SqlError::Unterminated("a quoted name"))?)
            }
            ('[', _) => {
                (Kind::Quoted, rest.find(']').ok_or(SqlError::Unterminated("a name in brackets"))? + 1)
            }
            (';', _) => (Kind::Semicolon, 1),
            ('(', _) => (Kind::Open, 1),
            (')', _) => (Kind::Close, 1),
            ('?' | '$', _) => return Err(SqlError::Placeholder(placeholder(rest))),
            (':' | '@' | '#', Some(next)) if is_name(next) => {
                return Err(SqlError::Placeholder(placeholder(rest)));
            }
            _ if first.is_ascii_whitespace() => {
                (Kind::Blank, rest.find(|c: char| !c.is_ascii_whitespace()).unwrap_or(rest.len()))
            }
            _ if first.is_control() => return Err(SqlError::Control(first)),
            _ if is_name(first) => (Kind::Word, rest.find(|c| !is_name(c)).unwrap_or(rest.len())),
            _ => (Kind::Operator, first.len_utf8()),
        })
    }
}

impl Iterator for Tokens<'_> {
    type Item = Result<Token, Refused>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest();
        let first = rest.chars().next()?;
        let start = self.at;
        match Self::measure(rest, first) {
            Ok((kind, length)) => {
                self.at += length;
                Some(Ok(Token { kind, start, end: self.at }))
            }
            Err(error) => {
                self.at = self.text.len();
                Some(Err((start, error)))
            }
        }
    }
}

/// `SQLite`'s `IdChar`: a dollar sign may stand within a name, and every byte above ASCII is a letter.
fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '$' || !c.is_ascii()
}

fn placeholder(rest: &str) -> String {
    let name = rest.chars().skip(1).take_while(|&c| is_name(c)).take(40);
    rest.chars().take(1).chain(name).collect()
}

/// Length of a text in `quote`s, in which a doubled quote is one quote.
fn quoted(rest: &str, quote: char) -> Option<usize> {
    let mut at = 1;
    loop {
        at += rest.get(at..)?.find(quote)? + 1;
        if !rest.get(at..)?.starts_with(quote) {
            return Some(at);
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::{SqlError, expression, statement};

    fn refusal(text: &str) -> (usize, SqlError) {
        statement(text).expect_err(text)
    }

    #[test]
    fn semicolons_in_strings_names_and_comments_end_nothing() {
        for text in [
            "SELECT ';' FROM t",
            "SELECT 'it''s; two' FROM t",
            "SELECT \"a;\"\"b\" FROM t",
            "SELECT `;` FROM [x;y]",
            "SELECT 1 /* ; SELECT 2 */ FROM t",
            "SELECT 1 -- ; SELECT 2\nFROM t",
            "-- first; a remark\nSELECT 1",
            "WITH a AS (VALUES (';')) SELECT * FROM a",
            "VALUES (1), (2)",
            "select x->>'$.a' from t",
        ] {
            assert_eq!(statement(text), Ok(text));
            assert_eq!(statement(&format!("{text}\n;; -- end\n")), Ok(text));
        }
    }

    #[test]
    fn nothing_but_comments_is_no_statement() {
        for text in ["", " \n\t", ";", "-- SELECT 1", "/* SELECT 1; */ ;"] {
            assert_eq!(refusal(text), (text.len(), SqlError::Empty), "{text}");
        }
    }

    #[test]
    fn a_second_statement_is_refused_where_it_begins() {
        assert_eq!(refusal("SELECT 1;\nSELECT 2"), (10, SqlError::Second));
        assert_eq!(refusal("SELECT 1; /* */ DROP TABLE t"), (16, SqlError::Second));
    }

    #[test]
    fn what_does_not_begin_by_reading_is_refused_by_its_word() {
        for word in
            ["INSERT", "ATTACH", "PRAGMA", "EXPLAIN", "BEGIN", "CREATE", "VACUUM", "(", "1", "'SELECT'"]
        {
            let text = format!("/* SELECT */ {word} x");
            assert_eq!(refusal(&text), (13, SqlError::NotReading(word.into())));
        }
    }

    #[test]
    fn a_with_clause_before_a_writing_statement_is_refused() {
        for word in ["insert", "Update", "DELETE"] {
            let text = format!("WITH a AS (SELECT 1) {word} x");
            assert_eq!(refusal(&text), (21, SqlError::Writing(word.to_uppercase())));
        }
        // Function and quoted names are no writing.
        assert!(statement("SELECT replace(a, 'insert', \"update\") FROM t").is_ok());
    }

    #[test]
    fn a_placeholder_is_refused_because_it_would_be_null() {
        for (text, name) in [("?", "?"), ("?1", "?1"), (":limit", ":limit"), ("@x", "@x"), ("$a", "$a")] {
            let text = format!("SELECT 1 WHERE a > {text}");
            assert_eq!(refusal(&text), (19, SqlError::Placeholder(name.into())));
        }
        assert!(statement("SELECT a$b FROM t WHERE c = ':x ? @y'").is_ok());
    }

    #[test]
    fn what_is_opened_must_be_closed() {
        for text in ["'a", "'a''", "\"a", "`a", "[a", "/* a", "(a"] {
            let text = format!("SELECT {text}");
            let (at, error) = refusal(&text);
            assert_eq!(at, 7, "{text}");
            assert!(matches!(error, SqlError::Unterminated(_) | SqlError::Parentheses), "{text}: {error}");
        }
        assert_eq!(refusal("SELECT 1)"), (8, SqlError::Parentheses));
        assert_eq!(refusal("SELECT 1\0; DROP"), (8, SqlError::Control('\0')));
    }

    #[test]
    fn an_expression_cannot_leave_its_parentheses() {
        assert_eq!(expression("a = ')' AND (b OR c)"), Ok(()));
        assert_eq!(expression("a) OR (1"), Err((1, SqlError::Parentheses)));
        assert_eq!(expression("a; DROP TABLE t"), Err((1, SqlError::Semicolon)));
        assert_eq!(expression(" -- a"), Err((0, SqlError::EmptyExpression)));
        assert_eq!(expression("a = 'b"), Err((4, SqlError::Unterminated("a string"))));
    }

    proptest! {
        /// `SQLite` itself is the judge of where a statement ends.
        #[test]
        fn sqlite_finds_no_second_statement_in_what_is_accepted(pieces in vec(prop::sample::select(PIECES), 0..12)) {
            let text = format!("SELECT {}", pieces.concat());
            let registry = rusqlite::Connection::open_in_memory().unwrap();
            if let Ok(statement) = statement(&text) {
                let prepared = registry.prepare(statement);
                prop_assert!(!matches!(prepared, Err(rusqlite::Error::MultipleStatement)), "{statement:?}");
                if let Ok(prepared) = prepared {
                    prop_assert_eq!(prepared.parameter_count(), 0, "{:?}", statement);
                }
            }
            if expression(&text).is_ok() {
                let wrapped = format!("SELECT 1 WHERE (\n{text}\n)");
                let prepared = registry.prepare(&wrapped);
                prop_assert!(!matches!(prepared, Err(rusqlite::Error::MultipleStatement)), "{wrapped:?}");
            }
        }
    }

    const PIECES: &[&str] = &[
        "1", " ", "\n", ";", "'", "''", "\"", "`", "[", "]", "--", "-", "/*", "*/", "/", "*", "(", ")", ",",
        "a", "x'00'", "?", ":a", "@a", "$a", "#a", "SELECT 2", "é", "\t", "->>", "'$.a'", "1e5", "a$b", "::",
        "\\",
    ];
}
