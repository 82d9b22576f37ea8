// SPDX-License-Identifier: Apache-2.0
// Greedy placement, direct moves, then the cancelling of negative cycles.
#include "broker/groups/uniform_flow.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <utility>

#include "storage/base/check.h"

namespace cordwood::broker {
namespace {

constexpr std::int64_t kLoadWeight = 1 << 24;  // a unit of squared load outweighs every count of moves on one cycle
constexpr std::uint32_t kPool = 0;             // the node behind all members: what leaves one enters another

}  // namespace

UniformFlow::UniformFlow(std::vector<std::int32_t> counts, std::size_t members, std::vector<Subscription> subscriptions)
    : counts_(std::move(counts)), subscriptions_(std::move(subscriptions)), loads_(members), of_topic_(counts_.size()) {
  CORDWOOD_CHECK(counts_.size() + members < (1u << 23));  // see kLoadWeight
  std::vector<std::size_t> subscribers(counts_.size());
  for (const Subscription& subscription : subscriptions_) ++subscribers[subscription.topic];
  for (std::size_t topic = 0; topic < counts_.size(); ++topic) of_topic_[topic].reserve(subscribers[topic]);
  for (std::uint32_t s = 0; s < subscriptions_.size(); ++s) of_topic_[subscriptions_[s].topic].push_back(s);
}

void UniformFlow::Solve(std::size_t exact_max, std::size_t rounds_max) {
  for (std::uint32_t s = 0; s < subscriptions_.size(); ++s) Add(s, subscriptions_[s].current);
  PlaceUnassigned();
  MoveDirectly();
  if (subscriptions_.size() > exact_max) return;
  nodes_.resize(1 + loads_.size() + counts_.size());
  while (rounds_max > 0 && CancelOneCycle()) --rounds_max;
  if (rounds_max == 0) MoveDirectly();
}

void UniformFlow::Add(std::uint32_t subscription, std::int32_t partitions) {
  subscriptions_[subscription].flow += partitions;
  loads_[subscriptions_[subscription].member] += partitions;
}

// Topics with few subscribers first: the others can still make up for them.
void UniformFlow::PlaceUnassigned() {
  std::vector<std::uint32_t> order(counts_.size());
  std::iota(order.begin(), order.end(), 0u);
  std::vector<std::pair<std::int64_t, std::uint32_t>> emptiest;  // load and subscription: a heap, the least and first in front
  std::stable_sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) { return of_topic_[a].size() < of_topic_[b].size(); });
  for (const std::uint32_t topic : order) {
    const auto& subscribers = of_topic_[topic];
    if (subscribers.empty()) continue;
    std::int32_t left = counts_[topic];
    for (const std::uint32_t s : subscribers) left -= subscriptions_[s].flow;
    CORDWOOD_CHECK(left >= 0);
    if (left == 0) continue;
    emptiest.clear();
    for (const std::uint32_t s : subscribers) emptiest.emplace_back(loads_[subscriptions_[s].member], s);
    std::make_heap(emptiest.begin(), emptiest.end(), std::greater<>());
    for (; left > 0; --left) {
      std::pop_heap(emptiest.begin(), emptiest.end(), std::greater<>());
      Add(emptiest.back().second, 1);
      ++emptiest.back().first;
      std::push_heap(emptiest.begin(), emptiest.end(), std::greater<>());
    }
  }
}

void UniformFlow::MoveDirectly() {
  for (bool moved = true; moved;) {
    moved = false;
    for (std::uint32_t topic = 0; topic < counts_.size(); ++topic) {
      while (MoveOneDirectly(topic)) moved = true;
    }
  }
}

