// SPDX-License-Identifier: Apache-2.0
// Where a broker listens or is to be found, as text.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace cordwood::broker {

// HOST:PORT, [IPv6]:PORT. A host is a name (letters, digits, '.', '-', '_') or an address; an IPv6 one may have a %zone.
struct HostPort {
  std::string host;  // without brackets
  std::uint16_t port = 0;
  std::string ToString() const;
};
std::optional<HostPort> ParseHostPort(std::string_view text);
// An address in 127.0.0.0/8, ::1 however it is written, or localhost. Other names are asked of nobody.
bool IsLoopback(std::string_view host);

}  // namespace cordwood::broker
