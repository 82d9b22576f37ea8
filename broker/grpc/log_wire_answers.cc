// SPDX-License-Identifier: Apache-2.0
// Answers: everything but the batches by the generated classes, the batches as slices behind it.
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/stubs/common.h>

#include <limits>
#include <string>
#include <utility>

#include "broker/grpc/log_wire.h"
#include "cordwood/v1/log.pb.h"
#include "storage/record/record_reader.h"

namespace cordwood::broker {
namespace {

using google::protobuf::io::CodedOutputStream;

constexpr std::size_t kSharedSliceMin = 4096;  // smaller pieces are cheaper to copy than to count
constexpr std::size_t kGatheredKeptMax = 256 * 1024;  // larger ones are rare, and not worth their memory
constexpr std::uint32_t kResultsTag = (16 << 3) | 2;
constexpr std::uint32_t kBatchesTag = (16 << 3) | 2;
constexpr std::uint32_t kRecordsTag = (15 << 3) | 2;

void AppendVarint32(std::string* to, std::uint32_t value) {
  std::uint8_t bytes[5];
  const std::uint8_t* end = CodedOutputStream::WriteVarint32ToArray(value, bytes);
  to->append(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(end - bytes));
}

// Protobuf strings are UTF-8; names that come from a client's bytes need not be.
bool IsUtf8(const std::string& text) {
  return google::protobuf::internal::IsStructurallyValidUTF8(text.data(), static_cast<int>(text.size()));
}
std::string Utf8(std::string text) {
  if (IsUtf8(text)) return text;
  for (char& c : text) {
    if ((c & 0x80) != 0) c = '?';
  }
  return text;
}

void ToWire(const EntryFailure& failure, cordwood::v1::EntryError* to) {
  to->set_entry(failure.entry);
  to->set_reason(static_cast<cordwood::v1::Reason>(ReasonOf(failure.status)));
  to->set_message(Utf8(MessageOf(failure.status)));
  if (failure.leader.has_value()) {
    cordwood::v1::Leader& leader = *to->mutable_leader();
    leader.set_broker_id(failure.leader->broker.value());
    leader.set_leader_epoch(failure.leader->epoch.value());
    leader.set_host(failure.leader->host);
    leader.set_port(failure.leader->port);
  }
  to->set_retry_after_ms(failure.retry_after_ms);
  to->set_log_start(failure.log_start.value());
  to->set_log_end(failure.log_end.value());
}

// Small things are gathered, large shared ones interrupt the gathering.
class SliceWriter {
 public:
  std::string* gathered() { return &gathered_; }

  void AppendShared(const FetchPiece& piece) {
    const std::string_view view = piece.view();
    if (view.size() < kSharedSliceMin) {
      gathered_.append(view);
      return;
    }
    Flush();
    SharedBytes bytes = piece.bytes;
    slices_.emplace_back(const_cast<char*>(view.data()), view.size(), &SharedBytes::UnrefReleased, std::move(bytes).Release());
  }

  // And begins anew.
  grpc::ByteBuffer Finish() {
    if (!gathered_.empty() || slices_.empty()) Flush();
    grpc::ByteBuffer buffer(slices_.data(), slices_.size());
    slices_.clear();
    if (gathered_.capacity() > kGatheredKeptMax) gathered_.shrink_to_fit();
    return buffer;
  }

