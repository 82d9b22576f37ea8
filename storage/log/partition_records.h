// SPDX-License-Identifier: Apache-2.0
// The values of a shard's metadata keys, as structs and bytes. Format: docs/reference/on-disk-format.md.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "storage/base/ids.h"
#include "storage/base/reason.h"

namespace cordwood {

// Every Decode refuses a value that is short, long or out of range with STORAGE_ERROR (a newer shard format: FORMAT_TOO_NEW);
// none crashes.

enum class ShardKind : std::uint8_t { kLog = 0, kCompact = 1 };  // persisted: never renumber

struct ShardIdentity {  // FF 00
  std::uint16_t format = 1;
  ShardKind kind = ShardKind::kLog;
  ShardId shard;
  Uuid data_dir_id;
};
std::string Encode(const ShardIdentity& identity);
StatusOr<ShardIdentity> DecodeShardIdentity(std::string_view value);

struct PartitionIdentity {  // FF 10
  TopicId topic_id;
  PartitionIndex index;
  std::int64_t created_ms = 0;
  Uuid log_id;  // of this log instance on this disk
};
std::string Encode(const PartitionIdentity& identity);
StatusOr<PartitionIdentity> DecodePartitionIdentity(std::string_view value);

// What a closed partition can be asked without opening it. While open is 1, only log_start is true; the rest is as of the last
// checkpoint, and the log must be opened to know.
struct PartitionCheckpoint {  // FF 11
  bool open = false;
  Offset log_start;       // inclusive
  Offset log_end;         // exclusive
  Offset high_watermark;  // exclusive
  std::uint64_t bytes = 0;             // of all batches ever appended (side headers not counted); retention does not reduce it
  std::uint64_t bytes_before_start = 0;  // of those below log_start
  std::int64_t max_timestamp_ms = -1;  // over all batches so far
  std::int64_t first_append_ms = -1;   // of the first batch at or above log_start, as far as known; -1 if empty
  std::int64_t last_append_ms = -1;
};
std::string Encode(const PartitionCheckpoint& checkpoint);
StatusOr<PartitionCheckpoint> DecodePartitionCheckpoint(std::string_view value);

// FF 14. Says of the point just before `offset` (a batch begins there, or it is the log end):
struct IndexEntry {
  Offset offset;
  std::int64_t max_timestamp_ms = -1;  // over all batches before it; -1 if none
  std::int64_t append_ms = -1;         // append time of the last batch before it; -1 if none
  std::uint64_t bytes_before = 0;      // of all batches ever appended before it
};
std::string EncodeIndexValue(const IndexEntry& entry);  // without the offset, which is in the key
StatusOr<IndexEntry> DecodeIndexValue(Offset offset, std::string_view value);

}  // namespace cordwood
