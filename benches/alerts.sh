#!/usr/bin/env bash
# What do alerts cost: composing them, a run with dead endpoints, and ten thousand that wait?
#
#   benches/alerts.sh [COUNT]       COUNT alerts wait (default 10000)
#
# Prints the tables of BENCHMARKS.md. State lies in memory (/dev/shm), so that what is measured is the program and
# not the disk. PROGRAM (default target/release/plms-invariants) is built when it is not given.
set -euo pipefail
shopt -s inherit_errexit
export LC_ALL=C
cd "$(dirname "$0")/.."

count=${1:-10000}
if [[ -z ${PROGRAM:-} ]]; then
    cargo build --quiet --release --bin plms-invariants
    PROGRAM=target/release/plms-invariants
fi
PROGRAM=$(realpath "$PROGRAM")
light=(--config profile.release.lto=false --config profile.release.codegen-units=16)
cargo build --quiet --release "${light[@]}" --example alerts --example measure
measure=$PWD/target/release/examples/measure alerts=$PWD/target/release/examples/alerts

place=$(mktemp -d -p /dev/shm)
listener=
trap 'rm -rf "$place"; [[ -z $listener ]] || kill "$listener"' EXIT
mkdir "$place"/{state,logs}
echo "load $(cut -d' ' -f1 /proc/loadavg)"
echo
"$alerts" compose

# env NAME=VALUE… COMMAND…: with nothing of the caller's own settings; prints wall ms, CPU ms, KiB, exit status.
run() {
    env -i PATH="$PATH" HOME="$place" ENV_NAME=bench STATE_DIR="$place/state" LOG_DIR="$place/logs" \
        DB_PATH="$place/registry.db" "$@"
}
# row NAME EXIT-STATUS COMMAND…: measures it, and ends everything where it failed or ended otherwise. A substitution
# among a command's words would hide that from set -e.
row() {
    local name=$1 expected=$2 figures wall cpu kib status
    shift 2
    figures=$("$@")
    read -r wall cpu kib status <<<"$figures"
    if [[ $status != "$expected" ]]; then
        echo "$name: exit status ${status:-none}, expected $expected" >&2
        exit 1
    fi
    printf '| %s | %.0f ms | %.0f ms | %.1f MB | %s |\n' "$name" "$wall" "$cpu" "$(awk "BEGIN { print $kib / 1024 }")" "$status"
}

# A program that takes every mail, and one that refuses every recipient.
printf '#!/bin/sh\nexec cat >/dev/null\n' >"$place/takes"
printf '#!/bin/sh\ncat >/dev/null; exit 67\n' >"$place/refuses"
chmod +x "$place"/{takes,refuses}

echo
echo "| $count alerts wait | wall | CPU | memory, greatest | exit status |"
echo '|---|---|---|---|---|'
bytes=$("$alerts" backlog "$place/state" "$count")
mv "$place/state" "$place/waiting"
# Over a copy, because each takes some of them.
flush() {
    rm -rf "$place/state" && cp -r "$place/waiting" "$place/state"
    run "${@:3}" "$measure" "$PROGRAM" --env-file /dev/null -t "$1" alert "$2"
}
row 'alert pending' 0 flush 1m pending
row 'alert flush, nobody listens' 2 flush 5 flush SLACK_WEBHOOK_URL=http://127.0.0.1:9/x
row 'alert flush, every mail is refused' 2 flush 1h flush ALERT_EMAIL=ops@example.org SENDMAIL="$place/refuses"
row 'alert flush, every mail is taken' 0 flush 1h flush ALERT_EMAIL=ops@example.org SENDMAIL="$place/takes"
row 'yardstick: a shell starts that mail program so many times' 0 \
    "$measure" sh -c "for nth in \$(seq $count); do $place/takes </dev/null; done"
echo
echo "state.db before: $bytes"

# Accepts, and never says anything.
python3 -c '
import socket, time
far = socket.socket(); far.bind(("127.0.0.1", 0)); far.listen(99)
print(far.getsockname()[1], flush=True)
time.sleep(3600)' >"$place/port" &
listener=$!
for _ in $(seq 100); do
    [[ ! -s $place/port ]] || break
    sleep 0.1
done
[[ -s $place/port ]] || { echo 'the far end that hangs did not begin to listen' >&2 && exit 1; }
hang=127.0.0.1:$(cat "$place/port")
rm -rf "$place/state" "$place/waiting" && mkdir "$place/state"
"$PROGRAM" demo --runs 200 --keep "$place/demo" >/dev/null
dead() {
    run SLACK_WEBHOOK_URL=http://127.0.0.1:9/x PD_ROUTING_KEY=0123456789abcdef0123456789abcdef \
        PD_EVENTS_URL="http://$hang/x" ALERT_EMAIL=ops@example.org SMTP_URL="smtp://$hang" \
        DB_PATH="$place/demo/artifacts/registry/registry.db" "$measure" "$PROGRAM" --env-file /dev/null "$@"
}
echo
echo '| a run with violations | wall | CPU | memory, greatest | exit status |'
echo '|---|---|---|---|---|'
row 'nobody is told (--deliver off)' 2 dead --deliver off
row 'written down (--deliver spool)' 2 dead --deliver spool
row 'three dead endpoints, a budget of 5 s' 2 dead --deliver-budget 5
row 'three dead endpoints, a budget of 5 s and 2 s for all (-t 2)' 2 dead --deliver-budget 5 -t 2
