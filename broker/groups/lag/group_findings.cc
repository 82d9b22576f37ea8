// SPDX-License-Identifier: Apache-2.0
// One function for each finding; those about partitions are gathered by member and topic.
#include "broker/groups/lag/group_findings.h"

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "broker/groups/lag/group_lag.h"
#include "storage/base/check.h"

namespace cordwood::broker {
namespace {

constexpr std::size_t kPartitionsNamedMax = 5;
constexpr double kRecordBytes = 1 << 20;  // a large one

std::string Seconds(std::int64_t ms) { return absl::StrCat(ms / 1000, " s"); }

std::string NameOf(const std::string& id, const std::string& instance_id, const std::string& client) {
  const std::string& name = instance_id.empty() ? client : instance_id;
  return name.empty() ? id : absl::StrCat(name, " (", id, ")");
}

class Explainer {
 public:
  Explainer(const GroupSnapshot& group, const FindingLimits& limits) : group_(group), limits_(limits) {
    for (const MemberSnapshot& member : group.members) members_[member.id] = &member;
    for (const PartitionSnapshot& partition : group.partitions) waiting_ = waiting_ || LagOf(partition).value_or(0) > 0;
  }

  std::vector<GroupFinding> Run() {
    NoMember();
    ReplayPaused();
    Fenced();
    Streams();
    Topics();
    Subscriptions();
    Logs();
    Offsets();
    Handovers();
    Owners();
    IdleMembers();
    std::stable_sort(findings_.begin(), findings_.end(), [](const auto& a, const auto& b) { return std::pair(a.severity, a.kind) < std::pair(b.severity, b.kind); });
    return std::move(findings_);
  }

 private:
  using Partitions = std::vector<const PartitionSnapshot*>;

  FindingSeverity ProblemIf(bool problem) const { return problem ? FindingSeverity::kProblem : FindingSeverity::kNote; }
  void Add(FindingKind kind, FindingSeverity severity, std::string text, std::string advice, const std::string& member = "") {
    findings_.push_back({kind, severity, std::move(text), std::move(advice), member, "", {}});
  }
  std::string Name(const std::string& member) const {
    const auto known = members_.find(member);
    return known == members_.end() ? member : NameOf(member, known->second->instance_id, known->second->client);
  }
  // "orders/0, orders/3 and 7 more"
  static std::string Names(const Partitions& partitions) {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < std::min(partitions.size(), kPartitionsNamedMax); ++i) {
      names.push_back(absl::StrCat(partitions[i]->topic, "/", partitions[i]->at.partition.value()));
    }
    const std::string all = absl::StrJoin(names, ", ");
    return partitions.size() <= kPartitionsNamedMax ? all : absl::StrCat(all, " and ", partitions.size() - kPartitionsNamedMax, " more");
  }
  // One finding for each owner and topic that have such partitions; `say` gives text and advice.
  void Gather(FindingKind kind, FindingSeverity severity, const std::function<bool(const PartitionSnapshot&)>& is_so,
              const std::function<std::pair<std::string, std::string>(const Partitions&)>& say) {
    std::map<std::pair<std::string, std::string>, Partitions> gathered;
    for (const PartitionSnapshot& partition : group_.partitions) {
      if (is_so(partition)) gathered[{partition.owner, partition.topic}].push_back(&partition);
    }
    for (const auto& [whose, partitions] : gathered) {
      auto [text, advice] = say(partitions);
      GroupFinding finding{kind, severity, std::move(text), std::move(advice), whose.first, whose.second, {}};
      for (const PartitionSnapshot* partition : partitions) finding.partitions.push_back(partition->at.partition);
      findings_.push_back(std::move(finding));
    }
  }
  static std::int64_t LongestStill(const Partitions& partitions) {
    std::int64_t longest = 0;
    for (const PartitionSnapshot* partition : partitions) longest = std::max(longest, partition->progress.still_ms);
    return longest;
  }
  // Its owner could read on: there, told all it needs, and allowed to.
  bool IsServed(const PartitionSnapshot& p) const {
    const auto owner = members_.find(p.owner);
    return owner != members_.end() && owner->second->attached && !p.revoking && !p.awaiting_position;
  }

