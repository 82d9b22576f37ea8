// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/group/groups_bench.h"

#include <cstdlib>
#include <map>
#include <string_view>

namespace cordwood::testing {
namespace {

struct Bench {
  void (*run)(const GroupArguments& arguments);
  std::size_t numbers;
  const char* names;
};

const std::map<std::string_view, Bench>& Benches() {
  static const std::map<std::string_view, Bench> benches = {
      {"kill", {BenchKill, 3, "MEMBERS ROUNDS SESSION_MS"}},
      {"member", {RunMember, 1, "NUMBER"}},
      {"join", {BenchJoin, 5, "MEMBERS PARTITIONS ROUNDS RECORDS_PER_S WINDOW_MS"}},
      {"streams", {BenchStreams, 3, "CONNECTIONS STREAMS GROUPS"}},
      {"commits", {BenchCommits, 4, "STREAMS PARTITIONS_EACH COMMITS PARTITIONS"}},
      {"fill", {FillOffsets, 2, "GROUPS OFFSETS"}},
      {"served", {AwaitOffsets, 2, "GROUPS OFFSETS"}},
      {"rewind", {BenchRewind, 4, "MEMBERS PARTITIONS ROUNDS RECORDS_PER_S"}},
  };
  return benches;
}

int Main(int argc, char** argv) {
  const auto found = argc > 3 ? Benches().find(argv[1]) : Benches().end();
  if (found == Benches().end() || found->second.numbers != static_cast<std::size_t>(argc - 4)) {
    for (const auto& [name, bench] : Benches()) std::fprintf(stderr, "usage: groups_bench %s ADDRESS TOPIC %s\n", std::string(name).c_str(), bench.names);
    return 2;
  }
  GroupArguments arguments{argv[2], argv[3], {}};
  for (int i = 4; i < argc; ++i) arguments.numbers.push_back(std::atoi(argv[i]));
  found->second.run(arguments);
  return 0;
}

}  // namespace
}  // namespace cordwood::testing

int main(int argc, char** argv) { return cordwood::testing::Main(argc, argv); }
