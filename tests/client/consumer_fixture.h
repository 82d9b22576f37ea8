// SPDX-License-Identifier: Apache-2.0
// A consumer and what it reads, as text.
#pragma once

#include <string>
#include <vector>

#include "tests/client/client_fixture.h"

namespace cordwood::testing {

class ConsumerTest : public ClientTest {
 protected:
  Consumer NewConsumer() { return std::move(Connect().NewConsumer(consumer_options_)).value(); }
  static TopicPartition At(std::int32_t partition = 0) { return {"t", partition}; }

  // Polls until `count` records or a failure have come; the values with a blank between, the failure's name in brackets.
  static std::string Read(Consumer& consumer, std::size_t count) {
    std::string values;
    const absl::Time deadline = absl::Now() + kPatience;
    for (std::size_t got = 0; got < count && absl::Now() < deadline;) {
      const auto records = consumer.Poll(milliseconds(50));
      if (!records) return values + "[" + std::string(records.error().name()) + "]";
      got += records->size();
      for (const ConsumerRecord& record : *records) values += std::string(record.value()) + " ";
    }
    return values;
  }
  // Waits until Poll() fails; records on the way are dropped.
  static Failure ReadFailure(Consumer& consumer) {
    const absl::Time deadline = absl::Now() + kPatience;
    while (absl::Now() < deadline) {
      if (const auto records = consumer.Poll(milliseconds(50)); !records) return records.error();
    }
    return Failure(Errc::kNone, "nothing failed");
  }
  // The batches of a partition hold values of `bytes` each, 100 to a batch.
  void Fill(const std::string& topic, int batches, std::size_t bytes, int partition = 0) {
    for (int i = 0; i < batches; ++i) Append(topic, std::vector<std::string>(100, std::string(bytes, 'v')), partition);
  }

  ConsumerOptions consumer_options_;
};

}  // namespace cordwood::testing
