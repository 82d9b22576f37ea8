// SPDX-License-Identifier: Apache-2.0
// The page of metrics: asks every source, in order, and gives the text.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "broker/metrics/families.h"
#include "storage/base/mutex.h"

namespace cordwood::broker {

// Threading: safe from any thread that may do I/O; one scrape after the other.
class MetricsPage {
 public:
  using Source = std::function<void(Families&)>;
  void Add(Source source) { Append({std::move(source), false}); }
  void AddWithLimits(Source source) { Append({std::move(source), true}); }
  std::string Text();  // empty after Close()
  std::vector<LimitUse> Limits();  // of the sources that have some; the others are not asked
  void Close();        // waits for a scrape under way; then no source is asked any more

 private:
  struct Entry {
    Source source;
    bool has_limits;
  };
  void Append(Entry entry);

  Mutex mu_;  // held for a scrape: sources may remember things from one to the next
  std::vector<Entry> sources_ ABSL_GUARDED_BY(mu_);
};

}  // namespace cordwood::broker
