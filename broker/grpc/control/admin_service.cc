// SPDX-License-Identifier: Apache-2.0
// Synchronous calls: a thread of gRPC's waits while the handler does.
#include "broker/grpc/control/admin_service.h"

#include "broker/grpc/control/sync_answer.h"
#include "cordwood/v1/admin.grpc.pb.h"

namespace cordwood::broker {
namespace {

class AdminService final : public v1::Admin::Service {
 public:
  AdminService(const AdminHandler& admin, const ClusterHandler& cluster) : admin_(admin), cluster_(cluster) {}

  grpc::Status CreateTopic(grpc::ServerContext*, const v1::CreateTopicRequest* request, v1::CreateTopicResponse* response) override {
    return Answer(admin_.CreateTopic(*request), *response);
  }
  grpc::Status DeleteTopic(grpc::ServerContext*, const v1::DeleteTopicRequest* request, v1::DeleteTopicResponse* response) override {
    return Answer(admin_.DeleteTopic(*request), *response);
  }
  grpc::Status ListTopics(grpc::ServerContext*, const v1::ListTopicsRequest* request, v1::ListTopicsResponse* response) override {
    return Answer(admin_.ListTopics(*request), *response);
  }
  grpc::Status DescribeTopic(grpc::ServerContext*, const v1::DescribeTopicRequest* request, v1::DescribeTopicResponse* response) override {
    return Answer(admin_.DescribeTopic(*request), *response);
  }
  grpc::Status CreatePartitions(grpc::ServerContext*, const v1::CreatePartitionsRequest* request,
                                v1::CreatePartitionsResponse* response) override {
    return Answer(admin_.CreatePartitions(*request), *response);
  }
  grpc::Status AlterTopicConfig(grpc::ServerContext*, const v1::AlterTopicConfigRequest* request,
                                v1::AlterTopicConfigResponse* response) override {
    return Answer(admin_.AlterTopicConfig(*request), *response);
  }
  grpc::Status DescribeBroker(grpc::ServerContext*, const v1::DescribeBrokerRequest* request, v1::DescribeBrokerResponse* response) override {
    return Answer(cluster_.DescribeBroker(*request), *response);
  }
  grpc::Status DescribeCluster(grpc::ServerContext*, const v1::DescribeClusterRequest* request,
                               v1::DescribeClusterResponse* response) override {
    return Answer(cluster_.DescribeCluster(*request), *response);
  }

 private:
  const AdminHandler& admin_;
  const ClusterHandler& cluster_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeAdminService(const AdminHandler& admin, const ClusterHandler& cluster) {
  return std::make_unique<AdminService>(admin, cluster);
}

}  // namespace cordwood::broker
