// SPDX-License-Identifier: Apache-2.0
// What tests of ProduceCore share: a broker of a few lines that keeps Kafka's rules for sequences, and the stream to it.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "client/internal/produce_core.h"
#include "cordwood/v1/log.pb.h"
#include "storage/record/record_reader.h"

namespace cordwood::client {

inline constexpr absl::Duration kNoBackoff = absl::ZeroDuration();

// What a broker decides about batches, on paper: contract of the tests, not a copy of the real one.
class PaperLog {
 public:
  Reason Append(std::string_view bytes, std::int64_t* base_offset) {
    const auto batch = RecordBatchView::Parse(bytes);
    if (!batch.ok() || !batch->CheckCrc().ok()) return Reason::kCorruptMessage;
    if (batch->bytes().size() > bytes_max) return Reason::kMessageTooLarge;
    const auto id = batch->producer_id().value();
    if (id >= 0) {
      const auto known = appended_.find({id, batch->base_sequence().value()});
      if (known != appended_.end()) {
        *base_offset = known->second;
        return Reason::kNone;
      }
      const auto next = next_sequence_.find(id);
      if (next == next_sequence_.end() && batch->base_sequence().value() != 0) return Reason::kUnknownProducerId;
      if (next != next_sequence_.end() && next->second != batch->base_sequence().value()) return Reason::kOutOfOrderSequence;
      next_sequence_[id] = NextSequence(batch->base_sequence(), batch->record_count()).value();
    }
    *base_offset = static_cast<std::int64_t>(values.size());
    if (id >= 0) appended_[{id, batch->base_sequence().value()}] = *base_offset;
    RecordReader reader(*batch);
    RecordView record;
    EXPECT_TRUE(reader.Open().ok());
    while (*reader.Next(&record)) values.emplace_back(*record.value);
    return Reason::kNone;
  }
  void ForgetProducers() {
    appended_.clear();
    next_sequence_.clear();
  }

  std::vector<std::string> values;
  std::size_t bytes_max = 1 << 20;

 private:
  std::map<std::pair<std::int64_t, std::int32_t>, std::int64_t> appended_;
  std::map<std::int64_t, std::int32_t> next_sequence_;
};

class ProduceCoreTest : public ::testing::Test {
 protected:
  explicit ProduceCoreTest(ProduceCoreOptions options = {}) : core_(options) {}

  void Open(int partitions = 1) {
    for (int i = 0; i < partitions; ++i) {
      core_.AddPartition();
      logs_.emplace_back();
    }
    core_.StreamOpened();
    GiveId();
  }
  void GiveId() { core_.ProducerIdArrived(ProducerId(next_id_++), ProducerEpoch(0)); }

