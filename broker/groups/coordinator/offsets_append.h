// SPDX-License-Identifier: Apache-2.0
// The records of many transitions as batches, and their append to a partition of the offsets topic.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "broker/groups/group_records.h"
#include "broker/replication/append_op.h"
#include "storage/base/shared_bytes.h"

namespace cordwood::broker {

// A transition is in one batch, whole; a batch has many transitions, up to about kBatchBytes.
class TransitionBatches {
 public:
  static constexpr std::size_t kBatchBytes = 256 * 1024;

  void Add(std::vector<GroupRecord> transition);
  bool empty() const { return transitions_.empty(); }
  std::size_t records() const { return records_; }
  std::size_t bytes() const { return bytes_; }
  // As values for AppendEntry, with this timestamp; nothing is left. RECORD_LIST_TOO_LARGE.
  StatusOr<std::vector<SharedBytes>> Take(std::int64_t wall_ms);

 private:
  std::vector<std::vector<GroupRecord>> transitions_;
  std::size_t records_ = 0;
  std::size_t bytes_ = 0;
};

// Comes back to the driver's thread.
struct OffsetsAppend final : AppendOp {
  void Run() override { done(*this); }
  std::function<void(OffsetsAppend&)> done;
};

}  // namespace cordwood::broker
