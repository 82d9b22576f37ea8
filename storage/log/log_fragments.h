// SPDX-License-Identifier: Apache-2.0
// How RocksDB's log format, of write-ahead logs and manifests, lays records into a file. Format: RocksDB's wiki, "Write Ahead Log File Format".
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace cordwood {

inline constexpr std::size_t kLogBlockBytes = 32 * 1024;
inline constexpr std::size_t kLogHeaderBytes = 7;  // of each fragment; a block's last bytes that hold no header are zero

// Where a record of `payload_bytes` ends that was written where the last one ended, at `at`.
inline std::uint64_t EndOfLogRecord(std::uint64_t at, std::uint64_t payload_bytes) {
  do {
    std::uint64_t room = kLogBlockBytes - at % kLogBlockBytes;
    if (room < kLogHeaderBytes) {
      at += room;
      room = kLogBlockBytes;
    }
    const std::uint64_t taken = std::min<std::uint64_t>(payload_bytes, room - kLogHeaderBytes);
    at += kLogHeaderBytes + taken;
    payload_bytes -= taken;
  } while (payload_bytes > 0);
  return at;
}

}  // namespace cordwood
