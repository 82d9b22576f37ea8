#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs the Debian 12 packages that Cordwood is built, run and tested with. Needs no network, and no root, when all are there.
# usage: deploy/dependencies.sh [build|test|fuzz]     (test: build and what the tests need besides; the default. fuzz: build and the fuzzer's compiler)
set -euo pipefail

build=(
  ccache cmake g++ lld ninja-build pkg-config
  libabsl-dev libbenchmark-dev libcli11-dev libcpp-httplib-dev libgmock-dev libgrpc++-dev libgtest-dev libisal-dev
  liblz4-dev libprotobuf-dev libre2-dev librocksdb-dev libsnappy-dev libzstd-dev nlohmann-json3-dev prometheus-cpp-dev
  protobuf-compiler protobuf-compiler-grpc zlib1g-dev
)
tests=(python3 python3-grpcio python3-protobuf)
fuzz=(clang-14 libclang-rt-14-dev llvm-14)

case "${1:-test}" in
  build) wanted=("${build[@]}") ;;
  test) wanted=("${build[@]}" "${tests[@]}") ;;
  fuzz) wanted=("${build[@]}" "${fuzz[@]}") ;;
  *) echo "usage: $0 [build|test|fuzz]" >&2; exit 2 ;;
esac

missing=()
for package in "${wanted[@]}"; do
  # Virtual packages do not occur in the list, so the state of each name is the answer.
  state=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$state" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

echo "installing: ${missing[*]}" >&2
sudo=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { echo "error: ${#missing[@]} packages are missing and this is not root: apt-get install ${missing[*]}" >&2; exit 1; }
  sudo=(sudo)
fi
export DEBIAN_FRONTEND=noninteractive
"${sudo[@]}" apt-get update -q >&2
"${sudo[@]}" apt-get install -q -y --no-install-recommends "${missing[@]}" >&2
