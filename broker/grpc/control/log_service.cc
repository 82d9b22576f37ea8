// SPDX-License-Identifier: Apache-2.0
// Synchronous calls: a thread of gRPC's waits while the handler does.
#include "broker/grpc/control/log_service.h"

#include "broker/grpc/control/sync_answer.h"
#include "cordwood/v1/log.grpc.pb.h"

namespace cordwood::broker {
namespace {

using cordwood::v1::Log;
using RawMethods = Log::WithGenericMethod_Produce<
    Log::WithGenericMethod_ProduceStream<Log::WithGenericMethod_Fetch<Log::WithGenericMethod_FetchStream<Log::Service>>>>;

class LogService final : public RawMethods {
 public:
  LogService(const OffsetsHandler& offsets, const ClusterHandler& cluster) : offsets_(offsets), cluster_(cluster) {}

  grpc::Status ListOffsets(grpc::ServerContext*, const v1::ListOffsetsRequest* request, v1::ListOffsetsResponse* response) override {
    return Answer(offsets_.ListOffsets(*request), *response);
  }
  grpc::Status DeleteRecords(grpc::ServerContext*, const v1::DeleteRecordsRequest* request, v1::DeleteRecordsResponse* response) override {
    return Answer(offsets_.DeleteRecords(*request), *response);
  }
  grpc::Status OffsetForLeaderEpoch(grpc::ServerContext*, const v1::OffsetForLeaderEpochRequest* request,
                                    v1::OffsetForLeaderEpochResponse* response) override {
    return Answer(offsets_.OffsetForLeaderEpoch(*request), *response);
  }
  grpc::Status InitProducer(grpc::ServerContext*, const v1::InitProducerRequest* request, v1::InitProducerResponse* response) override {
    return Answer(cluster_.InitProducer(*request), *response);
  }
  grpc::Status GetMetadata(grpc::ServerContext*, const v1::GetMetadataRequest* request, v1::GetMetadataResponse* response) override {
    return Answer(cluster_.GetMetadata(*request), *response);
  }

 private:
  const OffsetsHandler& offsets_;
  const ClusterHandler& cluster_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeLogService(const OffsetsHandler& offsets, const ClusterHandler& cluster) {
  return std::make_unique<LogService>(offsets, cluster);
}

}  // namespace cordwood::broker
