// SPDX-License-Identifier: Apache-2.0
// Making, reading and printing 16-byte ids.
#include "storage/base/ids.h"

#include <sys/random.h>

#include <cerrno>

#include "storage/base/check.h"

namespace cordwood {

Uuid Uuid::Random() {
  Uuid uuid;
  ssize_t got;
  do {
    got = getrandom(uuid.bytes.data(), uuid.bytes.size(), 0);
  } while (got < 0 && errno == EINTR);
  CORDWOOD_CHECK(got == static_cast<ssize_t>(uuid.bytes.size()));  // the kernel never gives fewer than asked up to 256 bytes
  uuid.bytes[6] = static_cast<std::uint8_t>((uuid.bytes[6] & 0x0F) | 0x40);  // version 4
  uuid.bytes[8] = static_cast<std::uint8_t>((uuid.bytes[8] & 0x3F) | 0x80);  // RFC 4122 variant
  return uuid;
}

bool Uuid::FromBytes(std::string_view raw, Uuid* out) {
  if (raw.size() != out->bytes.size()) return false;
  std::memcpy(out->bytes.data(), raw.data(), raw.size());
  return true;
}

std::string Uuid::ToString() const {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string text;
  text.reserve(36);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text.push_back('-');
    text.push_back(kHex[bytes[i] >> 4]);
    text.push_back(kHex[bytes[i] & 0x0F]);
  }
  return text;
}

}  // namespace cordwood