  // The pace of a replay job may be what it waits for: its next record is not due, or a large one is not paid for at its rate.
  bool Paced(const PartitionSnapshot& p) const {
    if (!group_.replay.has_value()) return false;
    const auto rate = static_cast<double>(group_.replay->bytes_per_second);
    return NextDueMsOf(group_, p).value_or(0) > 0 || (rate > 0 && static_cast<double>(p.progress.still_ms) / 1000 * rate < kRecordBytes);
  }

  void NoMember() {
    if (!group_.members.empty() || ended_) return;
    if (group_.replay.has_value()) {
      return Add(FindingKind::kNoMember, FindingSeverity::kProblem, "the replay job has no member: nobody reads its range",
                 absl::StrCat("start one or more consumers of it, as  cord consume T -g ", group_.group));
    }
    Add(FindingKind::kNoMember, ProblemIf(waiting_), waiting_ ? "the group has no member, and records wait" : "the group has no member",
        "start a consumer of this group; cord group members shows who has come");
  }

  void ReplayPaused() {
    if (ended_ || !paused_) return;
    Add(FindingKind::kReplayPaused, FindingSeverity::kProblem, "the replay job is paused: its members are given nothing",
        absl::StrCat("let it go on with  cord group replay resume ", group_.group));
  }

  void Fenced() {
    for (const FencedMember& member : group_.fenced) {
      if (member.ago_ms > limits_.fenced_ms) continue;
      Add(FindingKind::kMemberFenced, ProblemIf(group_.members.empty()),
          absl::StrCat("member ", NameOf(member.id, member.instance_id, member.client), " was put out ", Seconds(member.ago_ms), " ago: ", member.why),
          "look at that process: did it die, hang, or take longer over its records than its max.poll.interval.ms?", member.id);
    }
  }

  void Streams() {
    for (const MemberSnapshot& member : group_.members) {
      if (member.attached) continue;
      Add(FindingKind::kStreamLost, ProblemIf(!member.held.empty()),
          absl::StrCat("member ", Name(member.id), " has lost its stream and was last heard of ", Seconds(member.since_heard_ms), " ago; it keeps ",
                       member.held.size(), member.held.size() == 1 ? " partition" : " partitions", " until its session times out"),
          "wait for the session timeout, or bring the member back under the same member id", member.id);
    }
  }

  void Topics() {
    for (const std::string& topic : group_.missing_topics) {
      const MemberSnapshot* asks = nullptr;
      std::size_t count = 0;
      for (const MemberSnapshot& member : group_.members) {
        if (!std::binary_search(member.topics.begin(), member.topics.end(), topic)) continue;
        if (asks == nullptr) asks = &member;
        ++count;
      }
      if (asks == nullptr) continue;
      Add(FindingKind::kUnknownTopic, FindingSeverity::kProblem,
          absl::StrCat("topic ", topic, " does not exist; subscribed to it: ", count == 1 ? Name(asks->id) : absl::StrCat(count, " members")),
          absl::StrCat("create it with  cord topic create ", topic, " -p 4,  or mend the name; it is picked up when it is there"));
      findings_.back().topic = topic;
    }
  }

  // One for all members that subscribe by the same pattern, and one for those that do by name alone.
  void Subscriptions() {
    std::map<std::string, std::vector<const MemberSnapshot*>> without;
    for (const MemberSnapshot& member : group_.members) {
      if (!member.has_topics) without[member.pattern].push_back(&member);
    }
    for (const auto& [pattern, members] : without) {
      const std::string who = members.size() == 1 ? Name(members[0]->id) : absl::StrCat(members.size(), " members");
      if (pattern.empty()) {
        Add(FindingKind::kNothingToRead, FindingSeverity::kProblem, absl::StrCat("nothing to read: there is no topic that ", who, members.size() == 1 ? " subscribes" : " subscribe", " to"),
            "create the topics, or mend their names; they are picked up when they are there");
      } else {
        Add(FindingKind::kNothingToRead, FindingSeverity::kProblem, absl::StrCat("nothing to read: no topic matches the pattern ", pattern, "; subscribed by it: ", who),
            "a pattern is RE2, matches whole names, and never internal topics (\"__...\"); cord topic ls shows the names that there are");
      }
      if (members.size() == 1) findings_.back().member = members[0]->id;
    }
  }

