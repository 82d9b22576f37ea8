// SPDX-License-Identifier: Apache-2.0
// Deltas in the records are against the batch's base, which stays: so their bytes are copied.
#include "storage/log/compaction/batch_cleaner.h"

#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "storage/base/coding.h"
#include "storage/base/crc32c.h"
#include "storage/record/compression.h"
#include "storage/record/record_reader.h"

namespace cordwood {
namespace {

constexpr std::size_t kLengthAt = 8;
constexpr std::size_t kCrcAt = 17;
constexpr std::size_t kCountAt = 57;

struct PlainRecord {
  std::string_view bytes;
  Offset offset;
  std::optional<KeyHash> key;
  bool tombstone;
};

// Views into the reader's bytes.
StatusOr<std::vector<PlainRecord>> ReadAll(RecordReader& reader, const KeyOffsetMap& keys) {
  std::vector<PlainRecord> all;
  RecordView record;
  for (;;) {
    const std::string_view before = reader.rest();
    CORDWOOD_ASSIGN_OR_RETURN(const bool more, reader.Next(&record));
    if (!more) return all;
    std::optional<KeyHash> key;
    if (record.key.has_value()) key = keys.Prepare(*record.key);
    all.push_back({before.substr(0, before.size() - reader.rest().size()), record.offset, key, !record.value.has_value()});
  }
}

bool Survives(const PlainRecord& record, const SurvivorRule& rule) {
  if (!record.key.has_value()) return true;  // none was let in; none is taken out
  if (const auto last = rule.last_offsets.Find(*record.key); last.has_value() && *last > record.offset) return false;
  return !record.tombstone || record.offset >= rule.tombstones_from;
}

// The header of `batch` over other records. No codec makes anything of nothing, so an empty batch's bytes are its header.
StatusOr<std::string> WithRecords(const RecordBatchView& batch, std::string_view plain, std::int32_t count) {
  std::string bytes(batch.bytes().substr(0, kBatchHeaderBytes));
  if (count > 0) CORDWOOD_RETURN_IF_ERROR(Compress(batch.codec(), plain, &bytes));
  if (count == 0) StoreBigEndian(bytes.data() + kBatchCrcStart, static_cast<std::int16_t>(batch.attributes() & ~kCodecMask));
  StoreBigEndian(bytes.data() + kLengthAt, static_cast<std::int32_t>(bytes.size() - kBatchLengthPrefixBytes));
  StoreBigEndian(bytes.data() + kCountAt, count);
  StoreBigEndian(bytes.data() + kCrcAt, Crc32c(std::string_view(bytes).substr(kBatchCrcStart)));
  return bytes;
}

}  // namespace

StatusOr<CleanedBatch> CleanBatch(const RecordBatchView& batch, const SurvivorRule& rule) {
  CleanedBatch cleaned;
  cleaned.records = batch.record_count();
  if (batch.is_control()) return cleaned;
  RecordReader reader(batch);
  CORDWOOD_RETURN_IF_ERROR(reader.Open());
  const std::string_view all = reader.rest();
  CORDWOOD_ASSIGN_OR_RETURN(const std::vector<PlainRecord> records, ReadAll(reader, rule.last_offsets));
  std::string survivors;
  cleaned.records = 0;
  std::int64_t seen = 0;
  for (const PlainRecord& record : records) {
    if (Survives(record, rule)) {
      // Copying begins with the first that goes: most batches stay whole.
      if (cleaned.records < seen) survivors.append(record.bytes);
      ++cleaned.records;
      if (record.tombstone) ++cleaned.tombstones;
    } else if (cleaned.records == seen) {
      survivors.assign(all.substr(0, static_cast<std::size_t>(record.bytes.data() - all.data())));
    }
    ++seen;
  }
  if (cleaned.records == seen && seen > 0) return cleaned;
  cleaned.outcome = cleaned.records > 0 ? CleanedBatch::Outcome::kRewritten : CleanedBatch::Outcome::kEmptied;
  CORDWOOD_ASSIGN_OR_RETURN(cleaned.bytes, WithRecords(batch, survivors, static_cast<std::int32_t>(cleaned.records)));
  return cleaned;
}

}  // namespace cordwood
