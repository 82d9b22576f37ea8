// SPDX-License-Identifier: Apache-2.0
// Offsets by position, time and epoch, and the log start: ListOffsets, DeleteRecords, OffsetForLeaderEpoch.
#pragma once

#include <cstddef>
#include <vector>

#include "broker/handlers/control/partition_access.h"
#include "broker/replication/partition_table.h"
#include "cordwood/v1/log.pb.h"
#include "storage/base/reason.h"

namespace cordwood::broker {

inline constexpr int kListOffsetsQueriesMax = 100'000;
inline constexpr int kDeleteRecordsTargetsMax = 10'000;
inline constexpr int kEpochQueriesMax = 10'000;

// An error refuses the call as a whole (RECORD_LIST_TOO_LARGE); what is wrong with one query or target stands in its answer.
// Threading: safe from any thread that may block on the disk and on shards: never a network or shard thread.
class OffsetsHandler {
 public:
  OffsetsHandler(ImageSource image, const PartitionTable& table) : image_(std::move(image)), table_(table) {}

  StatusOr<cordwood::v1::ListOffsetsResponse> ListOffsets(const cordwood::v1::ListOffsetsRequest& request) const;
  StatusOr<cordwood::v1::DeleteRecordsResponse> DeleteRecords(const cordwood::v1::DeleteRecordsRequest& request) const;
  StatusOr<cordwood::v1::OffsetForLeaderEpochResponse> OffsetForLeaderEpoch(const cordwood::v1::OffsetForLeaderEpochRequest& request) const;

 private:
  using ListQuery = cordwood::v1::ListOffsetsRequest::Query;
  using ListAnswer = cordwood::v1::ListOffsetsResponse::Answer;
  template <class Request, class PartitionNameOf>
  std::vector<StatusOr<BoundPartition>> FindAll(const Request& items, PartitionNameOf partition_name_of) const;
  Status Answer(const ListQuery& query, const ReplicaHandle& replica, ListAnswer& answer) const;

  const ImageSource image_;
  const PartitionTable& table_;
};

}  // namespace cordwood::broker
