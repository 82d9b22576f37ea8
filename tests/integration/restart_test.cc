// SPDX-License-Identifier: Apache-2.0
// What a stopped, a killed and a busy broker leaves behind.
#include <signal.h>

#include <atomic>
#include <thread>

#include "tests/integration/broker_fixture.h"
#include "tests/support/raw_wire.h"

namespace cordwood::testing {
namespace {

class RestartTest : public BrokerTest {
 protected:
  // Appends "N.0 N.1 …" to partition N of "t" until the broker is gone; counts what was acknowledged.
  void Produce(int partition) {
    const LogClient own(broker_->address());
    for (int i = 0;; ++i) {
      const auto base = own.ProduceRecords("t", partition, {std::to_string(partition) + "." + std::to_string(i)});
      if (!base.ok()) {
        if (!stopping_) ADD_FAILURE() << "partition " << partition << ", append " << i << ": " << base.status();
        return;
      }
      ++acknowledged_[partition];
    }
  }
  void RunProducers() {
    for (int p = 0; p < kProducers; ++p) threads_.emplace_back([this, p] { Produce(p); });
    ASSERT_TRUE(WaitUntil([this] {
      for (const auto& count : acknowledged_) {
        if (count < 20) return false;
      }
      return true;
    }));
    stopping_ = true;
  }
  void JoinProducers() {
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }
  // Everything acknowledged, in order, once; at most the one append in flight besides.
  void ExpectAllAcknowledged() {
    for (int p = 0; p < kProducers; ++p) {
      const auto records = client().FetchAll("t", p);
      ASSERT_TRUE(records.ok()) << records.status();
      const int found = static_cast<int>(records->size());
      EXPECT_TRUE(found == acknowledged_[p] || found == acknowledged_[p] + 1) << found << " of " << acknowledged_[p];
      for (int i = 0; i < found; ++i) ASSERT_EQ((*records)[i].value(), std::to_string(p) + "." + std::to_string(i));
    }
  }
  static constexpr int kProducers = 4;
  std::atomic<int> acknowledged_[kProducers] = {};
  std::atomic<bool> stopping_{false};  // from here on an append may fail
  std::vector<std::thread> threads_;
};

TEST_F(RestartTest, EverythingIsBackAfterSigterm) {
  CreateTopic("os", 2, {{"durability", "os"}});
  CreateTopic("fsync", 2);
  Append("os", {"a", "b"}, 0);
  Append("fsync", {"c"}, 1);
  Restart();
  EXPECT_EQ(Values("os", 0) + "|" + Values("fsync", 1), "a b|c");
  EXPECT_EQ(Append("os", {"d"}, 0), 2);
}

TEST_F(RestartTest, EverythingAcknowledgedIsBackAfterKill9) {
  CreateTopic("os", 2, {{"durability", "os"}});
  CreateTopic("fsync", 2);
  Append("os", {"a", "b"}, 0);
  Append("fsync", {"c"}, 1);
  KillAndRestart();
  EXPECT_EQ(Values("os", 0) + "|" + Values("fsync", 1), "a b|c");
  EXPECT_EQ(Append("os", {"d"}, 0), 2);
  EXPECT_EQ(Append("fsync", {"e"}, 1), 1);
}

TEST_F(RestartTest, SigtermUnderLoadExitsWithZeroInTimeAndLosesNothing) {
  CreateTopic("t", kProducers);
  RunProducers();
  const absl::Time begin = absl::Now();
  EXPECT_EQ(broker_->Terminate(), 0);
  EXPECT_LT(absl::Now() - begin, absl::Seconds(10));
  JoinProducers();
  Start();
  ExpectAllAcknowledged();
}

TEST_F(RestartTest, Kill9UnderLoadLosesNothingAcknowledged) {
  CreateTopic("t", kProducers, {{"durability", "os"}});
  RunProducers();
  broker_->Kill9();
  JoinProducers();
  Start();
  ExpectAllAcknowledged();
}

TEST_F(RestartTest, SigtermEndsIdleStreamsAndWaitingFetches) {
  CreateTopic("t");
  FetchStream idle(client());
  v1::FetchRequest set = FetchFrom("t", 0, 0);
  set.set_add_credit_bytes(1 << 20);
  ASSERT_TRUE(idle.Send(set));
  std::thread waiting([this] {
    v1::FetchRequest wait = FetchFrom("t", 0, 0);
    wait.set_min_bytes(1);
    wait.set_max_wait_ms(60'000);
    (void)client().Fetch(wait);
  });
  EXPECT_EQ(broker_->Terminate(absl::Seconds(10)), 0);
  waiting.join();
}

TEST_F(RestartTest, ASecondSigtermDoesNoHarm) {
  broker_->Interrupt(SIGTERM);
  EXPECT_EQ(broker_->Terminate(absl::Seconds(10)), 0);
}

TEST_F(RestartTest, SigintStopsItToo) {
  broker_->Interrupt(SIGINT);
  EXPECT_EQ(broker_->Await(absl::Seconds(10)), 0);
}

TEST_F(RestartTest, APausedBrokerGoesOnWhereItWas) {
  CreateTopic("t");
  Append("t", {"a"});
  broker_->Pause();
  std::thread producer([this] { Append("t", {"b"}); });
  broker_->Continue();
  producer.join();
  EXPECT_EQ(Values("t"), "a b");
}

TEST_F(RestartTest, ClientsThatVanishLeaveNothingBehind) {
  CreateTopic("t");
  for (int i = 0; i < 100; ++i) {
    const LogClient brief(broker_->address());
    FetchStream stream(brief);
    v1::FetchRequest set = FetchFrom("t", 0, 0);
    set.set_add_credit_bytes(1 << 20);
    ASSERT_TRUE(stream.Send(set));
  }
  EXPECT_EQ(Append("t", {"a"}), 0);
  EXPECT_EQ(broker_->Terminate(absl::Seconds(10)), 0);
}

}  // namespace
}  // namespace cordwood::testing
