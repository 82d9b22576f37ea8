// SPDX-License-Identifier: Apache-2.0
// Topics come, grow and go; one of them is the offsets topic.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "broker/groups/coordinator/group_loop.h"

namespace cordwood::broker {
namespace {

constexpr int kTopicsPauseFactor = 2;
constexpr absl::Duration kTopicsPauseMax = absl::Milliseconds(200);

std::shared_ptr<const TopicView> TopicsOf(const ClusterImage& image) {
  auto view = std::make_shared<TopicView>();
  for (const ClusterImage::TopicPtr& topic : image.topics()) {
    view->by_name.emplace_hint(view->by_name.end(), topic->name, GroupTopic{topic->id, topic->partition_count});
    view->names.emplace(topic->id, topic->name);
  }
  return view;
}

}  // namespace

void GroupLoop::OnImage(ClusterImagePtr image) {
  image_ = std::move(image);
  topics_stale_ = true;
  FollowOffsetsTopic();
  TakeTopics();  // what is asked after this is asked of the new topics
}

// A broker without groups has no view of its topics.
void GroupLoop::EnsureTopics() {
  if (!topics_stale_ || image_ == nullptr) return;
  topics_stale_ = false;
  groups_behind_ = true;
  topics_ = TopicsOf(*image_);
  patterns_.SetTopics(topics_);
}

// Tells every group; with many topics not again at once.
void GroupLoop::TakeTopics() {
  if (!TopicsWait() || now_ < topics_from_) return;
  const absl::Duration began = clock_.Monotonic();
  EnsureTopics();
  (void)patterns_.Work();  // as much as there is time for: what it says now is told here
  groups_behind_ = false;
  for (const auto& [index, home] : partitions_) {
    if (home->phase != Phase::kServed) continue;
    for (const auto& [id, group] : home->groups) {
      if (group->activated) TellTopics(*group);
    }
  }
  topic_changes_ = nullptr;  // the older view may go
  const absl::Duration ended = clock_.Monotonic();
  topics_from_ = ended + std::min(kTopicsPauseFactor * (ended - began), kTopicsPauseMax);
}

// Most groups come from the same view.
void GroupLoop::TellTopics(LedGroup& group) {
  if (topic_changes_ == nullptr || topic_changes_->before != group.core.view() || topic_changes_->after != topics_) {
    topic_changes_ = std::make_shared<const TopicChanges>(group.core.view(), topics_);
  }
  Step(group, ChangeTopics{topics_, patterns_.MatchAll(group.core.patterns()), topic_changes_});
}

// With many groups they hear of topics late; what is asked about a partition that came meanwhile is asked of a group that knows it.
template <class Entries>
void GroupLoop::CatchUp(LedGroup& group, const Entries& entries) {
  const auto known = [&](const auto& entry) { return group.core.topics().Has(entry.at); };
  if (!TopicsWait() || std::all_of(entries.begin(), entries.end(), known)) return;
  EnsureTopics();
  if (&group.core.topics() != topics_.get()) TellTopics(group);
}
template void GroupLoop::CatchUp(LedGroup& group, const std::vector<CommitEntry>& entries);
template void GroupLoop::CatchUp(LedGroup& group, const std::vector<ResetEntry>& entries);

void GroupLoop::FollowOffsetsTopic() {
  const TopicId before = offsets_topic_ == nullptr ? TopicId() : offsets_topic_->id;
  offsets_topic_ = image_->FindTopic(kOffsetsTopic);
  if (offsets_topic_ != nullptr && offsets_topic_->id == before) return;
  for (const auto& [index, home] : partitions_) Unload(*home, Error(Reason::kCoordinatorNotAvailable, absl::StrCat(kOffsetsTopic, " was deleted")));
  if (offsets_topic_ == nullptr) return;
  for (std::int32_t i = 0; i < offsets_topic_->partition_count; ++i) {
    std::unique_ptr<OffsetsPartition>& home = partitions_[PartitionIndex(i)];
    if (home == nullptr) home = std::make_unique<OffsetsPartition>(PartitionIndex(i));
    if (home->flying) {
      Fail(*home, Error(Reason::kNotLeaderOrFollower, "its last append has not come back"), /*retry=*/true);
    } else {
      BeginLoad(*home);
    }
  }
}

}  // namespace cordwood::broker
