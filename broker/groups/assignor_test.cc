// SPDX-License-Identifier: Apache-2.0
// The assignors against their promises: every partition once, balanced, the fewest moves (by brute force where it is small), deterministic.
#include "broker/groups/assignor.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>

namespace cordwood::broker {
namespace {

TopicId Topic(std::uint8_t number) {
  TopicId id;
  id.bytes[0] = number;
  return id;
}
TopicPartition At(std::uint8_t topic, std::int32_t partition) { return {Topic(topic), PartitionIndex(partition)}; }

// A group in letters: topic numbers with counts, members with the topics they subscribe to and what they have.
struct Group {
  std::map<std::uint8_t, std::int32_t> topics;
  struct Member {
    std::set<std::uint8_t> topics;
    std::vector<TopicPartition> current;
  };
  std::map<std::string, Member> members;

  AssignorInput Input() const {
    AssignorInput input;
    std::map<std::uint8_t, std::uint32_t> index;
    for (const auto& [number, partitions] : topics) {
      index[number] = static_cast<std::uint32_t>(input.topics.size());
      input.topics.push_back({Topic(number), partitions});
    }
    for (const auto& [name, member] : members) {
      input.members.push_back({{}, member.current});
      for (const std::uint8_t number : member.topics) input.members.back().topics.push_back(index.at(number));
    }
    return input;
  }
  void Take(const Assignment& assignment) {
    std::size_t m = 0;
    for (auto& [name, member] : members) member.current = assignment[m++];
  }
};

// Uneven subscriptions, some members without any, some partitions that nobody has.
Group RandomGroup(std::mt19937_64& random, std::size_t members_max, std::size_t topics_max, std::int32_t partitions_max, bool equal) {
  Group group;
  auto up_to = [&](std::uint64_t n) { return random() % (n + 1); };
  const std::size_t topics = 1 + up_to(topics_max - 1);
  for (std::size_t t = 1; t <= topics; ++t) group.topics[static_cast<std::uint8_t>(t)] = static_cast<std::int32_t>(up_to(static_cast<std::uint64_t>(partitions_max)));
  const std::size_t members = 1 + up_to(members_max - 1);
  for (std::size_t m = 0; m < members; ++m) {
    auto& member = group.members["m" + std::to_string(100 + m)];
    for (const auto& [number, partitions] : group.topics) {
      if (equal || up_to(2) != 0) member.topics.insert(number);
    }
  }
  for (const auto& [number, partitions] : group.topics) {
    for (std::int32_t p = 0; p < partitions; ++p) {
      if (up_to(4) == 0) continue;
      auto holder = group.members.begin();
      std::advance(holder, static_cast<std::ptrdiff_t>(up_to(up_to(members - 1))));  // lopsided
      holder->second.current.push_back(At(number, p));
    }
  }
  return group;
}

void ExpectComplete(const Group& group, const Assignment& assignment) {
  std::set<TopicPartition> assigned, wanted;
  std::size_t m = 0;
  for (const auto& [name, member] : group.members) {
    EXPECT_TRUE(std::is_sorted(assignment[m].begin(), assignment[m].end()));
    for (const TopicPartition& partition : assignment[m]) {
      EXPECT_TRUE(assigned.insert(partition).second) << "twice";
      EXPECT_TRUE(member.topics.contains(partition.topic.bytes[0])) << "not subscribed";
    }
    for (const std::uint8_t topic : member.topics) {
      for (std::int32_t p = 0; p < group.topics.at(topic); ++p) wanted.insert(At(topic, p));
    }
    ++m;
  }
  EXPECT_EQ(assigned, wanted);
}

void ExpectEqualsAreBalanced(const Group& group, const Assignment& assignment) {
  std::map<std::set<std::uint8_t>, std::pair<std::size_t, std::size_t>> loads;
  std::size_t m = 0;
  for (const auto& [name, member] : group.members) {
    const std::size_t load = assignment[m++].size();
    auto [it, added] = loads.try_emplace(member.topics, load, load);
    it->second = {std::min(it->second.first, load), std::max(it->second.second, load)};
  }
  for (const auto& [topics, range] : loads) EXPECT_LE(range.second - range.first, 1u);
}

// Squared loads, then partitions that are not where they were; both to be small.
using Cost = std::pair<std::size_t, std::size_t>;

Cost CostOf(const Group& group, const Assignment& assignment) {
  Cost cost{0, 0};
  std::size_t m = 0;
  for (const auto& [name, member] : group.members) {
    cost.first += assignment[m].size() * assignment[m].size();
    for (const TopicPartition& partition : assignment[m]) {
      cost.second += std::find(member.current.begin(), member.current.end(), partition) == member.current.end();
    }
    ++m;
  }
  return cost;
}

void TryAll(const Group& group, const std::vector<TopicPartition>& partitions, std::size_t next, Assignment* assignment, Cost* best) {
  if (next == partitions.size()) {
    *best = std::min(*best, CostOf(group, *assignment));
    return;
  }
  std::size_t m = 0;
  bool subscribed = false;
  for (const auto& [name, member] : group.members) {
    auto& mine = (*assignment)[m++];
    if (!member.topics.contains(partitions[next].topic.bytes[0])) continue;
    subscribed = true;
    mine.push_back(partitions[next]);
    TryAll(group, partitions, next + 1, assignment, best);
    mine.pop_back();
  }
  if (!subscribed) TryAll(group, partitions, next + 1, assignment, best);
}

Cost LeastCost(const Group& group) {
  std::vector<TopicPartition> partitions;
  for (const auto& [topic, count] : group.topics) {
    for (std::int32_t p = 0; p < count; ++p) partitions.push_back(At(topic, p));
  }
  Assignment assignment(group.members.size());
  Cost best{SIZE_MAX, SIZE_MAX};
  TryAll(group, partitions, 0, &assignment, &best);
  return best;
}

TEST(AssignorTest, NamesAreThoseOfKafka) {
  EXPECT_EQ(AssignorFromName("uniform"), AssignorKind::kUniform);
  EXPECT_EQ(AssignorFromName("range"), AssignorKind::kRange);
  EXPECT_EQ(AssignorFromName("Uniform"), std::nullopt);
  EXPECT_EQ(AssignorFromName(""), std::nullopt);
}

TEST(AssignorTest, UniformIsBalancedWithTheFewestMovesByBruteForce) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 3000; ++i) {
    const Group group = RandomGroup(random, 4, 3, 2, i % 3 == 0);
    const Assignment assignment = AssignUniform(group.Input());
    ExpectComplete(group, assignment);
    EXPECT_EQ(CostOf(group, assignment), LeastCost(group)) << "case " << i;
    if (HasFailure()) return;
  }
}

