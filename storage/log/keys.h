// SPDX-License-Identifier: Apache-2.0
// The keys of a shard's RocksDB. Format: docs/reference/on-disk-format.md.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "storage/base/ids.h"

namespace cordwood {

// Data keys have 16 bytes: partition id, last offset of the batch, both big-endian, so that Seek(P, X) lands on the batch that
// contains X. Metadata keys begin with 0xFF and have 2, 10 or 18 bytes, never 16: RocksDB 7.8.3's insert hint works on 16-byte
// keys only, and a range tombstone that began on one would corrupt its memtable.
template <std::size_t N>
struct FixedKey {
  std::array<char, N> bytes{};
  std::string_view view() const { return {bytes.data(), N}; }
};

inline constexpr std::size_t kBatchKeyBytes = 16;
inline constexpr PartitionId kPartitionIdMax{(std::uint64_t{1} << 56) - 1};  // inclusive; the top byte stays 0

// persisted: never renumber. The second byte of a metadata key.
enum class MetadataKind : std::uint8_t {
  kShardIdentity = 0x00,   // 2 bytes
  kEpochFloor = 0x01,      // 2
  kNextPartitionId = 0x02, // 2, shard 0 only
  kCleanStop = 0x03,       // 2
  kIdentity = 0x10,        // 10: partition
  kCheckpoint = 0x11,      // 10
  kEpochs = 0x12,          // 10
  kProducers = 0x13,       // 10
  kIndex = 0x14,           // 18: partition, offset
  kCleaning = 0x15,        // 10; of compacted topics
};

// Offsets must be >= 0 and ids at most kPartitionIdMax (checked); a prefix may be one beyond it, as the end of a range.
FixedKey<16> BatchKey(PartitionId partition, Offset last_offset);
FixedKey<8> PartitionPrefix(PartitionId partition);  // sorts before every batch of the partition; starts range tombstones
FixedKey<2> ShardKey(MetadataKind kind);
FixedKey<10> PartitionKey(MetadataKind kind, PartitionId partition);
FixedKey<18> IndexKey(PartitionId partition, Offset offset);

struct ParsedBatchKey {
  PartitionId partition;
  Offset last_offset;
};
std::optional<ParsedBatchKey> ParseBatchKey(std::string_view key);    // nullopt unless a data key
std::optional<PartitionId> ParsePartitionKey(MetadataKind kind, std::string_view key);  // nullopt unless a 10-byte key of that kind
std::optional<ParsedBatchKey> ParseIndexKey(std::string_view key);    // last_offset is the entry's offset

// The one function that says where a range tombstone may start.
inline bool MayStartRangeTombstone(std::string_view key) { return key.size() != kBatchKeyBytes; }

}  // namespace cordwood
