// SPDX-License-Identifier: Apache-2.0
// A broker that keeps its port when it is started again, a client of the public library, and a count of outcomes.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cordwood/client.h"
#include "storage/base/mutex.h"
#include "tests/integration/broker_fixture.h"

namespace cordwood::testing {

using std::chrono::milliseconds;

// What a call may take beyond its own deadline on a machine that is busy with other things.
inline constexpr absl::Duration kSlack = absl::Seconds(8);

// What became of each record, by its value. Threading: any thread.
class Outcomes {
 public:
  DeliveryCallback Of(const std::string& value) {
    {
      MutexLock lock(mu_);
      runs_[value] += 0;
    }
    return [this, value](const Result<RecordMetadata>& result) {
      MutexLock lock(mu_);
      ++runs_[value];
      acknowledged_ += result.ok() ? 1 : 0;
      if (!result.ok()) failures_.push_back(result.error());
    };
  }
  // Empty, or the records that have not exactly one outcome.
  std::string Wrong() const {
    MutexLock lock(mu_);
    std::string wrong;
    for (const auto& [value, runs] : runs_) {
      if (runs != 1) wrong += value + ": " + std::to_string(runs) + " ";
    }
    return wrong;
  }
  std::size_t acknowledged() const {
    MutexLock lock(mu_);
    return acknowledged_;
  }
  std::vector<Failure> failures() const {
    MutexLock lock(mu_);
    return failures_;
  }

 private:
  mutable Mutex mu_;
  std::map<std::string, int> runs_ ABSL_GUARDED_BY(mu_);
  std::size_t acknowledged_ ABSL_GUARDED_BY(mu_) = 0;
  std::vector<Failure> failures_ ABSL_GUARDED_BY(mu_);
};

class ClientTest : public BrokerTest {
 protected:
  void SetUp() override {
    BrokerTest::SetUp();
    ASSERT_NE(broker_, nullptr);
    options_.listen = broker_->address();
    CreateTopic("t");
  }
  void TearDown() override {
    if (broker_ != nullptr && broker_->pid() > 0) broker_->Continue();
    BrokerTest::TearDown();
  }

  Client Connect() {
    Result<Client> connected = Client::Connect(broker_->address(), client_options_);
    return std::move(connected).value();
  }
  Producer NewProducer() { return std::move(Connect().NewProducer(producer_options_)).value(); }
  static ProducerRecord Value(std::string_view value, std::optional<std::int32_t> partition = 0) {
    return {.value = value, .partition = partition};
  }

  ClientOptions client_options_;
  ProducerOptions producer_options_;
};

// Whether `call` returned within `deadline` and the slack.
template <class Call>
bool InTime(milliseconds deadline, Call call) {
  const absl::Time start = absl::Now();
  call();
  return absl::Now() - start <= absl::FromChrono(deadline) + kSlack;
}

}  // namespace cordwood::testing
