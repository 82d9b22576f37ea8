// SPDX-License-Identifier: Apache-2.0
// What a bench sends, made before the measuring begins.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace cordwood::client {

// Values and keys by number, as views into memory made once: the same for the same arguments on every machine.
// Values repeat after `kPoolBytes` (or 16 values), farther apart than any codec's window within a batch of usual size.
// Threading: const use from any thread.
class Payloads {
 public:
  static constexpr std::size_t kPoolBytes = 16 << 20;

  // size: of a value. compressible: text that zstd makes three to six times smaller, else random bytes. keys: how many; 0: none.
  Payloads(std::size_t size, bool compressible, std::uint64_t keys);

  std::string_view value(std::uint64_t n) const { return std::string_view(values_).substr((n % slots_) * size_, size_); }
  // Spread over all keys as by chance; nullopt without keys.
  std::optional<std::string_view> key(std::uint64_t n) const;
  std::size_t record_bytes() const { return size_ + (key_count_ == 0 ? 0 : kKeyBytes); }  // of a value and a key

 private:
  static constexpr std::size_t kKeyBytes = 12;  // "key-00001234"

  const std::size_t size_;
  const std::size_t slots_;
  const std::uint64_t key_count_;
  std::string values_;
  std::string keys_;
};

}  // namespace cordwood::client
