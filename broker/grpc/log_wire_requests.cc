// SPDX-License-Identifier: Apache-2.0
// Requests: ProduceRequest by hand, FetchRequest by the generated parser.
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/stubs/common.h>
#include <google/protobuf/wire_format_lite.h>
#include <grpcpp/support/proto_buffer_reader.h>

#include <string>
#include <utility>

#include "broker/grpc/log_wire.h"
#include "cordwood/v1/log.pb.h"
#include "storage/base/coding.h"
#include "storage/log/side_header.h"
#include "storage/record/record_batch_builder.h"

namespace cordwood::broker {
namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;

constexpr std::size_t kPlainRecordsBytesMax = 64 * 1024 * 1024;  // of the batch made of them; any max.message.bytes is below

constexpr std::uint32_t Varint(int field) { return static_cast<std::uint32_t>(field) << 3; }
constexpr std::uint32_t Bytes(int field) { return (static_cast<std::uint32_t>(field) << 3) | 2; }

Status Malformed(std::string_view what) { return Error(Reason::kMalformedRequest, "not a ProduceRequest: " + std::string(what)); }

class ProduceParser {
 public:
  ProduceParser(CodedInputStream& in, std::int64_t now_ms, BytesPool& buffers) : in_(in), now_ms_(now_ms), buffers_(buffers) {}

  Status ParseRequest(ProduceRequest* request);

 private:
  struct PlainRecords {
    RecordBatchBuilder builder;
    std::optional<std::string> first_key;
    bool any = false;
    bool too_large = false;
  };
  Status ParseRequestField(std::uint32_t tag, ProduceRequest* request);
  Status ParseEntry(ProduceEntry* entry);
  Status ParseEntryField(std::uint32_t tag, ProduceEntry* entry, PlainRecords* plain);
  Status ParseRecord(ProduceEntry* entry, PlainRecords* plain);
  Status ParseBatches(ProduceEntry* entry);
  void FinishPlainRecords(ProduceEntry* entry, PlainRecords* plain);

  // The length of a field, which fits into what encloses it.
  StatusOr<int> ReadLength() {
    int length = 0;
    if (!in_.ReadVarintSizeAsInt(&length) || length > in_.BytesUntilLimit()) return Malformed("a length reaches beyond the end");
    return length;
  }
  Status ReadUint64(std::uint64_t* value) { return in_.ReadVarint64(value) ? absl::OkStatus() : Malformed("a number is cut off"); }
  // As protobuf reads 32-bit numbers: from 64 bits, the upper ones dropped.
  template <class T>
  Status ReadInt(T* value) {
    std::uint64_t wide = 0;
    CORDWOOD_RETURN_IF_ERROR(ReadUint64(&wide));
    *value = static_cast<T>(wide);
    return absl::OkStatus();
  }
  Status ReadBytes(std::string* value) {
    CORDWOOD_ASSIGN_OR_RETURN(const int length, ReadLength());
    return in_.ReadString(value, length) ? absl::OkStatus() : Malformed("a string is cut off");
  }
  Status Skip(std::uint32_t tag) { return WireFormatLite::SkipField(&in_, tag) ? absl::OkStatus() : Malformed("an unknown field is broken"); }

