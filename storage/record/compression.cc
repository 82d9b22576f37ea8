// SPDX-License-Identifier: Apache-2.0
// Chooses the codec; holds the bounded output that all of them share.
#include "storage/record/compression.h"

#include <algorithm>
#include <cstdint>

#include "storage/base/check.h"
#include "storage/record/codecs.h"

namespace cordwood {
namespace {

constexpr Codec kCodecs[] = {Codec::kNone, Codec::kGzip, Codec::kSnappy, Codec::kLz4, Codec::kZstd};
constexpr std::size_t kFrameBytesMax = INT32_MAX;  // what a batch's length can say; also keeps the libraries' ints safe

}  // namespace

std::string_view CodecName(Codec codec) {
  switch (codec) {
    case Codec::kNone: return "none";
    case Codec::kGzip: return "gzip";
    case Codec::kSnappy: return "snappy";
    case Codec::kLz4: return "lz4";
    case Codec::kZstd: return "zstd";
  }
  return "unknown";
}

bool CodecFromName(std::string_view name, Codec* codec) {
  for (const Codec candidate : kCodecs) {
    if (CodecName(candidate) != name) continue;
    *codec = candidate;
    return true;
  }
  return false;
}

Status Compress(Codec codec, std::string_view plain, std::string* out) {
  if (plain.size() > kFrameBytesMax) return Error(Reason::kRecordListTooLarge, "more than 2 GiB in one batch");
  switch (codec) {
    case Codec::kNone: out->append(plain); return absl::OkStatus();
    case Codec::kGzip: return CompressGzip(plain, out);
    case Codec::kSnappy: return CompressSnappy(plain, out);
    case Codec::kLz4: return CompressLz4(plain, out);
    case Codec::kZstd: return CompressZstd(plain, out);
  }
  return Error(Reason::kUnsupportedCompression, "no such codec");
}

StatusOr<std::string> Decompress(Codec codec, std::string_view compressed, std::size_t plain_max) {
  if (compressed.size() > kFrameBytesMax) return FrameTooLarge(CodecName(codec), kFrameBytesMax);
  switch (codec) {
    case Codec::kNone:
      if (compressed.size() > plain_max) return FrameTooLarge(CodecName(codec), plain_max);
      return std::string(compressed);
    case Codec::kGzip: return DecompressGzip(compressed, plain_max);
    case Codec::kSnappy: return DecompressSnappy(compressed, plain_max);
    case Codec::kLz4: return DecompressLz4(compressed, plain_max);
    case Codec::kZstd: return DecompressZstd(compressed, plain_max);
  }
  return Error(Reason::kUnsupportedCompression, "no such codec");
}

Status CorruptFrame(std::string_view codec, std::string_view what) {
  return Error(Reason::kCorruptMessage, std::string(codec).append(": ").append(what));
}

Status FrameTooLarge(std::string_view codec, std::size_t plain_max) {
  return CorruptFrame(codec, "holds more than " + std::to_string(plain_max) + " bytes");
}

BoundedOutput::BoundedOutput(std::size_t plain_max, std::size_t first_piece) : plain_max_(plain_max) {
  plain_.resize(std::min(plain_max, first_piece));
}

char* BoundedOutput::next() {
  if (full()) return &scratch_;
  if (size_ == plain_.size()) plain_.resize(std::min(plain_max_, std::max<std::size_t>(4096, 2 * size_)));
  return plain_.data() + size_;
}

std::size_t BoundedOutput::room() {
  next();
  return full() ? 1 : plain_.size() - size_;
}

bool BoundedOutput::Wrote(std::size_t n) {
  if (full()) return n == 0;
  size_ += n;
  CORDWOOD_CHECK(size_ <= plain_.size());
  return true;
}

std::string BoundedOutput::Take() && {
  plain_.resize(size_);
  return std::move(plain_);
}

}  // namespace cordwood
