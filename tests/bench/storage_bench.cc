// SPDX-License-Identifier: Apache-2.0
// usage: storage_bench NAME DIRECTORY MEGABYTES
#include "tests/bench/storage_bench.h"

#include <malloc.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>

#include "storage/base/crc32c.h"

int main(int argc, char** argv) {
  mallopt(M_TRIM_THRESHOLD, 64 << 20);  // as cordwoodd sets them
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  using namespace cordwood::testing;  // NOLINT: a main of one call
  const std::map<std::string, void (*)(const BenchArguments&)> benches = {
      {"append_os", BenchAppendOs}, {"append_fsync", BenchAppendFsync}, {"append_small", BenchAppendSmall},
      {"read", BenchRead},          {"start", BenchStart},              {"partitions", BenchPartitions},
      {"clean", BenchClean},
  };
  const auto bench = argc == 4 ? benches.find(argv[1]) : benches.end();
  if (bench == benches.end()) {
    std::fprintf(stderr, "usage: storage_bench append_os|append_fsync|append_small|read|start|partitions|clean DIRECTORY MEGABYTES\n");
    return 2;
  }
  bench->second(BenchArguments{argv[2], std::strtoull(argv[3], nullptr, 10) * 1'000'000});
  if (!cordwood::RocksDbUsesOurCrc32c()) std::fprintf(stderr, "warning: RocksDB computes CRCs in software\n");
  return 0;
}
