// SPDX-License-Identifier: Apache-2.0
// The group campaign: many seeded histories of one group, each judged after every step.
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "tests/groups/group_world.h"

namespace cordwood::broker {
namespace {

constexpr char kUsage[] =
    "group_campaign [--rounds N] [--seed S] [--steps N] [--expect-violation]\n"
    "Runs N histories (1000) of up to --steps random steps (400) with the seeds S, S+1, ...; each then comes to rest.\n"
    "At a violation it prints the seed, what is wrong and the whole history, and exits 1.\n"
    "--expect-violation: exits 0 only if there is one (the core is a mutant).\n"
    "To repeat a history: --seed <its seed> --rounds 1 with the same --steps.\n";

struct CampaignOptions {
  std::uint64_t rounds = 1000;
  std::uint64_t seed = 1;
  int steps = 400;
  bool expect_violation = false;
};

bool ParseFlags(int argc, char** argv, CampaignOptions* options) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view flag = argv[i];
    if (flag == "--expect-violation") {
      options->expect_violation = true;
      continue;
    }
    if (i + 1 == argc) return false;
    const std::uint64_t value = std::strtoull(argv[++i], nullptr, 10);
    if (flag == "--rounds") {
      options->rounds = value;
    } else if (flag == "--seed") {
      options->seed = value;
    } else if (flag == "--steps" && value > 0 && value < 1'000'000) {
      options->steps = static_cast<int>(value);
    } else {
      return false;
    }
  }
  return true;
}

// From few steps to many: short histories are the ones to read.
int StepsOf(const CampaignOptions& options, std::uint64_t seed) { return 1 + static_cast<int>(seed * 7919 % static_cast<std::uint64_t>(options.steps)); }

int RunCampaign(const CampaignOptions& options) {
  std::uint64_t events = 0;
  for (std::uint64_t round = 0; round < options.rounds; ++round) {
    const std::uint64_t seed = options.seed + round;
    GroupWorld world(seed, /*trace=*/false);
    const auto violation = world.Run(StepsOf(options, seed));
    events += world.events();
    if (!violation.has_value()) continue;
    GroupWorld again(seed, /*trace=*/true);
    again.Run(StepsOf(options, seed));
    std::printf("seed %llu: %s\nhistory:\n%s", static_cast<unsigned long long>(seed), violation->c_str(), again.trace().c_str());
    if (options.expect_violation) std::printf("caught after %llu histories, as it should be\n", static_cast<unsigned long long>(round + 1));
    return options.expect_violation ? 0 : 1;
  }
  std::printf("%llu histories, %llu events, seeds %llu to %llu: no violation\n", static_cast<unsigned long long>(options.rounds),
              static_cast<unsigned long long>(events), static_cast<unsigned long long>(options.seed),
              static_cast<unsigned long long>(options.seed + options.rounds - 1));
  if (options.expect_violation) std::printf("NOT CAUGHT\n");
  return options.expect_violation ? 1 : 0;
}

}  // namespace
}  // namespace cordwood::broker

int main(int argc, char** argv) {
  cordwood::broker::CampaignOptions options;
  if (!cordwood::broker::ParseFlags(argc, argv, &options)) {
    std::fputs(cordwood::broker::kUsage, stderr);
    return 2;
  }
  return cordwood::broker::RunCampaign(options);
}
