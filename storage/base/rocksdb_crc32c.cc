// SPDX-License-Identifier: Apache-2.0
// Takes the place of the shared RocksDB library's CRC-32C in an executable that links this object.
#include <cstddef>
#include <cstdint>

#include "storage/base/crc32c.h"

// The dynamic linker binds librocksdb's own calls to the executable's definition, because the name has default visibility and
// the library was not linked with -Bsymbolic. Signature and meaning of RocksDB 5 to 10 (util/crc32c.h): the CRC of A + data,
// given the CRC of A; 0 for the empty A.
namespace rocksdb::crc32c {

__attribute__((visibility("default"))) std::uint32_t Extend(std::uint32_t crc, const char* bytes, std::size_t n);

std::uint32_t Extend(std::uint32_t crc, const char* bytes, std::size_t n) {
  cordwood::NoteRocksDbCallsOurCrc32c();
  return cordwood::ExtendCrc32c(crc, {bytes, n});
}

}  // namespace rocksdb::crc32c
