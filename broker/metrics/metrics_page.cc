// SPDX-License-Identifier: Apache-2.0
// Nothing is kept between two scrapes but what the sources keep.
#include "broker/metrics/metrics_page.h"

#include <utility>

namespace cordwood::broker {

void MetricsPage::Add(Source source) {
  MutexLock lock(mu_);
  sources_.push_back(std::move(source));
}

void MetricsPage::Close() {
  MutexLock lock(mu_);
  sources_.clear();
}

std::string MetricsPage::Text() {
  MutexLock lock(mu_);
  Families families;
  for (const Source& source : sources_) source(families);
  return families.Text();
}

}  // namespace cordwood::broker