 private:
  void Flush() {
    slices_.emplace_back(gathered_.data(), gathered_.size());
    gathered_.clear();
  }
  std::vector<grpc::Slice> slices_;
  std::string gathered_;
};

void FillResult(const FetchResult& result, cordwood::v1::FetchResult* to) {
  to->Clear();
  to->set_handle(result.ref->handle);
  IsUtf8(result.ref->topic) ? to->set_topic(result.ref->topic) : to->set_topic(Utf8(result.ref->topic));
  to->set_topic_id(result.ref->topic_id);
  if (result.ref->partition.has_value()) to->set_partition(*result.ref->partition);
  to->set_position(result.position);
  to->set_high_watermark(result.high_watermark.value());
  to->set_last_stable_offset(result.high_watermark.value());
  to->set_log_start(result.log_start.value());
  to->set_leader_epoch(result.leader_epoch.value());
  if (result.failure.has_value()) ToWire(*result.failure, to->mutable_error());
  if (result.diverging.has_value()) {
    to->mutable_diverging()->set_epoch(result.diverging->epoch.value());
    to->mutable_diverging()->set_end_offset(result.diverging->end.value());
  }
  if (result.cleaned.has_value()) {
    to->mutable_gap()->set_from(result.cleaned->from.value());
    to->mutable_gap()->set_to(result.cleaned->to.value());
    to->mutable_gap()->set_reason(cordwood::v1::Gap::COMPACTION);
  }
}

void AppendRecord(const RecordView& record, cordwood::v1::Record* wire, std::string* to) {
  wire->Clear();
  if (record.key.has_value()) wire->set_key(record.key->data(), record.key->size());
  if (record.value.has_value()) wire->set_value(record.value->data(), record.value->size());
  for (const RecordHeader& header : record.headers) {
    cordwood::v1::Header& h = *wire->add_headers();
    h.set_key(Utf8(std::string(header.key)));
    if (header.value.has_value()) h.set_value(header.value->data(), header.value->size());
  }
  if (record.timestamp_ms != kNoTimestampMs) wire->set_timestamp_ms(record.timestamp_ms);
  wire->set_offset(record.offset.value());
  AppendVarint32(to, kRecordsTag);
  AppendVarint32(to, static_cast<std::uint32_t>(wire->ByteSizeLong()));
  wire->AppendToString(to);
}

struct RecordPortion {
  Offset from;
  std::size_t bytes_max;
  std::string encoded;
  Offset next;
};

// The records of the first batch, as far as there is room for them.
Status AppendBatch(std::string_view* batches, RecordPortion* portion) {
  CORDWOOD_ASSIGN_OR_RETURN(const RecordBatchView batch, RecordBatchView::TakeFirst(batches));
  RecordReader reader(batch);
  CORDWOOD_RETURN_IF_ERROR(reader.Open(kDecodedBatchBytesMax, kDecodedHeadersMax));
  cordwood::v1::Record wire;
  RecordView record;
  for (;;) {
    CORDWOOD_ASSIGN_OR_RETURN(const bool more, reader.Next(&record));
    if (!more) break;
    if (record.offset < portion->from) continue;
    if (!portion->encoded.empty() && portion->encoded.size() >= portion->bytes_max) return absl::OkStatus();
    AppendRecord(record, &wire, &portion->encoded);
    portion->next = record.offset + 1;
  }
  portion->next = batch.end_offset();
  return absl::OkStatus();
}

}  // namespace

struct AnswerEncoder::Scratch {
  cordwood::v1::ProduceResponse produce;
  cordwood::v1::FetchResponse fetch_head;
  cordwood::v1::FetchResult result;
  SliceWriter writer;
};

AnswerEncoder::AnswerEncoder() : scratch_(std::make_unique<Scratch>()) {}
AnswerEncoder::~AnswerEncoder() = default;

grpc::ByteBuffer AnswerEncoder::Encode(std::span<const ProduceOutcome> outcomes, std::size_t window_bytes) {
  cordwood::v1::ProduceResponse& response = scratch_->produce;
  response.Clear();
  for (const ProduceOutcome& outcome : outcomes) {
    cordwood::v1::Done& done = *response.add_done();
    done.set_seq(outcome.seq);
    done.mutable_base_offset()->Add(outcome.base_offsets.begin(), outcome.base_offsets.end());
    for (const EntryFailure& failure : outcome.failures) ToWire(failure, done.add_errors());
    done.mutable_append_time_ms()->Add(outcome.append_time_ms.begin(), outcome.append_time_ms.end());
    done.mutable_partition()->Add(outcome.partitions.begin(), outcome.partitions.end());
  }
  response.set_window_bytes(window_bytes);
  grpc::Slice slice(response.ByteSizeLong());
  response.SerializeToArray(const_cast<std::uint8_t*>(slice.begin()), static_cast<int>(slice.size()));
  if (slice.size() > kGatheredKeptMax) response = cordwood::v1::ProduceResponse();
  return grpc::ByteBuffer(&slice, 1);
}

grpc::ByteBuffer AnswerEncoder::Encode(const FetchAnswer& answer) {
  SliceWriter& writer = scratch_->writer;
  scratch_->fetch_head.set_seq(answer.seq);
  scratch_->fetch_head.AppendToString(writer.gathered());
  cordwood::v1::FetchResult& wire = scratch_->result;
  for (const FetchResult& result : answer.results) {
    FillResult(result, &wire);
    std::size_t payload = 0;
    for (const FetchPiece& piece : result.pieces) payload += piece.view().size();
    std::size_t size = wire.ByteSizeLong() + payload;
    std::string batches_head;
    if (payload > 0 && !result.as_records) {
      AppendVarint32(&batches_head, kBatchesTag);
      AppendVarint32(&batches_head, static_cast<std::uint32_t>(payload));
      size += batches_head.size();
    }
    AppendVarint32(writer.gathered(), kResultsTag);
    AppendVarint32(writer.gathered(), static_cast<std::uint32_t>(size));
    wire.AppendToString(writer.gathered());
    writer.gathered()->append(batches_head);
    for (const FetchPiece& piece : result.pieces) writer.AppendShared(piece);
  }
  return writer.Finish();
}

StatusOr<EncodedRecords> EncodeRecords(std::string_view batches, Offset from, std::size_t bytes_max) {
  RecordPortion portion{from, bytes_max, {}, from};
  while (!batches.empty() && portion.encoded.size() < bytes_max) {
    const Status appended = AppendBatch(&batches, &portion);
    if (!appended.ok() && portion.encoded.empty()) return appended;
    if (!appended.ok()) break;  // who goes on from `next` hears of it
  }
  return EncodedRecords{SharedBytes::CopyOf(portion.encoded), portion.next};
}

}  // namespace cordwood::broker