// From the fullest member with a partition of the topic to the emptiest subscriber, if they are two apart. Among equals, what undoes a move wins.
bool UniformFlow::MoveOneDirectly(std::uint32_t topic) {
  const std::uint32_t none = static_cast<std::uint32_t>(subscriptions_.size());
  std::uint32_t from = none, to = none;
  auto fuller = [&](const Subscription& a, const Subscription& b) {
    if (loads_[a.member] != loads_[b.member]) return loads_[a.member] > loads_[b.member];
    return (a.flow > a.current) && !(b.flow > b.current);
  };
  auto emptier = [&](const Subscription& a, const Subscription& b) {
    if (loads_[a.member] != loads_[b.member]) return loads_[a.member] < loads_[b.member];
    return (a.flow < a.current) && !(b.flow < b.current);
  };
  for (const std::uint32_t s : of_topic_[topic]) {
    if (subscriptions_[s].flow > 0 && (from == none || fuller(subscriptions_[s], subscriptions_[from]))) from = s;
    if (to == none || emptier(subscriptions_[s], subscriptions_[to])) to = s;
  }
  if (from == none || loads_[subscriptions_[from].member] - loads_[subscriptions_[to].member] < 2) return false;
  Add(from, -1);
  Add(to, 1);
  return true;
}

// Bellman and Ford from every node at once; a cycle among the predecessors is a cycle of negative cost.
bool UniformFlow::CancelOneCycle() {
  std::fill(nodes_.begin(), nodes_.end(), Node{});
  for (std::size_t pass = 0; pass <= nodes_.size(); ++pass) {
    if (!RelaxAll()) return false;
    std::uint32_t on_cycle = 0;
    if (FindCycle(&on_cycle)) {
      Cancel(on_cycle);
      return true;
    }
  }
  CORDWOOD_CHECK(false);  // distances that still fall after as many passes as nodes have a cycle behind them
  return false;
}

bool UniformFlow::RelaxAll() {
  bool changed = false;
  for (std::uint32_t member = 0; member < loads_.size(); ++member) {
    if (loads_[member] > 0) changed |= Relax(kPool, MemberNode(member), -(2 * loads_[member] - 1) * kLoadWeight, Step::kLeave, 0);
  }
  for (std::uint32_t s = 0; s < subscriptions_.size(); ++s) {
    const Subscription& at = subscriptions_[s];
    if (at.flow > 0) changed |= Relax(MemberNode(at.member), TopicNode(at.topic), at.flow > at.current ? -1 : 0, Step::kRelease, s);
  }
  for (std::uint32_t s = 0; s < subscriptions_.size(); ++s) {
    const Subscription& at = subscriptions_[s];
    changed |= Relax(TopicNode(at.topic), MemberNode(at.member), at.flow >= at.current ? 1 : 0, Step::kTake, s);
  }
  for (std::uint32_t member = 0; member < loads_.size(); ++member) {
    changed |= Relax(MemberNode(member), kPool, (2 * loads_[member] + 1) * kLoadWeight, Step::kEnter, 0);
  }
  return changed;
}

bool UniformFlow::Relax(std::uint32_t from, std::uint32_t to, std::int64_t cost, Step step, std::uint32_t subscription) {
  const std::int64_t distance = nodes_[from].distance + cost;
  if (distance >= nodes_[to].distance) return false;
  nodes_[to] = {distance, from, subscription, step};
  return true;
}

bool UniformFlow::FindCycle(std::uint32_t* on_cycle) {
  seen_.assign(nodes_.size(), 0);
  for (std::uint32_t start = 0; start < nodes_.size(); ++start) {
    std::uint32_t at = start;
    while (seen_[at] == 0 && nodes_[at].step != Step::kNone) {
      seen_[at] = start + 1;
      at = nodes_[at].from;
    }
    if (nodes_[at].step != Step::kNone && seen_[at] == start + 1) {
      *on_cycle = at;
      return true;
    }
  }
  return false;
}

void UniformFlow::Cancel(std::uint32_t on_cycle) {
  std::uint32_t at = on_cycle;
  do {
    const Node& node = nodes_[at];
    if (node.step == Step::kRelease) Add(node.subscription, -1);
    if (node.step == Step::kTake) Add(node.subscription, 1);
    at = node.from;
  } while (at != on_cycle);
}

}  // namespace cordwood::broker
