// SPDX-License-Identifier: Apache-2.0
// ISA-L's routine takes the inverted register and an int for the length; here both are hidden.
#include "storage/base/crc32c.h"

#include <isa-l/crc.h>

#include <algorithm>
#include <atomic>

namespace cordwood {
namespace {

constexpr std::size_t kCallBytesMax = std::size_t{1} << 30;

// Set once by any thread, read at start-up: no ordering needed.
std::atomic<bool> rocksdb_calls_ours{false};

}  // namespace

std::uint32_t Crc32c(std::string_view bytes) { return ExtendCrc32c(0, bytes); }

std::uint32_t ExtendCrc32c(std::uint32_t crc, std::string_view bytes) {
  unsigned int inverted = ~crc;
  do {
    const std::size_t n = std::min(bytes.size(), kCallBytesMax);
    auto* data = reinterpret_cast<unsigned char*>(const_cast<char*>(bytes.data()));  // read only, despite its signature
    inverted = crc32_iscsi(data, static_cast<int>(n), inverted);
    bytes.remove_prefix(n);
  } while (!bytes.empty());
  return ~inverted;
}

bool RocksDbUsesOurCrc32c() { return rocksdb_calls_ours.load(std::memory_order_relaxed); }

void NoteRocksDbCallsOurCrc32c() {
  if (!rocksdb_calls_ours.load(std::memory_order_relaxed)) rocksdb_calls_ours.store(true, std::memory_order_relaxed);
}

}  // namespace cordwood
