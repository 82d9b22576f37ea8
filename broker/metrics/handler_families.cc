// SPDX-License-Identifier: Apache-2.0
// Every number is a sum over the network threads.
#include "broker/metrics/handler_families.h"

#include <algorithm>

namespace cordwood::broker {
namespace {

template <class Measures, class Value>
double Sum(const std::vector<const Measures*>& threads, Value Measures::*member) {
  double sum = 0;
  for (const Measures* thread : threads) sum += static_cast<double>((thread->*member).value());
  return sum;
}

template <class Measures>
LatencyTotals Total(const std::vector<const Measures*>& threads, LatencyHistogram Measures::*member) {
  LatencyTotals totals;
  for (const Measures* thread : threads) totals.Add(thread->*member);
  return totals;
}

template <class Measures>
void AddErrors(Families& families, const char* kind, const std::vector<const Measures*>& threads) {
  std::vector<const ReasonCounts*> counts;
  for (const Measures* thread : threads) counts.push_back(&thread->errors);
  families.AddErrors(kind, counts);
}

}  // namespace

void AddProduceFamilies(Families& families, const std::vector<const ProduceMeasures*>& threads) {
  families.AddRequests("produce", static_cast<std::uint64_t>(Sum(threads, &ProduceMeasures::requests)));
  families.Gauge("cordwood_produce_appends_outstanding", "Appends with the shards: in an inbox, being written, or waiting for a sync")
      .Add(Sum(threads, &ProduceMeasures::appends));
  families.Histogram("cordwood_produce_seconds", "From a produce request to its outcome, whatever that is").Add(Total(threads, &ProduceMeasures::whole));
  families.Histogram("cordwood_produce_answer_seconds", "From the shard's answer until the network thread has it").Add(Total(threads, &ProduceMeasures::answer));
  families.Gauge("cordwood_produce_unread_bytes", "Of outcomes and answers of produce calls that their clients have not read").Add(Sum(threads, &ProduceMeasures::unread_bytes));
  families.Counter("cordwood_produce_ended_unread_total", "Produce calls that were ended since their answers went unread and all unread ones held more than 64 MiB on a thread")
      .Add(Sum(threads, &ProduceMeasures::ended_unread));
  AddErrors(families, "produce", threads);
}

void AddFetchFamilies(Families& families, const std::vector<const FetchMeasures*>& threads, const ReaderPool& readers) {
  families.AddRequests("fetch", static_cast<std::uint64_t>(Sum(threads, &FetchMeasures::requests)));
  families.Counter("cordwood_fetch_records_total", "Records sent: by how much fetch positions moved on").Add(Sum(threads, &FetchMeasures::records));
  families.Counter("cordwood_fetch_bytes_total", "Bytes of batches or encoded records sent").Add(Sum(threads, &FetchMeasures::bytes));
  families.Counter("cordwood_fetch_ring_hits_total", "Looks for batches that the tail ring answered").Add(Sum(threads, &FetchMeasures::ring_hits));
  families.Counter("cordwood_fetch_ring_misses_total", "Looks for batches or records that a reader answers: catch-up reads")
      .Add(Sum(threads, &FetchMeasures::ring_misses));
  families.Gauge("cordwood_fetch_unwritten_bytes", "Of answers that are being gathered, or that the network has not taken from their calls yet; beyond 64 MiB on a thread answers get small")
      .Add(Sum(threads, &FetchMeasures::unwritten_bytes));
  families.Counter("cordwood_fetch_ended_unread_total", "Fetch calls that were ended since their answers went unread and all unread ones held more than 256 MiB on a thread")
      .Add(Sum(threads, &FetchMeasures::ended_unread));
  families.Gauge("cordwood_fetch_ring_bytes", "What the tail rings hold; rings of several threads share the bytes of a batch, each counts them")
      .Add(Sum(threads, &FetchMeasures::ring_bytes));
  families.Gauge("cordwood_fetch_reads_outstanding", "Reads with the readers or on their way back, and partitions being opened").Add(Sum(threads, &FetchMeasures::reads));
  families.Gauge("cordwood_fetch_read_queue_depth", "Reads that no reader has begun with").Add(static_cast<double>(readers.queued()));
  families.Counter("cordwood_fetch_reads_dropped_total", "Reads that came back unread, since their call had ended or moved on").Add(Sum(threads, &FetchMeasures::reads_dropped));
  families.Gauge("cordwood_fetch_catchup_limit_bytes_per_second", "consumer.catchup.max.bytes.per.second; 0: none").Add(Sum(threads, &FetchMeasures::catchup_limit));
  families.Gauge("cordwood_fetch_catchup_waiting_bytes", "Reads that the catch-up limit keeps waiting, the next one of each fetch call")
      .Add(Sum(threads, &FetchMeasures::catchup_waiting_bytes));
  families.Counter("cordwood_fetch_catchup_throttled_seconds_total", "How long the catch-up limit kept somebody waiting, on each network thread")
      .Add(Sum(threads, &FetchMeasures::catchup_held_micros) / 1e6);
  families.Gauge("cordwood_fetch_sessions", "Fetch calls with their state in memory").Add(Sum(threads, &FetchMeasures::sessions));
  families.Gauge("cordwood_fetch_parked_partitions", "Partitions of fetch calls that wait for a record").Add(Sum(threads, &FetchMeasures::parked));
  families.Histogram("cordwood_fetch_seconds", "A unary fetch from request to answer, its wait included; a stream's answer from when there was something to send and credit")
      .Add(Total(threads, &FetchMeasures::whole));
  families.Histogram("cordwood_fetch_read_seconds", "A catch-up read, its wait for a reader included").Add(Total(threads, &FetchMeasures::read));
  AddErrors(families, "fetch", threads);
}

void AddFetchLimit(Families& families, const std::vector<const FetchMeasures*>& threads, std::int64_t partitions_max) {
  std::int64_t most = 0;
  for (const FetchMeasures* thread : threads) most = std::max(most, thread->partitions_most.value());
  families.AddLimit("fetch_partitions_per_call", most, partitions_max, "fetch.partitions.max");
}

void AddBudgetFamilies(Families& families, const ByteBudget& budget) {
  const std::int64_t used = budget.total() - budget.free_bytes();
  families.Gauge("cordwood_request_budget_bytes", "Bytes that requests may hold in memory: queued.max.request.bytes").Add(static_cast<double>(budget.total()));
  families.Gauge("cordwood_request_budget_used_bytes", "Of these taken by network threads, in steps of 4 MiB").Add(static_cast<double>(used));
}

}  // namespace cordwood::broker
