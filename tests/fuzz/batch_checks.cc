// SPDX-License-Identifier: Apache-2.0
// Reading a batch to its end, and what is known of the result.
#include "tests/fuzz/batch_checks.h"

#include <algorithm>
#include <string>
#include <vector>

#include "storage/base/check.h"
#include "storage/record/record_batch_builder.h"
#include "storage/record/record_batch_check.h"
#include "storage/record/record_check.h"
#include "storage/record/record_reader.h"

namespace cordwood::testing {
namespace {

constexpr std::size_t kPlainMax = 1024 * 1024;  // keeps one input fast; the bound itself is under test in codec_frame_fuzz.cc
constexpr std::int64_t kNowMs = 1'700'000'000'000;

bool IsRefusal(const Status& status) {
  const Reason reason = ReasonOf(status);
  return reason == Reason::kCorruptMessage || reason == Reason::kInvalidRecord || reason == Reason::kInvalidTimestamp ||
         reason == Reason::kMessageTooLarge || reason == Reason::kUnsupportedCompression;
}

// Records with views into the reader; true if the reader reached the end.
bool ReadAll(RecordReader* reader, const RecordBatchView& batch, std::vector<RecordView>* records) {
  RecordView record;
  for (std::uint64_t delta_min = 0;;) {
    const StatusOr<bool> more = reader->Next(&record);
    if (!more.ok()) {
      CORDWOOD_CHECK(ReasonOf(more.status()) == Reason::kCorruptMessage);
      return false;
    }
    if (!*more) return true;
    const std::uint64_t delta = static_cast<std::uint64_t>(record.offset.value()) - static_cast<std::uint64_t>(batch.base_offset().value());
    CORDWOOD_CHECK(delta >= delta_min && delta <= static_cast<std::uint64_t>(batch.last_offset_delta()));
    delta_min = delta + 1;
    records->push_back(record);
  }
}

// The same records, built anew, read the same.
void CheckRebuilt(const std::vector<RecordView>& records, Codec codec) {
  RecordBatchBuilder builder;
  for (const RecordView& record : records) {
    const std::size_t before = builder.plain_bytes();
    const std::size_t added = builder.RecordBytes(record);
    builder.Add(record);
    CORDWOOD_CHECK(builder.plain_bytes() == before + added);
  }
  const StatusOr<SharedBytes> bytes = builder.Build(codec, ProducerStamp{});
  CORDWOOD_CHECK(bytes.ok());
  const StatusOr<RecordBatchView> batch = RecordBatchView::Parse(bytes->view());
  CORDWOOD_CHECK(batch.ok() && batch->CheckCrc().ok() && batch->record_count() == static_cast<std::int32_t>(records.size()));
  RecordReader reader(*batch);
  CORDWOOD_CHECK(reader.Open().ok());
  std::vector<RecordView> again;
  CORDWOOD_CHECK(ReadAll(&reader, *batch, &again));
  CORDWOOD_CHECK(std::equal(records.begin(), records.end(), again.begin(), again.end(), SameRecord));
}

void CheckStamped(const RecordBatchView& batch) {
  std::string copy(batch.bytes());
  StampBatch(copy.data(), Offset(77), LeaderEpoch(5));
  RewriteToLogAppendTime(copy.data(), copy.size(), kNowMs);
  const StatusOr<RecordBatchView> stamped = RecordBatchView::Parse(copy);
  CORDWOOD_CHECK(stamped.ok() && stamped->CheckCrc().ok() && stamped->is_log_append_time());
  CORDWOOD_CHECK(stamped->base_offset() == Offset(77) && stamped->leader_epoch() == LeaderEpoch(5) && stamped->max_timestamp_ms() == kNowMs);
}

// Of a batch that CheckAppend() passed.
bool CheckSoundRecords(const RecordBatchView& batch, const BatchLimits& limits) {
  if (batch.codec() != Codec::kNone) return true;
  const Status checked = CheckRecords(batch, limits, kNowMs);
  CORDWOOD_CHECK(checked.ok() || IsRefusal(checked));
  return checked.ok();
}

}  // namespace

bool SameRecord(const RecordView& a, const RecordView& b) {
  const auto same_header = [](const RecordHeader& x, const RecordHeader& y) { return x.key == y.key && x.value == y.value; };
  return a.timestamp_ms == b.timestamp_ms && a.key == b.key && a.value == b.value &&
         std::equal(a.headers.begin(), a.headers.end(), b.headers.begin(), b.headers.end(), same_header);
}

void CheckBatch(const RecordBatchView& batch) {
  const Status sound = CheckAppend(batch, BatchLimits{}, kNowMs);
  CORDWOOD_CHECK(sound.ok() || IsRefusal(sound));
  if (sound.ok()) {
    CORDWOOD_CHECK(batch.CheckCrc().ok() && batch.base_offset() == Offset(0) && batch.record_count() > 0);
    CORDWOOD_CHECK(batch.end_offset() == Offset(batch.record_count()));
  }
  // As of a topic with tight limits.
  const BatchLimits tight_limits{.batch_bytes_max = 200, .before_ms_max = 1000, .after_ms_max = 1000};
  const Status tight = CheckAppend(batch, tight_limits, kNowMs);
  CORDWOOD_CHECK(tight.ok() ? sound.ok() : IsRefusal(tight));
  const bool readable = sound.ok() && CheckSoundRecords(batch, BatchLimits{}) && batch.codec() == Codec::kNone;
  if (tight.ok() && CheckSoundRecords(batch, tight_limits)) CORDWOOD_CHECK(readable || batch.codec() != Codec::kNone);
  if (batch.base_sequence() >= Sequence(0)) CORDWOOD_CHECK(batch.last_sequence() >= Sequence(0));
  CheckStamped(batch);
  RecordReader reader(batch);
  const Status opened = reader.Open(kPlainMax);
  if (!opened.ok()) {
    CORDWOOD_CHECK(IsRefusal(opened) && !readable);
    return;
  }
  std::vector<RecordView> records;
  if (!ReadAll(&reader, batch, &records)) {
    CORDWOOD_CHECK(!readable);
    return;
  }
  CORDWOOD_CHECK(records.size() == static_cast<std::size_t>(batch.record_count()));
  if (!records.empty()) CheckRebuilt(records, batch.codec());
}

void CheckBatches(std::string_view bytes) {
  const StatusOr<RecordBatchView> whole = RecordBatchView::Parse(bytes);
  CORDWOOD_CHECK(whole.ok() ? whole->bytes() == bytes : IsRefusal(whole.status()));
  while (!bytes.empty()) {
    const std::string_view before = bytes;
    const StatusOr<RecordBatchView> batch = RecordBatchView::TakeFirst(&bytes);
    if (!batch.ok()) {
      CORDWOOD_CHECK(IsRefusal(batch.status()) && bytes == before);
      return;
    }
    CORDWOOD_CHECK(batch->bytes().size() + bytes.size() == before.size() && before.starts_with(batch->bytes()));
    CORDWOOD_CHECK(RecordBatchView::Parse(batch->bytes()).ok());
    CheckBatch(*batch);
  }
}

}  // namespace cordwood::testing