  void Logs() {
    Gather(FindingKind::kLogUnavailable, FindingSeverity::kProblem, [](const auto& p) { return p.log_unavailable; }, [](const Partitions& partitions) {
      return std::pair(absl::StrCat(Names(partitions), ": the log cannot be read on this broker"),
                       std::string("see the partition's state with  cord topic describe,  and the broker's log"));
    });
  }

  void Offsets() {
    Gather(FindingKind::kBelowLogStart, FindingSeverity::kProblem,
           [](const auto& p) { return !p.range.has_value() && p.committed.has_value() && p.ends.has_value() && p.committed->offset < p.ends->log_start; },
           [](const Partitions& partitions) {
             std::int64_t gone = 0;
             for (const PartitionSnapshot* p : partitions) gone += p->ends->log_start - p->committed->offset;
             return std::pair(absl::StrCat(Names(partitions), ": the committed offset is below the log start; ", gone,
                                           gone == 1 ? " record was" : " records were", " deleted before the group had them"),
                              std::string("go on from what is left with  cord group seek G --topic T --to start,  and let retention.ms be longer than "
                                          "the longest outage"));
           });
    Gather(FindingKind::kBeyondLogEnd, FindingSeverity::kProblem,
           [](const auto& p) { return p.committed.has_value() && p.ends.has_value() && p.committed->offset > p.ends->high_watermark; },
           [](const Partitions& partitions) {
             return std::pair(absl::StrCat(Names(partitions), ": the committed offset is beyond the end of the log; nothing is read until the log gets there"),
                              std::string("put it back with  cord group seek G --topic T --to end"));
           });
  }

  void Handovers() {
    Gather(FindingKind::kAwaitingRevocation, FindingSeverity::kProblem, [](const auto& p) { return p.revoking; }, [this](const Partitions& partitions) {
      std::set<std::string> next;
      for (const PartitionSnapshot* p : partitions) {
        if (!p->next_owner.empty()) next.insert(Name(p->next_owner));
      }
      const auto owner = members_.find(partitions.front()->owner);
      const std::string bound = owner == members_.end() ? "" : absl::StrCat("; it has at most ", Seconds(owner->second->rebalance_timeout_ms), " for that");
      return std::pair(absl::StrCat(Names(partitions), ": member ", Name(partitions.front()->owner), " was told to give them up",
                                    next.empty() ? "" : ", for " + absl::StrJoin(next, ", "), ", and has not yet", bound),
                       std::string("see what that member is doing: it gives up a partition when it next polls; beyond its max.poll.interval.ms it is fenced"));
    });
    Gather(FindingKind::kAwaitingPosition, FindingSeverity::kNote, [](const auto& p) { return p.awaiting_position; }, [this](const Partitions& partitions) {
      return std::pair(absl::StrCat(Names(partitions), ": member ", Name(partitions.front()->owner), " has not yet said that it reads from where the group was put"),
                       std::string("it says so when it next polls; what it commits of the old place is refused meanwhile"));
    });
  }

