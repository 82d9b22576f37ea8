// SPDX-License-Identifier: Apache-2.0
// One line a method.
#include "broker/grpc/control/log_methods.h"

#include "cordwood/v1/log.pb.h"

namespace cordwood::broker {

void AddLogMethods(ControlCalls& calls, const OffsetsHandler& offsets, const ClusterHandler& cluster) {
  calls.Add<v1::ListOffsetsRequest>("/cordwood.v1.Log/ListOffsets", [&offsets](const auto& request) { return offsets.ListOffsets(request); });
  calls.Add<v1::DeleteRecordsRequest>("/cordwood.v1.Log/DeleteRecords", [&offsets](const auto& request) { return offsets.DeleteRecords(request); });
  calls.Add<v1::OffsetForLeaderEpochRequest>("/cordwood.v1.Log/OffsetForLeaderEpoch",
                                             [&offsets](const auto& request) { return offsets.OffsetForLeaderEpoch(request); });
  calls.Add<v1::InitProducerRequest>("/cordwood.v1.Log/InitProducer", [&cluster](const auto& request) { return cluster.InitProducer(request); });
  calls.Add<v1::GetMetadataRequest>("/cordwood.v1.Log/GetMetadata", [&cluster](const auto& request) { return cluster.GetMetadata(request); });
}

}  // namespace cordwood::broker
