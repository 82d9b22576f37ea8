// SPDX-License-Identifier: Apache-2.0
// One broker over one directory, and a small language to speak with it.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "storage/record/batches_for_test.h"
#include "tests/support/broker_process.h"
#include "tests/support/log_client.h"
#include "tests/support/wait_until.h"

namespace cordwood::testing {

class BrokerTest : public ::testing::Test {
 protected:
  void SetUp() override { Start(); }
  // A clean stop is part of every test; sanitizers report at the end of a process.
  void TearDown() override {
    if (broker_ != nullptr && broker_->pid() > 0) {
      EXPECT_EQ(Stop(), 0);
    }
    if (HasFailure() && broker_ != nullptr) GTEST_LOG_(INFO) << "the broker wrote:\n" << past_logs_ << broker_->Log();
  }

  void Start() {
    BrokerOptions options = options_;
    options.data_dir = data_dir();
    auto started = BrokerProcess::Start(options);
    ASSERT_TRUE(started.ok()) << MessageOf(started.status());
    if (broker_ != nullptr) past_logs_ += broker_->Log();
    broker_ = std::move(*started);
    client_.emplace(broker_->address());
  }
  // SIGTERM, then the exit code. Without our connection: an idle channel hears that the broker goes away only when it is used again, and the broker waits
  // a second for it.
  int Stop() {
    client_.reset();
    return broker_->Terminate();
  }
  void Restart() {
    ASSERT_EQ(Stop(), 0) << broker_->Log();
    Start();
  }
  void KillAndRestart() {
    broker_->Kill9();
    Start();
  }

  std::string data_dir() const { return files_.Sub("data"); }
  const LogClient& client() const { return *client_; }

  void CreateTopic(const std::string& name, int partitions = 1, const std::map<std::string, std::string>& configs = {}) {
    const auto created = client().CreateTopic(name, partitions, configs);
    ASSERT_TRUE(created.ok()) << created.status();
  }
  // Values one to a batch; what the first offset is.
  std::int64_t Append(const std::string& topic, const std::vector<std::string>& values, int partition = 0) {
    const auto base = client().ProduceRecords(topic, partition, values);
    EXPECT_TRUE(base.ok()) << base.status();
    return base.value_or(-1);
  }
  std::string Values(const std::string& topic, int partition = 0, std::int64_t from = 0) { return client().Values(topic, partition, from); }
  std::int64_t LogEnd(const std::string& topic, int partition = 0) { return client().LogEnd(topic, partition).value_or(-1); }

  TempDir files_;
  BrokerOptions options_;  // settings for Start()
  std::unique_ptr<BrokerProcess> broker_;
  std::string past_logs_;  // of brokers before it
  std::optional<LogClient> client_;
};

inline std::int64_t NowMs() { return absl::ToUnixMillis(absl::Now()); }

// A batch of these values with the time of now.
inline std::string Batch(const std::vector<std::string>& values, const ProducerStamp& producer = {}, Codec codec = Codec::kNone) {
  std::vector<RecordView> records;
  for (const std::string& value : values) records.push_back({Offset(0), NowMs(), std::nullopt, value, {}});
  return BuildBatch(records, codec, producer);
}

inline ProducerStamp Stamp(std::int64_t producer, int sequence, int epoch = 0) {
  return {ProducerId(producer), ProducerEpoch(static_cast<std::int16_t>(epoch)), Sequence(sequence)};
}

}  // namespace cordwood::testing
