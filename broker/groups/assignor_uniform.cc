// SPDX-License-Identifier: Apache-2.0
// `uniform`: balanced, sticky, fewest moves. Equal subscriptions have a closed form; others are a flow.
#include <algorithm>
#include <cstddef>
#include <numeric>
#include <utility>

#include "broker/groups/assignor.h"
#include "broker/groups/uniform_flow.h"
#include "storage/base/check.h"

namespace cordwood::broker {
namespace {

constexpr std::int32_t kNobody = -1;

// All partitions of all topics in one row, topic after topic.
struct Row {
  std::vector<std::size_t> begins;   // by topic, and the end
  std::vector<std::int32_t> owners;  // by place: a member, or kNobody
};

// What members have now, where they still subscribe to it and it still exists.
Row PresentOwners(const AssignorInput& input) {
  Row row;
  row.begins.push_back(0);
  for (const GroupTopic& topic : input.topics) row.begins.push_back(row.begins.back() + static_cast<std::size_t>(topic.partitions));
  row.owners.assign(row.begins.back(), kNobody);
  for (std::size_t m = 0; m < input.members.size(); ++m) {
    const AssignorMember& member = input.members[m];
    auto next = member.current.begin();
    for (const std::uint32_t t : member.topics) {
      const GroupTopic& topic = input.topics[t];
      while (next != member.current.end() && next->topic < topic.id) ++next;
      for (; next != member.current.end() && next->topic == topic.id; ++next) {
        if (next->partition.value() >= topic.partitions) continue;
        std::int32_t& owner = row.owners[row.begins[t] + static_cast<std::size_t>(next->partition.value())];
        CORDWOOD_CHECK(owner == kNobody);
        owner = static_cast<std::int32_t>(m);
      }
    }
  }
  return row;
}

Assignment ByMember(const AssignorInput& input, const Row& row) {
  Assignment assignment(input.members.size());
  for (std::size_t t = 0; t < input.topics.size(); ++t) {
    for (std::size_t place = row.begins[t]; place < row.begins[t + 1]; ++place) {
      if (row.owners[place] == kNobody) continue;
      const auto partition = PartitionIndex(static_cast<std::int32_t>(place - row.begins[t]));
      assignment[static_cast<std::size_t>(row.owners[place])].push_back({input.topics[t].id, partition});
    }
  }
  return assignment;
}

// The members that subscribe to anything, if all of those subscribe to the same; else none.
std::vector<std::size_t> EqualSubscribers(const AssignorInput& input) {
  std::vector<std::size_t> members;
  for (std::size_t m = 0; m < input.members.size(); ++m) {
    if (input.members[m].topics.empty()) continue;
    if (!members.empty() && input.members[m].topics != input.members[members.front()].topics) return {};
    members.push_back(m);
  }
  return members;
}

// Everyone gets the floor of the mean; the remainder goes one each to those who have the most already, so that the fewest must give.
void AssignEqual(const AssignorInput& input, const std::vector<std::size_t>& members, Row* row) {
  std::size_t total = 0;
  for (const std::uint32_t t : input.members[members.front()].topics) total += row->begins[t + 1] - row->begins[t];
  std::vector<std::size_t> held(input.members.size()), wants(input.members.size());
  for (const std::int32_t owner : row->owners) {
    if (owner != kNobody) ++held[static_cast<std::size_t>(owner)];
  }
  std::vector<std::size_t> fullest = members;
  std::stable_sort(fullest.begin(), fullest.end(), [&](std::size_t a, std::size_t b) { return held[a] > held[b]; });
  for (std::size_t i = 0; i < fullest.size(); ++i) wants[fullest[i]] = total / members.size() + (i < total % members.size() ? 1 : 0);
  for (std::int32_t& owner : row->owners) {
    if (owner == kNobody) continue;
    std::size_t& want = wants[static_cast<std::size_t>(owner)];
    if (want > 0) {
      --want;
    } else {
      owner = kNobody;
    }
  }
  // Dealt in turn, so that neighbours in a topic go to different members.
  std::size_t turn = 0;
  for (const std::uint32_t t : input.members[members.front()].topics) {
    for (std::size_t place = row->begins[t]; place < row->begins[t + 1]; ++place) {
      if (row->owners[place] != kNobody) continue;
      while (wants[members[turn]] == 0) turn = (turn + 1) % members.size();
      row->owners[place] = static_cast<std::int32_t>(members[turn]);
      --wants[members[turn]];
      turn = (turn + 1) % members.size();
    }
  }
}

// The flow says how many of each topic; whoever keeps some keeps the lowest ones, the rest is dealt in turn.
void AssignTopic(std::vector<UniformFlow::Subscription>& shares, std::int32_t* owners_begin, std::int32_t* owners_end) {
  auto share_of = [&](std::int32_t member) {
    return std::lower_bound(shares.begin(), shares.end(), static_cast<std::uint32_t>(member),
                            [](const UniformFlow::Subscription& s, std::uint32_t m) { return s.member < m; });
  };
  for (std::int32_t* owner = owners_begin; owner != owners_end; ++owner) {
    if (*owner == kNobody) continue;
    const auto share = share_of(*owner);
    if (share->flow > 0) {
      --share->flow;
    } else {
      *owner = kNobody;
    }
  }
  std::size_t turn = 0;
  for (std::int32_t* owner = owners_begin; owner != owners_end; ++owner) {
    if (*owner != kNobody) continue;
    while (shares[turn].flow == 0) turn = (turn + 1) % shares.size();
    *owner = static_cast<std::int32_t>(shares[turn].member);
    --shares[turn].flow;
    turn = (turn + 1) % shares.size();
  }
}

void AssignByFlow(const AssignorInput& input, Row* row) {
  std::vector<std::int32_t> counts;
  for (const GroupTopic& topic : input.topics) counts.push_back(topic.partitions);
  std::vector<std::size_t> subscribers(input.topics.size());
  std::size_t all = 0;
  for (const AssignorMember& member : input.members) {
    for (const std::uint32_t t : member.topics) ++subscribers[t];
    all += member.topics.size();
  }
  std::vector<UniformFlow::Subscription> subscriptions;
  subscriptions.reserve(all);
  for (std::size_t m = 0; m < input.members.size(); ++m) {
    std::vector<std::int32_t> held(input.topics.size());
    for (const TopicPartition& partition : input.members[m].current) {
      const auto topic = std::lower_bound(input.topics.begin(), input.topics.end(), partition.topic,
                                          [](const GroupTopic& t, const TopicId& id) { return t.id < id; });
      if (topic == input.topics.end() || topic->id != partition.topic || partition.partition.value() >= topic->partitions) continue;
      ++held[static_cast<std::size_t>(topic - input.topics.begin())];
    }
    for (const std::uint32_t t : input.members[m].topics) subscriptions.push_back({t, static_cast<std::uint32_t>(m), held[t], 0});
  }
  UniformFlow flow(std::move(counts), input.members.size(), std::move(subscriptions));
  flow.Solve(kExactSubscriptionsMax, kExactRoundsMax);
  std::vector<std::vector<UniformFlow::Subscription>> shares(input.topics.size());
  for (std::size_t t = 0; t < input.topics.size(); ++t) shares[t].reserve(subscribers[t]);
  for (const UniformFlow::Subscription& share : flow.subscriptions()) shares[share.topic].push_back(share);
  for (std::size_t t = 0; t < input.topics.size(); ++t) {
    if (!shares[t].empty()) AssignTopic(shares[t], row->owners.data() + row->begins[t], row->owners.data() + row->begins[t + 1]);
  }
}

}  // namespace

Assignment AssignUniform(const AssignorInput& input) {
  Row row = PresentOwners(input);
  const std::vector<std::size_t> equals = EqualSubscribers(input);
  if (!equals.empty()) {
    AssignEqual(input, equals, &row);
  } else {
    AssignByFlow(input, &row);
  }
  return ByMember(input, row);
}

}  // namespace cordwood::broker
