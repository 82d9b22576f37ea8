// SPDX-License-Identifier: Apache-2.0
// Synchronous calls: a thread of gRPC's waits while the handler does.
#include "broker/grpc/control/group_admin_service.h"

#include "broker/grpc/control/sync_answer.h"
#include "cordwood/v1/group_admin.grpc.pb.h"

namespace cordwood::broker {
namespace {

class GroupAdminService final : public v1::GroupAdmin::Service {
 public:
  explicit GroupAdminService(const GroupAdminHandler& groups) : groups_(groups) {}

  grpc::Status ListGroups(grpc::ServerContext*, const v1::ListGroupsRequest* request, v1::ListGroupsResponse* response) override {
    return Answer(groups_.ListGroups(*request), *response);
  }
  grpc::Status DescribeGroup(grpc::ServerContext*, const v1::DescribeGroupRequest* request, v1::DescribeGroupResponse* response) override {
    return Answer(groups_.DescribeGroup(*request), *response);
  }
  grpc::Status DeleteGroup(grpc::ServerContext*, const v1::DeleteGroupRequest* request, v1::DeleteGroupResponse* response) override {
    return Answer(groups_.DeleteGroup(*request), *response);
  }
  grpc::Status ResetOffsets(grpc::ServerContext*, const v1::ResetOffsetsRequest* request, v1::ResetOffsetsResponse* response) override {
    return Answer(groups_.ResetOffsets(*request), *response);
  }
  grpc::Status ExplainGroup(grpc::ServerContext*, const v1::ExplainGroupRequest* request, v1::ExplainGroupResponse* response) override {
    return Answer(groups_.ExplainGroup(*request), *response);
  }

 private:
  const GroupAdminHandler& groups_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeGroupAdminService(const GroupAdminHandler& groups) { return std::make_unique<GroupAdminService>(groups); }

}  // namespace cordwood::broker
