// SPDX-License-Identifier: Apache-2.0
// When a reader asks again, seen from a gRPC server in this process that refuses partitions.
#include "client/internal/fetch_client.h"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "client/internal/testing/loopback_server.h"
#include "cordwood/v1/log.grpc.pb.h"

namespace cordwood::client {
namespace {

// Has a topic whose partition 0 comes back in a minute and whose partition 1 is there at the second asking, and empty.
class RefusingLog final : public v1::Log::Service {
 public:
  grpc::Status FetchStream(grpc::ServerContext*, grpc::ServerReaderWriter<v1::FetchResponse, v1::FetchRequest>* stream) override {
    v1::FetchRequest request;
    int asked_for_1 = 0;
    while (stream->Read(&request)) {
      for (const v1::FetchPartition& partition : request.partitions()) {
        v1::FetchResponse response;
        v1::FetchResult* result = response.add_results();
        result->set_handle(partition.handle());
        result->set_position(partition.position());
        const bool here = partition.handle() == 2 && ++asked_for_1 == 2;
        result->mutable_error()->set_reason(here ? v1::OFFSET_OUT_OF_RANGE : v1::LEADER_NOT_AVAILABLE);
        if (partition.handle() == 1) result->mutable_error()->set_retry_after_ms(60'000);
        stream->Write(response);
      }
    }
    return grpc::Status::OK;
  }
};

class FetchClientTest : public ::testing::Test {
 protected:
  FetchClientTest() {
    std::vector<std::string> addresses;
    server_ = ServeOnLoopback(&log_, &addresses);
    connection_ = std::make_unique<BrokerConnection>(addresses);
  }
  ~FetchClientTest() override { server_->Shutdown(std::chrono::system_clock::now()); }

  RefusingLog log_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<BrokerConnection> connection_;
  ClientLoop loop_;
};

TEST_F(FetchClientTest, APartitionDueSoonDoesNotWaitForOneThatIsDueLate) {
  FetchClient client(loop_, *connection_);
  ASSERT_TRUE(client.Add({{TopicId(), PartitionIndex(0), Offset(0)}, {TopicId(), PartitionIndex(1), Offset(0)}}).ok());
  const std::vector<FetchedChunk> chunks = client.Take(absl::Seconds(20));
  ASSERT_EQ(chunks.size(), 1U);
  EXPECT_EQ(chunks[0].slot, 1U);
  EXPECT_EQ(ReasonOf(chunks[0].status), Reason::kOffsetOutOfRange);
}

}  // namespace
}  // namespace cordwood::client
