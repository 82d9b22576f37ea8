// SPDX-License-Identifier: Apache-2.0
// What a broker answers to a producer, in any order with what else befalls it: every batch is completed once, in order.

#include <deque>
#include <limits>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "client/internal/produce_core.h"
#include "client/internal/stream_codec.h"
#include "cordwood/v1/log.pb.h"
#include "storage/base/check.h"
#include "storage/record/record_batch.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/quiet_protobuf.h"

namespace cordwood::testing {
namespace {

constexpr std::size_t kPartitions = 3;
constexpr int kEventsMax = 400;
constexpr std::int32_t kHeldMax = 64;  // records, so that one input stays fast

class Producer {
 public:
  Producer(FuzzInput* in, client::Acks acks, bool idempotent) : in_(*in), idempotent_(idempotent), core_(OptionsOf(acks, idempotent)) {
    for (std::size_t i = 0; i < kPartitions; ++i) core_.AddPartition();
    core_.StreamOpened();
    open_ = true;
  }

  void Run() {
    for (int events = 0; events < kEventsMax && !in_.done(); ++events) {
      One();
      Check();
    }
    core_.FailAll(absl::CancelledError("closed"));
    Check();
    CORDWOOD_CHECK(core_.idle() && completed_ == enqueued_);
  }

 private:
  static client::ProduceCoreOptions OptionsOf(client::Acks acks, bool idempotent) {
    client::ProduceCoreOptions options;
    options.acks = acks;
    options.idempotent = idempotent;
    options.message_bytes_max = 1000;
    return options;
  }

  void One() {
    switch (in_.Below(10)) {
      case 0:
      case 1: return Enqueue();
      case 2: return Send();
      case 3: return core_.Written();
      case 4: return AnswerWell();
      case 5: return Answer(Described());
      case 6: return AnswerBytes();
      case 7: return BreakOrOpen();
      case 8: return Wait();
      case 9:
        if (core_.wants_producer_id()) core_.ProducerIdArrived(ProducerId(in_.Number() & INT64_MAX), ProducerEpoch(0));
    }
  }

  void Enqueue() {
    if (enqueued_ - completed_ > kHeldMax) return;
    const auto slot = static_cast<std::uint32_t>(in_.Below(kPartitions));
    RecordBatchBuilder builder;
    client::ProduceBatch batch;
    for (std::size_t left = 1 + in_.Below(4); left > 0; --left) {
      const std::string value = std::to_string(enqueued_++);
      builder.Add({Offset(0), 1, std::nullopt, std::string_view(value), {}});
      batch.acks.emplace_back();
    }
    batch.bytes = *builder.Build(in_.Flag() ? Codec::kLz4 : Codec::kNone, {});
    batch.created = now_;
    core_.Enqueue(slot, std::move(batch));
  }

  // What goes out is a request as protobuf reads it.
  void Send() {
    auto message = core_.NextMessage(now_);
    if (!message.has_value()) return;
    CORDWOOD_CHECK(open_);
    for (const client::ProduceMessage::Entry& entry : message->entries) {
      CORDWOOD_CHECK(!entry.batches.empty() && entry.batches.size() == entry.serials.size());
      for (const SharedBytes& bytes : entry.batches) {
        const auto batch = RecordBatchView::Parse(bytes.view());
        CORDWOOD_CHECK(batch.ok() && batch->CheckCrc().ok() && (batch->producer_id() != kNoProducerId) == idempotent_);
      }
    }
    CheckEncoded(*message);
    sent_.push_back(*std::move(message));
  }
  static void CheckEncoded(const client::ProduceMessage& message) {
    const std::string topic_id(16, 'i');
    std::vector<client::EntryName> names;
    for (const client::ProduceMessage::Entry& entry : message.entries) {
      names.push_back({entry.slot + 1, entry.named ? std::string_view(topic_id) : std::string_view(), static_cast<std::int32_t>(entry.slot)});
    }
    std::string bytes;
    for (const auto& piece : client::EncodeProduceRequest(message, names, client::Acks::kAll, 1000)) {
      bytes += std::holds_alternative<std::string>(piece) ? std::string_view(std::get<std::string>(piece)) : std::get<SharedBytes>(piece).view();
    }
    v1::ProduceRequest wire;
    CORDWOOD_CHECK(wire.ParseFromString(bytes) && wire.seq() == message.seq && wire.acks() == v1::ACKS_ALL && wire.timeout_ms() == 1000);
    CORDWOOD_CHECK(wire.entries_size() == static_cast<int>(message.entries.size()));
    for (int i = 0; i < wire.entries_size(); ++i) {
      const client::ProduceMessage::Entry& entry = message.entries[static_cast<std::size_t>(i)];
      std::size_t batch_bytes = 0;
      for (const SharedBytes& batch : entry.batches) batch_bytes += batch.size();
      CORDWOOD_CHECK(wire.entries(i).handle() == entry.slot + 1 && wire.entries(i).batches().size() == batch_bytes);
      CORDWOOD_CHECK(wire.entries(i).topic_id() == (entry.named ? topic_id : ""));
    }
  }

