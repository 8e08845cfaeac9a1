//! Is a value where it may be? Threshold ranges of monitoring plugins, strictly read.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use super::duration;

/// `[@]start:end`, both ends inclusive; without `@` a value outside alerts, with it a value inside.
///
/// The grammar is that of the monitoring plugins' interface (draft-kaestle): `10` alerts below 0 and above
/// 10, `10:` below 10, `~:10` above 10, `10:20` outside, `@10:20` inside. An end may be a duration, and is
/// then seconds. Unlike the C plugins' parser, what is not in the grammar is refused.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    start: f64,
    end: f64,
    alert_inside: bool,
}

/// Why a text is no range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    /// Not in the grammar.
    #[error("'{0}' is no range; write 10, 10:, ~:10, 10:20 or @10:20, with numbers or durations")]
    Garbage(String),
    /// The start lies after the end.
    #[error("'{0}' is no range: its start lies above its end")]
    Reversed(String),
}

impl Range {
    /// Alerts above `end` and below zero: what a plain number means.
    #[must_use]
    pub fn up_to(end: f64) -> Self {
        Self { start: 0.0, end, alert_inside: false }
    }

    /// Does this value alert? NaN always does: what is not known is nowhere near fine.
    #[must_use]
    pub fn is_alert(&self, value: f64) -> bool {
        if value.is_nan() {
            return true;
        }
        let inside = self.start <= value && value <= self.end;
        inside == self.alert_inside
    }

    /// The greatest value that does not alert, where there is one: the limit that a sentence names.
    #[must_use]
    pub fn limit(&self) -> Option<f64> {
        (!self.alert_inside && self.end.is_finite()).then_some(self.end)
    }

    /// The same range with `slack` more room at its upper end.
    #[must_use]
    pub fn lengthened(&self, slack: f64) -> Self {
        if self.alert_inside { *self } else { Self { end: self.end + slack.max(0.0), ..*self } }
    }
}

impl FromStr for Range {
    type Err = RangeError;

    fn from_str(text: &str) -> Result<Self, RangeError> {
        let garbage = || RangeError::Garbage(text.to_owned());
        let (alert_inside, ends) = text.strip_prefix('@').map_or((false, text), |ends| (true, ends));
        let (start, end) = match ends.split_once(':') {
            None => (0.0, number(ends).ok_or_else(garbage)?),
            Some(("", "")) => return Err(garbage()),
            Some((start, end)) => {
                let start = match start {
                    "" => Some(0.0),
                    "~" => Some(f64::NEG_INFINITY),
                    start => number(start),
                };
                let end = if end.is_empty() { Some(f64::INFINITY) } else { number(end) };
                (start.ok_or_else(garbage)?, end.ok_or_else(garbage)?)
            }
        };
        if start > end {
            return Err(RangeError::Reversed(text.to_owned()));
        }
        Ok(Self { start, end, alert_inside })
    }
}

