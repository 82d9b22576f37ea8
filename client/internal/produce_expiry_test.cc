// SPDX-License-Identifier: Apache-2.0
// What becomes of batches whose time was over before they could be sent.
#include <optional>
#include <string>
#include <vector>

#include "client/internal/produce_core_fixture.h"
#include "client/internal/rpc_error.h"

namespace cordwood::client {
namespace {

class ProduceExpiryTest : public ProduceCoreTest {
 protected:
  // As a batch is that lingered for so long before it was built.
  void EnqueueAged(const std::string& name, absl::Duration age) {
    now_ -= age;
    Enqueue(name);
    now_ += age;
  }
};

TEST_F(ProduceExpiryTest, ABatchThatLingeredUntilItsTimeWasOverIsNotSent) {
  Open();
  EnqueueAged("late", absl::Seconds(120));
  EnqueueAged("in_time", absl::Seconds(119));
  SendAll();
  Collect();
  EXPECT_EQ(outcome_, "REQUEST_TIMED_OUTx1");
  EXPECT_EQ(words_, "could not be sent within the delivery timeout");
  AnswerAll();
  EXPECT_EQ(outcome_, "REQUEST_TIMED_OUTx1 @0x1");
  EXPECT_EQ(logs_[0].values, (std::vector<std::string>{"in_time0"}));
  EXPECT_TRUE(core_.idle());
}

TEST_F(ProduceExpiryTest, BehindABatchInFlightItIsNotSentAndFailsInItsTurn) {
  Open();
  Enqueue("first");
  SendAll();
  EnqueueAged("late", absl::Seconds(120));
  SendAll();
  Collect();
  EXPECT_EQ(outcome_, "");
  AnswerAll();
  SendAll();
  Collect();
  EXPECT_EQ(outcome_, "@0x1 REQUEST_TIMED_OUTx1");
  EXPECT_EQ(logs_[0].values, (std::vector<std::string>{"first0"}));
}

TEST_F(ProduceExpiryTest, OnlyWhatNoStreamTookIsCertainNotToBeInTheLog) {
  Open();
  Enqueue("sent");
  SendAll();
  Enqueue("unsent");
  const auto seen = [this](const std::optional<Status>& status) {
    core_.FailAll(status);
    std::string certain;
    for (const Completion& completion : core_.TakeCompletions()) certain += IsNeverSent(completion.status) ? "never sent " : "unknown ";
    return certain;
  };
  EXPECT_EQ(seen(std::nullopt), "unknown never sent ");
  Enqueue("sent");
  SendAll();
  Enqueue("unsent");
  EXPECT_EQ(seen(absl::UnauthenticatedError("go away")), "unknown never sent ");
}

}  // namespace
}  // namespace cordwood::client
