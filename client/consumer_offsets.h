// SPDX-License-Identifier: Apache-2.0
// Positions to offsets: what the broker says of partitions.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "client/connection.h"
#include "cordwood/consumer.h"
#include "storage/base/ids.h"
#include "storage/base/reason.h"

namespace cordwood::client {

struct LocatedPartition {
  TopicId topic;
  PartitionOffsets log;
  Offset offset;  // of the position asked for
};

// The offset of `position` in `log`. INVALID_REQUEST: a negative count. OFFSET_OUT_OF_RANGE, naming both ends, for an offset outside it if `reset`
// is kError. `by_time`: what the broker found for a timestamp.
StatusOr<Offset> OffsetOf(const cordwood::Position& position, const PartitionOffsets& log, OffsetReset reset, std::int64_t by_time);

// One for each place, in two calls at most where the topics are known. Tries again within request_timeout; a topic that is not, or no longer, as
// it was known is asked for anew. UNKNOWN_TOPIC_OR_PARTITION suggests the nearest name.
StatusOr<std::vector<LocatedPartition>> Locate(SharedConnection& connection, const std::vector<std::pair<TopicPartition, cordwood::Position>>& places,
                                               OffsetReset reset);
// The topic was deleted, and perhaps created again; or it never was.
bool IsUnknownTopic(const Status& status);
// As the broker has it now.
StatusOr<TopicImage> FreshTopic(SharedConnection& connection, std::string_view topic);

std::string NameOf(const TopicPartition& partition);  // "orders-0"

}  // namespace cordwood::client