  CodedInputStream& in_;
  const std::int64_t now_ms_;
  BytesPool& buffers_;
  std::string scratch_;
  cordwood::v1::Record record_;
};

Status ProduceParser::ParseRequest(ProduceRequest* request) {
  while (in_.BytesUntilLimit() > 0) CORDWOOD_RETURN_IF_ERROR(ParseRequestField(in_.ReadTag(), request));
  return absl::OkStatus();
}

Status ProduceParser::ParseRequestField(std::uint32_t tag, ProduceRequest* request) {
  switch (tag) {
    case 0:
      return Malformed("a field number is 0");
    case Varint(1):
      return ReadUint64(&request->seq);
    case Varint(2):
      return ReadInt(&request->acks);
    case Varint(3):
      return ReadInt(&request->timeout_ms);
    case Bytes(16): {
      CORDWOOD_ASSIGN_OR_RETURN(const int length, ReadLength());
      if (request->entries.size() == kProduceEntriesMax) return Error(Reason::kRecordListTooLarge, "more than 10000 entries in one request");
      const CodedInputStream::Limit outer = in_.PushLimit(length);
      CORDWOOD_RETURN_IF_ERROR(ParseEntry(&request->entries.emplace_back()));
      in_.PopLimit(outer);
      return absl::OkStatus();
    }
    default:
      return Skip(tag);
  }
}

Status ProduceParser::ParseEntry(ProduceEntry* entry) {
  PlainRecords plain;
  while (in_.BytesUntilLimit() > 0) CORDWOOD_RETURN_IF_ERROR(ParseEntryField(in_.ReadTag(), entry, &plain));
  if (plain.any) FinishPlainRecords(entry, &plain);
  return absl::OkStatus();
}

Status ProduceParser::ParseEntryField(std::uint32_t tag, ProduceEntry* entry, PlainRecords* plain) {
  switch (tag) {
    case 0:
      return Malformed("a field number is 0");
    case Varint(1):
      return ReadInt(&entry->ref.handle);
    case Bytes(2):
      CORDWOOD_RETURN_IF_ERROR(ReadBytes(&entry->ref.topic));
      if (google::protobuf::internal::IsStructurallyValidUTF8(entry->ref.topic.data(), static_cast<int>(entry->ref.topic.size()))) {
        return absl::OkStatus();
      }
      return Malformed("a topic name is not UTF-8");
    case Bytes(3):
      return ReadBytes(&entry->ref.topic_id);
    case Varint(4):
      return ReadInt(&entry->ref.partition.emplace());
    case Varint(5): {
      std::int32_t epoch = 0;
      CORDWOOD_RETURN_IF_ERROR(ReadInt(&epoch));
      entry->current_leader_epoch = LeaderEpoch(epoch);
      return absl::OkStatus();
    }
    case Varint(6): {
      std::int64_t offset = 0;
      CORDWOOD_RETURN_IF_ERROR(ReadInt(&offset));
      entry->expected_offset = Offset(offset);
      return absl::OkStatus();
    }
    case Bytes(15):
      return ParseRecord(entry, plain);
    case Bytes(16):
      return ParseBatches(entry);
    default:
      return Skip(tag);
  }
}

RecordView ViewOf(const cordwood::v1::Record& record, std::int64_t now_ms) {
  RecordView view;
  view.timestamp_ms = record.has_timestamp_ms() ? record.timestamp_ms() : now_ms;
  if (record.has_key()) view.key = record.key();
  if (record.has_value()) view.value = record.value();
  view.headers.reserve(static_cast<std::size_t>(record.headers_size()));
  for (const cordwood::v1::Header& header : record.headers()) {
    RecordHeader& to = view.headers.emplace_back();
    to.key = header.key();
    if (header.has_value()) to.value = header.value();
  }
  return view;
}

Status ProduceParser::ParseRecord(ProduceEntry* entry, PlainRecords* plain) {
  CORDWOOD_RETURN_IF_ERROR(ReadBytes(&scratch_));
  if (!record_.ParseFromString(scratch_)) return Malformed("a record is broken");
  std::optional<std::string> key;
  if (record_.has_key()) key = record_.key();
  if (!plain->any) {
    plain->first_key = std::move(key);
  } else if (key != plain->first_key) {
    entry->mixed_keys = true;
  }
  plain->any = true;
  if (plain->builder.plain_bytes() > kPlainRecordsBytesMax) plain->too_large = true;
  if (!plain->too_large) plain->builder.Add(ViewOf(record_, now_ms_));
  return absl::OkStatus();
}

void ProduceParser::FinishPlainRecords(ProduceEntry* entry, PlainRecords* plain) {
  entry->plain = true;
  if (!entry->mixed_keys) entry->key = std::move(plain->first_key);
  if (!entry->values.empty() || !entry->malformed.ok()) {
    entry->malformed = Error(Reason::kInvalidRequest, "an entry holds batches or records, not both");
    return;
  }
  if (plain->too_large) {
    entry->malformed = Error(Reason::kMessageTooLarge, "the records of one entry make a batch above 64 MiB");
    return;
  }
  StatusOr<SharedBytes> batch = plain->builder.Build(Codec::kNone, ProducerStamp{}, kSideHeaderBytes);
  if (!batch.ok()) {
    entry->malformed = batch.status();
    return;
  }
  entry->values.push_back(*std::move(batch));
}

// Splits the field into its batches by their own lengths, as it is read. Everything else about a batch is for CheckAppend().
Status ProduceParser::ParseBatches(ProduceEntry* entry) {
  CORDWOOD_ASSIGN_OR_RETURN(int left, ReadLength());
  entry->values.clear();
  entry->malformed = absl::OkStatus();
  char prefix[kBatchLengthPrefixBytes];
  while (left > 0) {
    const int prefix_bytes = std::min<int>(left, kBatchLengthPrefixBytes);
    if (!in_.ReadRaw(prefix, prefix_bytes)) return Malformed("batches are cut off");
    left -= prefix_bytes;
    const std::int64_t rest = prefix_bytes == kBatchLengthPrefixBytes ? LoadBigEndian<std::int32_t>(prefix + 8) : -1;
    if (rest < static_cast<std::int64_t>(kBatchHeaderBytes - kBatchLengthPrefixBytes) || rest > left) {
      entry->malformed = Error(Reason::kCorruptMessage, "batch " + std::to_string(entry->values.size()) + " of the entry: its length says " +
                                                            std::to_string(rest) + ", " + std::to_string(left) + " bytes follow");
      entry->values.clear();
      return in_.Skip(left) ? absl::OkStatus() : Malformed("batches are cut off");
    }
    SharedBytes value = buffers_.Take(kSideHeaderBytes + kBatchLengthPrefixBytes + static_cast<std::size_t>(rest));
    char* to = value.mutable_data() + kSideHeaderBytes;
    std::copy(prefix, prefix + kBatchLengthPrefixBytes, to);
    if (!in_.ReadRaw(to + kBatchLengthPrefixBytes, static_cast<int>(rest))) return Malformed("batches are cut off");
    left -= static_cast<int>(rest);
    entry->values.push_back(std::move(value));
  }
  return absl::OkStatus();
}

FetchPartition ToStruct(const cordwood::v1::FetchPartition& from) {
  FetchPartition to;
  to.ref.handle = from.handle();
  to.ref.topic = from.topic();
  to.ref.topic_id = from.topic_id();
  if (from.has_partition()) to.ref.partition = from.partition();
  to.fetch_offset = Offset(from.fetch_offset());
  if (from.has_current_leader_epoch()) to.current_leader_epoch = LeaderEpoch(from.current_leader_epoch());
  if (from.has_last_fetched_epoch()) to.last_fetched_epoch = LeaderEpoch(from.last_fetched_epoch());
  to.max_bytes = from.max_bytes();
  to.position = from.position();
  to.action = static_cast<FetchPartition::Action>(from.action());
  return to;
}

Status CheckFetch(const cordwood::v1::FetchRequest& request) {
  const auto refuse = [](std::string_view what) { return Error(Reason::kInvalidRequest, std::string(what)); };
  if (request.max_wait_ms() < 0 || request.max_wait_ms() > 60'000) return refuse("max_wait_ms is outside 0 to 60000");
  if (request.min_bytes() < 0 || request.max_bytes() < 0) return refuse("min_bytes and max_bytes are not negative");
  if (static_cast<std::size_t>(request.partitions_size()) > kFetchPartitionsMax) {
    return Error(Reason::kRecordListTooLarge, "more than 10000 partitions in one request");
  }
  if (!cordwood::v1::Isolation_IsValid(request.isolation())) return refuse("an isolation that is none of READ_UNCOMMITTED, READ_COMMITTED");
  for (const cordwood::v1::FetchPartition& partition : request.partitions()) {
    if (!cordwood::v1::FetchPartition::Action_IsValid(partition.action())) return refuse("an action that is none of SET, PAUSE, REMOVE");
    if (partition.max_bytes() < 0) return refuse("max_bytes is not negative");
    if (partition.last_fetched_epoch() < -1 || partition.current_leader_epoch() < -1) return refuse("an epoch is not below -1");
  }
  return absl::OkStatus();
}

}  // namespace

Status ParseProduceRequest(grpc::ByteBuffer message, std::int64_t now_ms, BytesPool& buffers, ProduceRequest* request) {
  request->Clear();
  if (message.Length() == 0) return absl::OkStatus();
  grpc::ProtoBufferReader reader(&message);
  if (!reader.status().ok()) return Malformed("the message cannot be read");
  CodedInputStream in(&reader);
  in.PushLimit(static_cast<int>(message.Length()));
  return ProduceParser(in, now_ms, buffers).ParseRequest(request);
}

StatusOr<FetchRequest> ParseFetchRequest(grpc::ByteBuffer message) {
  cordwood::v1::FetchRequest wire;
  if (message.Length() > 0) {
    grpc::ProtoBufferReader reader(&message);
    if (!reader.status().ok() || !wire.ParseFromZeroCopyStream(&reader)) {
      return Error(Reason::kMalformedRequest, "not a FetchRequest");
    }
  }
  CORDWOOD_RETURN_IF_ERROR(CheckFetch(wire));
  FetchRequest request;
  request.seq = wire.seq();
  request.max_wait_ms = wire.max_wait_ms();
  request.min_bytes = wire.min_bytes();
  request.max_bytes = wire.max_bytes();
  request.as_records = wire.as_records();
  request.add_credit_bytes = wire.add_credit_bytes();
  request.partitions.reserve(static_cast<std::size_t>(wire.partitions_size()));
  for (const cordwood::v1::FetchPartition& partition : wire.partitions()) request.partitions.push_back(ToStruct(partition));
  return request;
}

}  // namespace cordwood::broker
