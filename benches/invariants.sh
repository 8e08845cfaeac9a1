#!/usr/bin/env bash
# How fast is the nightly strict check, and how much memory does it take?
#
#   benches/invariants.sh FOLDER      registries are made in FOLDER once, and kept
#
# PAIRS (default 15)        runs of program and floor, in turns
# SHELL_PAIRS (default 3)   runs of the sqlite3 shell, each beside one of the program
# LARGE=1                   ten million runs, too: 7 GB in FOLDER
# PROGRAM                   default target/release/plms-invariants, built when it is not given
#
# Prints the tables of BENCHMARKS.md. Runs are paired because the machine's speed drifts: what is compared ran
# one right after the other, and the median of the ratios is given, not the ratio of medians.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")/.."

load=$(cut -d' ' -f1 /proc/loadavg)
folder=${1:?usage: benches/invariants.sh FOLDER}
pairs=${PAIRS:-15}
shell_pairs=${SHELL_PAIRS:-3}
command -v sqlite3 >/dev/null || { echo "the sqlite3 shell is not installed; it is what we compare with" >&2; exit 1; }
if [[ -z ${PROGRAM:-} ]]; then
    cargo build --quiet --release --bin plms-invariants
    PROGRAM=target/release/plms-invariants
fi
light=(--config profile.release.lto=false --config profile.release.codegen-units=16)
cargo build --quiet --release "${light[@]}" --example generate --example measure
generate=target/release/examples/generate
measure=target/release/examples/measure

mkdir -p "$folder"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# The registry of $1 runs, made when it is not there, and read once so that it is in the page cache.
registry() {
    local file=$folder/$1/artifacts/registry/registry.db
    [[ -e $file ]] || "$generate" "$1" "$folder/$1" >&2
    cat "$file" >/dev/null
    echo "$file"
}

# Each prints "wall cpu rss status", in ms, ms, KiB.
program() {
    env -i PATH="$PATH" ENV_NAME=bench LOG_DIR="$scratch" STATE_DIR="$scratch/state" \
        "$measure" "$PROGRAM" --env-file /dev/null --db "$1" --strict --json
}
violations() {
    env -i PATH="$PATH" LOG_DIR="$scratch" STATE_DIR="$scratch/state" "$PROGRAM" --env-file /dev/null --db "$1" --json |
        sed -n 's/.*"total_violations": *\([0-9]*\).*/\1/p'
}
shell() { "$measure" sqlite3 -readonly "$1" ".read $2"; }

# Fails unless the exit statuses of the last column are all $1: a program that failed is fast, too.
all_ended_with() {
    awk -v want="$1" '$4 != want { bad++ } END { exit bad > 0 }' "$2" ||
        { echo "a run did not end with status $1:" >&2; cat "$2" >&2; exit 1; }
}
median() { sort -g | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }
column() { cut -d' ' -f"$2" "$1" | median; }
greatest() { cut -d' ' -f"$2" "$1" | sort -g | tail -1; }
# Median of first column of $1 over first column of $2, pair by pair.
ratio() { paste -d' ' "$1" "$2" | awk '{ print $1 / $5 }' | median; }
row() { # name, file
    awk -v name="$1" -v wall="$(column "$2" 1)" -v cpu="$(column "$2" 2)" -v rss="$(greatest "$2" 3)" \
        'BEGIN { printf "| %s | %.3f s | %.3f s | %.1f MB |\n", name, wall / 1000, cpu / 1000, rss / 1024 }'
}

# The registry $1, changed by the statements $3, under the name $2.
changed() {
    local file=$folder/$2/registry.db
    if [[ ! -e $file ]]; then
        mkdir -p "$folder/$2"
        cp "$1" "$file.unfinished"
        sqlite3 "$file.unfinished" "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; $3; VACUUM;" >&2
        mv "$file.unfinished" "$file"
    fi
    cat "$file" >/dev/null
    echo "$file"
}

