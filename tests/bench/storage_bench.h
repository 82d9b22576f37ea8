// SPDX-License-Identifier: Apache-2.0
// The storage engine's benchmarks; each prints one JSON line a figure group.
#pragma once

#include <cstdint>
#include <string>

namespace cordwood::testing {

struct BenchArguments {
  std::string directory;    // empty; the caller removes it
  std::uint64_t bytes = 0;  // of batches to append; some benches take a fixed fraction
};

void BenchAppendOs(const BenchArguments& arguments);
void BenchAppendFsync(const BenchArguments& arguments);
void BenchAppendSmall(const BenchArguments& arguments);
void BenchRead(const BenchArguments& arguments);
void BenchStart(const BenchArguments& arguments);
void BenchPartitions(const BenchArguments& arguments);
void BenchClean(const BenchArguments& arguments);

}  // namespace cordwood::testing
