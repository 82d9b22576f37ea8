// SPDX-License-Identifier: Apache-2.0
// Batches that were sound before the input changed them: gets past lengths, CRC and codec.
#include <string>
#include <vector>

#include "storage/base/check.h"
#include "storage/record/record_reader.h"
#include "tests/fuzz/batch_checks.h"
#include "tests/fuzz/built_batch.h"

namespace cordwood::testing {
namespace {

void CheckReadsBack(std::string_view bytes, const std::vector<RecordView>& records) {
  const StatusOr<RecordBatchView> batch = RecordBatchView::Parse(bytes);
  CORDWOOD_CHECK(batch.ok() && batch->CheckCrc().ok());
  RecordReader reader(*batch);
  CORDWOOD_CHECK(reader.Open().ok());
  RecordView found;
  for (std::size_t i = 0; i < records.size(); ++i) {
    const StatusOr<bool> more = reader.Next(&found);
    CORDWOOD_CHECK(more.ok() && *more && SameRecord(found, records[i]) && found.offset == Offset(static_cast<std::int64_t>(i)));
  }
  const StatusOr<bool> end = reader.Next(&found);
  CORDWOOD_CHECK(end.ok() && !*end);
}

// Lies about the records themselves, then compresses them: what a hostile producer with a working codec sends.
std::string WithLyingRecords(FuzzInput* in, std::string plain, Codec codec) {
  Lie(in, &plain);
  std::string batch = plain.substr(0, kBatchHeaderBytes);
  CORDWOOD_CHECK(Compress(codec, std::string_view(plain).substr(kBatchHeaderBytes), &batch).ok());
  StoreBigEndian(batch.data() + 21, static_cast<std::int16_t>((LoadBigEndian<std::int16_t>(batch.data() + 21) & ~kCodecMask) | static_cast<int>(codec)));
  StoreBigEndian(batch.data() + 8, static_cast<std::int32_t>(batch.size() - kBatchLengthPrefixBytes));
  FixCrc(&batch);
  return batch;
}

}  // namespace
}  // namespace cordwood::testing

int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace cordwood;
  using namespace cordwood::testing;
  FuzzInput in(bytes, size);
  const Codec codec = TakeCodec(&in);
  const ProducerStamp producer = TakeProducer(&in);
  RecordTexts texts;
  const std::vector<RecordView> records = TakeRecords(&in, &texts);
  std::string batch = BatchOfRecords(records, codec, producer);
  CheckReadsBack(batch, records);
  CheckBatches(WithLyingRecords(&in, BatchOfRecords(records, Codec::kNone, producer), codec));
  Lie(&in, &batch);
  CheckBatches(batch);
  return 0;
}
