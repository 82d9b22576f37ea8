// SPDX-License-Identifier: Apache-2.0
// What an assignment costs: CPU time and moves, for groups up to 1 000 members and 10 000 partitions; then the worst of all as a line of JSON.
//     assignor_bench [TIMES]     each case; 5 unless said
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <vector>

#include "broker/groups/assignor.h"

namespace cordwood::broker {
namespace {

double CpuMs() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
}

struct Group {
  AssignorInput input;

  // Member m subscribes to every topic, or, when `uneven`, to all but one or two of them.
  Group(std::size_t members, std::size_t topics, std::int32_t partitions_each, bool uneven) {
    for (std::size_t t = 0; t < topics; ++t) {
      TopicId id;
      id.bytes[0] = static_cast<std::uint8_t>(t >> 8);
      id.bytes[1] = static_cast<std::uint8_t>(t);
      input.topics.push_back({id, partitions_each});
    }
    for (std::size_t m = 0; m < members; ++m) {
      input.members.push_back({});
      for (std::uint32_t t = 0; t < topics; ++t) {
        if (!uneven || (t != m % topics && t != (m * 7) % topics)) input.members.back().topics.push_back(t);
      }
    }
  }
};

std::size_t Moves(const AssignorInput& input, const Assignment& assignment) {
  std::size_t moves = 0;
  for (std::size_t m = 0; m < input.members.size(); ++m) {
    for (const TopicPartition& partition : assignment[m]) {
      moves += !std::binary_search(input.members[m].current.begin(), input.members[m].current.end(), partition);
    }
  }
  return moves;
}

// No assignment that gives every partition an owner has fewer: those of nobody, and a fair share for each member with nothing.
std::size_t MovesMin(const AssignorInput& input) {
  std::size_t owned = 0, empty = 0, all = 0;
  for (const AssignorMember& member : input.members) {
    owned += member.current.size();
    empty += member.current.empty();
  }
  for (const GroupTopic& topic : input.topics) all += static_cast<std::size_t>(topic.partitions);
  return std::max(all - owned, empty * (all / input.members.size()));
}

int times = 5;

struct Worst {
  double cpu_ms = 0;
  std::size_t beyond = 0;  // moves more than the minimum
} worst;

void Measure(const char* what, const AssignorInput& input, Assignment* assignment) {
  double least = 1e9, most = 0;
  for (int i = 0; i < times; ++i) {
    const double begin = CpuMs();
    *assignment = AssignUniform(input);
    const double took = CpuMs() - begin;
    least = std::min(least, took);
    most = std::max(most, took);
  }
  std::size_t load_min = SIZE_MAX, load_max = 0;
  for (const auto& mine : *assignment) {
    load_min = std::min(load_min, mine.size());
    load_max = std::max(load_max, mine.size());
  }
  worst.cpu_ms = std::max(worst.cpu_ms, most);
  worst.beyond = std::max(worst.beyond, Moves(input, *assignment) - MovesMin(input));
  std::fprintf(stderr, "%-52s %8.2f to %8.2f ms CPU, %6zu placed anew, loads %zu to %zu\n", what, least, most, Moves(input, *assignment), load_min, load_max);
}

void MeasureGroup(const char* what, std::size_t members, std::size_t topics, std::int32_t partitions_each, bool uneven) {
  std::fprintf(stderr, "%s: %zu members, %zu topics x %d partitions\n", what, members, topics, partitions_each);
  Group group(members, topics, partitions_each, uneven);
  Assignment assignment;
  Measure("  from nothing", group.input, &assignment);
  for (std::size_t m = 0; m < members; ++m) group.input.members[m].current = assignment[m];
  Measure("  at rest", group.input, &assignment);
  const AssignorInput whole = group.input;
  group.input.members.erase(group.input.members.begin() + static_cast<std::ptrdiff_t>(members / 2));
  Measure("  one member leaves", group.input, &assignment);
  group.input = whole;
  group.input.members.push_back({whole.members.front().topics, {}});
  Measure("  one member comes", group.input, &assignment);
  group.input = whole;
  group.input.members[members / 2].current.clear();
  Measure("  one member comes back empty", group.input, &assignment);
  for (std::size_t m = 0; m < members / 2; ++m) group.input.members[m].current.clear();
  Measure("  half of the members come back empty", group.input, &assignment);
}

}  // namespace
}  // namespace cordwood::broker

int main(int argc, char** argv) {
  using cordwood::broker::MeasureGroup;
  if (argc > 1) cordwood::broker::times = std::atoi(argv[1]);
  MeasureGroup("equal subscriptions", 1000, 1, 10'000, false);
  MeasureGroup("equal subscriptions", 1000, 100, 100, false);
  MeasureGroup("different subscriptions", 1000, 10, 1000, true);
  MeasureGroup("different subscriptions", 1000, 100, 100, true);
  MeasureGroup("different subscriptions", 1000, 1000, 10, true);
  std::printf("{\"bench\":\"assignor\",\"cpu_ms\":%.3f,\"moves_beyond\":%zu}\n", cordwood::broker::worst.cpu_ms, cordwood::broker::worst.beyond);
  return 0;
}