  void AnswerWell() {
    if (sent_.empty()) return;
    v1::ProduceResponse response;
    v1::Done& done = *response.add_done();
    done.set_seq(sent_.front().seq);
    for (const client::ProduceMessage::Entry& entry : sent_.front().entries) {
      for (const std::uint64_t serial : entry.serials) done.add_base_offset(static_cast<std::int64_t>(serial));
    }
    sent_.pop_front();
    Answer(response);
  }
  // An answer of the right shape, with errors and numbers of the input's.
  v1::ProduceResponse Described() {
    v1::ProduceResponse response;
    if (in_.Flag()) response.set_window_bytes(static_cast<std::uint64_t>(in_.Number()));
    v1::Done& done = *response.add_done();
    const std::size_t which = in_.Below(4);
    done.set_seq(which < sent_.size() ? sent_[which].seq : static_cast<std::uint64_t>(in_.Number()));
    for (std::size_t left = in_.Below(4); left > 0; --left) {
      v1::EntryError& error = *done.add_errors();
      error.set_entry(static_cast<std::uint32_t>(in_.Below(kPartitions + 1)));
      error.set_reason(static_cast<v1::Reason>(in_.Number()));
      if (in_.Flag()) error.set_retry_after_ms(static_cast<std::int32_t>(in_.Number()));
    }
    for (std::size_t left = in_.Below(6); left > 0; --left) done.add_base_offset(in_.Number());
    return response;
  }
  void AnswerBytes() {
    const std::string_view message = in_.Bytes(in_.Raw<std::uint16_t>());
    v1::ProduceResponse response;
    if (response.ParseFromArray(message.data(), static_cast<int>(message.size()))) Answer(response);
  }
  void Answer(const v1::ProduceResponse& response) {
    if (open_) core_.Answered(response, now_, absl::Milliseconds(50));
  }

  void BreakOrOpen() {
    if (!open_) {
      core_.StreamOpened();
    } else {
      const Status kWhys[] = {absl::UnavailableError("gone"), absl::ResourceExhaustedError("too large"), Error(Reason::kMessageTooLarge, "too large")};
      core_.StreamBroken(kWhys[in_.Below(3)], now_, absl::Milliseconds(50));
      sent_.clear();
    }
    open_ = !open_;
  }
  void Wait() {
    now_ += absl::Milliseconds(static_cast<std::int64_t>(in_.Below(65'536)));
    if (core_.NextWake() < absl::InfiniteDuration() && in_.Flag()) now_ = std::max(now_, core_.NextWake());
    core_.Tick(now_);
    static_cast<void>(core_.overdue(now_));
  }

  void Check() {
    CORDWOOD_CHECK(core_.Invariants());
    for (const client::Completion& completion : core_.TakeCompletions()) {
      CORDWOOD_CHECK(completion.slot < kPartitions);
      completed_ += completion.batch.count();
      // The last record has an offset, too.
      if (completion.status.ok() && completion.base_offset >= Offset(0)) {
        CORDWOOD_CHECK(completion.base_offset.value() <= std::numeric_limits<std::int64_t>::max() - completion.batch.count());
      }
    }
    CORDWOOD_CHECK(completed_ <= enqueued_);
  }

  FuzzInput& in_;
  const bool idempotent_;
  client::ProduceCore core_;
  std::deque<client::ProduceMessage> sent_;
  bool open_ = false;
  absl::Duration now_ = absl::Seconds(1000);
  std::int32_t enqueued_ = 0;   // records
  std::int32_t completed_ = 0;
};

}  // namespace
}  // namespace cordwood::testing

int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace cordwood;
  using namespace cordwood::testing;
  QuietProtobuf();
  FuzzInput in(bytes, size);
  const std::uint8_t how = in.Byte();
  const client::Acks acks = how % 8 == 7 ? client::Acks::kNone : client::Acks::kAll;
  Producer(&in, acks, acks != client::Acks::kNone && (how & 8) == 0).Run();
  return 0;
}
