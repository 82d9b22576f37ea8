// SPDX-License-Identifier: Apache-2.0
// The group calls of one network thread: membership streams, and offsets without a stream.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "broker/grpc/network_thread.h"
#include "broker/groups/coordinator/group_driver.h"
#include "broker/metadata/cluster_image.h"

namespace cordwood::broker {

class MemberDoor;
class OffsetsDoor;

struct GroupDoorsOptions {
  std::int64_t heartbeat_interval_ms = 5'000;  // members are told both
  std::int64_t session_timeout_ms = 15'000;
  int streams_max = 20'000;                    // membership streams open at a time
};

// Threading: constructed before the thread starts, destroyed after it has stopped; SetImage from any thread; the rest is the thread's.
class GroupDoors final : public GroupListener {
 public:
  GroupDoors(NetworkThread& thread, GroupDriver& driver, const GroupDoorsOptions& options);
  GroupDoors(const GroupDoors&) = delete;
  GroupDoors& operator=(const GroupDoors&) = delete;

  void SetImage(ClusterImagePtr image);

  void OnTells(const std::vector<StreamTell>& tells, const TopicView& topics) override;

  // For the doors.
  GroupDriver& driver() { return driver_; }
  const GroupDoorsOptions& options() const { return options_; }
  const ClusterImagePtr& image() const { return image_; }
  NetworkThread& thread() { return thread_; }
  StreamId Add(MemberDoor& door);
  void Forget(StreamId stream) { members_.erase(stream); }
  std::uint64_t Add(OffsetsDoor& door);
  void Forget(std::uint64_t call) { calls_.erase(call); }
  OffsetsDoor* FindCall(std::uint64_t call);  // nullptr: it has ended

 private:
  NetworkThread& thread_;
  GroupDriver& driver_;
  const GroupDoorsOptions options_;
  const GroupPort port_;
  ClusterImagePtr image_;
  absl::flat_hash_map<StreamId, MemberDoor*> members_;
  absl::flat_hash_map<std::uint64_t, OffsetsDoor*> calls_;
  std::uint64_t last_id_ = 0;
};

}  // namespace cordwood::broker
