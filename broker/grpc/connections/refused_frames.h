// SPDX-License-Identifier: Apache-2.0
// The little of HTTP/2 that tells a client why it is not served: each call is answered RESOURCE_EXHAUSTED with its reason, then GOAWAY says the same.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace cordwood::broker {

inline constexpr std::int64_t kRefusedRetryAfterMs = 1000;

// A server's first frame.
std::string RefusalOpening();
std::string SettingsTaken();
// The whole answer to a call: headers that end it, THROTTLED and `why` in grpc-status-details-bin. `why` is printable ASCII without '%'.
std::string RefusedCall(std::uint32_t stream, std::string_view why);
// ENHANCE_YOUR_CALM with `why` as debug data.
std::string RefusalEnd(std::uint32_t last_stream, std::string_view why);

// Which calls a client begins: its frames without their payloads.
class CallFrames {
 public:
  struct Seen {
    std::vector<std::uint32_t> calls;  // their stream numbers
    bool settings = false;             // that want an acknowledgement
  };
  Seen Feed(std::string_view bytes);

 private:
  std::size_t skip_ = 24;  // of the preface, then of a frame's payload
  std::string header_;     // of the next frame, as far as it has come
};

}  // namespace cordwood::broker
