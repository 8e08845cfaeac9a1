//! How long is that? Durations as operators write them, and as people read them.

use std::time::Duration;

/// No duration may be longer: whatever is added to a clock later stays far from its end.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 86_400);

const UNITS: [(&str, u64); 7] = [
    ("w", 604_800_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("min", 60_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Why a text is no duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Garbage, a sign, NaN, units that are unknown, repeated or out of order.
    #[error("'{0}' is no duration; write seconds, or 90s, 25h, 1h30m, 2d")]
    Garbage(String),
    /// More than a hundred years.
    #[error("'{0}' is longer than 100 years")]
    TooLong(String),
    /// Zero, where something is to be waited for.
    #[error("'{0}' is no time at all; give more than zero")]
    Zero(String),
}

/// Reads `90`, `1.5` (seconds), `90s`, `25h`, `1h30m`, `2d`, `500ms`; units go from the longest to the
/// shortest, each once.
///
/// # Errors
/// Anything else, and more than 100 years.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let garbage = || DurationError::Garbage(text.to_owned());
    let too_long = || DurationError::TooLong(text.to_owned());
    if text.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        let sum = amount(text, 1_000).ok_or_else(garbage)?;
        return bounded(sum).ok_or_else(too_long);
    }
    let mut rest = text;
    let mut sum = Duration::ZERO;
    let mut shorter_than = u64::MAX;
    while !rest.is_empty() {
        let number = rest.bytes().take_while(|b| b.is_ascii_digit() || *b == b'.').count();
        let (digits, tail) = rest.split_at_checked(number).ok_or_else(garbage)?;
        let letters = tail.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, tail) = tail.split_at_checked(letters).ok_or_else(garbage)?;
        let (_, millis) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(garbage)?;
        if *millis >= shorter_than {
            return Err(garbage());
        }
        shorter_than = *millis;
        sum = sum.saturating_add(amount(digits, *millis).ok_or_else(garbage)?);
        rest = tail;
    }
    if shorter_than == u64::MAX {
        return Err(garbage());
    }
    bounded(sum).ok_or_else(too_long)
}

/// As [`parse`], where zero makes no sense (a time-out).
///
/// # Errors
/// What [`parse`] refuses, and zero.
pub fn parse_positive(text: &str) -> Result<Duration, DurationError> {
    match parse(text)? {
        Duration::ZERO => Err(DurationError::Zero(text.to_owned())),
        duration => Ok(duration),
    }
}

/// `number` times a unit; too much saturates, for the bound to find.
fn amount(number: &str, unit_millis: u64) -> Option<Duration> {
    let (whole, fraction) = match number.split_once('.') {
        Some((_, "")) => return None,
        Some((whole, fraction)) => (whole, fraction),
        None => (number, ""),
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !(fraction.is_empty() || digits(fraction)) {
        return None;
    }
    // Digits are all that can be here, so an error is a number too great for 64 bits.
    let whole_millis = whole.parse().map_or(u64::MAX, |n: u64| n.saturating_mul(unit_millis));
    let (mut nanos, mut unit) = (0, u128::from(unit_millis) * 1_000_000);
    for digit in fraction.bytes() {
        unit /= 10;
        nanos += u128::from(digit - b'0') * unit;
    }
    let fraction = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
    Some(Duration::from_millis(whole_millis).saturating_add(fraction))
}

fn bounded(duration: Duration) -> Option<Duration> {
    (duration <= LONGEST).then_some(duration)
}

/// For people: `26h 4min`, `10min`, `42s`, `850 ms`; the two greatest units that are not zero, cut, not
/// rounded. From two days on, days.
#[must_use]
pub fn human(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 if duration.is_zero() => return "0s".into(),
        0 => return format!("{} ms", duration.as_millis()),
        1..10 if duration.subsec_millis() >= 100 => {
            return format!("{seconds}.{}s", duration.subsec_millis() / 100);
        }
        _ => {}
    }
    let days = if seconds >= 2 * 86_400 { seconds / 86_400 } else { 0 };
    let rest = seconds - days * 86_400;
    let parts = [(days, "d"), (rest / 3600, "h"), (rest % 3600 / 60, "min"), (rest % 60, "s")];
    let shown = parts.iter().filter(|(n, _)| *n > 0).take(2);
    shown.map(|(n, unit)| format!("{n}{unit}")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_are_read_as_operators_write_them() {
        let table = [
            ("0", 0),
            ("10", 10_000),
            ("1.5", 1_500),
            ("0.001", 1),
            ("90s", 90_000),
            ("25h", 90_000_000),
            ("1h30m", 5_400_000),
            ("1h30min", 5_400_000),
            ("2d", 172_800_000),
            ("1w", 604_800_000),
            ("500ms", 500),
            ("1s500ms", 1_500),
            ("1d2h3m4s5ms", 93_784_005),
            ("1.5h", 5_400_000),
            ("36500d", 3_153_600_000_000),
        ];
        for (text, millis) in table {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn garbage_is_refused() {
        for text in [
            "", " ", "s", "h1", "foo", "nan", "NaN", "inf", "infinity", "-1", "-1s", "+1", "1e3", "1 h",
            " 1", "1 ", "1x", "1h1h", "30m1h", "1m1min", "1h30", "1.h", ".5", "5.", "1.2.3", "1..2", "٣",
            "1µs", "0x10", "1,5", "1h-30m", "H", "1H", ".", "1\n",
        ] {
            assert_eq!(parse(text), Err(DurationError::Garbage(text.into())), "{text:?}");
        }
    }

    #[test]
    fn what_would_overflow_a_clock_is_refused() {
        for text in
            ["36501d", "99999999999999999999", "18446744073709551615", "99999999999999999w1s", "6000w"]
        {
            assert_eq!(parse(text), Err(DurationError::TooLong(text.into())), "{text}");
        }
    }

    #[test]
    fn a_time_out_of_nothing_is_refused() {
        assert_eq!(parse_positive("0"), Err(DurationError::Zero("0".into())));
        assert_eq!(parse_positive("0h0m"), Err(DurationError::Zero("0h0m".into())));
        assert_eq!(parse_positive("1ms"), Ok(Duration::from_millis(1)));
    }

    #[test]
    fn people_read_the_two_greatest_units() {
        let table = [
            (0, "0s"),
            (850, "850 ms"),
            (1_000, "1s"),
            (1_540, "1.5s"),
            (42_900, "42s"),
            (90_000, "1min 30s"),
            (600_000, "10min"),
            (93_840_000, "26h 4min"),
            (90_030_000, "25h 30s"),
            (90_000_000, "25h"),
            (172_799_000, "47h 59min"),
            (172_800_000, "2d"),
            (183_600_000, "2d 3h"),
            (34_560_000_000, "400d"),
        ];
        for (millis, want) in table {
            assert_eq!(human(Duration::from_millis(millis)), want);
        }
        assert_eq!(human(Duration::from_micros(300)), "0 ms");
    }

    proptest! {
        #[test]
        fn whatever_is_written_parsing_ends_and_stays_within_bounds(text in "[-+.0-9a-z ]{0,24}") {
            if let Ok(duration) = parse(&text) {
                prop_assert!(duration <= LONGEST);
            }
        }

        #[test]
        fn a_plain_number_is_seconds(seconds in 0_u64..3_000_000_000) {
            prop_assert_eq!(parse(&seconds.to_string()), Ok(Duration::from_secs(seconds)));
            prop_assert_eq!(parse(&format!("{seconds}s")), Ok(Duration::from_secs(seconds)));
        }
    }
}
