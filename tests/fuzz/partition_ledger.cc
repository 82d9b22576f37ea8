// SPDX-License-Identifier: Apache-2.0
// Bookkeeping per partition, and reading it all back.
#include "tests/fuzz/partition_ledger.h"

#include <algorithm>
#include <cstdio>
#include <tuple>

#include "storage/base/check.h"
#include "storage/record/record_batch.h"
#include "tests/support/wait_until.h"

namespace cordwood::testing {
namespace {

using ProducerStamp = PartitionLedger::ProducerStamp;

v1::PartitionName Name(int partition) {
  v1::PartitionName name;
  name.set_topic(kFuzzTopic);
  name.set_partition(partition);
  return name;
}

// Log start and high watermark; {-1, -1} if the topic is gone or has fewer partitions.
std::pair<std::int64_t, std::int64_t> Bounds(const BrokerUnderFuzz& broker, int partition) {
  v1::ListOffsetsRequest request;
  for (const bool end : {false, true}) {
    v1::ListOffsetsRequest::Query& query = *request.add_queries();
    *query.mutable_partition() = Name(partition);
    if (end) query.set_end(true);
    if (!end) query.set_start(true);
  }
  v1::ListOffsetsResponse response;
  CORDWOOD_CHECK(broker.Call(broker.client().log(), &v1::Log::Stub::ListOffsets, request, &response).ok());
  CORDWOOD_CHECK(response.answers_size() == 2);
  if (response.answers(0).has_error() && response.answers(0).error().reason() != v1::NONE) return {-1, -1};
  return {response.answers(0).offset(), response.answers(1).offset()};
}

// As many base offsets as an entry gets: one per batch as their lengths say, one where they lie.
int OffsetsOf(const v1::ProduceEntry& entry) {
  int count = 0;
  for (std::string_view rest = entry.batches(); !rest.empty(); ++count) {
    if (rest.size() < kBatchLengthPrefixBytes) return 1;
    const std::int64_t length = LoadBigEndian<std::int32_t>(rest.data() + 8);
    if (length < 0 || static_cast<std::size_t>(length) + kBatchLengthPrefixBytes < kBatchHeaderBytes ||
        static_cast<std::size_t>(length) + kBatchLengthPrefixBytes > rest.size()) return 1;
    rest.remove_prefix(static_cast<std::size_t>(length) + kBatchLengthPrefixBytes);
  }
  return std::max(1, count);
}

ProducerStamp StampOf(const RecordBatchView& batch) { return {batch.producer_id().value(), batch.producer_epoch().value(), batch.base_sequence().value()}; }

}  // namespace

std::int64_t CheckFetchedBatches(std::string_view batches, std::int64_t from) {
  std::int64_t next = from;
  for (bool first = true; !batches.empty(); first = false) {
    const StatusOr<RecordBatchView> batch = RecordBatchView::TakeFirst(&batches);
    CORDWOOD_CHECK(batch.ok() && batch->CheckCrc().ok());
    CORDWOOD_CHECK(first ? batch->end_offset().value() > from : batch->base_offset().value() == next);
    next = batch->end_offset().value();
  }
  return next;
}

void PartitionLedger::Acknowledged(const v1::ProduceRequest& request, const v1::Done& done, const std::vector<std::int64_t>& settled_ends) {
  CORDWOOD_CHECK(done.seq() == request.seq());
  std::vector<bool> refused(static_cast<std::size_t>(request.entries_size()));
  for (const v1::EntryError& error : done.errors()) {
    CheckEntryError(error);
    if (done.base_offset_size() == 0) return;  // refused as a whole
    CORDWOOD_CHECK(error.entry() < refused.size());
    refused[error.entry()] = true;
  }
  if (request.acks() == v1::ACKS_NONE) return;
  int answered = 0;
  for (int i = 0; i < request.entries_size(); ++i) {
    const v1::ProduceEntry& entry = request.entries(i);
    if (refused[static_cast<std::size_t>(i)]) {
      for (int left = OffsetsOf(entry); left > 0; --left) {
        CORDWOOD_CHECK(answered < done.base_offset_size() && done.base_offset(answered++) == -1);
      }
      continue;
    }
    int partition = entry.has_partition() ? entry.partition() : -1;
    if (partition < 0 && i < done.partition_size()) partition = done.partition(i);
    const bool known = entry.topic() == kFuzzTopic && partition >= 0 && partition < kFuzzPartitionsMax;
    const std::int64_t settled = known && !settled_ends.empty() ? settled_ends[static_cast<std::size_t>(partition)] : 0;
    std::string_view rest = entry.batches();
    do {
      CORDWOOD_CHECK(answered < done.base_offset_size() && done.base_offset(answered) >= 0);
      const std::int64_t base_offset = done.base_offset(answered++);
      const std::string_view before = rest;
      if (!before.empty()) CORDWOOD_CHECK(RecordBatchView::TakeFirst(&rest).ok());
      if (known) Take(&logs_[partition], before.substr(0, before.size() - rest.size()), base_offset, settled);
    } while (!rest.empty());
  }
  CORDWOOD_CHECK(answered == done.base_offset_size());
}

// `bytes`: one batch; empty for plain records, whose batch the broker made.
void PartitionLedger::Take(Log* log, std::string_view bytes, std::int64_t base_offset, std::int64_t settled_end) {
  if (bytes.empty()) {
    CORDWOOD_CHECK(base_offset >= settled_end);
    log->end = std::max(log->end, base_offset + 1);
    return;
  }
  const RecordBatchView batch = *RecordBatchView::Parse(bytes);
  if (batch.producer_id() == kNoProducerId) {
    CORDWOOD_CHECK(base_offset >= settled_end);
    CORDWOOD_CHECK(log->batches.emplace(base_offset, batch.records()).second && !log->stamps.contains(base_offset));
  } else {
    // It may be one that is there already: then where it was.
    const auto [known, added] = log->stamps.emplace(base_offset, StampOf(batch));
    CORDWOOD_CHECK(known->second == StampOf(batch) && !log->batches.contains(base_offset));
  }
  log->end = std::max(log->end, base_offset + batch.last_offset_delta() + 1);
}

void PartitionLedger::Deleted(int partition, std::int64_t log_start) {
  CORDWOOD_CHECK(may_lose_ || log_start >= logs_[partition].start);
  logs_[partition].start = log_start;
}

std::vector<std::int64_t> PartitionLedger::ends() const {
  std::vector<std::int64_t> ends;
  for (const Log& log : logs_) ends.push_back(log.end);
  return ends;
}

void PartitionLedger::CheckReadBack(const BrokerUnderFuzz& broker) const {
  for (int partition = 0; partition < kFuzzPartitionsMax; ++partition) CheckLog(broker, partition, logs_[partition]);
}

void PartitionLedger::CheckLog(const BrokerUnderFuzz& broker, int partition, const Log& log) const {
  if (may_lose_) return;
  // What the leader alone acknowledged is visible once it is durable.
  std::int64_t start = -1, end = -1;
  CORDWOOD_CHECK(WaitUntil([&] {
    std::tie(start, end) = Bounds(broker, partition);
    return end < 0 || end >= log.end;
  }));
  if (start < 0) {
    CORDWOOD_CHECK(log.end == 0);  // there never was such a partition
    return;
  }
  CORDWOOD_CHECK(start == log.start && start <= end);
  std::map<std::int64_t, std::string> found;
  std::map<ProducerStamp, std::int64_t> stamps;  // and where
  for (std::int64_t next = start; next < end;) {
    v1::FetchResponse response;
    v1::FetchRequest request = FetchFrom(kFuzzTopic, partition, next);
    CORDWOOD_CHECK(broker.Call(broker.client().log(), &v1::Log::Stub::Fetch, request, &response).ok());
    CORDWOOD_CHECK(response.results_size() == 1 && response.results(0).error().reason() == v1::NONE);
    std::string_view batches = response.results(0).batches();
    const std::int64_t reached = CheckFetchedBatches(batches, next);
    CORDWOOD_CHECK(reached > next);
    while (!batches.empty()) {
      const RecordBatchView batch = *RecordBatchView::TakeFirst(&batches);
      found.emplace(batch.base_offset().value(), batch.records());
      if (batch.producer_id() != kNoProducerId) CORDWOOD_CHECK(stamps.emplace(StampOf(batch), batch.base_offset().value()).second);  // once
    }
    next = reached;
  }
  for (const auto& [base_offset, records] : log.batches) {
    const auto there = found.find(base_offset);
    if (base_offset < start && there == found.end()) continue;
    if (there == found.end()) std::fprintf(stderr, "partition %d: acknowledged offset %lld is gone\n", partition, static_cast<long long>(base_offset));
    CORDWOOD_CHECK(there != found.end() && there->second == records);
  }
  for (const auto& [base_offset, stamp] : log.stamps) {
    const auto there = stamps.find(stamp);
    CORDWOOD_CHECK(there == stamps.end() ? base_offset < start : there->second == base_offset);
  }
}

}  // namespace cordwood::testing
