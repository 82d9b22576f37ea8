// SPDX-License-Identifier: Apache-2.0
// GetMetadata and ListOffsets until they answer or time is up.
#include "client/consumer_offsets.h"

#include <algorithm>
#include <set>

#include "client/retry.h"
#include "cordwood/v1/log.grpc.pb.h"
#include "storage/base/clock.h"
#include "storage/base/names.h"

namespace cordwood::client {
namespace {

using Places = std::vector<std::pair<TopicPartition, cordwood::Position>>;
using Kind = cordwood::Position::Kind;

absl::Duration LeftUntil(absl::Duration deadline) { return std::max(deadline - Clock::System().Monotonic(), absl::Milliseconds(1)); }

StatusOr<std::vector<TopicId>> TopicIdsOf(SharedConnection& connection, const Places& places, absl::Duration deadline) {
  std::vector<TopicId> ids;
  StatusOr<TopicImage> image = TopicImage{};
  for (const auto& [place, position] : places) {
    if (ids.empty() || image->name != place.topic) image = connection.metadata.Get(place.topic, LeftUntil(deadline));
    if (!image.ok()) return image.status();
    if (place.partition < 0 || place.partition >= image->partitions()) {
      return Error(Reason::kUnknownTopicOrPartition, "topic \"" + place.topic + "\" has no partition " + std::to_string(place.partition) + "; it has " +
                                                         std::to_string(image->partitions()) + ", from 0");
    }
    ids.push_back(image->id);
  }
  return ids;
}

Status TryLocate(SharedConnection& connection, const Places& places, OffsetReset reset, absl::Duration deadline, std::vector<LocatedPartition>* located) {
  located->clear();
  CORDWOOD_ASSIGN_OR_RETURN(const std::vector<TopicId> ids, TopicIdsOf(connection, places, deadline));
  v1::ListOffsetsRequest request;
  for (std::size_t i = 0; i < places.size(); ++i) {
    auto* query = request.add_queries();
    query->mutable_partition()->set_topic_id(std::string(ids[i].raw()));
    query->mutable_partition()->set_partition(places[i].first.partition);
    if (places[i].second.kind() == Kind::kTimestamp) {
      query->set_timestamp_ms(places[i].second.value());
    } else {
      query->set_end(true);
    }
  }
  v1::ListOffsetsResponse response;
  CORDWOOD_RETURN_IF_ERROR(CallUnary<v1::Log>(connection.broker, &v1::Log::Stub::ListOffsets, request, &response, LeftUntil(deadline)));
  if (response.answers_size() != request.queries_size()) return Error(Reason::kUnknownServerError, "ListOffsets answered another number of queries");
  for (std::size_t i = 0; i < places.size(); ++i) {
    const auto& answer = response.answers(static_cast<int>(i));
    CORDWOOD_RETURN_IF_ERROR(Annotate(FromEntryError(answer.error()), NameOf(places[i].first)));
    const PartitionOffsets log{answer.log_start(), answer.high_watermark()};
    const StatusOr<Offset> offset = OffsetOf(places[i].second, log, reset, answer.offset());
    if (!offset.ok()) return Annotate(offset.status(), NameOf(places[i].first));
    located->push_back({ids[i], log, *offset});
  }
  return absl::OkStatus();
}

}  // namespace

bool IsUnknownTopic(const Status& status) {
  return ReasonOf(status) == Reason::kUnknownTopicOrPartition || ReasonOf(status) == Reason::kUnknownTopicId;
}

std::string NameOf(const TopicPartition& partition) { return NameToShow(partition.topic) + "-" + std::to_string(partition.partition); }

StatusOr<Offset> OffsetOf(const cordwood::Position& position, const PartitionOffsets& log, OffsetReset reset, std::int64_t by_time) {
  const std::int64_t value = position.value();
  switch (position.kind()) {
    case Kind::kStart: return Offset(log.log_start);
    case Kind::kEnd: return Offset(log.high_watermark);
    case Kind::kTimestamp: return Offset(std::clamp(by_time, log.log_start, std::max(log.log_start, log.high_watermark)));
    case Kind::kFromEnd:
      if (value < 0) return Error(Reason::kInvalidRequest, "Position::Last(" + std::to_string(value) + "): the count is negative");
      return Offset(std::max(log.log_start, log.high_watermark - std::min(value, log.high_watermark)));
    case Kind::kOffset: break;
  }
  if (value >= log.log_start && value <= log.high_watermark) return Offset(value);
  if (reset == OffsetReset::kStart) return Offset(log.log_start);
  if (reset == OffsetReset::kEnd) return Offset(log.high_watermark);
  return Error(Reason::kOffsetOutOfRange, "offset " + std::to_string(value) + " is " + (value < log.log_start ? "below the log start" : "above the log end") +
                                              ": the log starts at " + std::to_string(log.log_start) + " and ends at " + std::to_string(log.high_watermark));
}

StatusOr<std::vector<LocatedPartition>> Locate(SharedConnection& connection, const Places& places, OffsetReset reset) {
  std::vector<LocatedPartition> located;
  if (places.empty()) return located;
  bool forgot = false;
  CORDWOOD_RETURN_IF_ERROR(Retry(connection, [&](absl::Duration left) {
    const absl::Duration deadline = Clock::System().Monotonic() + left;  // of all the calls
    const Status status = TryLocate(connection, places, reset, deadline, &located);
    if (!IsUnknownTopic(status) || std::exchange(forgot, true)) return status;
    for (const auto& [place, position] : places) connection.metadata.Forget(place.topic);  // created again, or it grew
    return TryLocate(connection, places, reset, deadline, &located);
  }));
  return located;
}

StatusOr<TopicImage> FreshTopic(SharedConnection& connection, std::string_view topic) {
  CORDWOOD_RETURN_IF_ERROR(Retry(connection, [&](absl::Duration left) { return connection.metadata.Refresh(topic, left).status(); }));
  return connection.metadata.Get(topic);
}

}  // namespace cordwood::client