TEST(AssignorTest, UniformIsCompleteBalancedAndAtRestWhenLarge) {
  std::mt19937_64 random(2);
  for (int i = 0; i < 200; ++i) {
    Group group = RandomGroup(random, 40, 12, 60, i % 4 == 0);
    const Assignment assignment = AssignUniform(group.Input());
    ExpectComplete(group, assignment);
    ExpectEqualsAreBalanced(group, assignment);
    EXPECT_EQ(AssignUniform(group.Input()), assignment);
    group.Take(assignment);
    EXPECT_EQ(AssignUniform(group.Input()), assignment) << "moves at rest";
    if (HasFailure()) return;
  }
}

TEST(AssignorTest, UniformMovesOnlyWhatADeadMemberHad) {
  Group group{{{1, 1000}}, {}};
  for (int m = 0; m < 10; ++m) group.members["m" + std::to_string(m)] = {{1}, {}};
  group.Take(AssignUniform(group.Input()));
  group.members.erase("m4");
  EXPECT_EQ(CostOf(group, AssignUniform(group.Input())).second, 100u);
}

TEST(AssignorTest, UniformGivesANewcomerItsShareAndNoMore) {
  Group group{{{1, 1000}}, {}};
  for (int m = 0; m < 100; ++m) group.members["m" + std::to_string(100 + m)] = {{1}, {}};
  group.Take(AssignUniform(group.Input()));
  group.members["newcomer"] = {{1}, {}};
  const Assignment assignment = AssignUniform(group.Input());
  EXPECT_EQ(CostOf(group, assignment).second, 9u);  // 1000 / 101
  ExpectEqualsAreBalanced(group, assignment);
}

