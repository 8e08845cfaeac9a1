#!/bin/sh
# The probes without a monitoring system: an alert for whatever is not OK, by cron or by hand.
# Everything is asked, also after something was found; the exit status is 0 where all was OK.
set -e

# alert SENTENCE: replace it by what reaches people.
alert() {
  logger -t plms-checks -p daemon.err -- "$1"
  printf '%s\n' "$1" >&2
}

timer=${1:-plms-invariants.timer}
service=${2:-plms-invariants.service}
found=0

check_plms_timer --unit "$timer" || { alert "PLMS: $timer will not run its job"; found=1; }
check_plms_exit --unit "$service" --nagios-status || { alert "PLMS: the last run of $service was not clean"; found=1; }
check_plms_freshness --unit "$service" || { alert "PLMS: $service has not run in 25 hours"; found=1; }

# One state from another, where that matters. After a bare command, set -e would be the end.
state=0
check_plms_exit --unit "$service" --nagios-status >/dev/null || state=$?
case $state in
  0) ;;
  1) alert "PLMS: WARNING: $service" ;;
  2) alert "PLMS: CRITICAL: $service" ;;
  *) alert "PLMS: UNKNOWN: $service" ;; # never read this one as OK
esac

exit "$found"
