// SPDX-License-Identifier: Apache-2.0
// Decoding of records. Every number comes from disk or network and is checked before it is used.
#include "storage/record/record_reader.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace cordwood {
namespace {

constexpr std::size_t kHeaderBytesMin = 2;  // empty key, null value

// -1 is null; anything below makes the reader fail.
std::optional<std::string_view> ReadNullable(ByteReader* in) {
  const std::int32_t length = in->ReadVarint();
  if (length == -1) return std::nullopt;
  return in->ReadBytes(static_cast<std::size_t>(static_cast<std::int64_t>(length)));  // a negative one becomes huge and fails
}

bool ReadHeaders(ByteReader* in, std::size_t headers_max, std::vector<RecordHeader>* headers) {
  headers->clear();
  const std::int32_t count = in->ReadVarint();
  if (count < 0 || static_cast<std::size_t>(count) > headers_max || static_cast<std::size_t>(count) > in->rest().size() / kHeaderBytesMin) return count == 0;
  for (std::int32_t i = 0; i < count; ++i) {
    const std::optional<std::string_view> key = ReadNullable(in);
    if (!key.has_value()) return false;
    headers->push_back({*key, ReadNullable(in)});
  }
  return true;
}

}  // namespace

Status RecordReader::Corrupt(std::string_view what) const {
  return Error(Reason::kCorruptMessage, "record " + std::to_string(seen_) + " of the batch at offset " +
                                            ToString(batch_.base_offset()) + ": " + std::string(what));
}

Status RecordReader::Open(std::size_t plain_max, std::size_t headers_max) {
  headers_max_ = headers_max;
  const std::int64_t count = batch_.record_count();
  const std::int64_t delta = batch_.last_offset_delta();
  // Compaction leaves fewer records than offsets.
  if (count < 0 || delta < 0 || count > delta + 1) {
    return Error(Reason::kCorruptMessage, "batch at offset " + ToString(batch_.base_offset()) + " claims " +
                                              std::to_string(count) + " records in " + std::to_string(delta + 1) + " offsets");
  }
  if (batch_.end_offset() <= batch_.base_offset()) {  // so that nobody's `offset + 1` overflows
    return Error(Reason::kCorruptMessage, "batch at offset " + ToString(batch_.base_offset()) + " ends beyond the largest offset");
  }
  if (batch_.codec() == Codec::kNone) {
    input_ = ByteReader(batch_.records());
    return absl::OkStatus();
  }
  StatusOr<std::string> plain = Decompress(batch_.codec(), batch_.records(), plain_max);
  if (!plain.ok()) return Annotate(plain.status(), "batch at offset " + ToString(batch_.base_offset()));
  plain_ = *std::move(plain);
  input_ = ByteReader(plain_);
  return absl::OkStatus();
}

StatusOr<bool> RecordReader::Next(RecordView* record) {
  if (seen_ == batch_.record_count()) {
    if (!input_.done()) return Corrupt("bytes after the last record");
    return false;
  }
  const std::int32_t length = input_.ReadVarint();
  if (length < 0) return Corrupt("negative length");
  ByteReader body(input_.ReadBytes(static_cast<std::size_t>(length)));
  if (!input_.ok()) return Corrupt("cut");

  body.Read<std::int8_t>();  // attributes, unused
  const std::int64_t timestamp_delta = body.ReadVarlong();
  const std::int32_t offset_delta = body.ReadVarint();
  record->key = ReadNullable(&body);
  record->value = ReadNullable(&body);
  if (!ReadHeaders(&body, headers_max_, &record->headers)) return Corrupt(headers_max_ == SIZE_MAX ? "damaged headers" : "damaged or too many headers");
  if (!body.done()) return Corrupt("length does not fit the fields");
  if (offset_delta <= last_delta_ || offset_delta > batch_.last_offset_delta()) {
    return Corrupt("offset delta " + std::to_string(offset_delta) + " after " + std::to_string(last_delta_));
  }

  record->offset = Offset(Sum(batch_.base_offset().value(), offset_delta));
  record->timestamp_ms = batch_.is_log_append_time() ? batch_.max_timestamp_ms() : Sum(batch_.base_timestamp_ms(), timestamp_delta);
  last_delta_ = offset_delta;
  ++seen_;
  return true;
}

}  // namespace cordwood
