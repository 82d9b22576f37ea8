// SPDX-License-Identifier: Apache-2.0
#include "client/group/replay_pace.h"

#include <algorithm>
#include <cmath>

namespace cordwood::client {

void ReplayPace::Take(const std::optional<MemberReplay>& told, absl::Duration now) {
  balance_ = BalanceAt(now);
  balance_at_ = now;
  told_ = told;
}

double ReplayPace::BalanceAt(absl::Duration now) const {
  if (!told_.has_value() || told_->bytes_per_second == 0) return 0;
  const double rate = static_cast<double>(told_->bytes_per_second);
  const double earned = std::max(absl::ToDoubleSeconds(now - balance_at_), 0.0) * rate;
  return std::min(balance_ + earned, absl::ToDoubleSeconds(kReplayStep) * rate);
}

bool ReplayPace::holds(absl::Duration now) const { return told_.has_value() && (told_->state != MemberReplay::State::kRunning || BalanceAt(now) < 0); }

absl::Duration ReplayPace::holds_until(absl::Duration now) const {
  if (!holds(now)) return now;
  if (told_->state != MemberReplay::State::kRunning) return absl::InfiniteDuration();
  const double seconds = -BalanceAt(now) / static_cast<double>(told_->bytes_per_second);
  return now + std::max(absl::Ceil(absl::Seconds(seconds), absl::Milliseconds(1)), absl::Milliseconds(1));
}

std::size_t ReplayPace::records_max(std::size_t most) const {
  if (!told_.has_value() || told_->bytes_per_second == 0) return most;
  if (records_ == 0) return 1;  // it may be of any size
  const double each = std::max(static_cast<double>(bytes_) / static_cast<double>(records_), 1.0);
  const double step = std::floor(absl::ToDoubleSeconds(kReplayStep) * static_cast<double>(told_->bytes_per_second) / each);
  return static_cast<std::size_t>(std::clamp(step, 1.0, static_cast<double>(most)));
}

void ReplayPace::Gave(std::size_t records, std::uint64_t bytes, absl::Duration now) {
  if (!told_.has_value() || told_->bytes_per_second == 0) return;
  balance_ = BalanceAt(now) - static_cast<double>(bytes);
  balance_at_ = now;
  records_ += records;
  bytes_ += bytes;
}

std::optional<std::int64_t> ReplayPace::due_ms(absl::Duration now) const {
  if (!told_.has_value() || !told_->clock_ms.has_value()) return std::nullopt;
  return *told_->clock_ms + std::max<std::int64_t>(absl::ToInt64Milliseconds(now - told_->told), 0);
}

absl::Duration ReplayPace::due_at(std::int64_t timestamp_ms) const {
  if (!told_.has_value() || !told_->clock_ms.has_value()) return absl::ZeroDuration();
  return told_->told + absl::Milliseconds(std::max<std::int64_t>(timestamp_ms, 0) - *told_->clock_ms);
}

}  // namespace cordwood::client
