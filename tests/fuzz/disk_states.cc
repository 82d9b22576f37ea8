// SPDX-License-Identifier: Apache-2.0
// Steps over decoded states.
#include "tests/fuzz/disk_states.h"

#include <string>

#include "storage/base/check.h"
#include "storage/log/epoch_cache.h"
#include "storage/log/producer_state.h"
#include "storage/record/record_batch.h"

namespace cordwood::testing {
namespace {

// A batch that is all header.
std::string Header(const ProducerId id, std::int16_t epoch, std::int32_t first, std::int32_t delta, std::int64_t offset) {
  std::string bytes(kBatchHeaderBytes, '\0');
  StoreBigEndian(&bytes[0], offset);
  StoreBigEndian(&bytes[8], static_cast<std::int32_t>(kBatchHeaderBytes - kBatchLengthPrefixBytes));
  bytes[16] = 2;
  StoreBigEndian(&bytes[23], delta);
  StoreBigEndian(&bytes[43], id.value());
  StoreBigEndian(&bytes[51], epoch);
  StoreBigEndian(&bytes[53], first);
  StoreBigEndian(&bytes[57], delta + 1);
  return bytes;
}

// What CheckAppend() lets through, and what a log can hold: offsets that rise.
void Append(FuzzInput* in, ProducerState* state, Offset* end, std::int64_t* clock_ms) {
  const ProducerId id(in->Below(4));
  const auto first = static_cast<std::int32_t>(in->Number() & INT32_MAX);
  const auto delta = static_cast<std::int32_t>(in->Below(1000));
  const std::string bytes = Header(id, static_cast<std::int16_t>(in->Below(3)), first, delta, end->value());
  const RecordBatchView batch = *RecordBatchView::Parse(bytes);
  if (*clock_ms < INT64_MAX / 2) *clock_ms += static_cast<std::int64_t>(in->Below(70'000));
  const auto verdicts = state->Check({&batch, 1}, *clock_ms);
  if (!verdicts.ok() || verdicts->front().duplicate) {
    if (verdicts.ok()) CORDWOOD_CHECK(verdicts->front().base_offset < *end);
    return;
  }
  state->Apply(batch, *clock_ms);
  *end = batch.end_offset();
}

}  // namespace

void CheckEpochs(FuzzInput* in) {
  const std::string value(in->Bytes(12 * in->Below(20) + in->Below(2)));
  StatusOr<EpochCache> cache = EpochCache::Decode(value);
  if (!cache.ok()) {
    CORDWOOD_CHECK(ReasonOf(cache.status()) == Reason::kStorageError);
    return;
  }
  CORDWOOD_CHECK(cache->Encode() == value);
  while (!in->done()) {
    const std::uint8_t what = in->Byte();
    const Offset offset(in->Number());
    const LeaderEpoch epoch(static_cast<std::int32_t>(in->Number()));
    if (what % 4 == 0) cache->Assign(epoch, offset);
    if (what % 4 == 1) cache->TruncateTo(offset);
    if (what % 4 == 2) cache->TruncateFrom(offset);
    if (what % 4 == 3) CORDWOOD_CHECK(cache->EndOf(epoch, offset).epoch <= epoch || cache->EndOf(epoch, offset).epoch == kNoLeaderEpoch);
    if (what % 4 == 3) CORDWOOD_CHECK(cache->EpochAt(offset) == kNoLeaderEpoch || cache->EpochAt(offset) <= cache->latest()->epoch);
    CORDWOOD_CHECK(cache->Invariants().ok());
    CORDWOOD_CHECK(EpochCache::Decode(cache->Encode()).ok());
  }
}

void CheckProducers(FuzzInput* in) {
  const ProducerLimits limits{.producers_max = 3, .expiration_ms = 60'000};
  const std::string value(in->Bytes(in->Raw<std::uint16_t>()));
  Offset end(0);
  StatusOr<ProducerState> state = ProducerState::Decode(value, limits, &end);
  if (!state.ok()) {
    CORDWOOD_CHECK(ReasonOf(state.status()) == Reason::kStorageError && end == Offset(0));
    if (!value.empty()) return;
    state = ProducerState(limits);
  }
  std::int64_t clock_ms = LoadBigEndian<std::int64_t>((value + std::string(16, '\0')).data() + 8);
  while (!in->done() && end < Offset(INT64_MAX / 2)) {
    if (in->Byte() % 8 == 0) {
      const Offset cut(in->Number() & INT64_MAX);
      if (cut < end) {
        state->TruncateTo(cut);
        end = cut;
      }
    } else {
      Append(in, &*state, &end, &clock_ms);
    }
    CORDWOOD_CHECK(state->Invariants().ok());
    Offset again_end;
    const std::string encoded = state->Encode(end);
    const StatusOr<ProducerState> again = ProducerState::Decode(encoded, limits, &again_end);
    CORDWOOD_CHECK(again.ok() && again_end == end && again->Encode(end) == encoded);
  }
}

}  // namespace cordwood::testing
