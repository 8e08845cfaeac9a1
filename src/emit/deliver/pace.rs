//! When is the next attempt? Back-off with jitter, what the far end asks for, and how fast it likes messages.

use std::time::Duration;

use crate::emit::channels::ChannelName;

/// Before the second attempt.
const FIRST: Duration = Duration::from_millis(500);
/// Between two attempts at most, unless the far end asks for more.
const LONGEST: Duration = Duration::from_secs(30);

/// How long to wait after the `failed`-th failure in a row (from 1); `spread` lies in 0..1.
///
/// Doubled each time, and spread over its upper half: hosts that failed together do not come back together.
#[must_use]
pub fn back_off(failed: u32, asked: Option<Duration>, spread: f64) -> Duration {
    let doubled = FIRST.saturating_mul(2_u32.saturating_pow(failed.saturating_sub(1).min(16)));
    let longest = doubled.min(LONGEST);
    let jittered = longest.mul_f64(0.5 + spread.clamp(0.0, 1.0) / 2.0);
    // Never sooner than it was asked for, and not all at once then either.
    asked.map_or(jittered, |asked| asked.saturating_add(jittered.min(Duration::from_secs(1)).mul_f64(0.1)))
}

/// Before the next part after so many that were tried, taken or not: Slack takes about one a second and
/// `PagerDuty` two, both with short bursts (alert-channels A2 and A3); mail takes them as they come.
#[must_use]
pub fn gap(channel: ChannelName, tried: usize) -> Duration {
    let (burst, gap) = match channel {
        ChannelName::Slack => (3, 1100),
        ChannelName::PagerDuty => (60, 520),
        ChannelName::Mail => return Duration::ZERO,
    };
    if tried < burst { Duration::ZERO } else { Duration::from_millis(gap) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(failed: u32, spread: f64) -> u128 {
        back_off(failed, None, spread).as_millis()
    }

    #[test]
    fn attempts_come_at_doubled_distances_up_to_half_a_minute_and_never_all_at_once() {
        assert_eq!(
            [millis(1, 1.0), millis(2, 1.0), millis(3, 1.0), millis(6, 1.0)],
            [500, 1000, 2000, 16000]
        );
        assert_eq!([millis(1, 0.0), millis(2, 0.0), millis(7, 0.0)], [250, 500, 15000]);
        assert_eq!([millis(7, 1.0), millis(40, 1.0), millis(u32::MAX, 1.0)], [30000; 3]);
    }

    #[test]
    fn who_asks_to_be_left_alone_is() {
        for spread in [0.0, 0.5, 1.0] {
            let wait = back_off(1, Some(Duration::from_secs(3)), spread);
            assert!(wait >= Duration::from_secs(3) && wait < Duration::from_millis(3200), "{wait:?}");
        }
    }

    #[test]
    fn a_backlog_goes_out_at_the_speed_that_the_far_end_likes() {
        assert_eq!(gap(ChannelName::Slack, 2), Duration::ZERO);
        assert!(gap(ChannelName::Slack, 3) >= Duration::from_secs(1));
        // 120 calls a minute.
        assert!(gap(ChannelName::PagerDuty, 60) >= Duration::from_millis(500));
        assert_eq!(gap(ChannelName::Mail, 1000), Duration::ZERO);
    }
}
