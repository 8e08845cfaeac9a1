//! Which numbers go with a verdict? Performance data as monitoring plugins print them.

use std::fmt;

use serde::Serialize;

use super::range::Range;

/// One number: `'label'=value[unit];[warn];[crit];[min];[max]`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Perf {
    /// What was measured; may hold hostile text, which printing makes harmless.
    pub label: String,
    /// How much.
    pub value: Value,
    /// In what.
    pub unit: Unit,
    /// Where it warns.
    pub warn: Option<Range>,
    /// Where it is critical.
    pub crit: Option<Range>,
    /// The least it can be.
    pub min: Option<f64>,
    /// The most it can be.
    pub max: Option<f64>,
}

/// A measured value; what is not known is no zero.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Value {
    /// A whole number.
    Integer(i64),
    /// A real number; one that is not finite is not known.
    Real(f64),
    /// `U`, and null in JSON.
    Unknown,
}

/// The units that the plugins' interface knows, as far as we measure in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Unit {
    /// A number of things.
    #[serde(rename = "")]
    Count,
    /// Seconds.
    #[serde(rename = "s")]
    Seconds,
}

impl Perf {
    /// A number with nothing to compare it with; a duration, a count and a size are never below zero.
    pub fn new(label: impl Into<String>, value: Value, unit: Unit) -> Self {
        Self { label: label.into(), value, unit, warn: None, crit: None, min: Some(0.0), max: None }
    }
}

impl From<Option<i64>> for Value {
    fn from(value: Option<i64>) -> Self {
        value.map_or(Self::Unknown, Self::Integer)
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(n) => write!(f, "{n}"),
            Self::Real(n) if n.is_finite() => f.write_str(&decimal(*n)),
            Self::Real(_) | Self::Unknown => f.write_str("U"),
        }
    }
}

/// A plain decimal with at most six places: microseconds, and no `0.30000000000000004`.
fn decimal(number: f64) -> String {
    let text = format!("{number:.6}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Count => "",
            Self::Seconds => "s",
        })
    }
}

impl fmt::Display for Perf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}'={}", quotable(&self.label), self.value)?;
        if matches!(self.value, Value::Integer(_)) || matches!(self.value, Value::Real(n) if n.is_finite()) {
            write!(f, "{}", self.unit)?;
        }
        let range = |range: &Option<Range>| range.map(|r| r.to_string()).unwrap_or_default();
        let bound = |bound: Option<f64>| bound.filter(|n| n.is_finite()).map(decimal).unwrap_or_default();
        let rest =
            format!(";{};{};{};{}", range(&self.warn), range(&self.crit), bound(self.min), bound(self.max));
        f.write_str(rest.trim_end_matches(';'))
    }
}

/// A label between quotes: `=` would end it, `::` has a meaning of its own in Icinga, a quote is doubled;
/// whatever is neither a letter, a digit nor plain ASCII punctuation is no part of a series' name.
fn quotable(label: &str) -> String {
    let mut quoted = String::with_capacity(label.len());
    for c in label.replace("::", "__").chars() {
        match c {
            '\'' => quoted.push_str("''"),
            '|' | '=' | '$' | '`' => quoted.push('_'),
            ' '..='~' => quoted.push(c),
            c if c.is_alphanumeric() => quoted.push(c),
            _ => quoted.push('_'),
        }
    }
    quoted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seconds(value: Value) -> Perf {
        Perf::new("age", value, Unit::Seconds)
    }

    #[test]
    fn an_age_is_printed_with_its_limit() {
        let perf = Perf { crit: Some(Range::up_to(90_000.0)), ..seconds(Value::Integer(93_840)) };
        assert_eq!(perf.to_string(), "'age'=93840s;;90000;0");
    }

    #[test]
    fn numbers_are_plain_decimals_and_what_is_not_known_is_u() {
        let table = [
            (Value::Integer(-3), "-3s"),
            (Value::Integer(i64::MAX), "9223372036854775807s"),
            (Value::Real(0.1 + 0.2), "0.3s"),
            (Value::Real(1e21), "1000000000000000000000s"),
            (Value::Real(1e-9), "0s"),
            (Value::Real(-0.0), "0s"),
            (Value::Real(2.5), "2.5s"),
            (Value::Real(100.0), "100s"),
            (Value::Real(f64::NAN), "U"),
            (Value::Real(f64::INFINITY), "U"),
            (Value::Unknown, "U"),
        ];
        for (value, want) in table {
            assert_eq!(seconds(value).to_string(), format!("'age'={want};;;0"));
        }
    }

    #[test]
    fn trailing_semicolons_are_left_out_and_others_kept() {
        let bare = Perf { min: None, ..Perf::new("units", Value::Integer(3), Unit::Count) };
        assert_eq!(bare.to_string(), "'units'=3");
        assert_eq!(Perf { max: Some(5.5), ..bare.clone() }.to_string(), "'units'=3;;;;5.5");
        assert_eq!(Perf { warn: "@1:2".parse().ok(), ..bare }.to_string(), "'units'=3;@1:2");
    }

    #[test]
    fn a_hostile_label_stays_one_label() {
        let perf =
            Perf { min: None, ..Perf::new("it's a=b|c::d\n\u{202e}$x", Value::Integer(1), Unit::Count) };
        assert_eq!(perf.to_string(), "'it''s a_b_c__d___x'=1");
    }

    proptest! {
        #[test]
        fn no_label_and_no_number_breaks_the_syntax(label in any::<String>(), number: f64) {
            let text = Perf::new(label, Value::Real(number), Unit::Seconds).to_string();
            let (quoted, value) = text.rsplit_once('=').unwrap();
            prop_assert!(quoted.starts_with('\'') && quoted.ends_with('\'') && quoted.len() >= 2);
            prop_assert!(!quoted.contains(['=', '|', '\n', '\r']) && !quoted.contains("::"));
            prop_assert!(value.bytes().all(|b| b"-.0123456789sU;".contains(&b)), "{}", value);
        }
    }
}