/// A plain decimal or a duration in seconds, either with a minus before it; never NaN, never infinite.
fn number(text: &str) -> Option<f64> {
    let (sign, digits) = text.strip_prefix('-').map_or((1.0, text), |digits| (-1.0, digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let value = if is_digits(whole) && is_digits(fraction) {
        digits.parse().ok()?
    } else {
        duration::parse(digits).ok()?.as_secs_f64()
    };
    // Adding zero makes -0 a plain 0, which is how it is printed.
    value.is_finite().then_some(sign * value + 0.0)
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.alert_inside {
            f.write_str("@")?;
        }
        if self.start == f64::NEG_INFINITY {
            f.write_str("~:")?;
        } else if self.start != 0.0 || self.end == f64::INFINITY {
            write!(f, "{}:", self.start)?;
        }
        // A float's Display is a plain decimal, never in scientific notation, and reads back as itself.
        if self.end == f64::INFINITY { Ok(()) } else { write!(f, "{}", self.end) }
    }
}

impl Serialize for Range {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn range(text: &str) -> Range {
        text.parse().unwrap_or_else(|error| panic!("{error}"))
    }

    /// Written down from the table of the draft and from what python's nagiosplugin answers, not from
    /// this code: range, values that do not alert, values that do.
    #[test]
    fn ranges_alert_where_the_interface_says() {
        let table: [(&str, &[f64], &[f64]); 16] = [
            ("10", &[0.0, 5.0, 10.0], &[-1.0, -0.001, 10.001, 11.0, f64::INFINITY]),
            ("10:", &[10.0, 11.0, f64::INFINITY], &[9.999, 0.0, -10.0, f64::NEG_INFINITY]),
            ("~:10", &[10.0, 0.0, -1e9, f64::NEG_INFINITY], &[10.001, f64::INFINITY]),
            ("10:20", &[10.0, 15.0, 20.0], &[9.0, 21.0]),
            ("@10:20", &[9.0, 21.0, -10.0], &[10.0, 15.0, 20.0]),
            ("@10", &[-1.0, 11.0], &[0.0, 10.0]),
            ("@~:10", &[10.5], &[10.0, -100.0]),
            ("@10:", &[9.0], &[10.0, 1e12]),
            (":10", &[0.0, 10.0], &[-1.0, 11.0]),
            ("0", &[0.0], &[-1.0, 1.0]),
            ("0:0", &[0.0], &[-1.0, 1.0]),
            ("-10:-5", &[-10.0, -5.0], &[-11.0, -4.0, 0.0]),
            ("~:", &[-1e300, 0.0, 1e300], &[]),
            ("1.5:2.25", &[1.5, 2.25], &[1.49, 2.26]),
            ("25h", &[0.0, 90_000.0], &[90_001.0]),
            ("1h30m:2d", &[5_400.0, 172_800.0], &[5_399.0, 172_801.0]),
        ];
        for (text, quiet, loud) in table {
            let range = range(text);
            for value in quiet {
                assert!(!range.is_alert(*value), "{text} must be quiet at {value}");
            }
            for value in loud {
                assert!(range.is_alert(*value), "{text} must alert at {value}");
            }
            assert!(range.is_alert(f64::NAN), "{text} must alert at NaN");
        }
    }

    #[test]
    fn what_is_not_in_the_grammar_is_refused() {
        for text in [
            "", ":", "@", "@:", "~", "foo", "nan", "NaN:10", "10:nan", "inf", "1e3", "1:12%%", "10:20:30",
            " 10", "10 ", "10 : 20", "+10", "5.", ".5", "10:~", "~~:10", "--5", "0x10", "1,5", "@@10", "٣",
            "10h5",
        ] {
            assert_eq!(text.parse::<Range>(), Err(RangeError::Garbage(text.into())), "{text:?}");
        }
        for text in ["20:10", "@20:10", "2:1", "0:-1", "-1", "1h:30m"] {
            assert_eq!(text.parse::<Range>(), Err(RangeError::Reversed(text.into())), "{text:?}");
        }
    }

    #[test]
    fn ranges_are_printed_in_their_shortest_form() {
        let table = [
            ("10", "10"),
            ("0:10", "10"),
            (":10", "10"),
            ("-0:10", "10"),
            ("10:", "10:"),
            ("0:", "0:"),
            ("~:10", "~:10"),
            ("@10:20", "@10:20"),
            ("~:", "~:"),
            ("25h", "90000"),
            ("1m:1h", "60:3600"),
            ("500ms", "0.5"),
            ("1000000000000000000000", "1000000000000000000000"),
        ];
        for (text, want) in table {
            assert_eq!(range(text).to_string(), want);
        }
    }

    #[test]
    fn slack_moves_the_upper_end_only() {
        assert_eq!(range("10:20").lengthened(5.0), range("10:25"));
        assert_eq!(range("10:").lengthened(5.0), range("10:"));
        assert_eq!(range("10:20").lengthened(-5.0), range("10:20"));
        assert_eq!(range("@10:20").lengthened(5.0), range("@10:20"));
    }

    proptest! {
        #[test]
        fn every_range_reads_back_as_itself(
            inside: bool,
            start in prop_oneof![Just(f64::NEG_INFINITY), -1e15..1e15_f64, (-1000_i32..1000).prop_map(f64::from)],
            length in prop_oneof![Just(f64::INFINITY), Just(0.0), 0.0..1e15_f64],
        ) {
            let end = if start.is_finite() { start + length } else { length };
            let range = Range { start: start + 0.0, end: end + 0.0, alert_inside: inside };
            prop_assert_eq!(range.to_string().parse::<Range>(), Ok(range));
        }

        #[test]
        fn a_value_that_is_not_known_always_alerts(text in "@?(~|[0-9]{1,3})?:?[0-9]{0,3}") {
            if let Ok(range) = text.parse::<Range>() {
                prop_assert!(range.is_alert(f64::NAN));
            }
        }
    }
}