# No two JSON cells alike: what was judged once helps with no other.
unlike="UPDATE task_estimates SET kpi_formula = rtrim(kpi_formula, '}') || '},\"schema_diff\":' || id || '}'
            WHERE kpi_formula LIKE '{\"%}}' AND kpi_formula NOT LIKE '%}}}' AND json_valid(kpi_formula);
        UPDATE project_runs SET provider_matrix_json = rtrim(provider_matrix_json, '}') || ',\"seed\":' || id || '}'
            WHERE provider_matrix_json LIKE '{\"%}' AND json_valid(provider_matrix_json)"
# Over a million violating rows.
ruined="UPDATE project_runs SET write_sandbox = 1"

mkdir -p "$scratch/state"
million=$(registry 1000000)
touch "$scratch"/{ours,floor,ours_by_shell,shell}
program "$million" >/dev/null; shell "$million" benches/floor.sql >/dev/null # warm
for ((i = 0; i < pairs; i++)); do
    if ((i % 2)); then
        program "$million" >>"$scratch/ours"; shell "$million" benches/floor.sql >>"$scratch/floor"
    else
        shell "$million" benches/floor.sql >>"$scratch/floor"; program "$million" >>"$scratch/ours"
    fi
done
for ((i = 0; i < shell_pairs; i++)); do
    program "$million" >>"$scratch/ours_by_shell"
    shell "$million" benches/shell.sql >>"$scratch/shell"
done
different=$(changed "$million" unlike "$unlike")
touch "$scratch"/{ours_unlike,floor_unlike,ours_ruined}
for ((i = 0; i < pairs; i++)); do
    program "$different" >>"$scratch/ours_unlike"; shell "$different" benches/floor.sql >>"$scratch/floor_unlike"
done
bad=$(changed "$million" ruined "$ruined")
for ((i = 0; i < 7; i++)); do program "$bad" >>"$scratch/ours_ruined"; done
all_ended_with 2 "$scratch/ours_unlike"
all_ended_with 2 "$scratch/ours_ruined"
all_ended_with 2 "$scratch/ours"
all_ended_with 0 "$scratch/floor"
all_ended_with 0 "$scratch/shell"

echo "Load when it began: $load. Above 0.5, other work shares the cores: wall times and ratios say little then."
echo
echo "A million runs ($(stat -c %s "$million" | awk '{ printf "%.0f", $1 / 1e6 }') MB, in the page cache; $(nproc) cores):"
echo
echo "| what | wall, median | CPU, median | memory, greatest |"
echo "|---|---|---|---|"
row "plms-invariants, strict, passports apart" "$scratch/ours"
row "likewise, no two JSON cells alike" "$scratch/ours_unlike"
row "likewise, $(violations "$bad") violating rows" "$scratch/ours_ruined"
row "the floor: four unindexed counts in the sqlite3 shell" "$scratch/floor"
row "the same questions as statements in the sqlite3 shell" "$scratch/shell"
echo
printf 'Of the floor: **%.2f** (median of %d pairs; %.2f where no two JSON cells are alike). ' \
    "$(ratio "$scratch/ours" "$scratch/floor")" "$pairs" "$(ratio "$scratch/ours_unlike" "$scratch/floor_unlike")"
printf 'Faster than the shell: **%.0f times** (median of %d pairs).\n\n' \
    "$(ratio "$scratch/shell" "$scratch/ours_by_shell")" "$shell_pairs"

sizes=(1000 100000 1000000)
[[ ${LARGE:-} ]] && sizes+=(10000000)
echo "| runs | registry | wall, median | CPU, median | memory, greatest | µs per run |"
echo "|---|---|---|---|---|---|"
for size in "${sizes[@]}"; do
    file=$(registry "$size")
    : >"$scratch/size"
    program "$file" >/dev/null
    for ((i = 0; i < 7; i++)); do program "$file" >>"$scratch/size"; done
    all_ended_with 2 "$scratch/size"
    awk -v runs="$size" -v bytes="$(stat -c %s "$file")" -v wall="$(column "$scratch/size" 1)" \
        -v cpu="$(column "$scratch/size" 2)" -v rss="$(greatest "$scratch/size" 3)" \
        'BEGIN { printf "| %d | %.1f MB | %.3f s | %.3f s | %.1f MB | %.2f |\n",
                 runs, bytes / 1e6, wall / 1000, cpu / 1000, rss / 1024, wall * 1000 / runs }'
done
