//! How does hostile text stay exact in JSON and harmless on a terminal?

use std::fmt::Write as _;

use serde::Serialize;

use super::table::is_unseen;

/// Pretty JSON with a final line end. What a terminal would obey or hide (C1 controls, marks that turn
/// the writing direction) is written as `\uXXXX`: a parser reads the exact text, a person sees it.
#[must_use]
pub fn document(value: &impl Serialize) -> String {
    // Our own types have string keys and no failing Serialize; the error is said in JSON all the same.
    let text = serde_json::to_string_pretty(value).unwrap_or_else(|error| {
        serde_json::json!({ "state": "unknown", "error": error.to_string() }).to_string()
    });
    escape(&text) + "\n"
}

/// As [`document`], on one line and without its end: for JSON lines.
#[must_use]
pub fn line(value: &impl Serialize) -> String {
    let text = serde_json::to_string(value).unwrap_or_else(|error| {
        serde_json::json!({ "state": "unknown", "error": error.to_string() }).to_string()
    });
    escape(&text)
}

/// Outside its strings JSON is ASCII without DEL, so every such character stands in a string.
fn escape(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if is_raw(c) {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                let _ = write!(text, "\\u{unit:04x}");
            }
        } else {
            text.push(c);
        }
    }
    text
}

/// Unseen, and no line end or indent of the document's own: those in a string are escaped already.
fn is_raw(c: char) -> bool {
    is_unseen(c) && !c.is_ascii_whitespace()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn unseen_characters_are_written_as_numbers_and_letters_as_they_are() {
        let text = "ü漢\u{202e}\u{9b}\u{7f}\u{e0041}\u{3164}\n";
        assert_eq!(line(&text), r#""ü漢\u202e\u009b\u007f\udb40\udc41\u3164\n""#);
    }

    proptest! {
        #[test]
        fn any_text_is_read_back_exactly_and_never_raw(text in any::<String>(), mark in "[\u{80}-\u{9f}\u{200e}\u{202a}-\u{202e}\u{2066}-\u{2069}\u{1}-\u{1f}]") {
            let text = text + &mark;
            let value = serde_json::json!({ text.clone(): [text.clone()] });
            for json in [document(&value), line(&value)] {
                prop_assert!(!json.contains(is_raw));
                prop_assert_eq!(&serde_json::from_str::<serde_json::Value>(&json).unwrap(), &value);
            }
        }
    }
}
