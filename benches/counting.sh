#!/usr/bin/env bash
# Counts the instructions of one get and drop, and how many of them go into counting: counters, histograms and the records
# of who holds what. callgrind does the counting, so a busy machine gives the same result. Exits with an error if counting
# takes a third of the total or more.
#
# Reading the clock does not count as counting: the deadline, age and freshness need it too. Valgrind makes it a system call
# whose instructions are the kernel's, so the total comes out slightly too small and the share too large.
set -euo pipefail
cd "$(dirname "$0")/.."

command -v valgrind >/dev/null || { echo "valgrind is missing: install the package valgrind"; exit 1; }

export RUSTFLAGS="--cfg queuepool_counting" CARGO_TARGET_DIR=target/counting
program=$(cargo bench --no-run --no-default-features --bench counting --message-format json |
  grep -o '"executable":"[^"]*"' | tail -1 | cut -d'"' -f4)
out=$(mktemp)
trap 'rm -f "$out"' EXIT
pairs=$(valgrind -q --tool=callgrind --callgrind-out-file="$out" --toggle-collect='*counted_pairs*' "$program")

callgrind_annotate --inclusive=yes --threshold=100 "$out" | awk -v pairs="$pairs" '
  # "1,234 (56.78%)  file:function [object]"
  { count = $1; gsub(",", "", count); count += 0 }
  /PROGRAM TOTALS/ { whole = count / pairs }
  match($0, /count_checkout|count_checkin/) { part[substr($0, RSTART, RLENGTH)] += count / pairs }
  END {
    counting = part["count_checkout"] + part["count_checkin"]
    if (!whole || !part["count_checkout"] || !part["count_checkin"]) { print "nothing was collected"; exit 1 }
    printf "instructions for one get and drop: %d\n", whole
    printf "  counting a checkout: %d\n  counting a checkin: %d\n", part["count_checkout"], part["count_checkin"]
    printf "  together %.1f %%, promised under 33.3 %%\n", counting / whole * 100
    exit counting * 3 >= whole
  }'
