// SPDX-License-Identifier: Apache-2.0
// ProduceRequest and FetchRequest as the doors read them, against the generated parser; and decoded records on their way out.
#include <grpcpp/support/byte_buffer.h>

#include <string>
#include <vector>

#include "broker/grpc/log_wire.h"
#include "cordwood/v1/log.pb.h"
#include "storage/base/check.h"
#include "storage/log/side_header.h"
#include "tests/fuzz/batch_checks.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/quiet_protobuf.h"

namespace cordwood::testing {
namespace {

constexpr std::int64_t kNowMs = 1'700'000'000'000;

// In up to four slices, as messages come from the network.
grpc::ByteBuffer Sliced(std::string_view message, std::size_t slice_bytes) {
  std::vector<grpc::Slice> slices;
  while (slices.size() < 3 && message.size() > slice_bytes) {
    slices.emplace_back(message.data(), slice_bytes);
    message.remove_prefix(slice_bytes);
  }
  slices.emplace_back(message.data(), message.size());
  return grpc::ByteBuffer(slices.data(), slices.size());
}

bool SameName(const broker::PartitionRef& ref, const v1::ProduceEntry& wire) {
  return ref.handle == wire.handle() && ref.topic == wire.topic() && ref.topic_id == wire.topic_id() &&
         ref.partition.has_value() == wire.has_partition() && ref.partition.value_or(0) == wire.partition();
}

void CheckRecords(const broker::ProduceEntry& entry, const v1::ProduceEntry& wire) {
  for (const SharedBytes& value : entry.values) {
    CORDWOOD_CHECK(value.unique() && value.size() >= kSideHeaderBytes + kBatchHeaderBytes);
    std::string_view batch = BatchOf(value.view());
    CheckBatches(batch);
    if (RecordBatchView::TakeFirst(&batch).ok()) CORDWOOD_CHECK(batch.empty());
  }
  CORDWOOD_CHECK(entry.plain == (wire.records_size() > 0));
  if (!entry.malformed.ok()) return;
  if (entry.plain) {
    const auto batch = RecordBatchView::Parse(BatchOf(entry.values.front().view()));
    CORDWOOD_CHECK(entry.values.size() == 1 && batch.ok() && batch->record_count() == wire.records_size());
    return;
  }
  std::string joined;
  for (const SharedBytes& value : entry.values) joined += BatchOf(value.view());
  CORDWOOD_CHECK(joined == wire.batches());
}

void CheckProduce(std::string_view message, std::size_t slice_bytes) {
  static BytesPool buffers;
  broker::ProduceRequest request;
  const Status status = broker::ParseProduceRequest(Sliced(message, slice_bytes), kNowMs, buffers, &request);
  v1::ProduceRequest wire;
  const bool known = wire.ParseFromArray(message.data(), static_cast<int>(message.size()));
  if (!status.ok()) {
    const bool too_many = static_cast<std::size_t>(wire.entries_size()) > broker::kProduceEntriesMax;
    CORDWOOD_CHECK(!known || (ReasonOf(status) == Reason::kRecordListTooLarge && too_many));
    return;
  }
  if (!known) return;  // protobuf refuses a few encodings longer than needed
  CORDWOOD_CHECK(request.seq == wire.seq() && request.acks == wire.acks() && request.timeout_ms == wire.timeout_ms());
  CORDWOOD_CHECK(request.entries.size() == static_cast<std::size_t>(wire.entries_size()));
  for (std::size_t i = 0; i < request.entries.size(); ++i) {
    const broker::ProduceEntry& entry = request.entries[i];
    const v1::ProduceEntry& expected = wire.entries(static_cast<int>(i));
    CORDWOOD_CHECK(SameName(entry.ref, expected));
    CORDWOOD_CHECK(entry.current_leader_epoch.has_value() == expected.has_current_leader_epoch());
    CORDWOOD_CHECK(entry.expected_offset.value_or(Offset(0)) == Offset(expected.expected_offset()));
    CheckRecords(entry, expected);
  }
}

void CheckFetch(std::string_view message, std::size_t slice_bytes) {
  const StatusOr<broker::FetchRequest> request = broker::ParseFetchRequest(Sliced(message, slice_bytes));
  v1::FetchRequest wire;
  const bool known = wire.ParseFromArray(message.data(), static_cast<int>(message.size()));
  if (!request.ok()) {
    CORDWOOD_CHECK(known != (ReasonOf(request.status()) == Reason::kMalformedRequest));
    return;
  }
  CORDWOOD_CHECK(known && request->add_credit_bytes == wire.add_credit_bytes() && request->seq == wire.seq());
  CORDWOOD_CHECK(request->max_wait_ms >= 0 && request->max_wait_ms <= 60'000 && request->min_bytes >= 0 && request->max_bytes >= 0);
  CORDWOOD_CHECK(request->partitions.size() == static_cast<std::size_t>(wire.partitions_size()));
}

// The `records` fields that come of batches are a FetchResult again, with offsets that rise from `from` on.
void CheckEncoded(FuzzInput* in) {
  const Offset from(in->Number());
  const std::size_t bytes_max = in->Below(4096);
  const bool stamp = in->Flag();
  const Offset base_offset(in->Number());
  std::string batches(in->rest());
  if (stamp && batches.size() >= kBatchHeaderBytes) StampBatch(batches.data(), base_offset, LeaderEpoch(0));
  const StatusOr<broker::EncodedRecords> encoded = broker::EncodeRecords(batches, from, bytes_max);
  if (!encoded.ok()) return;
  v1::FetchResult wire;
  CORDWOOD_CHECK(wire.ParseFromArray(encoded->bytes.view().data(), static_cast<int>(encoded->bytes.size())));
  for (const v1::Record& record : wire.records()) CORDWOOD_CHECK(record.offset() >= from.value());
}

}  // namespace
}  // namespace cordwood::testing

int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace cordwood::testing;
  QuietProtobuf();
  FuzzInput in(bytes, size);
  const std::uint8_t which = in.Byte();
  const std::size_t slice_bytes = 1 + which / 3;
  if (which % 3 == 0) CheckProduce(in.rest(), slice_bytes);
  if (which % 3 == 1) CheckFetch(in.rest(), slice_bytes);
  if (which % 3 == 2) CheckEncoded(&in);
  return 0;
}
