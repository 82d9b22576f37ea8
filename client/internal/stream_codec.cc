// SPDX-License-Identifier: Apache-2.0
// The few protobuf wire rules that the data path needs.
#include "client/internal/stream_codec.h"

#include <cstddef>
#include <optional>
#include <string>
#include <utility>

namespace cordwood::client {
namespace {

enum WireType : std::uint32_t { kVarint = 0, kFixed64 = 1, kLengthDelimited = 2, kFixed32 = 5 };

void AppendRawVarint(std::string* to, std::uint64_t value) {
  while (value >= 0x80) {
    to->push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  to->push_back(static_cast<char>(value));
}

void AppendTag(std::string* to, std::uint32_t field, WireType type) { AppendRawVarint(to, field << 3 | type); }

void AppendVarintField(std::string* to, std::uint32_t field, std::uint64_t value) {
  AppendTag(to, field, kVarint);
  AppendRawVarint(to, value);
}


// One field of a message; `whole` is tag and value.
struct Field {
  std::uint32_t number = 0;
  std::uint32_t type = 0;
  std::uint64_t varint = 0;
  std::string_view bytes;
  std::string_view whole;
};

class FieldReader {
 public:
  explicit FieldReader(std::string_view bytes) : rest_(bytes) {}
  bool done() const { return rest_.empty(); }

  std::optional<Field> Next() {
    const std::string_view start = rest_;
    const auto tag = Varint();
    if (!tag.has_value() || *tag >> 3 == 0 || *tag > 0xFFFF'FFFF) return std::nullopt;
    Field field;
    field.number = static_cast<std::uint32_t>(*tag >> 3);
    field.type = static_cast<std::uint32_t>(*tag & 7);
    switch (field.type) {
      case kVarint: {
        const auto value = Varint();
        if (!value.has_value()) return std::nullopt;
        field.varint = *value;
        break;
      }
      case kFixed64:
        if (!Skip(8)) return std::nullopt;
        break;
      case kFixed32:
        if (!Skip(4)) return std::nullopt;
        break;
      case kLengthDelimited: {
        const auto size = Varint();
        if (!size.has_value() || *size > rest_.size()) return std::nullopt;
        field.bytes = rest_.substr(0, *size);
        rest_.remove_prefix(*size);
        break;
      }
      default: return std::nullopt;
    }
    field.whole = start.substr(0, start.size() - rest_.size());
    return field;
  }

 private:
  std::optional<std::uint64_t> Varint() {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < 10 && i < rest_.size(); ++i) {
      const auto byte = static_cast<unsigned char>(rest_[i]);
      value |= static_cast<std::uint64_t>(byte & 0x7F) << (7 * i);
      if (byte < 0x80) {
        rest_.remove_prefix(i + 1);
        return value;
      }
    }
    return std::nullopt;
  }
  bool Skip(std::size_t n) {
    if (rest_.size() < n) return false;
    rest_.remove_prefix(n);
    return true;
  }
  std::string_view rest_;
};

Status Malformed() { return Error(Reason::kMalformedRequest, "the broker's answer is no FetchResponse"); }

StatusOr<FetchResultView> ParseResult(std::string_view bytes) {
  FetchResultView result;
  std::string others;
  for (FieldReader reader(bytes); !reader.done();) {
    const auto field = reader.Next();
    if (!field.has_value()) return Malformed();
    if (field->number == v1::FetchResult::kBatchesFieldNumber && field->type == kLengthDelimited) {
      result.batches = field->bytes;
    } else {
      others.append(field->whole);
    }
  }
  if (!result.fields.ParseFromString(others)) return Malformed();
  return result;
}

}  // namespace

OutgoingMessage EncodeProduceRequest(const ProduceMessage& message, const std::vector<EntryName>& names, Acks acks, std::int32_t timeout_ms) {
  OutgoingMessage out;
  std::string head;  // what stands between two payloads
  AppendVarintField(&head, v1::ProduceRequest::kSeqFieldNumber, message.seq);
  AppendVarintField(&head, v1::ProduceRequest::kAcksFieldNumber, static_cast<std::uint64_t>(acks));
  AppendVarintField(&head, v1::ProduceRequest::kTimeoutMsFieldNumber, static_cast<std::uint64_t>(timeout_ms));
  for (std::size_t i = 0; i < message.entries.size(); ++i) {
    const ProduceMessage::Entry& entry = message.entries[i];
    std::size_t payload = 0;
    for (const SharedBytes& batch : entry.batches) payload += batch.size();
    std::string scalars;
    if (names[i].handle != 0) AppendVarintField(&scalars, v1::ProduceEntry::kHandleFieldNumber, names[i].handle);
    if (!names[i].topic_id.empty()) {
      AppendTag(&scalars, v1::ProduceEntry::kTopicIdFieldNumber, kLengthDelimited);
      AppendRawVarint(&scalars, names[i].topic_id.size());
      scalars.append(names[i].topic_id);
      AppendVarintField(&scalars, v1::ProduceEntry::kPartitionFieldNumber, static_cast<std::uint64_t>(names[i].partition));
    }
    AppendTag(&scalars, v1::ProduceEntry::kBatchesFieldNumber, kLengthDelimited);
    AppendRawVarint(&scalars, payload);
    AppendTag(&head, v1::ProduceRequest::kEntriesFieldNumber, kLengthDelimited);
    AppendRawVarint(&head, scalars.size() + payload);
    head += scalars;
    out.emplace_back(std::exchange(head, {}));
    for (const SharedBytes& batch : entry.batches) out.emplace_back(batch);
  }
  if (!head.empty()) out.emplace_back(std::move(head));
  return out;
}

StatusOr<FetchResponseView> ParseFetchResponse(std::string_view bytes) {
  FetchResponseView response;
  for (FieldReader reader(bytes); !reader.done();) {
    const auto field = reader.Next();
    if (!field.has_value()) return Malformed();
    if (field->number == v1::FetchResponse::kSeqFieldNumber && field->type == kVarint) response.seq = field->varint;
    if (field->number == v1::FetchResponse::kThrottleMsFieldNumber && field->type == kVarint) {
      response.throttle_ms = static_cast<std::int32_t>(field->varint);
    }
    if (field->number != v1::FetchResponse::kResultsFieldNumber || field->type != kLengthDelimited) continue;
    CORDWOOD_ASSIGN_OR_RETURN(FetchResultView result, ParseResult(field->bytes));
    response.results.push_back(std::move(result));
  }
  return response;
}

}  // namespace cordwood::client
