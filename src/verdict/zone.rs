//! What does a clock on that wall show, and by how much was it put back?

use std::time::Duration;

use chrono::{DateTime, FixedOffset, Utc};

/// A time zone with its rules.
#[derive(Clone, Debug, PartialEq)]
pub struct Zone {
    /// `America/New_York`, or `the host's zone`.
    pub name: String,
    rules: tz::TimeZone,
}

/// Bytes that are no zone.
#[derive(Debug, thiserror::Error)]
#[error("{name} is no time zone file: {reason}")]
pub struct ZoneError {
    name: String,
    reason: String,
}

impl Zone {
    /// A zone from the content of its zoneinfo file.
    ///
    /// # Errors
    /// Content that is no `TZif`.
    pub fn parse(name: &str, tzif: &[u8]) -> Result<Self, ZoneError> {
        let rules = tz::TimeZone::from_tz_data(tzif)
            .map_err(|error| ZoneError { name: name.to_owned(), reason: error.to_string() })?;
        Ok(Self { name: name.to_owned(), rules })
    }

    /// UTC, which needs no file.
    #[must_use]
    pub fn utc() -> Self {
        Self { name: "UTC".into(), rules: tz::TimeZone::utc() }
    }

    fn local(&self, at: DateTime<Utc>) -> (i32, &str) {
        let found = self.rules.find_local_time_type(at.timestamp());
        match found.map(|local| (local.ut_offset(), local.time_zone_designation())) {
            Ok((offset, name)) if !name.is_empty() => (offset, name),
            Ok((offset, _)) => (offset, "UTC"),
            Err(_) => (0, "UTC"),
        }
    }

    /// By how much clocks were put back between two instants: so much later comes the same time of day.
    /// Zero where they were put forward.
    #[must_use]
    pub fn gained(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> Duration {
        let seconds = i64::from(self.local(from).0) - i64::from(self.local(to).0);
        u64::try_from(seconds).map_or(Duration::ZERO, Duration::from_secs)
    }

    /// `Tue 2026-11-24 02:00:00 EST`, as systemd prints it.
    #[must_use]
    pub fn render(&self, at: DateTime<Utc>) -> String {
        let (offset, designation) = self.local(at);
        let local = FixedOffset::east_opt(offset).map_or_else(
            || at.format("%a %F %T").to_string(),
            |offset| at.with_timezone(&offset).format("%a %F %T").to_string(),
        );
        format!("{local} {designation}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(name: &str) -> Zone {
        let path = format!("/usr/share/zoneinfo/{name}");
        Zone::parse(name, &std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))).unwrap()
    }

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    /// Instants in UTC as the IANA rules give them, not computed here.
    #[test]
    fn only_an_hour_that_was_put_back_is_gained() {
        let hour = Duration::from_secs(3600);
        let table = [
            // 02:00 EDT to 02:00 EST: 25 hours apart.
            ("America/New_York", "2027-11-06T06:00:00Z", "2027-11-07T07:00:00Z", hour),
            // 02:00 EST to the morning after clocks went forward.
            ("America/New_York", "2027-03-13T07:00:00Z", "2027-03-14T07:00:00Z", Duration::ZERO),
            ("America/New_York", "2027-07-01T06:00:00Z", "2027-07-02T06:00:00Z", Duration::ZERO),
            // 03:30 CEST to 03:30 CET.
            ("Europe/Berlin", "2026-10-24T01:30:00Z", "2026-10-25T02:30:00Z", hour),
            ("Europe/Berlin", "2027-03-27T01:30:00Z", "2027-03-28T01:30:00Z", Duration::ZERO),
            // Half an hour is put back on Lord Howe; beyond the table of its file too.
            ("Australia/Lord_Howe", "2027-04-03T14:00:00Z", "2027-04-04T14:00:00Z", hour / 2),
            ("Australia/Lord_Howe", "2077-04-03T14:00:00Z", "2077-04-04T14:00:00Z", hour / 2),
            ("Asia/Kolkata", "2027-04-03T14:00:00Z", "2027-04-04T14:00:00Z", Duration::ZERO),
        ];
        for (name, from, to, want) in table {
            assert_eq!(zone(name).gained(at(from), at(to)), want, "{name} from {from}");
        }
    }

    #[test]
    fn times_are_rendered_as_systemd_prints_them() {
        let new_york = zone("America/New_York");
        assert_eq!(new_york.render(at("2026-11-24T07:00:00Z")), "Tue 2026-11-24 02:00:00 EST");
        assert_eq!(new_york.render(at("2026-07-01T06:00:00Z")), "Wed 2026-07-01 02:00:00 EDT");
        assert_eq!(zone("Asia/Kolkata").render(at("2026-07-01T06:00:00Z")), "Wed 2026-07-01 11:30:00 IST");
        assert_eq!(Zone::utc().render(at("2026-07-01T06:00:00Z")), "Wed 2026-07-01 06:00:00 UTC");
    }

    #[test]
    fn bytes_that_are_no_zone_are_refused() {
        for bytes in [&b""[..], b"garbage", b"TZif2"] {
            assert!(Zone::parse("x", bytes).is_err());
        }
    }
}
