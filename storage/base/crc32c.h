// SPDX-License-Identifier: Apache-2.0
// CRC-32C (Castagnoli) in hardware, by ISA-L. The check value of "123456789" is 0xE3069283.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace cordwood {

std::uint32_t Crc32c(std::string_view bytes);
// The CRC of a + b, given the CRC of a.
std::uint32_t ExtendCrc32c(std::uint32_t crc, std::string_view bytes);

// True once rocksdb::crc32c::Extend of this executable has been called through our definition (rocksdb_crc32c.cc), which
// an executable gets by linking cordwood::rocksdb_crc32c. Debian's own one computes in software at a tenth of the speed.
bool RocksDbUsesOurCrc32c();
// For rocksdb_crc32c.cc alone.
void NoteRocksDbCallsOurCrc32c();

}  // namespace cordwood
