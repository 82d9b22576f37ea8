// SPDX-License-Identifier: Apache-2.0
// Zig-zag varints: small numbers of either sign in few bytes, seven bits a byte, lowest first.
#include "storage/base/coding.h"

namespace cordwood {
namespace {

constexpr std::uint64_t ZigZag(std::int64_t value) {
  return (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63);
}
constexpr std::int64_t UnZigZag(std::uint64_t value) {
  return static_cast<std::int64_t>((value >> 1) ^ (~(value & 1) + 1));
}

// Bytes taken from the front of `in`, or 0 if it ends first, takes more than `bytes_max`, or has bits beyond `bits`.
std::size_t DecodeUnsigned(std::string_view in, std::size_t bytes_max, int bits, std::uint64_t* value) {
  std::uint64_t result = 0;
  const std::size_t end = in.size() < bytes_max ? in.size() : bytes_max;
  for (std::size_t i = 0; i < end; ++i) {
    const std::uint64_t byte = static_cast<unsigned char>(in[i]);
    const int shift = static_cast<int>(7 * i);
    if (bits - shift < 7 && ((byte & 0x7F) >> (bits - shift)) != 0) return 0;
    result |= (byte & 0x7F) << shift;
    if ((byte & 0x80) == 0) {
      *value = result;
      return i + 1;
    }
  }
  return 0;
}

}  // namespace

std::int32_t ByteReader::ReadVarintSlow() {
  std::uint64_t value = 0;
  const std::size_t n = DecodeUnsigned(rest_, kVarintBytesMax, 32, &value);
  if (n == 0) return Fail<std::int32_t>();
  rest_.remove_prefix(n);
  return static_cast<std::int32_t>(UnZigZag(value));
}

std::int64_t ByteReader::ReadVarlongSlow() {
  std::uint64_t value = 0;
  const std::size_t n = DecodeUnsigned(rest_, kVarlongBytesMax, 64, &value);
  if (n == 0) return Fail<std::int64_t>();
  rest_.remove_prefix(n);
  return UnZigZag(value);
}

// A varint is a varlong of the same number: both are the shortest form.
void AppendVarint(std::string* to, std::int32_t value) { AppendVarlong(to, value); }

char* StoreVarlong(char* to, std::int64_t value) {
  std::uint64_t u = ZigZag(value);
  for (; u >= 0x80; u >>= 7) *to++ = static_cast<char>(u | 0x80);
  *to++ = static_cast<char>(u);
  return to;
}

void AppendVarlong(std::string* to, std::int64_t value) {
  char bytes[kVarlongBytesMax];
  to->append(bytes, static_cast<std::size_t>(StoreVarlong(bytes, value) - bytes));
}

std::size_t VarlongSize(std::int64_t value) {
  const int bits = 64 - std::countl_zero(ZigZag(value) | 1);
  return static_cast<std::size_t>(bits + 6) / 7;
}

}  // namespace cordwood
