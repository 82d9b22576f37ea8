// SPDX-License-Identifier: Apache-2.0
// What became of the records of cord produce: counts, errors by line, acknowledged records on stdout.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <thread>

#include "client/cli/failure.h"
#include "client/cli/record_format.h"
#include "client/cli/stdout_writer.h"
#include "cordwood/producer.h"
#include "storage/base/mutex.h"

namespace cordwood::client {

// Threading: callbacks of ForLine() come on the producer's thread, or within Send(); all else is for the one thread that sends, which made it.
// What is printed leaves on a thread of its own, so that a slow reader holds nothing up but the sender, in ForLine().
class ProduceOutcome {
 public:
  // With a format every acknowledged record is printed.
  ProduceOutcome(const GlobalOptions& global, std::string topic, std::optional<RecordFormat> format);
  ~ProduceOutcome();  // after the producer
  ProduceOutcome(const ProduceOutcome&) = delete;
  ProduceOutcome& operator=(const ProduceOutcome&) = delete;

  // For the next Send(); what the record's headers show outlives the producer.
  DeliveryCallback ForLine(std::uint64_t line, const ProducerRecord& record);
  // Why the record sent last was not even taken. It counts as failed only if it is given to Failed().
  std::optional<Failure> TakeRefusal() { return std::exchange(refusal_, std::nullopt); }
  void Failed(std::uint64_t line, const Status& why);

  struct Counts {
    std::uint64_t acknowledged = 0;
    std::uint64_t bytes = 0;      // of acknowledged values
    std::uint64_t failed = 0;
    std::uint64_t named = 0;      // of the failed
    Status first_failure;
    bool hopeless = false;  // the last failures are about the broker, not about the records, and nothing was acknowledged since
    bool stdout_gone = false;  // the reader went away
    Status stdout_status;      // why nothing more can be written
  };
  Counts counts();
  // After the producer is closed: waits until all is printed, and says how many errors went unsaid.
  void Finish();

 private:
  struct Kept;  // of a record that will be printed

  void Count(std::uint64_t place, const Result<RecordMetadata>& sent) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void CountFailure(std::uint64_t line, const Status& why) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Print(const Kept& kept, const RecordMetadata& sent) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void WaitForReader();
  void PrintLoop();
  void StopPrinting();

  const GlobalOptions& global_;
  const std::string topic_;
  const std::optional<RecordFormat> format_;
  const std::thread::id sender_ = std::this_thread::get_id();
  std::optional<Failure> refusal_;  // the sender's

  Mutex mu_;
  CondVar changed_;                            // text_ was filled or taken, or nothing more comes
  Counts counts_ ABSL_GUARDED_BY(mu_);
  std::string text_ ABSL_GUARDED_BY(mu_);      // for stdout
  bool finished_ ABSL_GUARDED_BY(mu_) = false;  // nothing more comes
  std::thread printer_;                        // with a format
};

}  // namespace cordwood::client