  void Owners() {
    const auto behind = [](const PartitionSnapshot& p) { return LagOf(p).value_or(0) > 0; };
    Gather(FindingKind::kNotFetching, FindingSeverity::kProblem,
           [&](const auto& p) {
             const bool more = p.position.has_value() && p.ends.has_value() ? *p.position < p.ends->high_watermark : behind(p);
             return IsServed(p) && !p.paused && !paused_ && !ended_ && more && !Paced(p) && p.progress.still_ms >= limits_.still_ms;
           },
           [this](const Partitions& partitions) {
             return std::pair(absl::StrCat(Names(partitions), ": member ", Name(partitions.front()->owner), " owns them and has taken no record for ",
                                           Seconds(LongestStill(partitions)), ", while records wait"),
                              std::string("is its poll loop running? A record that takes long, a full queue behind it, or a deadlock look like this"));
           });
    const auto commits_nothing = [&](const PartitionSnapshot& p) { return IsServed(p) && p.progress.ahead_ms >= limits_.uncommitted_ms; };
    Gather(FindingKind::kNotCommitting, FindingSeverity::kProblem, commits_nothing, [this](const Partitions& partitions) {
      std::int64_t ahead = 0;
      for (const PartitionSnapshot* p : partitions) ahead += p->progress.ahead;
      return std::pair(absl::StrCat(Names(partitions), ": member ", Name(partitions.front()->owner), " has gone on by ", ahead, ahead == 1 ? " record" : " records",
                                    " and has committed nothing for ", Seconds(limits_.uncommitted_ms), " or longer"),
                       std::string("does it commit, and are its commits refused? After a restart these records come again"));
    });
    Gather(FindingKind::kPaused, FindingSeverity::kProblem, [&](const auto& p) { return p.paused && behind(p); }, [this](const Partitions& partitions) {
      return std::pair(absl::StrCat(Names(partitions), ": member ", Name(partitions.front()->owner), " has paused them, and records wait"),
                       std::string("the application paused them; it resumes them by itself, or not at all"));
    });
  }

  void IdleMembers() {
    if (ended_ || GroupStateName(group_) != "stable") return;
    std::vector<std::string> idle;
    for (const MemberSnapshot& member : group_.members) {
      if (member.target.empty() && member.has_topics) idle.push_back(Name(member.id));
    }
    if (idle.empty()) return;
    const std::size_t named = std::min(idle.size(), kPartitionsNamedMax);
    const std::string names = absl::StrJoin(idle.begin(), idle.begin() + static_cast<std::ptrdiff_t>(named), ", ");
    Add(FindingKind::kIdleMember, FindingSeverity::kNote,
        absl::StrCat(idle.size(), " of ", group_.members.size(), " members have no partition: ", names, idle.size() > named ? ", …" : "",
                     "; there are more members than partitions they subscribe to"),
        "run fewer members, or give the topic more partitions with  cord topic grow T -p N");
  }

  const GroupSnapshot& group_;
  const FindingLimits& limits_;
  std::map<std::string, const MemberSnapshot*> members_;
  const bool paused_ = group_.replay.has_value() && group_.replay->state == ReplayState::kPaused;
  const bool ended_ = group_.replay.has_value() && (group_.replay_done || group_.replay->state == ReplayState::kCancelled);  // of a replay job
  bool waiting_ = false;  // records of some partition
  std::vector<GroupFinding> findings_;
};

}  // namespace

std::string_view FindingName(FindingKind kind) {
  switch (kind) {
    case FindingKind::kNoMember: return "no_member";
    case FindingKind::kReplayPaused: return "replay_paused";
    case FindingKind::kMemberFenced: return "member_fenced";
    case FindingKind::kStreamLost: return "stream_lost";
    case FindingKind::kUnknownTopic: return "unknown_topic";
    case FindingKind::kNothingToRead: return "nothing_to_read";
    case FindingKind::kLogUnavailable: return "log_unavailable";
    case FindingKind::kBelowLogStart: return "below_log_start";
    case FindingKind::kBeyondLogEnd: return "beyond_log_end";
    case FindingKind::kAwaitingRevocation: return "awaiting_revocation";
    case FindingKind::kAwaitingPosition: return "awaiting_position";
    case FindingKind::kNotFetching: return "not_fetching";
    case FindingKind::kNotCommitting: return "not_committing";
    case FindingKind::kPaused: return "paused";
    case FindingKind::kIdleMember: return "idle_member";
  }
  return "";
}

std::string_view SeverityName(FindingSeverity severity) { return severity == FindingSeverity::kProblem ? "problem" : "note"; }

std::vector<GroupFinding> Explain(const GroupSnapshot& group, const FindingLimits& limits) { return Explainer(group, limits).Run(); }

}  // namespace cordwood::broker
