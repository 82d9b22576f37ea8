// SPDX-License-Identifier: Apache-2.0
// How fast readers read for consumers that are behind, while records are being produced: a token bucket.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/time/time.h"

namespace cordwood::broker {

// While nothing is produced there is no limit: nobody is harmed. Else so many bytes a second, and four for each byte that is produced, so that even several
// consumers of a fast topic that fell behind come up with it again. A read is admitted while there are any tokens and may leave a debt, which is paid
// before the next one.
//
// Pure: `now` is of a monotonic clock. Not thread-safe.
class CatchupLimit {
 public:
  static constexpr absl::Duration kQuietAfter = absl::Milliseconds(100);  // without records: nothing is being produced
  static constexpr std::int64_t kReadPerProduced = 4;                     // bytes

  explicit CatchupLimit(std::int64_t bytes_per_second);  // 0: there is no limit

  bool enabled() const { return bytes_per_second_ > 0; }
  void OnProduced(std::size_t bytes, absl::Duration now);
  // Something was produced within the last kQuietAfter.
  bool InForce(absl::Duration now) const { return enabled() && now - produced_at_ < kQuietAfter; }
  // Whether a read may begin.
  bool HasTokens(absl::Duration now);
  void Take(std::size_t bytes, absl::Duration now);  // of a read that begins, as much as it asks for
  // Once it is there, and brought less, or a batch that is larger.
  void Correct(std::size_t taken, std::size_t brought, absl::Duration now);
  // When there are tokens again, or the limit is not in force any more, if nothing is produced until then.
  absl::Duration NextAt(absl::Duration now);

 private:
  void Refill(absl::Duration now);
  void Add(double tokens);

  const std::int64_t bytes_per_second_;
  const double tokens_max_;
  double tokens_;           // bytes; below zero: a debt
  absl::Duration filled_at_;
  absl::Duration produced_at_ = -absl::InfiniteDuration();
};

}  // namespace cordwood::broker
