// SPDX-License-Identifier: Apache-2.0
// One line of the campaign's table: what was done to a broker, what came of it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "storage/base/reason.h"
#include "tests/support/broker_process.h"
#include "tests/support/log_client.h"
#include "tests/support/temp_dir.h"

namespace cordwood::testing {

// Figures and faults of a run. Threading: one thread.
class Outcome {
 public:
  void Done(const std::string& what) { done_ = what; }
  void Figure(const std::string& name, const std::string& value) { figures_ += (figures_.empty() ? "" : "; ") + name + " " + value; }
  // A figure that must hold: the line is FAILED otherwise, and says why.
  void Require(bool holds, const std::string& what) {
    if (!holds) faults_.push_back(what);
  }
  void Require(const Status& status, const std::string& what) { Require(status.ok(), what + ": " + status.ToString()); }

  bool ok() const { return faults_.empty(); }
  std::string Line(const std::string& scenario) const;  // "| scenario | what was done | figures | ok |"

 private:
  std::string done_;
  std::string figures_;
  std::vector<std::string> faults_;
};

// "12.3 MB", "4.5 KB".
std::string Bytes(double bytes);
std::string Number(double value, int digits = 0);

// A broker of its own for a scenario, and a client of good manners beside whatever happens.
class Ground {
 public:
  // A scenario's topics have durability=os unless it asks otherwise: the disk is not what it is about.
  static StatusOr<std::unique_ptr<Ground>> Open(const std::vector<std::string>& settings = {});
  BrokerProcess& broker() { return *broker_; }
  const LogClient& client() { return *client_; }
  const std::string& address() const { return broker_->address(); }
  Status CreateTopic(const std::string& name, int partitions = 1) { return client_->CreateTopic(name, partitions, {{"durability", "os"}}).status(); }

 private:
  TempDir files_;
  std::unique_ptr<BrokerProcess> broker_;
  std::unique_ptr<LogClient> client_;
};

struct Scenario {
  const char* name;
  // `is_long`: the numbers of the campaign; else a few seconds. An error is a fault like any other.
  std::function<Status(bool is_long, Outcome& outcome)> run;
};

Status WaitingFetches(bool is_long, Outcome& outcome);
Status UnreadAnswers(bool is_long, Outcome& outcome);
Status SlowConsumer(bool is_long, Outcome& outcome);
Status VanishingClients(bool is_long, Outcome& outcome);
Status ReconnectStorm(bool is_long, Outcome& outcome);
Status ManyPartitions(bool is_long, Outcome& outcome);
Status Overload(bool is_long, Outcome& outcome);
Status FullLoadMemory(bool is_long, Outcome& outcome);
Status PausedBroker(bool is_long, Outcome& outcome);

}  // namespace cordwood::testing
