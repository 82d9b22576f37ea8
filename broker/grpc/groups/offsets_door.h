// SPDX-License-Identifier: Apache-2.0
// CommitOffsets and FetchOffsets: offsets of a group without a stream.
#pragma once

#include <cstdint>
#include <vector>

#include "broker/grpc/call.h"
#include "broker/grpc/groups/group_doors.h"
#include "cordwood/v1/groups.pb.h"

namespace cordwood::broker {

class OffsetsDoor final : public CallDoor {
 public:
  enum class Method : std::uint8_t { kCommit, kFetch };
  OffsetsDoor(Call& call, GroupDoors& doors, Method method) : call_(call), doors_(doors), method_(method), id_(doors.Add(*this)) {}

  void OnMessage(grpc::ByteBuffer message, ByteCharge charge) override;
  void OnRefused(const Status& status) override { call_.Finish(status); }
  void OnHalfClose() override;
  void OnStop() override;
  void OnEnd() override { doors_.Forget(id_); }

 private:
  Status Commit(grpc::ByteBuffer bytes);
  Status Fetch(grpc::ByteBuffer bytes);
  // Runs `answer` with this door on its thread, if it is still there.
  template <class Result>
  std::function<void(Result)> Later(void (OffsetsDoor::*answer)(const Result&));
  void OnCommitted(const StatusOr<std::vector<Status>>& entries);
  void OnFetched(const StatusOr<FetchedOffsets>& offsets);

  Call& call_;
  GroupDoors& doors_;
  const Method method_;
  const std::uint64_t id_;
  bool asked_ = false;
  ByteCharge charge_;
  std::vector<std::uint32_t> places_;  // in the request, of the entries that the driver was asked about
  v1::CommitOffsetsResponse response_;
  v1::FetchOffsetsRequest request_;
  ClusterImagePtr image_;  // by which the names of request_ were resolved, and are answered
};

}  // namespace cordwood::broker
