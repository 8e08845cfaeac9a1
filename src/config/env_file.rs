//! What does an env file say that systemd and a shell read alike? Nothing else is accepted.

use thiserror::Error;

/// Longer than any setting; a file without line ends is something else.
const LONGEST_LINE: usize = 8192;

/// One assignment.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// The variable.
    pub key: String,
    /// Its value, without quotes; maybe a secret.
    pub value: String,
    /// From 1.
    pub line: usize,
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}=… (line {})", self.key, self.line)
    }
}

/// Why a line is refused. No sentence holds anything of the value.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum GrammarError {
    /// U+FEFF at the beginning.
    #[error("a byte-order mark: save the file as plain UTF-8")]
    ByteOrderMark,
    /// Windows line ends, or a lone carriage return.
    #[error("a carriage return: save the file with Unix line ends")]
    CarriageReturn,
    /// NUL and its kin.
    #[error("a control character")]
    Control,
    /// More than 8192 bytes.
    #[error("a line of more than {LONGEST_LINE} bytes")]
    TooLong,
    /// Only a shell knows it.
    #[error("`export`: systemd would leave this line out, so write KEY=value")]
    Export,
    /// Only systemd knows it.
    #[error("`;` begins a comment for systemd and ends the file for a shell: write `#`")]
    Semicolon,
    /// systemd takes the next line for a part of the comment.
    #[error("a comment that ends in a backslash: systemd would leave the next line out")]
    CommentContinues,
    /// Something else than KEY=value.
    #[error("neither KEY=value nor a comment")]
    NoAssignment,
    /// Blanks around the equals sign.
    #[error("a blank beside `=`")]
    BlankBesideEquals,
    /// The same key again.
    #[error("{key} is set a second time (first on line {first})")]
    Duplicate {
        /// The key.
        key: String,
        /// Where it was set first.
        first: usize,
    },
    /// `# …` after a value.
    #[error("a comment after the value: systemd takes it for a part of the value, so give it its own line")]
    InlineComment,
    /// `$` or a backtick outside single quotes.
    #[error(
        "{key} has {} outside single quotes: a shell would expand it, systemd would not, and nothing does here",
        sign_name(*sign)
    )]
    Expansion {
        /// The key.
        key: String,
        /// Which of the two.
        sign: char,
    },
    /// A backslash outside single quotes.
    #[error("a backslash outside single quotes")]
    Backslash,
    /// No second quote on the line.
    #[error("a quote that is not closed on its line")]
    OpenQuote,
    /// More text after the closing quote.
    #[error("text after the closing quote")]
    AfterQuote,
    /// A blank or sign that means something to a shell.
    #[error("a value with blanks or signs that mean something to a shell: put it in single quotes")]
    NeedsQuotes,
}

/// The assignments of a file's text, in order.
///
/// # Errors
/// At the first line that is not read alike by all: its number, from 1, and why.
pub fn parse(text: &str) -> Result<Vec<Entry>, (usize, GrammarError)> {
    let mut entries: Vec<Entry> = Vec::new();
    for (number, line) in (1..).zip(text.split('\n')) {
        let Some((key, value)) = assignment(line).map_err(|e| (number, e))? else { continue };
        if let Some(first) = entries.iter().find(|e| e.key == key) {
            return Err((number, GrammarError::Duplicate { key: first.key.clone(), first: first.line }));
        }
        entries.push(Entry { key: key.to_owned(), value: value.to_owned(), line: number });
    }
    Ok(entries)
}

