// SPDX-License-Identifier: Apache-2.0
// Which method is served by which door, and who hears which answer.
#include "broker/grpc/groups/group_doors.h"

#include <utility>

#include "broker/grpc/groups/group_wire.h"
#include "broker/grpc/groups/member_door.h"
#include "broker/grpc/groups/offsets_door.h"

namespace cordwood::broker {

GroupDoors::GroupDoors(NetworkThread& thread, GroupDriver& driver, const GroupDoorsOptions& options)
    : thread_(thread), driver_(driver), options_(options), port_(driver.AddListener(&thread.outbox(), this)) {
  MethodOptions stream;
  stream.message_bytes_max = kGroupMessageBytesMax;
  stream.message_limit_name = "the limit of a group message";
  stream.window_bytes = kGroupMessageBytesMax;
  stream.calls_max = options.streams_max;
  thread.calls().AddMethod("/cordwood.v1.Groups/Join", stream, [this](Call& call) { return std::make_unique<MemberDoor>(call, *this); });
  MethodOptions unary = stream;
  unary.unary = true;
  thread.calls().AddMethod("/cordwood.v1.Groups/CommitOffsets", unary,
                           [this](Call& call) { return std::make_unique<OffsetsDoor>(call, *this, OffsetsDoor::Method::kCommit); });
  thread.calls().AddMethod("/cordwood.v1.Groups/FetchOffsets", unary,
                           [this](Call& call) { return std::make_unique<OffsetsDoor>(call, *this, OffsetsDoor::Method::kFetch); });
}

void GroupDoors::SetImage(ClusterImagePtr image) {
  thread_.Run([this, image = std::move(image)] { image_ = image; });
}

StreamId GroupDoors::Add(MemberDoor& door) {
  const StreamId stream = port_.Stream(++last_id_);
  members_[stream] = &door;
  return stream;
}

std::uint64_t GroupDoors::Add(OffsetsDoor& door) {
  calls_[++last_id_] = &door;
  return last_id_;
}

OffsetsDoor* GroupDoors::FindCall(std::uint64_t call) {
  const auto found = calls_.find(call);
  return found == calls_.end() ? nullptr : found->second;
}

void GroupDoors::OnTells(const std::vector<StreamTell>& tells, const TopicView& topics) {
  for (const StreamTell& tell : tells) {
    const auto member = members_.find(tell.stream);
    if (member != members_.end()) member->second->OnTell(tell, topics);
  }
}

}  // namespace cordwood::broker
