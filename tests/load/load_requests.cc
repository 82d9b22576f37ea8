// SPDX-License-Identifier: Apache-2.0
#include "tests/load/load_requests.h"

#include <algorithm>
#include <random>
#include <utility>

#include "absl/time/clock.h"
#include "storage/record/record_batch_builder.h"
#include "tests/support/log_client.h"

namespace cordwood::testing {
namespace {

constexpr std::uint64_t kTailCredit = 8 << 20;

}  // namespace

std::string OneRecordBatch(std::size_t value_bytes) {
  std::mt19937_64 random(1);
  std::string value(value_bytes, '\0');
  for (char& c : value) c = static_cast<char>(random());
  RecordBatchBuilder builder;
  builder.Add({Offset(0), 1, std::nullopt, value, {}});
  return std::string(builder.Build(Codec::kNone, {})->view());
}

bool TakeOffsets(std::string_view batches, std::int64_t* next) {
  while (!batches.empty()) {
    const auto batch = RecordBatchView::TakeFirst(&batches);
    if (!batch.ok() || batch->base_offset().value() != *next || !batch->CheckCrc().ok()) return false;
    *next = batch->end_offset().value();
  }
  return true;
}

SteadyProducer::SteadyProducer(WireLoop& loop, const std::string& address, const SteadyLoad& load)
    : load_(load), batch_(OneRecordBatch(load.batch_bytes)), connection_(loop, address) {}

void SteadyProducer::Begin() {
  WireHandlers handlers;
  handlers.on_message = [this](std::string_view bytes) { OnAnswer(bytes); };
  handlers.on_end = [this](const WireEnd&) { failed_ = true; };
  stream_ = connection_.Open(kProduceStream, std::move(handlers));
  Fill();
}

void SteadyProducer::Fill() {
  while (!stopped_ && !failed_ && static_cast<int>(sent_.size()) < load_.in_flight) {
    v1::ProduceRequest request = BatchesRequest(load_.topic, load_.partition, batch_);
    request.set_seq(next_seq_);
    sent_[next_seq_++] = absl::Now();
    connection_.Send(stream_, request.SerializeAsString());
  }
}

void SteadyProducer::OnAnswer(std::string_view bytes) {
  v1::ProduceResponse response;
  failed_ |= !response.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
  for (const v1::Done& done : response.done()) {
    const auto sent = sent_.find(done.seq());
    failed_ |= sent == sent_.end() || done.errors_size() > 0 || done.base_offset_size() != 1;
    if (failed_) return;
    in_order_ &= done.base_offset(0) > last_offset_;
    last_offset_ = done.base_offset(0);
    ++acknowledged_;
    slowest_ = std::max(slowest_, absl::Now() - sent->second);
    sent_.erase(sent);
  }
  Fill();
}

std::int64_t SteadyProducer::Cycle() {
  slowest_ = absl::ZeroDuration();
  return std::exchange(acknowledged_, 0);
}

TailReader::TailReader(WireLoop& loop, const std::string& address, const std::string& topic, int partition, std::int64_t from)
    : connection_(loop, address), next_(from) {
  WireHandlers handlers;
  handlers.on_message = [this](std::string_view bytes) { OnAnswer(bytes); };
  handlers.on_end = [this](const WireEnd&) { in_order_ = false; };
  stream_ = connection_.Open(kFetchStream, std::move(handlers));
  v1::FetchRequest request = FetchFrom(topic, partition, from);
  request.set_add_credit_bytes(kTailCredit);
  connection_.Send(stream_, request.SerializeAsString());
}

void TailReader::OnAnswer(std::string_view bytes) {
  v1::FetchResponse response;
  in_order_ &= response.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
  for (const v1::FetchResult& result : response.results()) {
    in_order_ &= !result.has_error() && TakeOffsets(result.batches(), &next_);
    taken_ += result.batches().size();
  }
  if (!holding_) GiveCredit();
}

void TailReader::GiveCredit() {
  v1::FetchRequest more;
  more.set_add_credit_bytes(std::exchange(taken_, 0));
  if (more.add_credit_bytes() > 0) connection_.Send(stream_, more.SerializeAsString());
}

void TailReader::Resume() {
  holding_ = false;
  GiveCredit();
}

}  // namespace cordwood::testing
