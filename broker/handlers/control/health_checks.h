// SPDX-License-Identifier: Apache-2.0
// Is the broker alive, and is it ready? One answer for HTTP and gRPC.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "storage/base/reason.h"

namespace cordwood::broker {

// Threading: Add… before anyone asks; Live and Ready from any thread.
class HealthChecks {
 public:
  struct Outcome {
    std::string name;
    Status status;
  };

  // A probe of life may block for a second; one of readiness never blocks.
  void AddLive(std::string name, std::function<Status()> probe) { live_.push_back({std::move(name), std::move(probe)}); }
  void AddReady(std::string name, std::function<Status()> probe) { ready_.push_back({std::move(name), std::move(probe)}); }

  std::vector<Outcome> Live() const { return Run(live_); }
  std::vector<Outcome> Ready() const { return Run(ready_); }

  static bool Passed(const std::vector<Outcome>& outcomes) {
    for (const Outcome& outcome : outcomes) {
      if (!outcome.status.ok()) return false;
    }
    return true;
  }

 private:
  struct Check {
    std::string name;
    std::function<Status()> probe;
  };
  static std::vector<Outcome> Run(const std::vector<Check>& checks) {
    std::vector<Outcome> outcomes;
    for (const Check& check : checks) outcomes.push_back({check.name, check.probe()});
    return outcomes;
  }

  std::vector<Check> live_;
  std::vector<Check> ready_;
};

}  // namespace cordwood::broker
