#!/bin/sh
# The old way to start the nightly check, for crontab lines and units that name this file. Every argument goes to
# plms-invariants, and its exit status comes back. Settings are those of /etc/default/plms-invariants, which the
# program reads itself: a shell that runs as root must not.
#
# New installations need this no longer: plms-invariants.timer, or cron.d/plms-invariants without systemd.

# 3 is UNKNOWN: where the check cannot even begin, nothing is known of the registry.
unknown() {
	echo "PLMS INVARIANTS UNKNOWN: $*"
	exit 3
}

# cron's own PATH is shorter.
PATH=$PATH:/usr/local/bin:/usr/bin:/bin
export PATH
command -v plms-invariants >/dev/null || unknown 'there is no program plms-invariants on this host; install the package'

# Relative paths of the settings count from the root of PLMS. Where that is missing the program says so, by the
# path of the registry.
if [ -d /opt/lnsp-phase-4 ]; then
	cd /opt/lnsp-phase-4 || unknown 'cannot enter /opt/lnsp-phase-4'
fi

if [ "$(id -u)" != 0 ]; then
	exec plms-invariants "$@"
fi
group=$(id -g plms 2>/dev/null) ||
	unknown 'there is no user plms, and the check does not run as root; systemd-sysusers makes that user'
# The environment stays: old crontab lines and units set variables there.
exec setpriv --reuid plms --regid "$group" --init-groups plms-invariants "$@"
