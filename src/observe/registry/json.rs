//! What is wrong with a JSON cell? Answers in one pass, without building the value.

use std::fmt;

use serde::de::{Deserializer as _, IgnoredAny, MapAccess, Visitor};

/// The validators that a KPI formula may name.
pub const VALIDATORS: [&str; 7] = [
    "test_pass_rate",
    "linter_pass",
    "schema_diff",
    "row_count_delta",
    "graph_edge_count_delta",
    "bleu_score",
    "readability",
];

/// What keeps a cell from being a formula of registered validators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FormulaFault {
    /// RFC 8259 does not know it.
    NotJson,
    /// JSON, and no object.
    NotAnObject,
    /// The first key that is no registered validator.
    Unregistered(String),
}

impl fmt::Display for FormulaFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotJson => f.write_str("not valid JSON"),
            Self::NotAnObject => f.write_str("JSON, but no object"),
            Self::Unregistered(key) => write!(f, "{key} is no registered validator"),
        }
    }
}

/// What is wrong with a formula, `None` where nothing is.
#[must_use]
pub fn formula_fault(text: &[u8]) -> Option<FormulaFault> {
    let mut unregistered = None;
    let keys = |key: &str| {
        if unregistered.is_none() && !VALIDATORS.contains(&key) {
            unregistered = Some(FormulaFault::Unregistered(key.to_owned()));
        }
    };
    match each_key(text, keys) {
        Kind::Object(_) => unregistered,
        Kind::UnreadableKey => Some(FormulaFault::Unregistered("a key that is no text".to_owned())),
        Kind::OtherJson => Some(FormulaFault::NotAnObject),
        Kind::NotJson => Some(FormulaFault::NotJson),
    }
}

/// The number of entries of a JSON object, `None` for anything else.
#[must_use]
pub fn object_entries(text: &[u8]) -> Option<i64> {
    match each_key(text, |_| {}) {
        Kind::Object(entries) => Some(entries),
        // At least that one; how many does not matter to anybody.
        Kind::UnreadableKey => Some(1),
        Kind::OtherJson | Kind::NotJson => None,
    }
}

enum Kind {
    Object(i64),
    /// An object by the grammar, with a key that is no text: it holds half of a surrogate pair.
    UnreadableKey,
    OtherJson,
    NotJson,
}

/// Values are skipped by `IgnoredAny`, which neither recurses nor allocates: depth is no limit.
fn each_key(text: &[u8], on_key: impl FnMut(&str)) -> Kind {
    // JSON is text in UTF-8; serde_json checks that only in the strings which it hands out.
    if std::str::from_utf8(text).is_err() {
        return Kind::NotJson;
    }
    let is_object = text.iter().find(|byte| !b" \t\r\n".contains(byte)) == Some(&b'{');
    let mut json = serde_json::Deserializer::from_slice(text);
    if is_object {
        match json.deserialize_map(Keys(on_key)) {
            Ok(entries) if json.end().is_ok() => return Kind::Object(entries),
            _ if serde_json::from_slice::<IgnoredAny>(text).is_ok() => return Kind::UnreadableKey,
            _ => return Kind::NotJson,
        }
    }
    match serde_json::from_slice::<IgnoredAny>(text) {
        Ok(IgnoredAny) => Kind::OtherJson,
        Err(_) => Kind::NotJson,
    }
}

struct Keys<F>(F);

impl<'de, F: FnMut(&str)> Visitor<'de> for Keys<F> {
    type Value = i64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<i64, A::Error> {
        let mut entries = 0;
        while map.next_key_seed(Key(&mut self.0))?.is_some() {
            map.next_value::<IgnoredAny>()?;
            entries += 1;
        }
        Ok(entries)
    }
}

/// Shows a key without copying it.
struct Key<'a, F>(&'a mut F);

impl<'de, F: FnMut(&str)> serde::de::DeserializeSeed<'de> for Key<'_, F> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<F: FnMut(&str)> Visitor<'_> for Key<'_, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<(), E> {
        (self.0)(key);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_formula_of_registered_validators_has_no_fault() {
        assert_eq!(formula_fault(br#"{"test_pass_rate":{">=":0.9},"schema_diff":{"==":0}}"#), None);
        assert_eq!(formula_fault(b" {} "), None);
    }

    #[test]
    fn what_is_no_json_by_rfc_8259_is_a_fault() {
        for text in ["", " ", "{", "{'a':1}", "{\"readability\":1,}", "{\"readability\":01}", "{} x", "NaN"] {
            assert_eq!(formula_fault(text.as_bytes()), Some(FormulaFault::NotJson), "{text}");
        }
        assert_eq!(formula_fault(b"{\"readability\":\"\xff\"}"), Some(FormulaFault::NotJson));
        assert_eq!(formula_fault(b"{\"readability\":1}\0"), Some(FormulaFault::NotJson));
    }

    #[test]
    fn json_that_is_no_object_is_a_fault() {
        for text in ["[]", "1", "\"test_pass_rate\"", "null", "[{\"readability\":1}]"] {
            assert_eq!(formula_fault(text.as_bytes()), Some(FormulaFault::NotAnObject), "{text}");
        }
    }

    #[test]
    fn the_first_unregistered_key_is_named_and_case_matters() {
        let fault = formula_fault(br#"{"readability":1,"Readability":2,"x":3}"#);
        assert_eq!(fault, Some(FormulaFault::Unregistered("Readability".into())));
        // An escaped name is the same name.
        assert_eq!(formula_fault(br#"{"r\u0065adability":1}"#), None);
        assert!(formula_fault(br#"{"\ud800":1}"#).is_some());
    }

    #[test]
    fn depth_is_no_limit() {
        let deep = format!("{{\"readability\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(formula_fault(deep.as_bytes()), None);
    }

    #[test]
    fn entries_are_counted_for_objects_alone() {
        assert_eq!(object_entries(b"{}"), Some(0));
        assert_eq!(object_entries(br#"{"\ud800":1}"#), Some(1));
        assert_eq!(object_entries(br#"{"a":{"x":1},"b":[1,2]}"#), Some(2));
        for text in ["", "[1]", "{", "null", "{\"a\"}"] {
            assert_eq!(object_entries(text.as_bytes()), None, "{text}");
        }
    }
}
