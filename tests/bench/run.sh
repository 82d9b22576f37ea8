#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds the release, measures, prints the table of figures beside their targets. Machines differ and are noisy: the rows that the disk decides
# are ratios to a baseline of the same run. How to read it: docs/reference/bench.md
# usage: tests/bench/run.sh [--only storage|serving|groups|NAME] [--gb N] [--seconds N] [--dir DIRECTORY] [--json-dir DIRECTORY]
set -euo pipefail
cd "$(dirname "$0")/../.."
deploy/dependencies.sh test
deploy/build.sh release storage_bench cordwoodd cord limit serving_bench groups_bench assignor_bench >&2
exec python3 tests/bench/figures.py --bin build/release/bin --json-dir build/bench "$@"
