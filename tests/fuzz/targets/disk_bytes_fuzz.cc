// SPDX-License-Identifier: Apache-2.0
// Whatever the disk may hand back: keys, values of metadata keys, side headers, the files beside a shard, the metadata store's entries.
#include <rocksdb/env.h>

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "broker/groups/group_records.h"
#include "broker/groups/group_state.h"
#include "broker/metadata/image_builder.h"
#include "storage/base/check.h"
#include "storage/base/crc32c.h"
#include "storage/log/compaction/cleaning_state.h"
#include "storage/log/keys.h"
#include "storage/log/manifest_tail.h"
#include "storage/log/partition_records.h"
#include "storage/log/side_header.h"
#include "storage/shard/data_dir.h"
#include "storage/shard/internal/synced_file.h"
#include "tests/fuzz/batch_checks.h"
#include "tests/fuzz/disk_states.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/support/temp_dir.h"

namespace cordwood::testing {
namespace {

void CheckIsStorageError(const Status& status) {
  const Reason reason = ReasonOf(status);
  CORDWOOD_CHECK(reason == Reason::kStorageError || reason == Reason::kFormatTooNew || reason == Reason::kShardDamaged);
}

// A value that decodes is what its struct encodes to: no two values mean the same.
template <class T>
void CheckValue(const StatusOr<T>& decoded, std::string_view value) {
  if (!decoded.ok()) return CheckIsStorageError(decoded.status());
  CORDWOOD_CHECK(Encode(*decoded) == value);
}

void CheckKeys(std::string_view key) {
  if (const auto batch = ParseBatchKey(key)) CORDWOOD_CHECK(BatchKey(batch->partition, batch->last_offset).view() == key);
  if (const auto index = ParseIndexKey(key)) CORDWOOD_CHECK(IndexKey(index->partition, index->last_offset).view() == key);
  for (const MetadataKind kind : {MetadataKind::kIdentity, MetadataKind::kCheckpoint, MetadataKind::kEpochs, MetadataKind::kProducers}) {
    if (const auto partition = ParsePartitionKey(kind, key)) CORDWOOD_CHECK(PartitionKey(kind, *partition).view() == key);
  }
}

void CheckIndexEntry(std::string_view value) {
  const StatusOr<IndexEntry> entry = DecodeIndexValue(Offset(5), value);
  if (!entry.ok()) return CheckIsStorageError(entry.status());
  CORDWOOD_CHECK(EncodeIndexValue(*entry) == value);
}

// The input says everything but the CRC where `honest`.
void CheckStoredBatch(std::string_view bytes, bool honest) {
  std::string value(bytes);
  if (honest && value.size() >= kSideHeaderBytes + kBatchHeaderBytes) {
    WriteSideHeader(value.data(), SideHeader{LoadBigEndian<std::int64_t>(value.data() + 8)});
    CORDWOOD_CHECK(ReadSideHeader(value).ok());
  }
  const StatusOr<SideHeader> header = ReadSideHeader(value);
  if (!header.ok()) return CheckIsStorageError(header.status());
  CheckBatches(BatchOf(value));
}

void CheckSyncedFile(std::string_view bytes) {
  static const std::unique_ptr<rocksdb::Env> memory(rocksdb::NewMemEnv(rocksdb::Env::Default()));
  CORDWOOD_CHECK(rocksdb::WriteStringToFile(memory.get(), rocksdb::Slice(bytes.data(), bytes.size()), "/synced").ok());
  auto file = SyncedFile::Open(*memory, "/synced");
  if (!file.ok()) return CheckIsStorageError(file.status());
  const std::uint64_t sequence = (*file)->sequence();
  if (sequence == UINT64_MAX) return;
  CORDWOOD_CHECK((*file)->Write(sequence + 1).ok());
  file = SyncedFile::Open(*memory, "/synced");
  CORDWOOD_CHECK(file.ok() && (*file)->sequence() == sequence + 1);
}

// As RocksDB frames it, little-endian.
std::string ManifestFragment(char type, std::string_view payload) {
  const std::uint32_t crc = Crc32c(type + std::string(payload));
  const std::uint32_t masked = (crc >> 15 | crc << 17) + 0xA282EAD8;
  std::string bytes;
  for (int shift = 0; shift < 32; shift += 8) bytes.push_back(static_cast<char>(masked >> shift));
  bytes.push_back(static_cast<char>(payload.size()));
  bytes.push_back(static_cast<char>(payload.size() >> 8));
  return bytes + type + std::string(payload);
}

// Whole fragments, then what the power left: cut there, nothing is torn.
void CheckManifest(FuzzInput* in) {
  std::string manifest;
  for (std::size_t left = in->Below(5); left > 0; --left) {
    const auto type = static_cast<char>(in->Below(5));
    manifest += in->Flag() ? ManifestFragment(type, in->Text()) : ManifestFragment(type, std::string(in->Raw<std::uint16_t>(), 'x'));
  }
  manifest += in->rest();
  const std::optional<std::size_t> end = TornManifestEnd(manifest);
  if (!end.has_value()) return;
  CORDWOOD_CHECK(*end > 0 && *end < manifest.size());
  CORDWOOD_CHECK(!TornManifestEnd(std::string_view(manifest).substr(0, *end)).has_value());
}

void CheckFormatFile(std::string_view text) {
  static const TempDir directory;
  WriteFile(directory.Sub("FORMAT"), text);
  const StatusOr<DataDir> opened = DataDir::Open(directory.path());
  if (!opened.ok()) return CheckIsStorageError(opened.status());
  CORDWOOD_CHECK(text.find("data_dir_id=" + opened->id().ToString()) != std::string_view::npos);
}

void CheckMetadata(FuzzInput* in) {
  broker::ImageBuilder builder(broker::BrokerImage{BrokerId(1), "localhost", 9600, ""});
  while (!in->done()) {
    broker::MetadataEntry entry;
    constexpr std::string_view kPrefixes[] = {broker::kTopicsPrefix, broker::kDeletedPrefix, broker::kClusterKey, broker::kMetadataPrefix};
    entry.key = std::string(kPrefixes[in->Below(4)]);
    if (entry.key.ends_with('/')) entry.key += in->Text();
    entry.value = std::string(in->Bytes(in->Raw<std::uint16_t>()));
    const Status put = builder.Put(entry);
    const Reason reason = ReasonOf(put);
    CORDWOOD_CHECK(put.ok() || reason == Reason::kStorageError || reason == Reason::kInvalidConfig);
    if (in->Byte() == 0xFF) builder.Delete(entry.key);
  }
  const broker::ClusterImagePtr image = builder.Build(1);
  for (const auto& topic : image->topics()) {
    const broker::MetadataEntry entry{broker::TopicKey(topic->name), broker::EncodeTopic(*topic).SerializeAsString(), 1, 1, {}};
    CORDWOOD_CHECK(builder.Put(entry).ok());
  }
}

// Records as a coordinator replays them: it may have the state, and then its records are that state again, or says why not.
void CheckGroupLog(FuzzInput* in) {
  broker::GroupState state("g");
  while (!in->done()) {
    const std::string key_bytes = in->Text();
    const StatusOr<broker::GroupRecordKey> key = broker::DecodeGroupRecordKey(key_bytes);
    const bool tombstone = in->Flag();
    const std::string value = in->Text();
    if (!key.ok() || key->group != "g") continue;
    const Status applied = state.Apply(*key, tombstone ? std::nullopt : std::optional<std::string_view>(value));
    if (!applied.ok()) return CheckIsStorageError(applied);
  }
  if (const Status whole = state.FinishReplay(); !whole.ok()) return CheckIsStorageError(whole);
  CORDWOOD_CHECK(state.Invariants().ok());
  broker::GroupState again("g");
  const std::map<std::string, std::string> snapshot = state.Snapshot();
  for (const auto& [key, value] : snapshot) CORDWOOD_CHECK(again.Apply(broker::DecodeGroupRecordKey(key).value(), value).ok());
  CORDWOOD_CHECK(again.FinishReplay().ok() && again.Snapshot() == snapshot);
}

}  // namespace
}  // namespace cordwood::testing

