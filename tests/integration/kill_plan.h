// SPDX-License-Identifier: Apache-2.0
// What one round of the kill campaign does, drawn from its seed: the same seed gives the same schedule.
#pragma once

#include <cstdint>
#include <random>
#include <string>

namespace cordwood::testing {

enum class Door { kUnary, kStream };

struct ProducerPlan {
  std::uint64_t seed = 0;      // of its record counts and sizes
  Door door = Door::kStream;
  int window = 5;              // messages in flight, 1 to 5: as many as a broker remembers of a producer
  int records_max = 50;        // of a batch
  int value_bytes_max = 500;   // of a record, over its name
};

struct KillPlan {
  std::uint64_t seed = 0;
  int kill_after_ms = 0;       // after all producers run
  bool kill_at_start = false;  // once more, while the broker is starting again
  static constexpr int kProducers = 5;
  ProducerPlan producers[kProducers];
};

// Rounds that share a data directory, and with it topics and producers.
inline constexpr int kRoundsOfADirectory = 5;

inline KillPlan PlanRound(std::uint64_t campaign_seed, int round) {
  KillPlan plan;
  std::seed_seq sequence{campaign_seed, campaign_seed >> 32, static_cast<std::uint64_t>(round)};
  std::mt19937_64 random(sequence);
  plan.seed = random();
  plan.kill_after_ms = static_cast<int>(random() % 4 == 0 ? random() % 20 : random() % 700);
  plan.kill_at_start = random() % 4 == 0;
  for (ProducerPlan& producer : plan.producers) {
    producer.seed = random();
    producer.door = random() % 3 == 0 ? Door::kUnary : Door::kStream;
    producer.window = static_cast<int>(1 + random() % 5);
    producer.records_max = static_cast<int>(1 + random() % 60);
    producer.value_bytes_max = static_cast<int>(random() % 3 == 0 ? 6000 : 300);
  }
  return plan;
}

// What the rounds found. Everything acknowledged must be found, once and in order.
struct KillCounts {
  std::int64_t acknowledged = 0;
  std::int64_t found = 0;
  std::int64_t lost = 0;       // acknowledged, but not there or not where it was acknowledged
  std::int64_t reordered = 0;
  std::int64_t doubled = 0;
  std::int64_t refused = 0;    // answers that no kill explains

  bool clean() const { return lost == 0 && reordered == 0 && doubled == 0 && refused == 0; }
  void Add(const KillCounts& other) {
    acknowledged += other.acknowledged;
    found += other.found;
    lost += other.lost;
    reordered += other.reordered;
    doubled += other.doubled;
    refused += other.refused;
  }
  std::string ToString() const {
    const auto field = [](const char* name, std::int64_t n) { return std::string(" ") + name + "=" + std::to_string(n); };
    return field("acknowledged", acknowledged) + field("found", found) + field("lost", lost) + field("reordered", reordered) +
           field("doubled", doubled) + field("refused", refused);
  }
};

}  // namespace cordwood::testing