fn assignment(line: &str) -> Result<Option<(&str, &str)>, GrammarError> {
    if line.starts_with('\u{feff}') {
        return Err(GrammarError::ByteOrderMark);
    }
    if line.len() > LONGEST_LINE {
        return Err(GrammarError::TooLong);
    }
    if line.contains('\r') {
        return Err(GrammarError::CarriageReturn);
    }
    if line.chars().any(|c| c.is_control() && c != '\t') {
        return Err(GrammarError::Control);
    }
    let line = line.trim_matches(BLANKS);
    if line.starts_with('#') {
        return if line.ends_with('\\') { Err(GrammarError::CommentContinues) } else { Ok(None) };
    }
    if line.is_empty() {
        return Ok(None);
    }
    if line.starts_with(';') {
        return Err(GrammarError::Semicolon);
    }
    if line.strip_prefix("export").is_some_and(|rest| rest.starts_with(BLANKS)) {
        return Err(GrammarError::Export);
    }
    let (key, value) = line.split_once('=').ok_or(GrammarError::NoAssignment)?;
    if is_key(key.trim_end_matches(BLANKS)) && (key.ends_with(BLANKS) || value.starts_with(BLANKS)) {
        return Err(GrammarError::BlankBesideEquals);
    }
    if !is_key(key) {
        return Err(GrammarError::NoAssignment);
    }
    unquote(key, value).map(|value| Some((key, value)))
}

const BLANKS: [char; 2] = [' ', '\t'];

fn is_key(key: &str) -> bool {
    let letter = |c: char| c.is_ascii_alphabetic() || c == '_';
    key.starts_with(letter) && key.chars().all(|c| letter(c) || c.is_ascii_digit())
}

fn unquote<'a>(key: &str, value: &'a str) -> Result<&'a str, GrammarError> {
    let special = |c| special(key, c);
    for quote in ['\'', '"'] {
        let Some(rest) = value.strip_prefix(quote) else { continue };
        let (inner, after) = rest.split_once(quote).ok_or(GrammarError::OpenQuote)?;
        if quote == '"' {
            // In double quotes a shell still expands; before a backslash, this may not even be the end.
            inner.chars().find_map(special).map_or(Ok(()), Err)?;
        }
        return match after.trim_start_matches(BLANKS) {
            "" => Ok(inner),
            comment if comment.starts_with('#') => Err(GrammarError::InlineComment),
            _ => Err(GrammarError::AfterQuote),
        };
    }
    if let Some((_, after)) = value.split_once(BLANKS) {
        let comment = after.trim_start_matches(BLANKS).starts_with('#');
        return Err(if comment { GrammarError::InlineComment } else { GrammarError::NeedsQuotes });
    }
    value.chars().find_map(special).map_or(Ok(()), Err)?;
    // A shell puts the home folder in the place of a tilde where a path could begin.
    let tilde = value.starts_with('~') || value.contains(":~") || value.contains("=~");
    let plain = |c: char| c.is_alphanumeric() || "_@%+=:,./?~-#".contains(c);
    if tilde || !value.chars().all(plain) {
        return Err(GrammarError::NeedsQuotes);
    }
    Ok(value)
}

fn special(key: &str, c: char) -> Option<GrammarError> {
    match c {
        '$' | '`' => Some(GrammarError::Expansion { key: key.to_owned(), sign: c }),
        '\\' => Some(GrammarError::Backslash),
        _ => None,
    }
}

/// In a word: service output holds no `$`.
fn sign_name(sign: char) -> &'static str {
    if sign == '$' { "a dollar sign" } else { "a backtick" }
}

#[cfg(test)]
mod tests {
    use super::GrammarError as E;
    use super::parse;

    fn value(line: &str) -> Result<String, E> {
        parse(line).map(|e| e[0].value.clone()).map_err(|(_, error)| error)
    }

