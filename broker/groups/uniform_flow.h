// SPDX-License-Identifier: Apache-2.0
// How many partitions of each topic each member takes, where subscriptions differ: balanced first, then with the fewest moves.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace cordwood::broker {

// A flow of partitions from topics over subscriptions to members. Its cost is, first, the sum of the squared loads of the members, second, how many
// partitions are where they were not. Greedy steps bring it near the least cost; cancelling negative cycles of the residual graph (Klein 1967; for the first
// cost alone: optimal semi-matchings, Harvey et al. 2006) brings it there.
class UniformFlow {
 public:
  struct Subscription {
    std::uint32_t topic = 0;
    std::uint32_t member = 0;
    std::int32_t current = 0;  // partitions of the topic that the member has now
    std::int32_t flow = 0;     // that it shall have
  };

  // `counts[t]`: partitions of topic t. A topic with none of the subscriptions keeps its partitions to itself.
  UniformFlow(std::vector<std::int32_t> counts, std::size_t members, std::vector<Subscription> subscriptions);

  // At most `rounds_max` cycles are cancelled, none if there are more than `exact_max` subscriptions.
  void Solve(std::size_t exact_max, std::size_t rounds_max);

  const std::vector<Subscription>& subscriptions() const { return subscriptions_; }  // in the order given

 private:
  enum class Step : std::uint8_t { kNone, kLeave, kRelease, kTake, kEnter };
  struct Node {
    std::int64_t distance = 0;
    std::uint32_t from = 0;          // a node
    std::uint32_t subscription = 0;  // of kRelease and kTake
    Step step = Step::kNone;
  };

  void PlaceUnassigned();
  void MoveDirectly();
  bool MoveOneDirectly(std::uint32_t topic);
  bool CancelOneCycle();
  bool RelaxAll();
  bool Relax(std::uint32_t from, std::uint32_t to, std::int64_t cost, Step step, std::uint32_t subscription);
  bool FindCycle(std::uint32_t* on_cycle);
  void Cancel(std::uint32_t on_cycle);
  void Add(std::uint32_t subscription, std::int32_t partitions);

  std::uint32_t MemberNode(std::uint32_t member) const { return 1 + member; }
  std::uint32_t TopicNode(std::uint32_t topic) const { return 1 + static_cast<std::uint32_t>(loads_.size()) + topic; }

  std::vector<std::int32_t> counts_;
  std::vector<Subscription> subscriptions_;
  std::vector<std::int64_t> loads_;                       // by member
  std::vector<std::vector<std::uint32_t>> of_topic_;      // subscriptions, ascending
  std::vector<Node> nodes_;                               // the pool, then members, then topics
  std::vector<std::uint32_t> seen_;                       // FindCycle's marks
};

}  // namespace cordwood::broker
