// SPDX-License-Identifier: Apache-2.0
// The floor of a latency: one message at a time at a fixed rate, written to a file and answered, with nothing else between.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace cordwood::testing {

struct ExchangeOptions {
  std::string directory;
  double seconds = 0;
  double per_second = 0;
  std::size_t message_bytes = 1024;
  bool sync = false;  // one fdatasync before what came together is answered
};

// Latencies in milliseconds from the time at which each message was to be sent, of those after the first tenth of the time. The answering side is a
// process of its own, as a broker is; the asking one has a thread that sends and one that reads the answers.
std::vector<double> Exchange(const ExchangeOptions& options);

}  // namespace cordwood::testing
