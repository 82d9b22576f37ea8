// SPDX-License-Identifier: Apache-2.0
// A log with records two a batch, for what looks for places in it.
#pragma once

#include "broker/handlers/handlers_fixture.h"

namespace cordwood::broker {

class PairsFixture : public HandlerFixture {
 protected:
  // Two records of topic "t", 100 ms apart, in one compressed batch.
  void Append(int partition, std::int64_t timestamp_ms) {
    RecordBatchBuilder builder;
    for (const int i : {0, 1}) {
      RecordView record;
      record.timestamp_ms = timestamp_ms + 100 * i;
      record.value = "v";
      builder.Add(record);
    }
    auto stream = std::make_shared<ProduceStream>(false, &outcomes_);
    ProduceRequest request;
    request.entries.push_back(EntryOfBatch("t", partition, builder.Build(Codec::kZstd, {}, kSideHeaderBytes).value()));
    const std::size_t before = outcomes_.all.size();
    ASSERT_EQ(produce_->Produce(stream, std::move(request)), absl::OkStatus());
    ASSERT_TRUE(RunUntil([&] { return outcomes_.all.size() > before; }));
    ASSERT_TRUE(outcomes_.all.back().failures.empty());
  }

  Outcomes outcomes_;
};

}  // namespace cordwood::broker
