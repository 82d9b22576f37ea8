// SPDX-License-Identifier: Apache-2.0
// What a broker answers, as the client takes it apart: against the generated parser, and through the reader's state machine.

#include <string>
#include <vector>

#include "client/internal/fetch_core.h"
#include "client/internal/stream_codec.h"
#include "storage/base/check.h"
#include "storage/record/record_batch.h"
#include "storage/record/record_reader.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/quiet_protobuf.h"

namespace cordwood::testing {
namespace {

constexpr std::size_t kPartitions = 3;
constexpr std::size_t kSlotsMax = 8;

void CheckParsed(std::string_view message) {
  const auto view = client::ParseFetchResponse(message);
  v1::FetchResponse wire;
  const bool known = wire.ParseFromArray(message.data(), static_cast<int>(message.size()));
  if (!view.ok()) {
    CORDWOOD_CHECK(ReasonOf(view.status()) == Reason::kMalformedRequest);
    return;
  }
  if (!known) return;  // protobuf refuses a few encodings longer than needed
  CORDWOOD_CHECK(view->seq == wire.seq() && view->throttle_ms == wire.throttle_ms());
  CORDWOOD_CHECK(view->results.size() == static_cast<std::size_t>(wire.results_size()));
  for (std::size_t i = 0; i < view->results.size(); ++i) {
    v1::FetchResult& expected = *wire.mutable_results(static_cast<int>(i));
    CORDWOOD_CHECK(view->results[i].batches == expected.batches());
    expected.clear_batches();
    CORDWOOD_CHECK(view->results[i].fields.SerializeAsString() == expected.SerializeAsString());
  }
}

// Positions only move forward until a seek, and what is handed over reaches exactly to the new position.
class Reader {
 public:
  Reader() {
    for (std::size_t& slot : held_) slot = *core_.AddPartition(Uuid::Random(), PartitionIndex(0), Offset(0));
    core_.StreamOpened();
    DrainRequests();
  }

  void Answer(std::string_view message) {
    std::vector<Offset> before;
    for (std::size_t slot = 0; slot < core_.slots(); ++slot) before.push_back(core_.position(slot));
    std::vector<client::FetchedChunk> chunks;
    const Status status = core_.Answered(SharedBytes::CopyOf(message), now_, &chunks);
    if (!status.ok()) CORDWOOD_CHECK(ReasonOf(status) == Reason::kMalformedRequest && chunks.empty());
    for (const client::FetchedChunk& chunk : chunks) CheckChunk(chunk, before);
    for (std::size_t slot = 0; slot < core_.slots(); ++slot) CORDWOOD_CHECK(core_.position(slot) >= before[slot]);
    DrainRequests();
  }
  void Seek(std::size_t which, Offset to) {
    core_.Seek(held_[which], to);
    DrainRequests();
  }
  void Silence(std::size_t which) {
    core_.Silence(held_[which]);
    DrainRequests();
  }
  // Another partition comes, perhaps in its slot.
  void Replace(std::size_t which) {
    if (core_.slots() >= kSlotsMax) return;
    core_.Remove(held_[which]);
    held_[which] = *core_.AddPartition(Uuid::Random(), PartitionIndex(0), Offset(0));
    DrainRequests();
  }
  void Reconnect() {
    core_.StreamBroken();
    core_.StreamOpened();
    DrainRequests();
  }

 private:
  void CheckChunk(const client::FetchedChunk& chunk, const std::vector<Offset>& before) {
    CORDWOOD_CHECK(chunk.slot < before.size() && chunk.wanted >= before[chunk.slot] && chunk.next >= chunk.wanted);
    if (!chunk.status.ok()) CORDWOOD_CHECK(chunk.batches.empty());
    const Status read = CheckRecords(chunk);
    if (!read.ok()) CORDWOOD_CHECK(ReasonOf(read) == Reason::kCorruptMessage);
    core_.Consumed(chunk.memory_bytes);
  }
  static Status CheckRecords(const client::FetchedChunk& chunk) {
    Offset last = chunk.wanted - 1;
    std::string_view rest = chunk.batches;
    while (!rest.empty()) {
      CORDWOOD_ASSIGN_OR_RETURN(const RecordBatchView batch, RecordBatchView::TakeFirst(&rest));
      RecordReader reader(batch);
      CORDWOOD_RETURN_IF_ERROR(reader.Open());
      RecordView record;
      while (true) {
        CORDWOOD_ASSIGN_OR_RETURN(const bool more, reader.Next(&record));
        if (!more) break;
        if (record.offset < chunk.wanted) continue;
        CORDWOOD_CHECK(record.offset > last && record.offset < chunk.next);
        last = record.offset;
      }
    }
    return absl::OkStatus();
  }
  void DrainRequests() {
    now_ += absl::Seconds(1);
    static_cast<void>(core_.retry_at());
    int requests = 0;
    while (core_.NextRequest(now_).has_value()) CORDWOOD_CHECK(++requests < 10);
  }

  client::FetchCore core_{client::FetchCoreOptions{}};
  std::size_t held_[kPartitions];  // slots
  absl::Duration now_ = absl::ZeroDuration();
};

}  // namespace
}  // namespace cordwood::testing

int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace cordwood;
  using namespace cordwood::testing;
  QuietProtobuf();
  FuzzInput in(bytes, size);
  Reader reader;
  while (!in.done()) {
    const std::uint8_t what = in.Byte();
    if (what == 1) {
      reader.Seek(in.Below(kPartitions), Offset(in.Number() & INT64_MAX));
    } else if (what == 2) {
      reader.Reconnect();
    } else if (what == 4) {
      reader.Silence(in.Below(kPartitions));
    } else if (what == 5) {
      reader.Replace(in.Below(kPartitions));
    } else {
      const std::string_view message = in.Bytes(what == 0 ? in.rest().size() : in.Raw<std::uint16_t>());
      CheckParsed(message);
      reader.Answer(message);
    }
  }
  return 0;
}
