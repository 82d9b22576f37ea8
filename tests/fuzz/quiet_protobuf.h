// SPDX-License-Identifier: Apache-2.0
// For targets that parse messages from any bytes.
#pragma once

#include <google/protobuf/stubs/logging.h>

namespace cordwood::testing {

// As in the broker: protobuf would print a line for every string that is not UTF-8.
inline void QuietProtobuf() {
  static const auto before = google::protobuf::SetLogHandler(nullptr);
  static_cast<void>(before);
}

}  // namespace cordwood::testing
