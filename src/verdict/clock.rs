//! How long ago was that? Instants on two clocks, of which one may be set and the other stops in suspend.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};

use super::duration::human;

/// The present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// What the wall shows.
    pub realtime: DateTime<Utc>,
    /// `CLOCK_MONOTONIC` of the machine that is asked; `None` where it is another one.
    pub monotonic: Option<Duration>,
    /// For how long that machine was suspended since its boot, when that clock stood still.
    pub suspended: Duration,
}

impl Clock {
    /// A wall clock alone.
    #[must_use]
    pub fn of_wall(realtime: DateTime<Utc>) -> Self {
        Self { realtime, monotonic: None, suspended: Duration::ZERO }
    }
}

/// An instant as systemd recorded it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Stamp {
    /// What the wall showed then.
    pub realtime: DateTime<Utc>,
    /// `CLOCK_MONOTONIC` then; `None`: not in this boot, or not asked for. Seconds in JSON.
    #[serde(serialize_with = "maybe_seconds", skip_serializing_if = "Option::is_none")]
    pub monotonic: Option<Duration>,
}

/// How far an instant lies back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Age {
    /// Never negative.
    pub elapsed: Duration,
    /// How far ahead of the wall clock the instant lies; only a clock that was set does that.
    pub ahead: Option<Duration>,
    /// How much older the wall clock makes it than this boot's clock allows: it was set forwards, or a virtual
    /// machine was paused from outside.
    pub leapt: Duration,
}

impl Stamp {
    /// The age. The monotonic clock cannot be set and stands still in suspend, so an instant of this boot is
    /// as old as that clock says, and at most by all suspends older. Within that the wall clock says it: it runs
    /// on in suspend, and is set in either way (forwards after each boot where there is no clock on battery).
    #[must_use]
    pub fn age(&self, now: &Clock) -> Age {
        let by_wall = (now.realtime - self.realtime).to_std().unwrap_or_default();
        let by_monotonic = now.monotonic.zip(self.monotonic).and_then(|(now, then)| now.checked_sub(then));
        let tolerance = if now.monotonic.is_some() { TOLERANCE } else { TOLERANCE_ELSEWHERE };
        let ahead = (self.realtime - now.realtime).to_std().ok().filter(|ahead| *ahead > tolerance);
        let elapsed = match by_monotonic {
            Some(least) => by_wall.clamp(least, least.saturating_add(now.suspended)),
            None => by_wall,
        };
        Age { elapsed, ahead, leapt: by_wall.saturating_sub(elapsed) }
    }
}

/// Two clocks that are read one after the other, and an NTP daemon that slews between.
const TOLERANCE: Duration = Duration::from_secs(1);
/// The clocks of two machines are never quite the same.
const TOLERANCE_ELSEWHERE: Duration = Duration::from_secs(60);

impl Age {
    /// `26h 4min ago`, `just now`, or by how much it lies in the future.
    #[must_use]
    pub fn phrase(&self) -> String {
        match self.ahead {
            Some(ahead) => format!("{} in the future", human(ahead)),
            None if self.elapsed < Duration::from_secs(1) => "just now".into(),
            None => format!("{} ago", human(self.elapsed)),
        }
    }
}

/// A duration as seconds.
pub(super) fn seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}

/// As seconds, or null.
#[expect(clippy::ref_option, reason = "the signature that serde calls")]
pub(super) fn maybe_seconds<S: Serializer>(
    duration: &Option<Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    duration.map(|duration| duration.as_secs_f64()).serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(realtime: i64, monotonic: u64) -> Clock {
        let monotonic = Some(Duration::from_secs(monotonic));
        Clock { realtime: at(realtime), monotonic, suspended: Duration::ZERO }
    }

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    fn stamp(realtime: i64, monotonic: Option<u64>) -> Stamp {
        Stamp { realtime: at(realtime), monotonic: monotonic.map(Duration::from_secs) }
    }

    #[test]
    fn an_age_is_what_two_clocks_allow_and_never_negative() {
        let now = Clock { suspended: Duration::from_secs(85_000), ..clock(100_000, 50_000) };
        let seconds = |stamp: Stamp| stamp.age(&now).elapsed.as_secs();
        assert_eq!(seconds(stamp(90_000, Some(40_000))), 10_000, "the clocks agree");
        assert_eq!(seconds(stamp(10_000, None)), 90_000, "from an earlier boot");
        assert_eq!(seconds(stamp(20_000, Some(49_000))), 80_000, "suspended meanwhile");
        assert_eq!(seconds(stamp(0, Some(49_000))), 86_000, "more than all suspends");
        assert_eq!(seconds(stamp(99_000, Some(10_000))), 40_000, "the wall clock was set back");
        assert_eq!(seconds(stamp(99_000, Some(60_000))), 1_000, "monotonic of another boot");
        let future = stamp(103_600, Some(10_000)).age(&now);
        assert_eq!(future.elapsed, Duration::from_secs(40_000));
        assert_eq!(future.phrase(), "1h in the future");
        assert_eq!(stamp(103_600, None).age(&now).elapsed, Duration::ZERO);
    }

    #[test]
    fn a_clock_that_was_set_forwards_makes_nothing_older() {
        let now = clock(259_200, 50_000);
        let age = stamp(-100, Some(49_900)).age(&now);
        assert_eq!((age.elapsed.as_secs(), age.leapt.as_secs()), (100, 259_200), "and yet it is known");
        assert_eq!(stamp(-100, None).age(&now).elapsed, Duration::from_secs(259_300), "before this boot");
    }

    #[test]
    fn what_was_a_moment_ago_was_just_now() {
        let age = |millis| {
            Age { elapsed: Duration::from_millis(millis), ahead: None, leapt: Duration::ZERO }.phrase()
        };
        assert_eq!([age(0), age(999), age(1_000)], ["just now", "just now", "1s ago"]);
    }

    #[test]
    fn a_moment_ahead_is_no_clock_that_was_set() {
        assert_eq!(stamp(1, None).age(&clock(0, 10)).ahead, None);
        assert!(stamp(2, None).age(&clock(0, 10)).ahead.is_some());
        let elsewhere = Clock { monotonic: None, ..clock(0, 10) };
        assert_eq!(stamp(60, None).age(&elsewhere).ahead, None);
        assert!(stamp(61, None).age(&elsewhere).ahead.is_some());
    }
}
