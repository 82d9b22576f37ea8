// SPDX-License-Identifier: Apache-2.0
// snappy: written as Kafka's Java client does, in the xerial stream of blocks; read in that or in the raw form of other clients.
//
//     xerial: 82 'SNAPPY' 00 | version i32 = 1 | compatible i32 = 1 | { block length i32 | raw snappy block }*
#include <snappy.h>

#include <cstdint>

#include "storage/base/coding.h"
#include "storage/record/codecs.h"

namespace cordwood {
namespace {

constexpr std::string_view kXerialMagic("\x82SNAPPY\0", 8);
constexpr std::int32_t kXerialVersion = 1;
constexpr std::size_t kXerialHeaderBytes = 16;
constexpr std::size_t kBlockBytes = 32 * 1024;
// A snappy element of 3 bytes yields at most 64, so a block cannot hold more than this many times its size.
constexpr std::size_t kRatioMax = 22;

// Appends one raw block to `*plain`, which may then hold at most plain_max bytes.
Status AppendBlock(std::string_view block, std::size_t plain_max, std::string* plain) {
  std::size_t claimed = 0;
  if (!snappy::GetUncompressedLength(block.data(), block.size(), &claimed)) return CorruptFrame("snappy", "cut");
  if (claimed > plain_max - plain->size()) return FrameTooLarge("snappy", plain_max);
  if (claimed > kRatioMax * block.size()) return CorruptFrame("snappy", "claims more than it can hold");
  const std::size_t before = plain->size();
  plain->resize(before + claimed);
  if (!snappy::RawUncompress(block.data(), block.size(), plain->data() + before)) return CorruptFrame("snappy", "damaged");
  return absl::OkStatus();
}

}  // namespace

Status CompressSnappy(std::string_view plain, std::string* out) {
  out->append(kXerialMagic);
  AppendBigEndian(out, kXerialVersion);
  AppendBigEndian(out, kXerialVersion);
  while (!plain.empty()) {
    const std::string_view block = plain.substr(0, kBlockBytes);
    plain.remove_prefix(block.size());
    const std::size_t before = out->size();
    out->resize(before + sizeof(std::int32_t) + snappy::MaxCompressedLength(block.size()));
    std::size_t written = 0;
    snappy::RawCompress(block.data(), block.size(), out->data() + before + sizeof(std::int32_t), &written);
    StoreBigEndian(out->data() + before, static_cast<std::int32_t>(written));
    out->resize(before + sizeof(std::int32_t) + written);
  }
  return absl::OkStatus();
}

StatusOr<std::string> DecompressSnappy(std::string_view compressed, std::size_t plain_max) {
  std::string plain;
  if (compressed.substr(0, kXerialMagic.size()) != kXerialMagic) {
    CORDWOOD_RETURN_IF_ERROR(AppendBlock(compressed, plain_max, &plain));
    return plain;
  }
  if (compressed.size() < kXerialHeaderBytes) return CorruptFrame("snappy", "cut");
  ByteReader in(compressed.substr(kXerialHeaderBytes));  // both versions are of no consequence: there was only ever one
  while (!in.rest().empty()) {
    const std::int32_t length = in.Read<std::int32_t>();
    if (in.ok() && length < 0) return CorruptFrame("snappy", "negative block length");
    const std::string_view block = in.ReadBytes(static_cast<std::size_t>(length));
    if (!in.ok()) return CorruptFrame("snappy", "cut");
    CORDWOOD_RETURN_IF_ERROR(AppendBlock(block, plain_max, &plain));
  }
  if (!in.ok()) return CorruptFrame("snappy", "cut");
  return plain;
}

}  // namespace cordwood
