//! Is a run that named its process still at work, or is its number another's by now?

use chrono::{DateTime, TimeDelta, Utc};
use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};
use rustix::time::{ClockId, clock_gettime};

/// A clock that was set right meanwhile makes nobody dead.
const SLACK: TimeDelta = TimeDelta::minutes(2);

/// Whether the process with which a run began at `since` has ended: there is none of that number, or the machine or
/// the process began only later.
pub(super) fn is_gone(pid: u32, since: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return true };
    if test_kill_process(pid) == Err(Errno::SRCH) {
        return true;
    }
    let up = clock_gettime(ClockId::Boottime);
    let up = TimeDelta::seconds(up.tv_sec);
    // Where it cannot be seen when the process began, the next run tells.
    let age = started(pid).map_or(up, |after_boot| up - after_boot);
    now.checked_sub_signed(age).is_some_and(|began| began > since + SLACK)
}

/// How long after the machine the process was started; proc(5), `/proc/pid/stat`, field 22.
fn started(pid: Pid) -> Option<TimeDelta> {
    let stat = std::fs::read(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
    // The second field is the program's name, which may hold anything.
    let after_name = stat.get(stat.iter().rposition(|byte| *byte == b')')? + 1..)?;
    let ticks: i64 = std::str::from_utf8(after_name).ok()?.split_ascii_whitespace().nth(19)?.parse().ok()?;
    let in_a_second = i64::try_from(rustix::param::clock_ticks_per_second()).ok()?;
    TimeDelta::try_seconds(ticks.checked_div(in_a_second)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_is_in_use_again_is_not_the_run_that_had_it() {
        let now: DateTime<Utc> = "2025-11-07T07:00:03Z".parse().unwrap();
        let (own, init) = (std::process::id(), 1);
        for pid in [own, init] {
            assert!(!is_gone(pid, now, now), "{pid}");
            assert!(!is_gone(pid, now - TimeDelta::seconds(60), now), "{pid}: the clock was set");
            assert!(is_gone(pid, "1990-01-01T00:00:00Z".parse().unwrap(), now), "{pid}: before this boot");
        }
        // This one was started a moment ago, unless the tests run for a day.
        assert!(is_gone(own, now - TimeDelta::days(1), now));
        let mut child = std::process::Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        assert!(is_gone(child.id(), now, now));
        assert!(is_gone(0, now, now) && is_gone(u32::MAX, now, now));
    }
}
