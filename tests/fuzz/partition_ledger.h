// SPDX-License-Identifier: Apache-2.0
// What the broker acknowledged to this input, and the proof that it kept its word.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "cordwood/v1/log.pb.h"
#include "tests/fuzz/broker_under_fuzz.h"

namespace cordwood::testing {

inline constexpr char kFuzzTopic[] = "fuzz";
inline constexpr int kFuzzPartitionsMax = 3;

// Not thread-safe.
class PartitionLedger {
 public:
  using ProducerStamp = std::tuple<std::int64_t, std::int16_t, std::int32_t>;  // id, epoch, first sequence

  // The Done of one request: CHECKs its shape, and takes down what was acknowledged. `settled_ends` are the ends before the request was sent, or
  // empty where others were in flight.
  void Acknowledged(const v1::ProduceRequest& request, const v1::Done& done, const std::vector<std::int64_t>& settled_ends);
  // A log start that a call moved on purpose.
  void Deleted(int partition, std::int64_t log_start);
  // From here on the input may have deleted anything.
  void AnythingMayBeGone() { may_lose_ = true; }
  // Per partition, the exclusive end of what was acknowledged so far.
  std::vector<std::int64_t> ends() const;

  // Reads every partition from its log start to its end: whole batches, sound, without holes, and everything that was acknowledged; what came of
  // an idempotent producer only once.
  void CheckReadBack(const BrokerUnderFuzz& broker) const;

 private:
  struct Log {
    std::map<std::int64_t, std::string> batches;  // base offset -> the records' bytes
    std::map<std::int64_t, ProducerStamp> stamps;  // base offset -> whose batch; those of no producer are above
    std::int64_t end = 0;
    std::int64_t start = 0;
  };
  void Take(Log* log, std::string_view batches, std::int64_t base_offset, std::int64_t settled_end);
  void CheckLog(const BrokerUnderFuzz& broker, int partition, const Log& log) const;

  Log logs_[kFuzzPartitionsMax];
  bool may_lose_ = false;
};

// Answers that are batches: each sound, the first holds `from` or lies after it, each begins where the last ended. The end of the last.
std::int64_t CheckFetchedBatches(std::string_view batches, std::int64_t from);

}  // namespace cordwood::testing