  // One batch of `count` records with the values name0, name1, …
  void Enqueue(const std::string& name, int count = 1, std::uint32_t slot = 0, std::size_t padding = 0) {
    RecordBatchBuilder builder;
    ProduceBatch batch;
    for (int i = 0; i < count; ++i) {
      const std::string value = name + std::to_string(i) + std::string(padding, '.');
      builder.Add({Offset(0), 1, std::nullopt, std::string_view(value), {}});
      batch.acks.emplace_back();
    }
    batch.bytes = *builder.Build(Codec::kNone, {});
    batch.created = now_;
    core_.Enqueue(slot, std::move(batch));
    Check();
  }
  // Takes every message there is now.
  void SendAll() {
    while (auto message = core_.NextMessage(now_)) {
      sent_.push_back(*std::move(message));
      core_.Written();
      Check();
    }
  }
  v1::ProduceResponse Apply(const ProduceMessage& message) {
    v1::ProduceResponse response;
    v1::Done* done = response.add_done();
    done->set_seq(message.seq);
    for (std::size_t i = 0; i < message.entries.size(); ++i) {
      const ProduceMessage::Entry& entry = message.entries[i];
      Reason reason = refuse_with_;
      std::vector<std::int64_t> bases(entry.batches.size(), -1);
      for (std::size_t b = 0; b < entry.batches.size() && reason == Reason::kNone; ++b) {
        reason = logs_[entry.slot].Append(entry.batches[b].view(), &bases[b]);
      }
      for (const std::int64_t base : bases) done->add_base_offset(reason == Reason::kNone ? base : -1);
      if (reason == Reason::kNone) continue;
      v1::EntryError* error = done->add_errors();
      error->set_entry(static_cast<std::uint32_t>(i));
      error->set_reason(static_cast<v1::Reason>(reason));
    }
    return response;
  }
  // The oldest message that was sent comes back refused.
  void RefuseOldest(Reason reason) {
    refuse_with_ = reason;
    core_.Answered(Apply(sent_[0]), now_, kNoBackoff);
    refuse_with_ = Reason::kNone;
    sent_.erase(sent_.begin());
  }
  // The broker works through everything that was sent.
  void AnswerAll() {
    for (const ProduceMessage& message : std::exchange(sent_, {})) {
      core_.Answered(Apply(message), now_, kNoBackoff);
      Check();
    }
    Collect();
  }
  // Sends everything, which is answered with `reason`; the slots of its entries, with ":named" where the names went along.
  std::string SendAndSeeNames(Reason reason = Reason::kNone) {
    SendAll();
    std::string seen;
    for (const ProduceMessage& message : sent_) {
      for (const ProduceMessage::Entry& entry : message.entries) {
        seen += (seen.empty() ? "" : " ") + std::to_string(entry.slot) + (entry.named ? ":named" : "");
      }
    }
    refuse_with_ = reason;
    AnswerAll();
    refuse_with_ = Reason::kNone;
    return seen;
  }
  // Sends everything, which is refused. Moves the clock to when it may be sent again; how long that was.
  absl::Duration RefuseAll(Reason reason, absl::Duration backoff) {
    SendAll();
    EXPECT_FALSE(sent_.empty());
    refuse_with_ = reason;
    for (const ProduceMessage& message : std::exchange(sent_, {})) core_.Answered(Apply(message), now_, backoff);
    refuse_with_ = Reason::kNone;
    Collect();
    const absl::Duration wait = core_.NextWake() == absl::InfiniteDuration() ? absl::ZeroDuration() : core_.NextWake() - now_;
    core_.Tick(now_ += wait);
    return wait;
  }
  // The broker works through everything, and the answers are lost with the stream.
  void LoseAnswers() {
    for (const ProduceMessage& message : std::exchange(sent_, {})) Apply(message);
    Break();
  }
  void Break(const Status& why = absl::UnavailableError("gone")) {
    sent_.clear();
    core_.StreamBroken(why, now_, kNoBackoff);
    Check();
    core_.StreamOpened();
    Collect();
  }
  void RunToEnd() {
    for (int turn = 0; turn < 1000 && !core_.idle(); ++turn) {
      if (core_.wants_producer_id()) GiveId();
      core_.Tick(now_);
      SendAll();
      AnswerAll();
      now_ += absl::Milliseconds(1);
    }
    EXPECT_TRUE(core_.idle());
  }
  void Collect() {
    for (Completion& completion : core_.TakeCompletions()) {
      outcome_ += (outcome_.empty() ? "" : " ") + (completion.status.ok() ? "@" + ToString(completion.base_offset) : std::string(ReasonName(ReasonOf(completion.status)))) + "x" +
                  std::to_string(completion.batch.count());
      words_ = MessageOf(completion.status);
    }
  }
  void Check() { ASSERT_TRUE(core_.Invariants()); }

  ProduceCore core_;
  std::vector<PaperLog> logs_;
  std::vector<ProduceMessage> sent_;
  Reason refuse_with_ = Reason::kNone;
  std::int64_t next_id_ = 1000;
  absl::Duration now_ = absl::Seconds(1000);
  std::string words_;    // of the last completion
  std::string outcome_;  // "@base x count" or "REASON x count" per batch, in order
};

}  // namespace cordwood::client
