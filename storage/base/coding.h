// SPDX-License-Identifier: Apache-2.0
// Big-endian integers, and a reader that cannot run past its end.
#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>

namespace cordwood {

template <std::integral T>
T ToBigEndian(T value) {
  using U = std::make_unsigned_t<T>;
  U u = static_cast<U>(value);
  if constexpr (sizeof(T) == 2) u = __builtin_bswap16(u);
  if constexpr (sizeof(T) == 4) u = __builtin_bswap32(u);
  if constexpr (sizeof(T) == 8) u = __builtin_bswap64(u);
  return static_cast<T>(u);
}

// Writes sizeof(T) bytes at `to`.
template <std::integral T>
void StoreBigEndian(char* to, T value) {
  const T be = ToBigEndian(value);
  std::memcpy(to, &be, sizeof(T));
}

// Reads sizeof(T) bytes at `from`.
template <std::integral T>
T LoadBigEndian(const char* from) {
  T be;
  std::memcpy(&be, from, sizeof(T));
  return ToBigEndian(be);
}

template <std::integral T>
void AppendBigEndian(std::string* to, T value) {
  char bytes[sizeof(T)];
  StoreBigEndian(bytes, value);
  to->append(bytes, sizeof(T));
}

// Reads fields one after another. Once a read asks for more than is left, ok() is false and every further read gives zero.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : rest_(bytes) {}

  template <std::integral T>
  T Read() {
    if (rest_.size() < sizeof(T)) return Fail<T>();
    const T value = LoadBigEndian<T>(rest_.data());
    rest_.remove_prefix(sizeof(T));
    return value;
  }
  std::string_view ReadBytes(std::size_t n) {
    if (rest_.size() < n) return Fail<std::string_view>();
    const std::string_view bytes = rest_.substr(0, n);
    rest_.remove_prefix(n);
    return bytes;
  }
  // Zig-zag varints as in Kafka's records; more than 5 or 10 bytes, or more bits than the type has, is a failure.
  std::int32_t ReadVarint() {
    const std::uint32_t u = ReadShortVarint();
    if (u == kNotShort) return ReadVarintSlow();
    return static_cast<std::int32_t>((u >> 1) ^ (~(u & 1) + 1));
  }
  std::int64_t ReadVarlong() {
    const std::uint32_t u = ReadShortVarint();
    if (u == kNotShort) return ReadVarlongSlow();
    return static_cast<std::int32_t>((u >> 1) ^ (~(u & 1) + 1));
  }

  bool ok() const { return ok_; }
  bool done() const { return ok_ && rest_.empty(); }
  std::string_view rest() const { return rest_; }

 private:
  static constexpr std::uint32_t kNotShort = 0xFFFF'FFFF;

  // Nearly every number in a record fits one or two bytes; those are read inline, still zig-zagged.
  std::uint32_t ReadShortVarint() {
    if (rest_.size() < 2) return kNotShort;
    const std::uint32_t first = static_cast<unsigned char>(rest_[0]);
    if (first < 0x80) {
      rest_.remove_prefix(1);
      return first;
    }
    const std::uint32_t second = static_cast<unsigned char>(rest_[1]);
    if (second >= 0x80) return kNotShort;
    rest_.remove_prefix(2);
    return (first & 0x7F) | (second << 7);
  }
  std::int32_t ReadVarintSlow();
  std::int64_t ReadVarlongSlow();

  template <class T>
  T Fail() {
    ok_ = false;
    rest_ = {};
    return T{};
  }
  std::string_view rest_;
  bool ok_ = true;
};

inline constexpr std::size_t kVarintBytesMax = 5;
inline constexpr std::size_t kVarlongBytesMax = 10;

// Writes at most kVarlongBytesMax bytes at `to` and returns the end. An int32 takes as many as a varint would.
char* StoreVarlong(char* to, std::int64_t value);
void AppendVarint(std::string* to, std::int32_t value);
void AppendVarlong(std::string* to, std::int64_t value);
// Bytes that AppendVarlong would write, 1 to 10.
std::size_t VarlongSize(std::int64_t value);

}  // namespace cordwood
