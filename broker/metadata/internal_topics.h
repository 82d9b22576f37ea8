// SPDX-License-Identifier: Apache-2.0
// Topics that the broker makes and writes itself.
#pragma once

#include <string>
#include <string_view>

#include "storage/base/reason.h"

namespace cordwood::broker {

inline constexpr char kOffsetsTopic[] = "__consumer_offsets";  // the state of consumer groups

// Only the broker makes, writes, trims, grows, configures and deletes these; anybody may read them. INVALID_TOPIC_EXCEPTION.
inline Status CheckNotInternal(std::string_view topic) {
  if (topic != kOffsetsTopic) return absl::OkStatus();
  return Error(Reason::kInvalidTopic, std::string(topic) + " belongs to the coordinator of consumer groups: it can be read, and nothing else");
}

}  // namespace cordwood::broker
