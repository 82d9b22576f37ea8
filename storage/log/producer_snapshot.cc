// SPDX-License-Identifier: Apache-2.0
// ProducerState as bytes and back, and what must always hold of it.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "storage/base/coding.h"
#include "storage/log/producer_state.h"

namespace cordwood {
namespace {

constexpr std::size_t kBatchesMax = 5;
constexpr std::size_t kRangeBytes = 4 + 4 + 8;
constexpr std::size_t kProducerBytesMin = 8 + 2 + 8 + 1 + kRangeBytes;

Status Damaged(const std::string& why) { return Error(Reason::kStorageError, absl::StrCat("producer snapshot: ", why)); }

}  // namespace

std::string ProducerState::Encode(Offset end) const {
  std::vector<ProducerId> ids;
  ids.reserve(producers_.size());
  for (const auto& entry : producers_) ids.push_back(entry.first);
  std::sort(ids.begin(), ids.end());

  std::string value;
  value.reserve(20 + ids.size() * (kProducerBytesMin + (kBatchesMax - 1) * kRangeBytes));
  AppendBigEndian(&value, end.value());
  AppendBigEndian(&value, log_append_ms_);
  AppendBigEndian(&value, static_cast<std::uint32_t>(ids.size()));
  for (const ProducerId id : ids) {
    const Producer& producer = producers_.find(id)->second;
    AppendBigEndian(&value, id.value());
    AppendBigEndian(&value, producer.epoch.value());
    AppendBigEndian(&value, producer.last_append_ms);
    AppendBigEndian(&value, static_cast<std::uint8_t>(producer.batches.size()));
    for (const BatchRange& range : producer.batches) {
      AppendBigEndian(&value, range.first.value());
      AppendBigEndian(&value, range.last.value());
      AppendBigEndian(&value, range.base_offset.value());
    }
  }
  return value;
}

StatusOr<ProducerState> ProducerState::Decode(std::string_view value, ProducerLimits limits, Offset* end) {
  ByteReader reader(value);
  ProducerState state(limits);
  const Offset snapshot_end(reader.Read<std::int64_t>());
  state.log_append_ms_ = reader.Read<std::int64_t>();
  const auto count = reader.Read<std::uint32_t>();
  if (!reader.ok() || count > reader.rest().size() / kProducerBytesMin) return Damaged("too short");
  if (snapshot_end < Offset(0) || state.log_append_ms_ < -1) return Damaged("negative end or time");
  state.producers_.reserve(count);
  ProducerId last_id(-1);
  for (std::uint32_t i = 0; i < count; ++i) {
    const ProducerId id(reader.Read<std::int64_t>());
    if (reader.ok() && id <= last_id) return Damaged(absl::StrCat("producer ", id.value(), " after ", last_id.value()));
    last_id = id;
    Producer producer;
    producer.epoch = ProducerEpoch(reader.Read<std::int16_t>());
    producer.last_append_ms = reader.Read<std::int64_t>();
    const auto batches = reader.Read<std::uint8_t>();
    if (batches > kBatchesMax) return Damaged(absl::StrCat("producer ", id.value(), " has ", batches, " batches"));
    for (int k = 0; k < batches; ++k) {
      const Sequence first(reader.Read<std::int32_t>());
      const Sequence last(reader.Read<std::int32_t>());
      const Offset base_offset(reader.Read<std::int64_t>());
      if (base_offset >= snapshot_end) return Damaged(absl::StrCat("producer ", id.value(), " has a batch beyond the end"));
      producer.batches.push_back({first, last, base_offset});
    }
    if (!reader.ok()) return Damaged("too short");
    state.producers_.emplace(id, std::move(producer));
  }
  if (!reader.done()) return Damaged("too long");
  state.RebuildExpiryChecks();
  // The expiration may be shorter than when the snapshot was written. Times are checked first: none may be after the clock.
  for (const auto& entry : state.producers_) {
    if (entry.second.last_append_ms < -1 || entry.second.last_append_ms > state.log_append_ms_) return Damaged("append time out of range");
  }
  state.ForgetExpired();
  if (Status sound = state.Invariants(); !sound.ok()) return Annotate(sound, "producer snapshot");
  *end = snapshot_end;
  return state;
}

Status ProducerState::Invariants() const {
  auto broken = [](ProducerId id, const char* what) {
    return Error(Reason::kStorageError, absl::StrCat("producer ", id.value(), ": ", what));
  };
  if (expiry_checks_.size() != producers_.size()) return broken(ProducerId(-1), "number of expiry checks differs from producers");
  if (!std::is_heap(expiry_checks_.begin(), expiry_checks_.end(), IsLater)) return broken(ProducerId(-1), "expiry checks are no heap");
  for (const ExpiryCheck& check : expiry_checks_) {
    const auto producer = producers_.find(check.id);
    if (producer == producers_.end()) return broken(check.id, "expiry check of nobody");
    if (check.not_after_ms > producer->second.last_append_ms) return broken(check.id, "expiry check comes too late");
  }
  for (const auto& [id, producer] : producers_) {
    if (id < ProducerId(0) || producer.epoch < ProducerEpoch(0)) return broken(id, "negative id or epoch");
    if (producer.last_append_ms > log_append_ms_) return broken(id, "appended after the log's clock");
    if (ExpiredAt(log_append_ms_, producer.last_append_ms)) return broken(id, "expired, but remembered");
    if (producer.batches.empty() || producer.batches.size() > kBatchesMax) return broken(id, "number of batches out of range");
    Offset previous(-1);
    for (const BatchRange& range : producer.batches) {
      if (range.first < Sequence(0) || range.last < Sequence(0)) return broken(id, "negative sequence");
      if (range.base_offset <= previous) return broken(id, "batches out of order");
      previous = range.base_offset;
    }
  }
  return absl::OkStatus();
}

}  // namespace cordwood
