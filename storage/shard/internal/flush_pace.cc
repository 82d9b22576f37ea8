// SPDX-License-Identifier: Apache-2.0
// RocksDB's own limiter does the waiting; the rate follows what comes in.
#include "storage/shard/internal/flush_pace.h"

#include <algorithm>

namespace cordwood {
namespace {

constexpr std::int64_t kRefillMicros = 10'000;  // a burst is a hundredth of a second's bytes: below what a sync notices
constexpr int kFlushShare = 4;                  // a flush takes a quarter of the time to the next one, so a load that grows fourfold meets no stall
constexpr std::uint64_t kBytesPerSync = 512 * 1024;

}  // namespace

std::int64_t FlushRate(std::size_t buffer_bytes, absl::Duration filled_in) {
  const double seconds = std::max(absl::ToDoubleSeconds(filled_in), 1e-6);
  const double rate = kFlushShare * static_cast<double>(buffer_bytes) / seconds;
  return static_cast<std::int64_t>(std::clamp(rate, static_cast<double>(kFlushRateMin), static_cast<double>(kFlushRateUnlimited)));
}

FlushPace::FlushPace(std::size_t buffer_bytes, Clock& clock)
    : buffer_bytes_(buffer_bytes),
      clock_(clock),
      limiter_(rocksdb::NewGenericRateLimiter(kFlushRateUnlimited, kRefillMicros)),
      sealed_at_(clock.Monotonic()) {}

void FlushPace::AddTo(rocksdb::Options& options, std::size_t buffer_bytes, Clock& clock) {
  auto pace = std::make_shared<FlushPace>(buffer_bytes, clock);
  options.rate_limiter = pace->limiter_;
  options.listeners.push_back(std::move(pace));
  options.bytes_per_sync = kBytesPerSync;
  options.strict_bytes_per_sync = true;
}

void FlushPace::Lift(const rocksdb::Options& options) {
  for (const auto& listener : options.listeners) {
    auto* const pace = dynamic_cast<FlushPace*>(listener.get());
    if (pace == nullptr) continue;
    MutexLock lock(pace->mu_);
    pace->lifted_ = true;
    pace->limiter_->SetBytesPerSecond(kFlushRateUnlimited);
  }
}

void FlushPace::OnMemTableSealed(const rocksdb::MemTableInfo&) {
  MutexLock lock(mu_);
  if (lifted_) return;
  const absl::Duration now = clock_.Monotonic();
  limiter_->SetBytesPerSecond(FlushRate(buffer_bytes_, now - sealed_at_));
  sealed_at_ = now;
}

}  // namespace cordwood
