// SPDX-License-Identifier: Apache-2.0
// How fast RocksDB may write what it flushes and compacts: slowly while little comes in, so that the syncs of the log find the disk free. For the
// sources of this room alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/time/time.h"
#include "rocksdb/listener.h"
#include "rocksdb/options.h"
#include "rocksdb/rate_limiter.h"
#include "storage/base/clock.h"
#include "storage/base/mutex.h"

namespace cordwood {

inline constexpr std::int64_t kFlushRateMin = 32 * 1024 * 1024;            // bytes per second
inline constexpr std::int64_t kFlushRateUnlimited = std::int64_t{1} << 40;  // more than any disk

// The rate at which a buffer of `buffer_bytes` is written in a quarter of the time that it took to fill; never below kFlushRateMin.
std::int64_t FlushRate(std::size_t buffer_bytes, absl::Duration filled_in);

// Sets the rate each time a write buffer is full. Unlimited until the first one, so that recovery writes at full speed.
// Threading: RocksDB calls from its own threads.
class FlushPace final : public rocksdb::EventListener {
 public:
  FlushPace(std::size_t buffer_bytes, Clock& clock);

  // Makes `options` obey. Files are also handed to the disk bit by bit: at the end of one nothing waits for all of it at once.
  static void AddTo(rocksdb::Options& options, std::size_t buffer_bytes, Clock& clock);
  // Full speed from now on, if `options` obey one: whoever closes the database waits for its flush. Any thread.
  static void Lift(const rocksdb::Options& options);

  void OnMemTableSealed(const rocksdb::MemTableInfo& info) override;
  std::int64_t bytes_per_second() const { return limiter_->GetBytesPerSecond(); }

 private:
  const std::size_t buffer_bytes_;
  Clock& clock_;
  const std::shared_ptr<rocksdb::RateLimiter> limiter_;
  Mutex mu_;
  absl::Duration sealed_at_ ABSL_GUARDED_BY(mu_);  // monotonic
  bool lifted_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace cordwood
