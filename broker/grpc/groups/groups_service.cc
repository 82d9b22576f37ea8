// SPDX-License-Identifier: Apache-2.0
#include "broker/grpc/groups/groups_service.h"

#include "cordwood/v1/groups.grpc.pb.h"

namespace cordwood::broker {

std::unique_ptr<grpc::Service> MakeGroupsService() {
  using cordwood::v1::Groups;
  return std::make_unique<Groups::WithGenericMethod_Join<Groups::WithGenericMethod_CommitOffsets<Groups::WithGenericMethod_FetchOffsets<Groups::Service>>>>();
}

}  // namespace cordwood::broker