TEST(AssignorTest, UniformMovesThroughAThirdMemberWhereThatIsTheOnlyWay) {
  // a can give only to b, b only to c: c's share comes from a, through b.
  Group group{{{1, 4}, {2, 2}}, {}};
  group.members["a"] = {{1}, {At(1, 0), At(1, 1), At(1, 2), At(1, 3)}};
  group.members["b"] = {{1, 2}, {At(2, 0), At(2, 1)}};
  group.members["c"] = {{2}, {}};
  const Assignment assignment = AssignUniform(group.Input());
  EXPECT_EQ(assignment[0].size(), 2u);
  EXPECT_EQ(assignment[1].size(), 2u);
  EXPECT_EQ(assignment[2].size(), 2u);
}

TEST(AssignorTest, UniformForgetsWhatIsNoLongerSubscribedOrNoLongerThere) {
  Group group{{{1, 2}, {2, 1}}, {}};
  group.members["a"] = {{1}, {At(1, 0), At(1, 7), At(2, 0), At(3, 0)}};
  group.members["b"] = {{1}, {}};
  EXPECT_EQ(AssignUniform(group.Input()), (Assignment{{At(1, 0)}, {At(1, 1)}}));
}

TEST(AssignorTest, RangeGivesNeighboursAndTheSameSharesOfTopicsThatAreAlike) {
  Group group{{{1, 5}, {2, 5}}, {}};
  group.members["a"] = group.members["b"] = {{1, 2}, {}};
  EXPECT_EQ(AssignRange(group.Input()), (Assignment{{At(1, 0), At(1, 1), At(1, 2), At(2, 0), At(2, 1), At(2, 2)},
                                                     {At(1, 3), At(1, 4), At(2, 3), At(2, 4)}}));
}

TEST(AssignorTest, RangeIsCompleteAndEvenPerTopic) {
  std::mt19937_64 random(3);
  for (int i = 0; i < 500; ++i) {
    const Group group = RandomGroup(random, 10, 5, 20, i % 2 == 0);
    const Assignment assignment = AssignRange(group.Input());
    ExpectComplete(group, assignment);
    for (const auto& [topic, count] : group.topics) {
      std::set<std::size_t> shares;
      std::size_t m = 0;
      for (const auto& [name, member] : group.members) {
        const TopicId id = Topic(topic);
        const auto mine = std::count_if(assignment[m].begin(), assignment[m].end(), [&](const TopicPartition& p) { return p.topic == id; });
        if (member.topics.contains(topic)) shares.insert(static_cast<std::size_t>(mine));
        ++m;
      }
      EXPECT_TRUE(shares.empty() || *shares.rbegin() - *shares.begin() <= 1u);
    }
    if (HasFailure()) return;
  }
}

TEST(AssignorTest, WithoutMembersOrTopicsNothingIsAssigned) {
  for (const auto assign : {AssignUniform, AssignRange}) {
    EXPECT_TRUE(assign({}).empty());
    EXPECT_EQ(assign(Group{{}, {{"a", {}}}}.Input()), Assignment(1));
    EXPECT_EQ(assign(Group{{{1, 3}}, {{"a", {}}}}.Input()), Assignment(1));
  }
}

}  // namespace
}  // namespace cordwood::broker
