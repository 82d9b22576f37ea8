// SPDX-License-Identifier: Apache-2.0
// In steady state our code asks nothing of the heap for a message on its way through the broker. What gRPC and RocksDB ask for their own work is theirs.
#include <grpcpp/create_channel.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "broker/grpc/log_doors_fixture.h"
#include "cordwood/v1/log.grpc.pb.h"
#include "tests/support/allocations.h"

namespace cordwood::broker {
namespace {

namespace v1 = cordwood::v1;
using cordwood::testing::AllocationWatch;

constexpr int kPartitions = 16;
constexpr int kWarmUp = 150;
constexpr int kMessages = 150;
// Queues that grow for the last time, index entries of the log: far below one a message.
constexpr std::uint64_t kStragglersMax = kMessages / 20;

class AllocationsTest : public LogDoorsFixture {
 protected:
  void SetUp() override {
    options_.fetch.ring_bytes = 64 * 1024;  // full after the warm-up: from then on a batch comes and a batch goes
    Start(kPartitions);
    stub_ = v1::Log::NewStub(grpc::CreateChannel(address(), grpc::InsecureChannelCredentials()));
    produce_ = stub_->ProduceStream(&produce_context_);
    fetch_ = stub_->FetchStream(&fetch_context_);
  }
  void TearDown() override {
    produce_context_.TryCancel();
    fetch_context_.TryCancel();
    produce_.reset();
    fetch_.reset();
    EXPECT_TRUE(Stop(absl::Seconds(5)));
  }

  // One message with an entry of `batches` batches for each of the first `partitions`, and its answer.
  void Produce(int partitions, int batches) {
    const std::string batch(BatchOf(MakeBatch({std::string(700, 'x')}, Codec::kNone, Clock::System().WallMs()).view()));
    v1::ProduceRequest request;
    request.set_seq(++seq_);
    for (int p = 0; p < partitions; ++p) {
      v1::ProduceEntry& entry = *request.add_entries();
      entry.set_handle(static_cast<std::uint32_t>(p + 1));
      if (seq_ == 1) entry.set_topic("t");
      if (seq_ == 1) entry.set_partition(p);
      for (int i = 0; i < batches; ++i) entry.mutable_batches()->append(batch);
    }
    v1::ProduceResponse response;
    ASSERT_TRUE(produce_->Write(request) && produce_->Read(&response));
    ASSERT_EQ(response.done(0).seq(), seq_);
    ASSERT_EQ(response.done(0).errors_size(), 0);
  }
  // From now on what is written to partition 0 is pushed.
  void Follow() {
    v1::FetchRequest request;
    request.set_add_credit_bytes(1 << 20);
    v1::FetchPartition& from = *request.add_partitions();
    from.set_handle(1);
    from.set_topic_id(std::string(shard_.Topic("t")->id.raw()));
    from.set_partition(0);
    ASSERT_TRUE(fetch_->Write(request));
  }
  void Receive(std::size_t batches) {
    const std::size_t before = received_;
    v1::FetchResponse response;
    while (received_ - before < batches) {
      ASSERT_TRUE(fetch_->Read(&response));
      for (const v1::FetchResult& result : response.results()) received_ += BatchCount(result.batches());
    }
    v1::FetchRequest credit;
    credit.set_add_credit_bytes(10'000);
    ASSERT_TRUE(fetch_->Write(credit));
  }
  static std::size_t BatchCount(std::string_view batches) {
    std::size_t count = 0;
    for (; !batches.empty(); ++count) EXPECT_TRUE(RecordBatchView::TakeFirst(&batches).ok());
    return count;
  }

  // How often our code on these threads asked, for kMessages messages.
  void ExpectNoneOfOurs(const char* thread, const std::function<void()>& message) {
    for (int i = 0; i < kWarmUp; ++i) message();
    AllocationWatch watch(thread);
    for (int i = 0; i < kMessages; ++i) message();
    watch.Stop();
    EXPECT_LE(watch.count(AllocationWatch::Owner::kOurs), kStragglersMax) << thread << ", for " << kMessages << " messages; from\n" << watch.OurStacks();
    RecordProperty(std::string(thread) + " gRPC", std::to_string(watch.count(AllocationWatch::Owner::kGrpc)));
    RecordProperty(std::string(thread) + " RocksDB", std::to_string(watch.count(AllocationWatch::Owner::kRocksDb)));
  }

  std::unique_ptr<v1::Log::Stub> stub_;
  grpc::ClientContext produce_context_;
  grpc::ClientContext fetch_context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::ProduceRequest, v1::ProduceResponse>> produce_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::FetchRequest, v1::FetchResponse>> fetch_;
  std::uint64_t seq_ = 0;
  std::size_t received_ = 0;
};

TEST_F(AllocationsTest, AProducedMessageOfOneBatchAsksNothingOfTheHeap) {
  for (const char* thread : {"net-", "shard-"}) ExpectNoneOfOurs(thread, [&] { Produce(1, 1); });
}

TEST_F(AllocationsTest, NorDoesOneOfManyEntries) {
  for (const char* thread : {"net-", "shard-"}) ExpectNoneOfOurs(thread, [&] { Produce(kPartitions, 2); });
}

TEST_F(AllocationsTest, NorDoesItsWayToAConsumerThatWaitsAtTheTail) {
  Produce(1, 1);
  Follow();
  Receive(1);
  for (const char* thread : {"net-", "shard-"}) {
    ExpectNoneOfOurs(thread, [&] {
      Produce(1, 1);
      Receive(1);
    });
  }
}

// The watch itself: what is known to allocate is seen.
TEST_F(AllocationsTest, AMessageThatIsRefusedIsSeenToAsk) {
  Produce(1, 1);
  AllocationWatch watch("net-");
  v1::ProduceRequest request;
  request.set_seq(++seq_);
  request.add_entries()->set_handle(4'711);
  v1::ProduceResponse response;
  ASSERT_TRUE(produce_->Write(request) && produce_->Read(&response));
  watch.Stop();
  EXPECT_GT(watch.count(AllocationWatch::Owner::kOurs), 0u);
  EXPECT_NE(watch.OurStacks(), "");
}

}  // namespace
}  // namespace cordwood::broker
