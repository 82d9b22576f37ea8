// SPDX-License-Identifier: Apache-2.0
// One line a method.
#include "broker/grpc/control/admin_methods.h"

#include "cordwood/v1/admin.pb.h"

namespace cordwood::broker {

void AddAdminMethods(ControlCalls& calls, const AdminHandler& admin, const ClusterHandler& cluster) {
  calls.Add<v1::CreateTopicRequest>("/cordwood.v1.Admin/CreateTopic", [&admin](const auto& request) { return admin.CreateTopic(request); });
  calls.Add<v1::DeleteTopicRequest>("/cordwood.v1.Admin/DeleteTopic", [&admin](const auto& request) { return admin.DeleteTopic(request); });
  calls.Add<v1::ListTopicsRequest>("/cordwood.v1.Admin/ListTopics", [&admin](const auto& request) { return admin.ListTopics(request); });
  calls.Add<v1::DescribeTopicRequest>("/cordwood.v1.Admin/DescribeTopic", [&admin](const auto& request) { return admin.DescribeTopic(request); });
  calls.Add<v1::CreatePartitionsRequest>("/cordwood.v1.Admin/CreatePartitions", [&admin](const auto& request) { return admin.CreatePartitions(request); });
  calls.Add<v1::AlterTopicConfigRequest>("/cordwood.v1.Admin/AlterTopicConfig", [&admin](const auto& request) { return admin.AlterTopicConfig(request); });
  calls.Add<v1::DescribeBrokerRequest>("/cordwood.v1.Admin/DescribeBroker", [&cluster](const auto& request) { return cluster.DescribeBroker(request); });
  calls.Add<v1::DescribeClusterRequest>("/cordwood.v1.Admin/DescribeCluster", [&cluster](const auto& request) { return cluster.DescribeCluster(request); });
}

}  // namespace cordwood::broker
