#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Configures (once) and builds a preset. usage: deploy/build.sh PRESET [target …]
set -euo pipefail
cd "$(dirname "$0")/.."
preset=${1:?usage: deploy/build.sh PRESET [target …]}
shift
if [ ! -f "build/$preset/build.ninja" ]; then
  log=$(mktemp)
  cmake --preset "$preset" >"$log" 2>&1 || { cat "$log" >&2; rm -f "$log"; exit 1; }
  rm -f "$log"
fi
ninja -C "build/$preset" -j"$(nproc)" "$@"
