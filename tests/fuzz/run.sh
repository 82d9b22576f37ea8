#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds the fuzz preset and runs its targets, each from the corpus that earlier campaigns left. Prints a table and exits with 1 if anything was
# found. usage: tests/fuzz/run.sh [--seconds N | --cpu-hours N | --summary | --coverage [--lines]] [--only TARGET] [--jobs J] [--no-build]
#   --seconds N    each target once, for so long; 60 by default
#   --cpu-hours N  round robin until each target has had so many CPU-hours, those of earlier runs counted; stopped and started again at will
#   --round N      seconds of one turn of --cpu-hours, 300 by default; broker_calls has thrice that
#   --summary      what the ledger says of all runs so far
#   --coverage     builds the coverage preset, replays the corpora there and prints what they reach; --lines: and which lines they do not
#   --only T       one target: batch_bytes, built_batch, codec_frame, wire_request, fetch_answer, produce_answer, member_answer, group_log,
#                  configuration, disk_bytes, stored_partition, broker_calls
#   --jobs J       processes at a time, 1 by default
#   --bin DIR      the targets in DIR, not build/fuzz/bin        --out DIR   kept there, not in build/campaigns/fuzz
# Kept: corpus/TARGET, findings/TARGET-* (give one to build/fuzz/bin/TARGET_fuzz to see it again), logs, ledger.tsv (a line for each run).
set -euo pipefail
cd "$(dirname "$0")/../.."

preset=fuzz bin= build=true program=tests/fuzz/campaign.py out=$PWD/build/campaigns/fuzz arguments=()
while [ $# -gt 0 ]; do
  case $1 in
    --seconds | --cpu-hours | --round | --only | --jobs) arguments+=("$1" "${2:?$1 needs a value}"); shift ;;
    --lines) arguments+=("$1") ;;
    --summary) arguments+=("$1") build=false ;;
    --coverage) preset=coverage program=tests/fuzz/coverage.py ;;
    --bin) bin=${2:?--bin needs a directory} build=false; shift ;;
    --out) out=${2:?--out needs a directory}; shift ;;
    --no-build) build=false ;;
    *) sed -n '3,14s/^# //p' "$0" >&2; exit 2 ;;
  esac
  shift
done
if $build; then
  deploy/dependencies.sh fuzz
  deploy/build.sh "$preset" fuzz_targets
fi
exec python3 -B "$program" --bin "${bin:-build/$preset/bin}" --out "$out" "${arguments[@]}"
