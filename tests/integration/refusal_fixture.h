// SPDX-License-Identifier: Apache-2.0
// Bad input against a log that must stay as it is; and the table of what users read.
#pragma once

#include <string>
#include <string_view>

#include "tests/integration/broker_fixture.h"

namespace cordwood::testing {

// One line of the table that `integration_test --print` shows: what was sent, the reason, the text.
void ShowRefusal(std::string_view what, const Status& status);

// Topic "orders" (one partition, values a b c, of which nothing may change) and "parcels" (two partitions, empty).
class RefusalTest : public BrokerTest {
 protected:
  void SetUp() override {
    BrokerTest::SetUp();
    CreateTopic("orders");
    CreateTopic("parcels", 2);
    Append("orders", {"a", "b", "c"});
  }
  void TearDown() override {
    if (broker_ != nullptr) {
      EXPECT_EQ(Values("orders"), "a b c") << "a refusal changed the log";
      EXPECT_EQ(LogEnd("orders"), 3);
      EXPECT_EQ(LogEnd("parcels", 0) + LogEnd("parcels", 1), 0);
    }
    BrokerTest::TearDown();
  }

  // `parts` must all occur in the text.
  void ExpectRefused(std::string_view what, const Status& status, Reason reason, const std::vector<std::string>& parts = {}) {
    ShowRefusal(what, status);
    EXPECT_EQ(ReasonOf(status), reason) << what << ": " << status;
    EXPECT_EQ(status.code(), CodeOf(reason)) << what << ": " << status;
    for (const std::string& part : parts) EXPECT_NE(MessageOf(status).find(part), std::string::npos) << what << ": \"" << part << "\" not in " << status;
  }
  void ExpectBatchRefused(std::string_view what, const std::string& batch, Reason reason, const std::vector<std::string>& parts = {}) {
    ExpectRefused(what, client().ProduceBatches("orders", 0, batch).status(), reason, parts);
  }
  void ExpectProduceRefused(std::string_view what, const v1::ProduceRequest& request, Reason reason, const std::vector<std::string>& parts = {}) {
    ExpectRefused(what, client().Produce(request).status(), reason, parts);
  }
};

}  // namespace cordwood::testing
