// SPDX-License-Identifier: Apache-2.0
// Blocks of fragments: masked crc32c u32 over type and payload, length u16, type u8, payload; little-endian. A block's last bytes that
// hold no header are zero.
#include "storage/log/manifest_tail.h"

#include <algorithm>
#include <cstdint>

#include "storage/base/crc32c.h"
#include "storage/log/log_fragments.h"

namespace cordwood {
namespace {

constexpr std::uint32_t kMaskDelta = 0xA282EAD8;
enum FragmentType : std::uint8_t { kFull = 1, kFirst = 2, kMiddle = 3, kLast = 4 };

std::uint32_t Byte(std::string_view bytes, std::size_t at) { return static_cast<std::uint8_t>(bytes[at]); }

struct Fragment {
  std::size_t end = 0;
  std::uint32_t type = 0;
};

// The whole fragment that begins at `at`; nullopt: cut, torn, zeros or damaged.
std::optional<Fragment> FragmentAt(std::string_view manifest, std::size_t at) {
  if (at + kLogHeaderBytes > manifest.size()) return std::nullopt;
  const std::size_t length = Byte(manifest, at + 4) | Byte(manifest, at + 5) << 8;
  const std::uint32_t type = Byte(manifest, at + 6);
  const std::size_t end = at + kLogHeaderBytes + length;
  if (type < kFull || type > kLast || end > std::min(manifest.size(), (at / kLogBlockBytes + 1) * kLogBlockBytes)) return std::nullopt;
  const std::uint32_t crc = Crc32c(manifest.substr(at + 6, 1 + length));
  const std::uint32_t masked = (crc >> 15 | crc << 17) + kMaskDelta;
  const std::uint32_t stored = Byte(manifest, at) | Byte(manifest, at + 1) << 8 | Byte(manifest, at + 2) << 16 | Byte(manifest, at + 3) << 24;
  if (masked != stored) return std::nullopt;
  return Fragment{end, type};
}

}  // namespace

std::optional<std::size_t> TornManifestEnd(std::string_view manifest) {
  std::size_t whole_end = 0;  // of the last whole record
  std::size_t at = 0;
  while (at < manifest.size()) {
    const std::size_t left = kLogBlockBytes - at % kLogBlockBytes;
    if (left < kLogHeaderBytes) {
      at += left;
      continue;
    }
    const std::optional<Fragment> fragment = FragmentAt(manifest, at);
    if (!fragment.has_value()) break;
    at = fragment->end;
    if (fragment->type == kFull || fragment->type == kLast) whole_end = at;
  }
  if (at >= manifest.size() || whole_end == 0) return std::nullopt;
  for (std::size_t behind = at + 1; behind < manifest.size(); ++behind) {
    if (FragmentAt(manifest, behind).has_value()) return std::nullopt;
  }
  return whole_end;
}

}  // namespace cordwood
