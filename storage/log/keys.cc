// SPDX-License-Identifier: Apache-2.0
// Encodes and recognises the keys of a shard's RocksDB.
#include "storage/log/keys.h"

#include "storage/base/check.h"
#include "storage/base/coding.h"

namespace cordwood {
namespace {

constexpr char kMetadataMark = '\xFF';

bool HasKind(std::string_view key, MetadataKind kind) {
  return key.size() >= 2 && key[0] == kMetadataMark && key[1] == static_cast<char>(kind);
}

// `raw` is a partition id and an offset, 16 bytes.
std::optional<ParsedBatchKey> ParsePartitionAndOffset(std::string_view raw) {
  const PartitionId partition(LoadBigEndian<std::uint64_t>(raw.data()));
  const Offset offset(LoadBigEndian<std::int64_t>(raw.data() + 8));
  if (partition > kPartitionIdMax || offset < Offset(0)) return std::nullopt;
  return ParsedBatchKey{partition, offset};
}

}  // namespace

FixedKey<16> BatchKey(PartitionId partition, Offset last_offset) {
  // A negative offset would sort behind every other one, a larger partition id among the metadata.
  CORDWOOD_CHECK(partition <= kPartitionIdMax && last_offset >= Offset(0));
  FixedKey<16> key;
  StoreBigEndian(key.bytes.data(), partition.value());
  StoreBigEndian(key.bytes.data() + 8, last_offset.value());
  return key;
}

FixedKey<8> PartitionPrefix(PartitionId partition) {
  FixedKey<8> key;
  StoreBigEndian(key.bytes.data(), partition.value());
  return key;
}

FixedKey<2> ShardKey(MetadataKind kind) {
  FixedKey<2> key;
  key.bytes = {kMetadataMark, static_cast<char>(kind)};
  return key;
}

FixedKey<10> PartitionKey(MetadataKind kind, PartitionId partition) {
  FixedKey<10> key;
  key.bytes[0] = kMetadataMark;
  key.bytes[1] = static_cast<char>(kind);
  StoreBigEndian(key.bytes.data() + 2, partition.value());
  return key;
}

FixedKey<18> IndexKey(PartitionId partition, Offset offset) {
  CORDWOOD_CHECK(partition <= kPartitionIdMax && offset >= Offset(0));
  FixedKey<18> key;
  key.bytes[0] = kMetadataMark;
  key.bytes[1] = static_cast<char>(MetadataKind::kIndex);
  StoreBigEndian(key.bytes.data() + 2, partition.value());
  StoreBigEndian(key.bytes.data() + 10, offset.value());
  return key;
}

std::optional<ParsedBatchKey> ParseBatchKey(std::string_view key) {
  if (key.size() != kBatchKeyBytes) return std::nullopt;
  return ParsePartitionAndOffset(key);
}

std::optional<PartitionId> ParsePartitionKey(MetadataKind kind, std::string_view key) {
  if (key.size() != 10 || !HasKind(key, kind)) return std::nullopt;
  const PartitionId partition(LoadBigEndian<std::uint64_t>(key.data() + 2));
  if (partition > kPartitionIdMax) return std::nullopt;
  return partition;
}

std::optional<ParsedBatchKey> ParseIndexKey(std::string_view key) {
  if (key.size() != 18 || !HasKind(key, MetadataKind::kIndex)) return std::nullopt;
  return ParsePartitionAndOffset(key.substr(2));
}

}  // namespace cordwood