int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace cordwood;
  using namespace cordwood::testing;
  FuzzInput in(bytes, size);
  const std::size_t reader = in.Below(22);
  const std::string_view rest = in.rest();
  switch (reader) {
    case 0: CheckKeys(rest); break;
    case 1: CheckValue(DecodeShardIdentity(rest), rest); break;
    case 2: CheckValue(DecodePartitionIdentity(rest), rest); break;
    case 3: CheckValue(DecodePartitionCheckpoint(rest), rest); break;
    case 4: CheckIndexEntry(rest); break;
    case 5: CheckStoredBatch(rest, false); break;
    case 6: CheckStoredBatch(rest, true); break;
    case 7: CheckSyncedFile(rest); break;
    case 8: CheckFormatFile(rest); break;
    case 9: CheckMetadata(&in); break;
    case 10: CheckEpochs(&in); break;
    case 11: CheckProducers(&in); break;
    case 12: CheckManifest(&in); break;
    case 13: CheckValue(broker::DecodeGroupRecordKey(rest), rest); break;
    case 14: CheckValue(broker::DecodeCommittedOffset(rest), rest); break;
    case 15: CheckValue(broker::DecodeGroupHeader(rest), rest); break;
    case 16: CheckValue(broker::DecodeGroupMember(rest), rest); break;
    case 17: CheckValue(broker::DecodeMemberTarget(rest), rest); break;
    case 18: CheckValue(broker::DecodeMemberCurrent(rest), rest); break;
    case 19: CheckGroupLog(&in); break;
    case 20: CheckValue(DecodeCleaningState(rest), rest); break;
    case 21: CheckValue(broker::DecodeReplayJob(rest), rest); break;
  }
  return 0;
}
