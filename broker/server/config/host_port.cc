// SPDX-License-Identifier: Apache-2.0
// Addresses are the C library's to judge.
#include "broker/server/config/host_port.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <system_error>

namespace cordwood::broker {
namespace {

// Also of an IPv4 address.
bool IsHostName(std::string_view host) {
  return !host.empty() && std::all_of(host.begin(), host.end(), [](unsigned char c) { return std::isalnum(c) != 0 || c == '.' || c == '-' || c == '_'; });
}

// Perhaps with a zone, as in fe80::1%eth0.
bool IsIpv6(std::string_view host) {
  const std::size_t percent = host.find('%');
  if (percent != std::string_view::npos && !IsHostName(host.substr(percent + 1))) return false;
  in6_addr address;
  return inet_pton(AF_INET6, std::string(host.substr(0, percent)).c_str(), &address) == 1;
}

}  // namespace

std::string HostPort::ToString() const {
  const bool brackets = host.find(':') != std::string::npos;
  return (brackets ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

std::optional<HostPort> ParseHostPort(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  const std::string_view digits = text.substr(colon + 1);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
    if (!IsIpv6(host)) return std::nullopt;
  } else if (!IsHostName(host)) {
    return std::nullopt;
  }
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return HostPort{std::string(host), port};
}

bool IsLoopback(std::string_view host) {
  const std::string address(host);
  in_addr ip4;
  if (inet_pton(AF_INET, address.c_str(), &ip4) == 1) return ntohl(ip4.s_addr) >> 24 == IN_LOOPBACKNET;
  in6_addr ip6;
  if (inet_pton(AF_INET6, address.c_str(), &ip6) == 1) return IN6_IS_ADDR_LOOPBACK(&ip6);
  return host == "localhost";
}

}  // namespace cordwood::broker
