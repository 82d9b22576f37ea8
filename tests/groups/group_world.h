// SPDX-License-Identifier: Apache-2.0
// One group core in a simulated world: clients, streams that break, a log whose tail may be lost, timers, topics. Everything follows from a seed.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "broker/groups/group_core.h"
#include "tests/groups/log_view.h"

namespace cordwood::broker {

struct BrokenStream {};  // the last that either end hears of a stream
using ToClient = std::variant<TellWelcome, TellTarget, TellPositions, EndStream, BrokenStream>;

struct Holding {
  std::uint64_t tenure = 0;  // of the partition, when the client took it up
  PositionEpoch position_epoch;
  std::uint64_t taken = 0;   // numbers each taking up of anything by any client
};

// One process of a consumer. It keeps to the protocol unless it is a zombie (hears and says nothing, but commits) or stubborn (gives nothing up).
struct Client {
  std::string member, instance;
  bool alive = true, zombie = false, stubborn = false;
  StreamId stream;          // 0: none
  bool new_member = false;  // the next join takes a new member id
  MemberEpoch epoch;        // 0: is to join anew
  MemberEpoch joined_epoch;
  GroupSubscription subscription;
  std::string assignor;
  std::map<TopicPartition, Holding> owned;
  std::set<TopicPartition> to_give_up;
  std::map<TopicPartition, Holding> former;  // given up, but a late commit may still come
};

// A commit on its way, and what the oracle knows of it.
struct SentCommit {
  CommitOffsets event;
  std::size_t client = 0;
  MemberEpoch joined_epoch;
  std::uint64_t tenure = 0;
  std::uint64_t taken = 0;
};
using ToServer = std::variant<JoinGroup, ChangeSubscription, MemberHeartbeat, ConfirmPositions, LeaveGroup, LoseStream, SentCommit>;

struct Stream {
  std::size_t client = 0;
  MemberEpoch joined_epoch;  // of the incarnation it carries; 0 until it is welcome
  bool asked_anew = false;
  bool cut = false;  // the coordinator's side is gone: what the client sends is lost
  std::deque<ToServer> to_server;
  std::deque<ToClient> to_client;
};

class GroupOracle;

class GroupWorld {
 public:
  static constexpr std::int64_t kSessionMs = 10'000, kRebalanceMs = 6'000, kRetentionMs = 60'000;
  static constexpr std::size_t kMembersMax = 5;

  GroupWorld(std::uint64_t seed, bool trace);
  ~GroupWorld();

  // A random history of so many steps, then rest. Nullopt, or what is wrong.
  std::optional<std::string> Run(int steps);
  const std::string& trace() const { return trace_; }
  std::uint64_t events() const { return events_; }

 private:
  friend class GroupOracle;
  struct Pending {
    std::size_t log_length;  // to be durable first
    GroupTell tell;
  };

  std::uint64_t Up(std::uint64_t n) { return random_() % n; }  // 0 to n-1
  bool Chance(std::uint64_t one_in) { return Up(one_in) == 0; }
  void Note(const std::string& line);

  // What may happen, group_world.cc.
  void RandomStep();
  void MoveOneMessage();
  void DeliverUnary();
  void StartClient();
  void Disturb(std::size_t client);
  void ChangeTopicsAtRandom();
  void Reset();
  void CommitManually();
  void StartReplayAtRandom();   // group_replays.cc
  void ChangeReplayAtRandom();
  void CrashCoordinator();
  void PassTime();
  void Rest();
  void RestRound();

  // Clients, group_clients.cc.
  void Join(std::size_t client);
  void Heartbeat(std::size_t client);
  void GiveUp(std::size_t client);
  void Commit(std::size_t client);
  void BreakStream(StreamId id);
  void Deliver(StreamId id);       // one message to the coordinator
  void Hear(StreamId id);          // one message to the client
  void Take(Client& client, const TellTarget& target);
  GroupSubscription RandomSubscription();
  PatternMatches MatchesOf(const std::string& pattern) const;
  PatternTopics Patterns() const;
  std::vector<std::string> Matches(const std::string& pattern) const;

  // The coordinator's driver.
  GroupActions Step(const GroupEvent& event);
  void SendToServer(Client& client, ToServer message);
  std::string Text(const TopicPartition& at) const;
  void DeliverCommit(const SentCommit& commit);
  void Sync(std::size_t length);
  void Send(const GroupTell& tell);
  bool FireTimer(bool early);

  std::mt19937_64 random_;
  const bool replays_;  // in one history of four the group is a replay job
  const bool tracing_;
  std::string trace_;
  std::uint64_t events_ = 0;
  GroupNow now_{1'000'000, 1'700'000'000'000};

  std::shared_ptr<const TopicView> topics_;
  int topics_made_ = 0, members_made_ = 0;
  std::vector<Client> clients_;
  std::map<StreamId, Stream> streams_;
  std::uint64_t streams_made_ = 0;
  std::vector<SentCommit> unary_;
  std::uint64_t requests_ = 0, takings_ = 0;

  std::unique_ptr<GroupCore> core_;
  std::vector<std::vector<GroupRecord>> log_;  // batches
  std::size_t durable_ = 0;                    // batches
  LogView whole_view_, durable_view_;
  std::deque<Pending> pending_;
  std::map<std::pair<GroupTimerKind, std::string>, std::int64_t> timers_;
  std::unique_ptr<GroupOracle> oracle_;
};

}  // namespace cordwood::broker
