// SPDX-License-Identifier: Apache-2.0
#include "broker/groups/coordinator/offsets_append.h"

#include <utility>

#include "storage/log/side_header.h"
#include "storage/record/record_batch_builder.h"

namespace cordwood::broker {

void TransitionBatches::Add(std::vector<GroupRecord> transition) {
  records_ += transition.size();
  for (const GroupRecord& record : transition) bytes_ += record.key.size() + (record.value.has_value() ? record.value->size() : 0);
  transitions_.push_back(std::move(transition));
}

StatusOr<std::vector<SharedBytes>> TransitionBatches::Take(std::int64_t wall_ms) {
  const std::vector<std::vector<GroupRecord>> transitions = std::exchange(transitions_, {});
  records_ = bytes_ = 0;
  std::vector<SharedBytes> batches;
  RecordBatchBuilder builder;
  auto build = [&] {
    CORDWOOD_ASSIGN_OR_RETURN(SharedBytes batch, builder.Build(Codec::kNone, ProducerStamp(), kSideHeaderBytes));
    batches.push_back(std::move(batch));
    return absl::OkStatus();
  };
  RecordView view;
  view.timestamp_ms = wall_ms;
  for (const std::vector<GroupRecord>& transition : transitions) {
    for (const GroupRecord& record : transition) {
      view.key = record.key;
      view.value = record.value;
      builder.Add(view);
    }
    if (builder.plain_bytes() >= kBatchBytes) CORDWOOD_RETURN_IF_ERROR(build());
  }
  if (!builder.empty()) CORDWOOD_RETURN_IF_ERROR(build());
  return batches;
}

}  // namespace cordwood::broker