    #[test]
    fn what_systemd_and_a_shell_read_alike_is_read() {
        for (line, expected) in [
            ("K=v", "v"),
            ("  K=v \t", "v"),
            ("K=", ""),
            ("K=''", ""),
            ("K='a b # c; $HOME `x` \\ \"'", "a b # c; $HOME `x` \\ \""),
            ("K=\"a b; 'c'\"  ", "a b; 'c'"),
            ("K=https://h.example/x?a=1", "https://h.example/x?a=1"),
            ("K=a@b.example,c@d.example", "a@b.example,c@d.example"),
            ("K=a#b~c", "a#b~c"),
            ("K=Zürich", "Zürich"),
            ("_k2=50%", "50%"),
        ] {
            assert_eq!(value(line), Ok(expected.into()), "{line}");
        }
        let entries = parse("# a\n\n \t\n  # b\nA=1\nB=2").unwrap();
        let seen: Vec<_> = entries.iter().map(|e| (e.key.as_str(), e.value.as_str(), e.line)).collect();
        assert_eq!(seen, [("A", "1", 5), ("B", "2", 6)]);
    }

    fn expansion(sign: char) -> E {
        E::Expansion { key: "K".into(), sign }
    }

    #[test]
    fn what_they_read_differently_is_refused() {
        for (line, expected) in [
            ("K=30 # cap", E::InlineComment),
            ("K=\"v\" # c", E::InlineComment),
            ("K='v'#c", E::InlineComment),
            ("K=a b", E::NeedsQuotes),
            ("K=$HOME/x", expansion('$')),
            ("K=\"$HOME/x\"", expansion('$')),
            ("K=`id`", expansion('`')),
            ("export K=1", E::Export),
            ("K=https://h/x?a=1&b=2", E::NeedsQuotes),
            ("K=a\\b", E::Backslash),
            ("K=\"a\\\"b\"", E::Backslash),
            ("K=a\\", E::Backslash),
            (";comment", E::Semicolon),
            ("# text \\", E::CommentContinues),
            ("K=v\r", E::CarriageReturn),
            ("K=~/x", E::NeedsQuotes),
            ("K=a:~/x", E::NeedsQuotes),
            ("K=a;b", E::NeedsQuotes),
            ("K=(a)", E::NeedsQuotes),
            ("K=a|b", E::NeedsQuotes),
            ("K=a>b", E::NeedsQuotes),
            ("K=a*", E::NeedsQuotes),
            ("K=a'b'", E::NeedsQuotes),
            ("K=a\u{a0}b", E::NeedsQuotes),
            ("K= v", E::BlankBesideEquals),
            ("K =v", E::BlankBesideEquals),
            ("K='v", E::OpenQuote),
            ("K=\"v", E::OpenQuote),
            ("K='a'b", E::AfterQuote),
            ("K='a'\"b\"", E::AfterQuote),
            ("K=a\u{1b}b", E::Control),
            ("K=a\0", E::Control),
            ("\u{feff}K=v", E::ByteOrderMark),
            ("K", E::NoAssignment),
            ("1K=v", E::NoAssignment),
            ("K-L=v", E::NoAssignment),
            ("=v", E::NoAssignment),
            ("[Service]", E::NoAssignment),
            ("set -a", E::NoAssignment),
        ] {
            assert_eq!(parse(&format!("# first\n{line}")).unwrap_err(), (2, expected), "{line:?}");
        }
    }

    #[test]
    fn a_line_has_a_limit_and_a_key_is_set_once() {
        let line = |n: usize| format!("K={}", "a".repeat(n - 2));
        assert!(parse(&line(8192)).is_ok());
        assert_eq!(parse(&line(8193)).unwrap_err(), (1, E::TooLong));
        let twice = parse("A=1\nB=2\nA=3").unwrap_err();
        assert_eq!(twice, (3, E::Duplicate { key: "A".into(), first: 1 }));
    }

    #[test]
    fn neither_a_refusal_nor_debug_output_holds_the_value() {
        assert_eq!(format!("{:?}", parse("K=hunter2").unwrap()), "[K=… (line 1)]");
        for line in
            ["hunter2", "K=hunter2 # x", "K=$hunter2", "K='hunter2", "K='x'hunter2", "export K=hunter2"]
        {
            assert!(!parse(line).unwrap_err().1.to_string().contains("hunter2"), "{line}");
        }
    }
}
