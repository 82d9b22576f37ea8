// SPDX-License-Identifier: Apache-2.0
// The page of metrics: asks every source, in order, and gives the text.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "broker/metrics/families.h"
#include "storage/base/mutex.h"

namespace cordwood::broker {

// Threading: safe from any thread that may do I/O; one scrape after the other.
class MetricsPage {
 public:
  using Source = std::function<void(Families&)>;
  void Add(Source source);
  std::string Text();  // empty after Close()
  void Close();        // waits for a scrape under way; then no source is asked any more

 private:
  Mutex mu_;  // held for a scrape: sources may remember things from one to the next
  std::vector<Source> sources_ ABSL_GUARDED_BY(mu_);
};

}  // namespace cordwood::broker
