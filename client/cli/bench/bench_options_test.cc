// SPDX-License-Identifier: Apache-2.0
#include "client/cli/bench/bench_options.h"

#include <gmock/gmock.h>

#include <string>

namespace cordwood::client {
namespace {

using namespace std::chrono_literals;  // NOLINT

// The message of the refusal, or "" if there is none.
std::string Refusal(const BenchOptions& options) {
  const auto plan = MakeBenchPlan({}, options);
  if (plan.ok()) return "";
  EXPECT_EQ(ReasonOf(plan.status()), Reason::kInvalidRequest);
  return MessageOf(plan.status());
}

TEST(BenchOptionsTest, TheDefaultsAreAPlan) {
  const auto plan = MakeBenchPlan({}, {});
  ASSERT_TRUE(plan.ok());
  EXPECT_EQ(plan->records, 1'000'000U);
  EXPECT_EQ(plan->size, 1024U);
  EXPECT_EQ(plan->rate, 0);
  EXPECT_FALSE(plan->partitions.has_value());
  EXPECT_EQ(plan->producer.linger, 1ms);
  EXPECT_EQ(plan->producer.delivery_timeout, 30s);
}

TEST(BenchOptionsTest, EveryOptionIsRead) {
  BenchOptions options;
  options.size = "4KiB";
  options.rate = "600/m";
  options.partitions = "5,0,3";
  options.acks = "none";
  options.linger = "0ms";
  options.batch_bytes = "1MiB";
  options.compression = "zstd";
  options.payload = "compressible";
  options.from = "end";
  options.idle = "1s";
  const auto plan = MakeBenchPlan({}, options);
  ASSERT_TRUE(plan.ok());
  EXPECT_EQ(plan->size, 4096U);
  EXPECT_EQ(plan->rate, 10);
  EXPECT_THAT(*plan->partitions, testing::ElementsAre(0, 3, 5));
  EXPECT_EQ(plan->producer.acks, cordwood::Acks::kNone);
  EXPECT_FALSE(plan->producer.idempotence);
  EXPECT_EQ(plan->producer.linger, 0ms);
  EXPECT_EQ(plan->producer.batch_bytes, 1U << 20);
  EXPECT_EQ(plan->producer.compression, Compression::kZstd);
  EXPECT_TRUE(plan->compressible);
  EXPECT_TRUE(plan->from_end);
  EXPECT_EQ(plan->idle, 1s);
}

TEST(BenchOptionsTest, WarmUpIsRecordsOrATime) {
  EXPECT_EQ(MakeBenchPlan({}, {.warm_up = "10000"})->warm_up_records, 10'000U);
  EXPECT_EQ(MakeBenchPlan({}, {.warm_up = "5s"})->warm_up, 5s);
  EXPECT_THAT(Refusal({.warm_up = "soon"}), testing::HasSubstr("--warm-up \"soon\""));
  EXPECT_THAT(Refusal({.warm_up = "-5"}), testing::HasSubstr("--warm-up \"-5\""));
}

TEST(BenchOptionsTest, ARefusalNamesTheOption) {
  EXPECT_THAT(Refusal({.records = 0}), testing::HasSubstr("--records \"0\""));
  EXPECT_THAT(Refusal({.size = "8388608"}), testing::HasSubstr("--size \"8388608\": 0 to 7999900 bytes"));
  EXPECT_THAT(Refusal({.size = "big"}), testing::HasSubstr("--size: "));
  EXPECT_THAT(Refusal({.rate = "fast"}), testing::HasSubstr("--rate: "));
  EXPECT_THAT(Refusal({.keys = -1}), testing::HasSubstr("--keys \"-1\""));
  EXPECT_THAT(Refusal({.producers = 65}), testing::HasSubstr("--producers \"65\""));
  EXPECT_THAT(Refusal({.records = 3, .producers = 4}), testing::HasSubstr("not more than records"));
  EXPECT_THAT(Refusal({.acks = "two"}), testing::HasSubstr("--acks \"two\""));
  EXPECT_THAT(Refusal({.linger = "2h"}), testing::HasSubstr("--linger \"2h\""));
  EXPECT_THAT(Refusal({.linger = "30s"}), testing::HasSubstr("--linger \"30s\": shorter than --timeout"));
  EXPECT_THAT(Refusal({.batch_bytes = "0"}), testing::HasSubstr("--batch-size \"0\""));
  EXPECT_THAT(Refusal({.compression = "rar"}), testing::HasSubstr("--compression \"rar\""));
  EXPECT_THAT(Refusal({.payload = "zeros"}), testing::HasSubstr("--payload \"zeros\""));
  EXPECT_THAT(Refusal({.from = "10"}), testing::HasSubstr("--from \"10\""));
  EXPECT_THAT(Refusal({.idle = "x"}), testing::HasSubstr("--idle: "));
}

TEST(BenchOptionsTest, PartitionsAreAllOrAListWithoutRepeats) {
  EXPECT_TRUE(MakeBenchPlan({}, {.partitions = "all"})->all_partitions);
  for (const char* wrong : {"-1", "0,,1", "a", "0,", "2,1,2"}) EXPECT_THAT(Refusal({.partitions = wrong}), testing::HasSubstr("--partitions")) << wrong;
}

TEST(BenchOptionsTest, EndToEndDoesNotLinger) { EXPECT_EQ(MakeBenchPlan({}, {.kind = BenchKind::kE2e})->producer.linger, 0ms); }

}  // namespace
}  // namespace cordwood::client
