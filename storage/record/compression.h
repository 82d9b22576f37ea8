// SPDX-License-Identifier: Apache-2.0
// The four codecs of a record batch, with Kafka's framing (kafka-protocol: gzip member, xerial or raw snappy, LZ4 frame, zstd frame).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "storage/base/reason.h"

namespace cordwood {

// persisted (attributes bits 0-2): never renumber
enum class Codec : std::uint8_t { kNone = 0, kGzip = 1, kSnappy = 2, kLz4 = 3, kZstd = 4 };

std::string_view CodecName(Codec codec);                     // "none", "gzip", "snappy", "lz4", "zstd"
bool CodecFromName(std::string_view name, Codec* codec);

// Appends the compressed form of `plain` to `out`. kNone copies. Thread-safe.
Status Compress(Codec codec, std::string_view plain, std::string* out);

// Decompresses a whole frame. Never writes more than `plain_max` bytes: a frame that would, or that is cut, damaged or
// followed by further bytes, is CORRUPT_MESSAGE. Snappy takes both xerial and raw framing. Thread-safe.
StatusOr<std::string> Decompress(Codec codec, std::string_view compressed, std::size_t plain_max);

}  // namespace cordwood
