// SPDX-License-Identifier: Apache-2.0
// Tokens are bytes; a full bucket is worth 20 ms, some rounds of the timer wheel, and at least one read.
#include "broker/handlers/limits/catchup_limit.h"

#include <algorithm>

namespace cordwood::broker {
namespace {

constexpr double kFullSeconds = 0.02;
constexpr double kTokensMin = 1024 * 1024;

}  // namespace

CatchupLimit::CatchupLimit(std::int64_t bytes_per_second)
    : bytes_per_second_(bytes_per_second),
      tokens_max_(std::max(kFullSeconds * static_cast<double>(bytes_per_second), kTokensMin)),
      tokens_(tokens_max_) {}

void CatchupLimit::OnProduced(std::size_t bytes, absl::Duration now) {
  Refill(now);
  produced_at_ = now;
  Add(static_cast<double>(bytes) * kReadPerProduced);
}

bool CatchupLimit::HasTokens(absl::Duration now) {
  if (!InForce(now)) return true;
  Refill(now);
  return tokens_ > 0;
}

void CatchupLimit::Take(std::size_t bytes, absl::Duration now) {
  if (!InForce(now)) return;
  Refill(now);
  tokens_ -= static_cast<double>(bytes);
}

void CatchupLimit::Correct(std::size_t taken, std::size_t brought, absl::Duration now) {
  if (brought > taken) return Take(brought - taken, now);
  Add(static_cast<double>(taken - brought));
}

absl::Duration CatchupLimit::NextAt(absl::Duration now) {
  if (HasTokens(now)) return now;
  const absl::Duration paid = now + absl::Seconds((1 - tokens_) / static_cast<double>(bytes_per_second_));
  return std::min(paid, produced_at_ + kQuietAfter);
}

// What was not in force leaves no debt behind.
void CatchupLimit::Refill(absl::Duration now) {
  if (!InForce(now)) {
    tokens_ = tokens_max_;
  } else if (now > filled_at_) {
    Add(absl::ToDoubleSeconds(now - filled_at_) * static_cast<double>(bytes_per_second_));
  }
  filled_at_ = now;
}

void CatchupLimit::Add(double tokens) { tokens_ = std::min(tokens_ + tokens, tokens_max_); }

}  // namespace cordwood::broker
