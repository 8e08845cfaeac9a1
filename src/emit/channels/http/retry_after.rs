//! How long does a far end ask to be left alone?

use std::time::Duration;

use chrono::{DateTime, NaiveDateTime, Utc};

/// Who asks for more is asked again after a day.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// What `Retry-After` says, in seconds or as a date; a date is understood by the far end's own clock
/// (`Date`) where it tells it, else by `now`. RFC 9110, 10.2.3. `None` for anything else.
#[must_use]
pub fn retry_after(value: &str, date: Option<&str>, now: DateTime<Utc>) -> Option<Duration> {
    let value = value.trim();
    let wait = if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than a number can hold are a long time, too.
        Duration::from_secs(value.parse().unwrap_or(u64::MAX))
    } else {
        let now = date.and_then(http_date).unwrap_or(now);
        (http_date(value)? - now).to_std().unwrap_or_default()
    };
    Some(wait.min(LONGEST))
}

/// The three forms of a date in HTTP, of which two are obsolete and understood all the same: RFC 9110, 5.6.7.
fn http_date(text: &str) -> Option<DateTime<Utc>> {
    const FORMS: [&str; 3] =
        ["%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"];
    FORMS
        .iter()
        .find_map(|form| NaiveDateTime::parse_from_str(text.trim(), form).ok())
        .map(|time| time.and_utc())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::retry_after;

    #[test]
    fn seconds_and_dates_are_understood_and_garbage_is_not() {
        let now = "1994-11-06T08:49:00Z".parse().unwrap();
        let table = [
            ("0", Some(0)),
            ("1", Some(1)),
            (" 120 ", Some(120)),
            ("3600", Some(3600)),
            ("86401", Some(86400)),
            ("99999999999999999999999", Some(86400)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(37)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(37)),
            ("Sun Nov  6 08:49:37 1994", Some(37)),
            ("Sun, 06 Nov 1994 08:48:37 GMT", Some(0)),
            ("Mon, 06 Nov 2034 08:49:37 GMT", Some(86400)),
            ("", None),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
            ("Xyz, 06 Nov 1994 08:49:37 GMT", None),
            ("Sun, 31 Feb 1994 08:49:37 GMT", None),
        ];
        for (value, want) in table {
            assert_eq!(retry_after(value, None, now), want.map(Duration::from_secs), "{value:?}");
        }
    }

    #[test]
    fn a_date_is_read_by_the_clock_of_who_wrote_it() {
        // Our clock is an hour behind theirs.
        let now = "1994-11-06T07:49:00Z".parse().unwrap();
        let (until, date) = ("Sun, 06 Nov 1994 08:49:37 GMT", Some("Sun, 06 Nov 1994 08:49:30 GMT"));
        assert_eq!(retry_after(until, date, now), Some(Duration::from_secs(7)));
        assert_eq!(retry_after(until, Some("yesterday"), now), Some(Duration::from_secs(3637)));
        assert_eq!(retry_after("5", date, now), Some(Duration::from_secs(5)));
    }
}
