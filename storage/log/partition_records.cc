// SPDX-License-Identifier: Apache-2.0
// Encodes and checks the small metadata values of a shard.
#include "storage/log/partition_records.h"

#include "absl/strings/str_cat.h"
#include "storage/base/coding.h"

namespace cordwood {
namespace {

constexpr std::uint16_t kShardFormat = 1;

Status Damaged(const char* what, std::string_view value, const char* why) {
  return Error(Reason::kStorageError, absl::StrCat(what, " (", value.size(), " bytes): ", why));
}

Uuid ReadUuid(ByteReader& reader) {
  Uuid id;
  Uuid::FromBytes(reader.ReadBytes(16), &id);  // stays nil if the value is short, which done() will tell
  return id;
}

void AppendUuid(std::string* to, const Uuid& id) { to->append(id.raw()); }

// Byte counts stay below 2^63: anything above is damage, and would overflow where two are compared.
bool IsByteCount(std::uint64_t bytes) { return bytes <= static_cast<std::uint64_t>(INT64_MAX); }

}  // namespace

std::string Encode(const ShardIdentity& identity) {
  std::string value;
  AppendBigEndian(&value, identity.format);
  AppendBigEndian(&value, static_cast<std::uint8_t>(identity.kind));
  AppendBigEndian(&value, identity.shard.value());
  AppendUuid(&value, identity.data_dir_id);
  return value;
}

StatusOr<ShardIdentity> DecodeShardIdentity(std::string_view value) {
  ByteReader reader(value);
  ShardIdentity identity;
  identity.format = reader.Read<std::uint16_t>();
  if (reader.ok() && identity.format > kShardFormat) {  // asked first: a newer format may have another length
    return Error(Reason::kFormatTooNew, absl::StrCat("shard has format ", identity.format, ", this version knows ", kShardFormat));
  }
  const auto kind = reader.Read<std::uint8_t>();
  identity.kind = ShardKind{kind};
  identity.shard = ShardId(reader.Read<std::uint32_t>());
  identity.data_dir_id = ReadUuid(reader);
  if (!reader.done()) return Damaged("shard identity", value, "wrong length");
  if (identity.format == 0) return Damaged("shard identity", value, "format 0");
  if (kind > static_cast<std::uint8_t>(ShardKind::kCompact)) return Damaged("shard identity", value, "unknown kind");
  return identity;
}

std::string Encode(const PartitionIdentity& identity) {
  std::string value;
  AppendUuid(&value, identity.topic_id);
  AppendBigEndian(&value, identity.index.value());
  AppendBigEndian(&value, std::uint8_t{0});  // state
  AppendBigEndian(&value, identity.created_ms);
  AppendUuid(&value, identity.log_id);
  return value;
}

StatusOr<PartitionIdentity> DecodePartitionIdentity(std::string_view value) {
  ByteReader reader(value);
  PartitionIdentity identity;
  identity.topic_id = ReadUuid(reader);
  identity.index = PartitionIndex(reader.Read<std::int32_t>());
  const auto state = reader.Read<std::uint8_t>();
  identity.created_ms = reader.Read<std::int64_t>();
  identity.log_id = ReadUuid(reader);
  if (!reader.done()) return Damaged("partition identity", value, "wrong length");
  if (identity.index < PartitionIndex(0)) return Damaged("partition identity", value, "negative index");
  if (state != 0) return Damaged("partition identity", value, "unknown state");
  return identity;
}

std::string Encode(const PartitionCheckpoint& checkpoint) {
  std::string value;
  AppendBigEndian(&value, std::uint8_t{checkpoint.open});
  AppendBigEndian(&value, checkpoint.log_start.value());
  AppendBigEndian(&value, checkpoint.log_end.value());
  AppendBigEndian(&value, checkpoint.high_watermark.value());
  AppendBigEndian(&value, checkpoint.bytes);
  AppendBigEndian(&value, checkpoint.bytes_before_start);
  AppendBigEndian(&value, checkpoint.max_timestamp_ms);
  AppendBigEndian(&value, checkpoint.first_append_ms);
  AppendBigEndian(&value, checkpoint.last_append_ms);
  return value;
}

StatusOr<PartitionCheckpoint> DecodePartitionCheckpoint(std::string_view value) {
  ByteReader reader(value);
  const auto open = reader.Read<std::uint8_t>();
  PartitionCheckpoint checkpoint;
  checkpoint.open = open != 0;
  checkpoint.log_start = Offset(reader.Read<std::int64_t>());
  checkpoint.log_end = Offset(reader.Read<std::int64_t>());
  checkpoint.high_watermark = Offset(reader.Read<std::int64_t>());
  checkpoint.bytes = reader.Read<std::uint64_t>();
  checkpoint.bytes_before_start = reader.Read<std::uint64_t>();
  checkpoint.max_timestamp_ms = reader.Read<std::int64_t>();
  checkpoint.first_append_ms = reader.Read<std::int64_t>();
  checkpoint.last_append_ms = reader.Read<std::int64_t>();
  if (!reader.done()) return Damaged("partition checkpoint", value, "wrong length");
  if (open > 1) return Damaged("partition checkpoint", value, "open is neither 0 nor 1");
  if (checkpoint.log_start < Offset(0) || checkpoint.log_end < Offset(0) || checkpoint.high_watermark < Offset(0)) {
    return Damaged("partition checkpoint", value, "negative offset");
  }
  if (!IsByteCount(checkpoint.bytes) || !IsByteCount(checkpoint.bytes_before_start)) {
    return Damaged("partition checkpoint", value, "byte count out of range");
  }
  // While open, log_start is newer than the rest.
  if (!checkpoint.open && (checkpoint.log_start > checkpoint.log_end || checkpoint.high_watermark > checkpoint.log_end)) {
    return Damaged("partition checkpoint", value, "offsets contradict each other");
  }
  return checkpoint;
}

std::string EncodeIndexValue(const IndexEntry& entry) {
  std::string value;
  AppendBigEndian(&value, entry.max_timestamp_ms);
  AppendBigEndian(&value, entry.append_ms);
  AppendBigEndian(&value, entry.bytes_before);
  return value;
}

StatusOr<IndexEntry> DecodeIndexValue(Offset offset, std::string_view value) {
  ByteReader reader(value);
  IndexEntry entry;
  entry.offset = offset;
  entry.max_timestamp_ms = reader.Read<std::int64_t>();
  entry.append_ms = reader.Read<std::int64_t>();
  entry.bytes_before = reader.Read<std::uint64_t>();
  if (!reader.done()) return Damaged("index entry", value, "wrong length");
  if (offset < Offset(0)) return Damaged("index entry", value, "negative offset");
  if (!IsByteCount(entry.bytes_before)) return Damaged("index entry", value, "byte count out of range");
  return entry;
}

}  // namespace cordwood
