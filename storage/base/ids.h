// SPDX-License-Identifier: Apache-2.0
// The numbers that name things, one C++ type each, so that an offset cannot pass for an epoch.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <limits>
#include <string>
#include <string_view>
#include <utility>

namespace cordwood {

// An integer with a name. `Ordinal` numbers also have a distance: offset - offset = count, offset + count = offset.
template <class Tag, class T, bool Ordinal = false>
class StrongInt {
 public:
  using value_type = T;
  constexpr StrongInt() = default;
  constexpr explicit StrongInt(T value) : value_(value) {}
  constexpr T value() const { return value_; }
  friend constexpr auto operator<=>(StrongInt, StrongInt) = default;

  friend constexpr StrongInt operator+(StrongInt a, T n) requires Ordinal { return StrongInt(static_cast<T>(a.value_ + n)); }
  friend constexpr StrongInt operator-(StrongInt a, T n) requires Ordinal { return StrongInt(static_cast<T>(a.value_ - n)); }
  friend constexpr T operator-(StrongInt a, StrongInt b) requires Ordinal { return static_cast<T>(a.value_ - b.value_); }

  template <class H>
  friend H AbslHashValue(H h, StrongInt v) { return H::combine(std::move(h), v.value_); }
  friend std::string ToString(StrongInt v) { return std::to_string(v.value_); }

 private:
  T value_{};
};

using Offset = StrongInt<struct OffsetTag, std::int64_t, true>;          // of a record in its partition, from 0
using LeaderEpoch = StrongInt<struct LeaderEpochTag, std::int32_t, true>;  // -1: unknown
using PartitionId = StrongInt<struct PartitionIdTag, std::uint64_t, true>;  // local to one data directory, never reused, from 1
using PartitionIndex = StrongInt<struct PartitionIndexTag, std::int32_t>;   // of a partition in its topic, from 0
using ShardId = StrongInt<struct ShardIdTag, std::uint32_t>;
using BrokerId = StrongInt<struct BrokerIdTag, std::int32_t>;
using ProducerId = StrongInt<struct ProducerIdTag, std::int64_t>;           // -1: not idempotent
using ProducerEpoch = StrongInt<struct ProducerEpochTag, std::int16_t>;     // -1: not idempotent
using Sequence = StrongInt<struct SequenceTag, std::int32_t>;               // of a record of a producer; wraps 2^31-1 -> 0

inline constexpr ProducerId kNoProducerId{-1};
inline constexpr LeaderEpoch kNoLeaderEpoch{-1};
inline constexpr std::int64_t kNoTimestampMs = -1;

// 16 bytes; topic ids, log ids, data directory ids. All zero means "none".
struct Uuid {
  std::array<std::uint8_t, 16> bytes{};

  static Uuid Random();                                   // version 4, from the system's random source; thread-safe
  static bool FromBytes(std::string_view raw, Uuid* out);  // false unless 16 bytes long
  bool is_nil() const { return bytes == std::array<std::uint8_t, 16>{}; }
  std::string_view raw() const { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }
  std::string ToString() const;                            // 8-4-4-4-12 lower-case hex

  friend auto operator<=>(const Uuid&, const Uuid&) = default;
  template <class H>
  friend H AbslHashValue(H h, const Uuid& u) { return H::combine(std::move(h), u.bytes); }
};

using TopicId = Uuid;

}  // namespace cordwood
