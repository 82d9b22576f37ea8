#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds the fuzz preset and runs its targets one after another, each from the corpus that earlier campaigns left. Prints a table and exits
# with 1 if anything was found. usage: tests/fuzz/run.sh [--seconds N] [--only TARGET] [--jobs J] [--no-build]
#   --seconds N    for each target, 60 by default
#   --only T       one target: batch_bytes, built_batch, codec_frame, wire_request, fetch_answer, configuration, disk_bytes, broker_calls
#   --jobs J       processes for each target, 1 by default; they share the corpus
# Kept in build/campaigns/fuzz: corpus/TARGET, findings/TARGET-* (give one to build/fuzz/bin/TARGET_fuzz to see it again), logs, figures.tsv.
set -euo pipefail
cd "$(dirname "$0")/../.."

seconds=60 only= jobs=1 build=true
while [ $# -gt 0 ]; do
  case $1 in
    --seconds) seconds=${2:?--seconds needs a number}; shift ;;
    --only) only=${2:?--only needs a target}; shift ;;
    --jobs) jobs=${2:?--jobs needs a number}; shift ;;
    --no-build) build=false ;;
    *) sed -n '3,8s/^# //p' "$0" >&2; exit 2 ;;
  esac
  shift
done

targets=(batch_bytes built_batch codec_frame wire_request fetch_answer configuration disk_bytes broker_calls)
if [ -n "$only" ]; then
  [[ " ${targets[*]} " == *" $only "* ]] || { echo "error: no target $only; there are: ${targets[*]}" >&2; exit 2; }
  targets=("$only")
fi
if $build; then
  deploy/dependencies.sh fuzz
  deploy/build.sh fuzz fuzz_targets
fi

bin=$PWD/build/fuzz/bin
out=$PWD/build/campaigns/fuzz
mkdir -p "$out/findings" "$out/logs"
scratch=$(mktemp -d "$([ -w /dev/shm ] && echo /dev/shm || echo /tmp)/cordwood-fuzz-XXXXXX")
trap 'rm -rf "$scratch"' EXIT
export TMPDIR=$scratch  # a crashed broker leaves its data directory; it goes with this one
export ASAN_OPTIONS=${ASAN_OPTIONS:-allocator_may_return_null=1:detect_stack_use_after_return=1}
"$bin/fuzz_seeds" "$scratch/seeds"

options_of() {
  case $1 in
    # Its threads still hold what the next input frees, so leaks cannot be told from work in hand.
    broker_calls) echo "-detect_leaks=0 -len_control=0 -max_len=1024 -timeout=120 -rss_limit_mb=6000 -reload=0" ;;
    *) echo "-len_control=20 -max_len=8192 -timeout=10 -rss_limit_mb=2048" ;;
  esac
}

# The last line that libFuzzer wrote with figures, of each process, and their sum of runs.
figures_of() {
  awk -v OFS='\t' '
    /^#[0-9]+[ \t]/ && / cov: / {
      runs[FILENAME] = substr($1, 2)
      for (i = 1; i < NF; ++i) {
        if ($i == "cov:" && $(i + 1) > cov) cov = $(i + 1)
        if ($i == "ft:" && $(i + 1) > ft) ft = $(i + 1)
      }
    }
    END { for (f in runs) total += runs[f]; print total + 0, cov + 0, ft + 0 }' "$@"
}

found=0
printf '%s\t' target runs CPU-seconds cov features corpus findings | sed 's/\t$/\n/' >"$scratch/table"
for target in "${targets[@]}"; do
  corpus=$out/corpus/$target
  mkdir -p "$corpus"
  before=$(find "$out/findings" -name "$target-*" | wc -l)
  logs=() pids=()
  read -r -a options <<<"$(options_of "$target")"
  cpu_before=$(awk '{print $16 + $17}' /proc/$$/stat)
  for ((job = 0; job < jobs; ++job)); do
    logs+=("$out/logs/$target-$job.log")
    "$bin/${target}_fuzz" "${options[@]}" -max_total_time="$seconds" -artifact_prefix="$out/findings/$target-" "$corpus" "$scratch/seeds/$target" \
      >"${logs[-1]}" 2>&1 &
    pids+=($!)
  done
  for pid in "${pids[@]}"; do wait "$pid" || true; done
  cpu=$(( ($(awk '{print $16 + $17}' /proc/$$/stat) - cpu_before) / $(getconf CLK_TCK) ))
  findings=$(( $(find "$out/findings" -name "$target-*" | wc -l) - before ))
  found=$((found + findings))
  IFS=$'\t' read -r runs cov features <<<"$(figures_of "${logs[@]}")"
  printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$target" "$runs" "$cpu" "$cov" "$features" "$(find "$corpus" -type f | wc -l)" "$findings" |
    tee -a "$out/figures.tsv" >>"$scratch/table"
done
column -t -s $'\t' "$scratch/table"
[ "$found" -eq 0 ] || { echo "findings are in $out/findings" >&2; exit 1; }
