// SPDX-License-Identifier: Apache-2.0
// Nothing is kept between two scrapes but what the sources keep.
#include "broker/metrics/metrics_page.h"

#include <utility>

namespace cordwood::broker {

void MetricsPage::Append(Entry entry) {
  MutexLock lock(mu_);
  sources_.push_back(std::move(entry));
}

void MetricsPage::Close() {
  MutexLock lock(mu_);
  sources_.clear();
}

std::string MetricsPage::Text() {
  MutexLock lock(mu_);
  Families families;
  for (const Entry& entry : sources_) entry.source(families);
  return families.Text();
}

std::vector<LimitUse> MetricsPage::Limits() {
  MutexLock lock(mu_);
  Families families;
  for (const Entry& entry : sources_) {
    if (entry.has_limits) entry.source(families);
  }
  return families.limits();
}

}  // namespace cordwood::broker
