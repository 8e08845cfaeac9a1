#!/usr/bin/env bash
# How long does a probe take beside `systemctl show` of the same units, and how big is it?
#
#   chrt -f 90 tests/real/sandbox -- benches/probes.sh FOLDER [PAIRS [USER]]
#
# Beside a private systemd with a hundred timers and services that have run. In FOLDER lie the release programs
# and examples/measure; USER (root) runs both sides. Real-time priority, which systemd, the bus and both sides
# inherit, keeps most other work out. Prints the table of BENCHMARKS.md. Runs are paired because speed drifts:
# what is compared ran one right after the other, and the median of the ratios is given.
set -euo pipefail
export LC_ALL=C
programs=$1 pairs=${2:-101} user=${3:-root}
measure=$programs/examples/measure

for nth in {1..100}; do
  printf '[Service]\nType=oneshot\nExecStart=/bin/true\n' >"/etc/systemd/system/bench-$nth.service"
  printf '[Timer]\nOnCalendar=daily\n[Install]\nWantedBy=timers.target\n' >"/etc/systemd/system/bench-$nth.timer"
done
systemctl daemon-reload
mapfile -t timers < <(seq -f 'bench-%g.timer' 100)
mapfile -t services < <(seq -f 'bench-%g.service' 100)
systemctl enable --now "${timers[@]}" 2>/dev/null
systemctl start "${services[@]}"
# What a boot and two hundred units still give systemd to do is none of either side's.
before=-1
until spent=$(cut -d ' ' -f 1 /proc/1/schedstat) && [[ $spent == "$before" ]]; do
  before=$spent
  sleep 2
done

# milliseconds, CPU, KiB, exit status of a command that must end well
run() {
  local seen
  seen=$(setpriv --reuid "$user" --clear-groups "$measure" "$@")
  [[ $seen == *' 0' ]] || { echo "$* ended with ${seen##* }" >&2; exit 1; }
  echo "$seen"
}

# Nanoseconds that systemd has computed since it came up: what answering took from it, no probe can be faster.
systemd_spent() { cut -d ' ' -f 1 /proc/1/schedstat; }

# row TITLE PAIRS PROGRAM UNIT… [-- UNIT…]: behind `--` what only `systemctl show` must be told, because the
# probe finds it by itself.
row() {
  local title=$1 count=$2 program=$3 unit flags=() shown=()
  shift 3
  for unit in "$@"; do [[ $unit == -- ]] || shown+=("$unit"); done
  for unit in "$@"; do
    [[ $unit != -- ]] || break
    flags+=(-u "$unit")
  done
  for ((nth = 0; nth < count; nth++)); do
    # Whoever comes second meets warmer caches: they take turns at that, too.
    ((nth % 2)) || theirs=$(run systemctl show "${shown[@]}")
    before=$(systemd_spent)
    ours=$(run "$program" "${flags[@]}")
    after=$(systemd_spent)
    ((nth % 2)) && theirs=$(run systemctl show "${shown[@]}")
    echo "$theirs $ours $((after - before))"
  done | awk -v title="$title" '
    function median(values, count,   i, j, value) {
      for (i = 2; i <= count; i++) {
        value = values[i]
        for (j = i - 1; j > 0 && values[j] > value; j--) values[j + 1] = values[j]
        values[j + 1] = value
      }
      return values[int((count + 1) / 2)]
    }
    { theirs[NR] = $1; ours[NR] = $5; ratio[NR] = $5 / $1; systemd[NR] = $9 / 1e6 }
    $7 > resident { resident = $7 }
    END {
      printf "| %s | %.1f ms | %.1f ms | %.1f ms | %.2f | %d KiB |\n", title, median(theirs, NR),
        median(ours, NR), median(systemd, NR), median(ratio, NR), resident
    }'
}

echo '| | `systemctl show` | probe | systemd answering it | ratio | resident |'
echo '|---|---|---|---|---|---|'
for probe in timer exit freshness; do
  units=("${services[@]}")
  [[ $probe == timer ]] && units=("${timers[@]}")
  row "$probe, one unit" "$pairs" "$programs/check_plms_$probe" "${units[0]}"
  row "$probe, a hundred units" $((pairs / 4)) "$programs/check_plms_$probe" "${units[@]}"
done
# A timer is judged together with its service, so this call, too, is about a hundred units.
row 'timer, fifty units and their fifty services' $((pairs / 4)) "$programs/check_plms_timer" \
  "${timers[@]:0:50}" -- "${services[@]:0:50}"
echo
stat -c '%n: %s bytes' "$programs"/check_plms_{timer,exit,freshness} | sed 's,.*/,,'
