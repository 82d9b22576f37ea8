#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# From nothing to a broker that has survived kill -9: installs what is missing, builds, starts a broker on the embedded default (free ports, a
# temporary data directory), sends a real log of this machine through it, kills it, reads the log again, and stops.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '\n== %s\n' "$*"; }
fail() { printf 'quickstart: %s\n' "$*" >&2; exit 1; }

say "dependencies and release build"
deploy/dependencies.sh build
deploy/build.sh release cordwoodd cord
bin=$PWD/build/release/bin

log=
for candidate in /var/log/syslog /var/log/dpkg.log /var/log/messages /var/log/apt/history.log /var/log/bootstrap.log /var/lib/dpkg/status; do
  if [ -s "$candidate" ] && [ -r "$candidate" ]; then log=$candidate; break; fi
done
[ -n "$log" ] || fail "found no readable log on this machine"

work=$(mktemp -d)
broker=
cleanup() {
  if [ -n "$broker" ]; then kill -9 "$broker" 2>/dev/null || true; fi
  rm -rf "$work"
}
trap cleanup EXIT

start_broker() {
  rm -f "$work/ports"
  "$bin/cordwoodd" --data-dir "$work/data" --listen 127.0.0.1:0 --http-listen 127.0.0.1:0 --port-file "$work/ports" 2>>"$work/broker.log" &
  broker=$!
  for _ in $(seq 300); do
    if [ -s "$work/ports" ]; then
      CORD_BROKERS=$(sed -n 's/^grpc=//p' "$work/ports")
      export CORD_BROKERS
      return
    fi
    kill -0 "$broker" 2>/dev/null || break
    sleep 0.1
  done
  cat "$work/broker.log" >&2
  fail "the broker did not start"
}

# A snapshot: the machine goes on writing its log while we read ours back.
cp "$log" "$work/in"
lines=$(grep -c '' "$work/in")

say "a broker on the embedded default"
start_broker
echo "cordwoodd (pid $broker) serves gRPC on $CORD_BROKERS"

say "$log in: $lines lines"
"$bin/cord" topic create quickstart
"$bin/cord" produce quickstart --file "$work/in"

say "and out again"
"$bin/cord" consume quickstart --from start --to end -F '%v\n' >"$work/out"
# A last line without a newline is a record like the others, and comes back with one.
sed -e '$a\' "$work/in" >"$work/expected"
cmp "$work/expected" "$work/out" || fail "what came out is not what went in"
echo "$(grep -c '' "$work/out") lines came back, byte for byte"

say "kill -9, and start again on the same directory"
kill -9 "$broker"
wait "$broker" 2>/dev/null || true
start_broker
"$bin/cord" consume quickstart --from start --to end -F '%v\n' >"$work/again"
cmp "$work/expected" "$work/again" || fail "a record was lost"
echo "$(grep -c '' "$work/again") lines came back again, byte for byte"

say "stop"
kill -TERM "$broker"
wait "$broker"
broker=
echo "the broker stopped cleanly"

cat <<END

It works. What to try next (the binaries are in build/release/bin):
  build/release/bin/cordwoodd --data-dir ./cordwood-data &        # a broker that stays: gRPC on 127.0.0.1:9600
  build/release/bin/cord topic create orders -p 4
  printf 'alice:1 apple\nbob:2 pears\n' | build/release/bin/cord produce orders --key-delim ':'
  build/release/bin/cord consume orders --from start --to end -F '%p %o %k %v\n'
  build/release/bin/cord consume orders -f                        # and produce from another terminal
  build/release/bin/cord topic describe orders
END
