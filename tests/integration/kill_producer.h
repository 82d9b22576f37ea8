// SPDX-License-Identifier: Apache-2.0
// One idempotent producer that outlives the broker it writes to, and knows what was acknowledged.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "tests/integration/kill_plan.h"
#include "tests/support/log_client.h"

namespace cordwood::testing {

struct Target {
  std::string topic;
  int partition = 0;
  auto operator<=>(const Target&) const = default;
};

// "NAME/COUNTER " and padding; NAME has no '/'.
std::string NumberedValue(const std::string& name, std::int64_t counter, std::size_t padding);
struct ValueName {
  std::string name;
  std::int64_t counter = -1;   // -1: not one of ours
};
ValueName ParseValue(std::string_view value);

// Threading: one thread at a time.
class KillProducer {
 public:
  // What of a producer's records a partition must hold.
  struct Lane {
    std::int64_t made = 0;                     // records 0 to made-1 were sent, perhaps
    std::int64_t acknowledged = 0;             // records 0 to acknowledged-1 were acknowledged
    std::map<std::int64_t, std::int64_t> offsets;  // by counter of a batch's first record, where it was acknowledged
  };

  KillProducer(std::string name, std::vector<Target> targets) : name_(std::move(name)), targets_(std::move(targets)) {}

  const std::string& name() const { return name_; }
  const std::map<Target, Lane>& lanes() const { return lanes_; }
  const std::vector<Status>& refusals() const { return refusals_; }
  std::int64_t acknowledged() const;
  bool idle() const { return pending_.empty(); }

  // Sends what is unanswered again, with the sequences it had, then more, until the broker is gone or `stop` says so; then waits for the answers
  // that are due. With `more` false nothing new is sent.
  template <class Stop>
  void Run(const std::string& address, const ProducerPlan& plan, bool more, Stop stop) {
    const LogClient client(address);
    if (!Begin(client)) return;
    random_.seed(plan.seed);
    plan_ = plan;
    unsent_ = 0;
    const auto next = [&] { return more && !stop(); };
    if (plan.door == Door::kUnary) {
      while (SendNextUnary(client, next()) && !(idle() && !next())) {
      }
      return;
    }
    ProduceStream stream(client);
    while (FillWindow(stream, next) && !idle() && ReadAnswers(stream)) {
    }
  }

 private:
  struct Message {               // one batch to each of some targets
    std::uint64_t seq = 0;
    v1::ProduceRequest request;
    struct Part {
      Target target;
      std::int64_t first = 0;    // counter
      std::int64_t count = 0;
    };
    std::vector<Part> parts;
  };

  bool Begin(const LogClient& client);  // a producer id, the first time
  Message MakeMessage();
  bool SendNextUnary(const LogClient& client, bool more);
  bool ReadAnswers(ProduceStream& stream);
  void Acknowledge(const v1::Done& done);
  template <class Next>
  bool FillWindow(ProduceStream& stream, Next next) {
    while (unsent_ < pending_.size()) {
      if (!stream.Send(pending_[unsent_].request)) return false;
      ++unsent_;
    }
    while (pending_.size() < static_cast<std::size_t>(plan_.window) && next()) {
      pending_.push_back(MakeMessage());
      if (!stream.Send(pending_.back().request)) return false;
      ++unsent_;
    }
    return true;
  }

  const std::string name_;
  const std::vector<Target> targets_;
  std::int64_t producer_id_ = -1;
  std::uint64_t next_seq_ = 1;
  std::map<Target, Lane> lanes_;
  std::deque<Message> pending_;  // sent or to be sent, unanswered, in order; at most 5
  std::size_t unsent_ = 0;       // of pending_, the first that this stream has not sent
  std::vector<Status> refusals_;
  ProducerPlan plan_;
  std::mt19937_64 random_;
};

}  // namespace cordwood::testing
