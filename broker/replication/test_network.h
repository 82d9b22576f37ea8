// SPDX-License-Identifier: Apache-2.0
// Batches as text, and a network thread played by the test.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/replication/append_op.h"
#include "broker/replication/publication.h"
#include "storage/base/mutex.h"
#include "storage/log/side_header.h"
#include "storage/record/record_batch_builder.h"
#include "storage/record/record_reader.h"

namespace cordwood::broker {

MATCHER_P(FailsWith, reason, "") { return ReasonOf(arg) == reason; }

inline ProducerStamp Stamp(std::int64_t id, std::int32_t sequence) { return {ProducerId(id), ProducerEpoch(0), Sequence(sequence)}; }

// A stored value's worth of bytes: room for the side header, and one batch of one record.
inline SharedBytes BatchOfText(const std::string& text, const ProducerStamp& producer = {}) {
  RecordBatchBuilder builder;
  RecordView record;
  record.timestamp_ms = 1000;
  record.value = text;
  builder.Add(record);
  return builder.Build(Codec::kNone, producer, kSideHeaderBytes).value();
}

inline std::vector<std::string> ValuesOf(std::string_view batches) {
  std::vector<std::string> values;
  while (!batches.empty()) {
    RecordReader reader(RecordBatchView::TakeFirst(&batches).value());
    EXPECT_EQ(reader.Open(), absl::OkStatus());
    RecordView record;
    while (reader.Next(&record).value()) values.emplace_back(record.value.value_or("(null)"));
  }
  return values;
}

struct TestOp final : AppendOp {
  void Run() override {
    ++answers;
    if (events != nullptr) events->push_back("answer " + name);
  }
  const AppendEntry& entry(std::size_t i = 0) const { return entries[i]; }
  std::string name;
  std::vector<std::string>* events = nullptr;
  int answers = 0;
};

// Everything runs on the thread that calls RunUntil().
class TestNetwork final : public PublicationListener {
 public:
  TestNetwork() : outbox([this] {
    MutexLock lock(mu_);
    woken_ = true;
    ++wakes_;
    wake_.SignalAll();
  }) {}
  void OnPublication(const Publication& publication) override {
    for (const PartitionUpdate& update : publication.updates) {
      std::string event = "p" + ToString(update.partition->index) + " hw " + ToString(update.snapshot.high_watermark);
      for (const PublishedBatch& batch : publication.BatchesOf(update)) event += " [" + ToString(batch.base) + "," + ToString(batch.end) + ")";
      if (!update.snapshot.is_leader) event += " no leader";
      events.push_back(event);
    }
  }
  // False if `done` does not come true in time.
  bool RunUntil(const std::function<bool()>& done, std::chrono::milliseconds patience = std::chrono::seconds(20)) {
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (!done()) {
      if (outbox.Drain()) continue;
      MutexLock lock(mu_);
      while (!woken_) {
        if (std::chrono::steady_clock::now() > deadline) return false;
        wake_.WaitFor(mu_, std::chrono::milliseconds(100));
      }
      woken_ = false;
    }
    return true;
  }
  int wakes() {
    MutexLock lock(mu_);
    return wakes_;
  }

  Outbox outbox;
  std::vector<std::string> events;

 private:
  Mutex mu_;
  CondVar wake_;
  bool woken_ ABSL_GUARDED_BY(mu_) = false;
  int wakes_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace cordwood::broker
