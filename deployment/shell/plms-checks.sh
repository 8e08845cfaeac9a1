#!/bin/sh
# The probes without a monitoring system: an alert for whatever is not OK, by cron or by hand.
# Everything is asked, also after something was found; the exit status is 0 where all was OK.
#
#   plms-checks.sh [TIMER SERVICE [STATUS_FILE]]
set -e

# alert SENTENCE: replace it by what reaches people.
alert() {
  logger -t plms-checks -p daemon.err -- "$1"
  printf '%s\n' "$1" >&2
}

timer=${1:-plms-invariants.timer}
service=${2:-plms-invariants.service}
# The runner's own record, for its own unit: systemd forgets at a reboot when a job ran last.
record=${3:-}
[ $# -gt 0 ] || record=/var/lib/plms-invariants/status.json
found=0

# A probe's first line says state, subject and reason; what is behind the bar is for machines.
said=$(check_plms_timer --unit "$timer") || { alert "${said%%|*}"; found=1; }
said=$(check_plms_freshness --unit "$service" ${record:+--status-file "$record"}) || { alert "${said%%|*}"; found=1; }

# One state from another, where that matters. After a bare command, set -e would be the end.
state=0
said=$(check_plms_exit --unit "$service" --nagios-status) || state=$?
case $state in
  0) ;;
  1) alert "in the morning: ${said%%|*}" ;;
  2) alert "now: ${said%%|*}" ;;
  *) alert "nobody knows: ${said%%|*}" ;; # never read this one as OK
esac
[ "$state" = 0 ] || found=1

exit "$found"
