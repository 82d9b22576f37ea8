#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs what is missing, builds, runs every test. usage: tests/run.sh [--long] [--preset NAME]
#   --long    afterwards also the campaigns with their full numbers: 10 000 power losses, 200 rounds of kill -9, groups whose
#             members are killed, added and rewound, the clients that make trouble, 10 minutes of each fuzz target, which installs clang (hours)
set -euo pipefail
cd "$(dirname "$0")/.."

long=false
preset=release
while [ $# -gt 0 ]; do
  case $1 in
    --long) long=true ;;
    --preset) preset=${2:?--preset needs a name}; shift ;;
    *) echo "usage: $0 [--long] [--preset NAME]" >&2; exit 2 ;;
  esac
  shift
done

deploy/dependencies.sh test
deploy/build.sh "$preset"
ctest --test-dir "build/$preset" --output-on-failure --no-tests=error -j"$(nproc)" --timeout 600

if $long; then
  bin=build/$preset/bin
  mkdir -p "build/campaigns"
  "$bin/storage_campaign" --rounds 10000 --seed 1 --report build/campaigns/power-loss.txt
  "$bin/kill_campaign" --rounds 200 --seed 1 --report build/campaigns/kill.txt
  /usr/bin/python3 tests/integration/shared_work_campaign.py --bin "$bin" --rounds 20 --seconds 5 --kill-broker --seed 1
  /usr/bin/python3 tests/integration/live_rewind_campaign.py --bin "$bin" --rounds 5 --seed 1
  "$bin/trouble_campaign" --scale long --report build/campaigns/trouble.txt
  tests/fuzz/run.sh --seconds 600
fi
