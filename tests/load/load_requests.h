// SPDX-License-Identifier: Apache-2.0
// What the scenarios send again and again.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "tests/load/wire_client.h"

namespace cordwood::testing {

inline constexpr char kProduce[] = "/cordwood.v1.Log/Produce";
inline constexpr char kProduceStream[] = "/cordwood.v1.Log/ProduceStream";
inline constexpr char kFetch[] = "/cordwood.v1.Log/Fetch";
inline constexpr char kFetchStream[] = "/cordwood.v1.Log/FetchStream";

// One batch of one record of so many random bytes.
std::string OneRecordBatch(std::size_t value_bytes);

// Moves *next over whole batches that begin there and follow one another; false if they do not.
bool TakeOffsets(std::string_view batches, std::int64_t* next);

struct SteadyLoad {
  std::string topic;
  int partition = 0;
  std::size_t batch_bytes = 0;
  int in_flight = 1;           // messages of one batch
};

// A producer of good manners: one stream that sends as soon as answers come.
class SteadyProducer {
 public:
  SteadyProducer(WireLoop& loop, const std::string& address, const SteadyLoad& load);
  void Begin();
  void Stop() { stopped_ = true; }          // sends no more
  bool idle() const { return sent_.empty(); }
  bool failed() const { return failed_; }   // a refusal, an answer to nothing, or the end of the stream
  bool in_order() const { return in_order_; }
  std::int64_t acknowledged() const { return acknowledged_; }  // since the last Cycle()
  absl::Duration slowest() const { return slowest_; }          // the same
  std::int64_t Cycle();                     // how many were acknowledged; counts from 0 again
  std::int64_t log_end() const { return last_offset_ + 1; }    // as far as it was told

 private:
  void Fill();
  void OnAnswer(std::string_view bytes);

  const SteadyLoad load_;
  const std::string batch_;
  WireConnection connection_;
  int stream_ = 0;
  std::uint64_t next_seq_ = 1;
  std::map<std::uint64_t, absl::Time> sent_;  // unanswered
  std::int64_t last_offset_ = -1;
  std::int64_t acknowledged_ = 0;
  absl::Duration slowest_;
  bool in_order_ = true;
  bool failed_ = false;
  bool stopped_ = false;
};


// A consumer of good manners: a fetch stream that checks what it gets and gives as much credit back.
class TailReader {
 public:
  TailReader(WireLoop& loop, const std::string& address, const std::string& topic, int partition, std::int64_t from);
  // Credit is given back no more, so that it falls behind; and in one go again.
  void Hold() { holding_ = true; }
  void Resume();
  std::int64_t next() const { return next_; }
  bool in_order() const { return in_order_; }  // every batch followed the one before, and none was refused

 private:
  void OnAnswer(std::string_view bytes);
  void GiveCredit();

  WireConnection connection_;
  int stream_ = 0;
  std::int64_t next_;
  std::size_t taken_ = 0;  // for which no credit was given yet
  bool holding_ = false;
  bool in_order_ = true;
};

}  // namespace cordwood::testing
