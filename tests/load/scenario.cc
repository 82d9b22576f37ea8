// SPDX-License-Identifier: Apache-2.0
#include "tests/load/scenario.h"

#include <cmath>
#include <cstdio>

namespace cordwood::testing {

std::string Outcome::Line(const std::string& scenario) const {
  std::string verdict = ok() ? "ok" : "FAILED:";
  for (const std::string& fault : faults_) verdict += " " + fault + ";";
  return "| " + scenario + " | " + done_ + " | " + figures_ + " | " + verdict + " |";
}

std::string Number(double value, int digits) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

std::string Bytes(double bytes) { return std::abs(bytes) >= 1e6 ? Number(bytes / 1e6, 1) + " MB" : Number(bytes / 1e3, 1) + " KB"; }

StatusOr<std::unique_ptr<Ground>> Ground::Open(const std::vector<std::string>& settings) {
  auto ground = std::make_unique<Ground>();
  BrokerOptions options;
  options.data_dir = ground->files_.Sub("data");
  options.settings = settings;
  options.settings.push_back("num.network.threads=1");  // what scenarios allow a broker to hold is that of one
  CORDWOOD_ASSIGN_OR_RETURN(ground->broker_, BrokerProcess::Start(options));
  ground->client_ = std::make_unique<LogClient>(ground->address());
  return ground;
}

}  // namespace cordwood::testing
