// SPDX-License-Identifier: Apache-2.0
// Writes and checks the 16 bytes before each stored batch.
#include "storage/log/side_header.h"

#include <cstring>

#include "absl/strings/str_cat.h"
#include "storage/base/coding.h"
#include "storage/base/crc32c.h"

namespace cordwood {
namespace {

constexpr std::uint8_t kFormat = 1;
constexpr std::size_t kCrcAt = 4;
constexpr std::size_t kAppendMsAt = 8;
constexpr std::size_t kBatchBytesCovered = 17;  // base offset, length, leader epoch, magic: what the batch's own CRC leaves out

std::uint32_t CrcOf(const char* value) {
  // Gathered into one piece: a CRC of 29 bytes is cheaper than three of 4, 8 and 17.
  char covered[kCrcAt + 8 + kBatchBytesCovered];
  std::memcpy(covered, value, kCrcAt);
  std::memcpy(covered + kCrcAt, value + kAppendMsAt, 8 + kBatchBytesCovered);
  return Crc32c({covered, sizeof(covered)});
}

}  // namespace

void WriteSideHeader(char* value, const SideHeader& header) {
  std::memset(value, 0, kSideHeaderBytes);
  value[0] = static_cast<char>(kFormat);
  StoreBigEndian(value + kAppendMsAt, header.append_ms);
  StoreBigEndian(value + kCrcAt, CrcOf(value));
}

StatusOr<SideHeader> ReadSideHeader(std::string_view value) {
  if (value.size() < kSideHeaderBytes + kBatchBytesCovered) {
    return Error(Reason::kStorageError, absl::StrCat("stored batch has only ", value.size(), " bytes"));
  }
  const auto format = static_cast<std::uint8_t>(value[0]);
  if (format != kFormat || value[1] != 0 || value[2] != 0 || value[3] != 0) {
    return Error(Reason::kStorageError, absl::StrCat("side header of format ", format, " with flags ", static_cast<std::uint8_t>(value[1]),
                                                     ": damaged, or written by a newer version"));
  }
  const auto stored = LoadBigEndian<std::uint32_t>(value.data() + kCrcAt);
  const std::uint32_t computed = CrcOf(value.data());
  if (stored != computed) {
    return Error(Reason::kStorageError, absl::StrCat("side header CRC is ", absl::Hex(computed, absl::kZeroPad8), ", stored is ",
                                                     absl::Hex(stored, absl::kZeroPad8)));
  }
  return SideHeader{LoadBigEndian<std::int64_t>(value.data() + kAppendMsAt)};
}

}  // namespace cordwood
