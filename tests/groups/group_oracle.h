// SPDX-License-Identifier: Apache-2.0
// What must hold of a group, judged from what clients were told, what they do, and what the log says; never from the core.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "broker/groups/group_events.h"
#include "tests/groups/group_world.h"

namespace cordwood::broker {

class GroupOracle {
 public:
  explicit GroupOracle(const GroupWorld& world) : world_(world) {}

  // Of one step of the core: before its records are in the log's view, and after.
  void BeforeStep(const GroupEvent& event);
  void AfterStep(const GroupEvent& event, const GroupActions& actions);
  // Of a commit, with what the core answered.
  void AfterCommit(const SentCommit& commit, const Status& answer);
  void AfterManualCommit(const CommitOffsets& commit, const Status& answer);
  // A tell leaves for its stream.
  void AtSend(const Stream& stream, const TellTarget& target);
  // After everything else that happens.
  void AfterAnything();
  // At rest, with every live client at work.
  void AtRest();
  void AfterRebuild();

  void Fail(const std::string& what);  // the first failure counts
  std::uint64_t tenure(const TopicPartition& at) const;
  const std::optional<std::string>& violation() const { return violation_; }

 private:
  using Incarnation = std::pair<std::string, MemberEpoch>;
  using View = std::map<std::string, LogView::Member>;

  void CheckFences(const GroupEvent& event);
  void CheckEpochs();
  void CheckTarget();
  void CheckMoves();
  void CheckShares();
  void NoteClaims();
  void CheckPositions(const GroupActions& actions);
  // group_replays.cc
  void CheckReplay(const GroupActions& actions);
  bool MayBeAssigned(const TopicPartition& at) const;
  bool MayBeCommitted(const TopicPartition& at, Offset offset) const;
  std::set<TopicId> TopicsOf(const std::string& member) const;
  std::string PresentOwner(const TopicPartition& at) const;
  PositionEpoch PositionEpochOf(const TopicPartition& at) const;  // in the log; 0 if nothing is committed
  bool IsFenced(const Incarnation& who) const;

  const GroupWorld& world_;
  std::optional<std::string> violation_;
  View before_;
  std::optional<GroupHeader> header_before_;
  std::optional<std::pair<ReplayState, bool>> replay_before_;  // and whether it was done
  PositionEpoch position_epoch_before_;  // of the partition that is committed
  std::map<std::string, StreamId> attached_;                                         // by welcomes and ends
  std::map<std::string, std::int64_t> heard_ms_;                                     // last sign of life that reached the core, by member
  std::map<std::pair<std::string, TopicPartition>, std::int64_t> revoked_ms_;        // since when a revocation is in the log
  std::map<TopicPartition, Incarnation> owners_;                                     // the last claimant
  std::map<TopicPartition, std::uint64_t> tenures_;
  std::map<Incarnation, std::pair<MemberEpoch, std::set<TopicPartition>>> told_;     // the last target sent
};

}  // namespace cordwood::broker
