//! Which metrics does an expression ask for? A few lines of a tokenizer; promtool judges the grammar.

use std::collections::BTreeSet;

/// Words that stand where a metric could.
const WORDS: [&str; 15] = [
    "and",
    "or",
    "unless",
    "by",
    "without",
    "on",
    "ignoring",
    "group_left",
    "group_right",
    "offset",
    "bool",
    "inf",
    "nan",
    "start",
    "end",
];

/// The names of metrics in an expression: identifiers that are no function, keyword, label or text.
pub fn metrics(expression: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut rest = expression;
    // After `by (`, `on (` and their like stand labels.
    let mut labels_follow = false;
    while let Some(first) = rest.chars().next() {
        if let Some(end) = closing(first) {
            rest = rest[1..].split_once(end).map_or("", |(_, after)| after);
        } else if first == '(' && labels_follow {
            rest = rest.split_once(')').map_or("", |(_, after)| after);
            labels_follow = false;
        } else if first.is_ascii_alphabetic() || first == '_' || first == ':' {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':');
            let (word, after) = rest.split_at(end.unwrap_or(rest.len()));
            // `sum(…)`, `sum by (…) (…)`
            let function = ["(", "by ", "without "].iter().any(|next| after.trim_start().starts_with(next));
            labels_follow = ["by", "without", "on", "ignoring", "group_left", "group_right"].contains(&word);
            if !function && !WORDS.contains(&word) {
                names.insert(word.to_owned());
            }
            rest = after;
        } else if first.is_ascii_digit() {
            // 25.5, 1e3, 0x1f and durations: letters that belong to a number.
            rest = rest.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '.');
        } else {
            rest = &rest[first.len_utf8()..];
        }
    }
    names
}

/// What ends a part in which no metric can stand.
fn closing(first: char) -> Option<char> {
    Some(match first {
        '{' => '}',
        '[' => ']',
        '"' => '"',
        '\'' => '\'',
        '#' => '\n',
        _ => return None,
    })
}
