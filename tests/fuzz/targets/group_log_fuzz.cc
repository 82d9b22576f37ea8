// SPDX-License-Identifier: Apache-2.0
// Records of __consumer_offsets in batches, as a coordinator loads them, and what members and operators then say to the group that they make.
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "broker/groups/group_core.h"
#include "storage/base/check.h"
#include "storage/record/record_batch_builder.h"
#include "storage/record/record_reader.h"
#include "tests/fuzz/fuzz_input.h"

namespace cordwood::testing {
namespace {

using namespace broker;

constexpr std::size_t kTopics = 3;
constexpr std::int32_t kPartitions = 4;
constexpr std::size_t kMembers = 5;
constexpr std::size_t kStepsMax = 300;

TopicPartition PlaceOf(FuzzInput* in) {
  TopicPartition at;
  at.topic.bytes[0] = static_cast<std::uint8_t>(in->Below(kTopics + 1));
  at.partition = PartitionIndex(static_cast<std::int32_t>(in->Below(kPartitions + 1)));
  return at;
}

std::vector<TopicPartition> PlacesOf(FuzzInput* in) {
  std::vector<TopicPartition> places;
  for (std::size_t left = in->Below(6); left > 0; --left) places.push_back(PlaceOf(in));
  return places;
}

// A group with its log: whatever it says is written, and what is written makes the same group again.
class Group {
 public:
  explicit Group(std::map<std::string, std::string> log) : log_(std::move(log)) {}

  // False: the log makes no group, for a reason that is said.
  bool Load() {
    core_ = std::make_unique<GroupCore>("g", GroupCoreOptions{.members_max = 8});
    for (const auto& [key, value] : log_) {
      const Status applied = core_->Apply(DecodeGroupRecordKey(key).value(), value);
      if (!applied.ok()) return Refused(applied);
    }
    if (const Status whole = core_->FinishReplay(); !whole.ok()) return Refused(whole);
    Do(ActivateGroup{topics_, {}});
    return true;
  }
  void Do(const GroupEvent& event) {
    const GroupActions actions = core_->Step(event, now_);
    for (const GroupRecord& record : actions.records) {
      if (record.value.has_value()) {
        log_[record.key] = *record.value;
      } else {
        log_.erase(record.key);
      }
    }
    CORDWOOD_CHECK(core_->Invariants().ok());
    CORDWOOD_CHECK(core_->state().Snapshot() == log_);
    for (const GroupTimer& timer : actions.timers) CORDWOOD_CHECK(!timer.deadline_ms.has_value() || *timer.deadline_ms >= 0);
  }
  void Step(FuzzInput* in) {
    const StreamId stream(in->Below(8) + 1);
    const std::string member = "m" + std::to_string(in->Below(kMembers));
    const MemberEpoch epoch(static_cast<std::int32_t>(in->Number()));
    switch (in->Below(14)) {
      case 0: return Join(stream, member, epoch, in);
      case 1: return Do(MemberHeartbeat{stream, epoch, PlacesOf(in)});
      case 2: return Do(LeaveGroup{stream, in->Flag()});
      case 3: return Do(LoseStream{stream});
      case 4: return Commit(stream, member, epoch, in);
      case 5: return Do(ResetOffsets{1, {{PlaceOf(in), Offset(in->Number())}}});
      case 6: return Do(DeleteGroup{1});
      case 7: return Do(GroupTimerFired{static_cast<GroupTimerKind>(in->Below(2)), member});
      case 8: return Do(GroupTimerFired{GroupTimerKind::kExpiry, {}});
      case 9: return Do(ConfirmPositions{stream, {{PlaceOf(in), PositionEpoch(static_cast<std::uint32_t>(in->Number()))}}});
      case 10: return ChangeTopicsTo(in->Byte());
      case 11: break;
      case 12: return StartJob(in);
      case 13: return Do(ChangeReplay{1, static_cast<ReplayChange>(in->Below(3))});
    }
    now_.monotonic_ms += in->Raw<std::uint16_t>();
    now_.wall_ms += in->Raw<std::uint32_t>();
    Do(ComputeTarget{});
  }
  void StartJob(FuzzInput* in) {
    StartReplay start{1, {}};
    start.job.source = "source";
    for (const TopicPartition& at : PlacesOf(in)) {
      const std::int64_t from = in->Below(100), records = in->Below(100);
      start.job.ranges[at] = {Offset(from), Offset(from + records), 0};
    }
    if (in->Flag()) start.job.clock = ReplayClock{static_cast<std::int64_t>(in->Raw<std::uint64_t>()), 0, -1};
    Do(start);
  }
  void ChangeTopicsTo(std::uint8_t which) {
    topics_ = TopicsOf(which);
    Do(ChangeTopics{topics_, {}});
  }

 private:
  static std::shared_ptr<const TopicView> TopicsOf(std::uint8_t which) {
    auto topics = std::make_shared<TopicView>();
    for (std::size_t i = 0; i < kTopics; ++i) {
      TopicId id;
      id.bytes[0] = static_cast<std::uint8_t>(i);
      if ((which >> i & 1) != 0) topics->Add("t" + std::to_string(i), {id, kPartitions});
    }
    return topics;
  }
  static bool Refused(const Status& why) {
    CORDWOOD_CHECK(ReasonOf(why) == Reason::kStorageError || ReasonOf(why) == Reason::kFormatTooNew);
    return false;
  }
  void Join(StreamId stream, const std::string& member, MemberEpoch epoch, FuzzInput* in) {
    JoinGroup join;
    join.stream = stream;
    join.member = member;
    if (in->Flag()) join.instance_id = "i" + std::to_string(in->Below(3));
    for (std::size_t i = 0; i < kTopics; ++i) {
      if (in->Flag()) join.subscription.topics.push_back("t" + std::to_string(i));
    }
    join.assignor = in->Flag() ? "range" : "";
    join.rebalance_timeout_ms = in->Number();
    join.epoch = epoch;
    if (epoch > MemberEpoch(0)) join.owned = PlacesOf(in);
    Do(join);
  }
  void Commit(StreamId stream, const std::string& member, MemberEpoch epoch, FuzzInput* in) {
    CommitOffsets commit;
    if (in->Flag()) {
      commit.stream = stream;
    } else if (in->Flag()) {
      commit.member = member;
    }
    commit.epoch = epoch;
    for (const TopicPartition& at : PlacesOf(in)) {
      commit.entries.push_back({at, Offset(in->Number()), LeaderEpoch(0), PositionEpoch(static_cast<std::uint32_t>(in->Below(3))), "", std::nullopt});
    }
    Do(commit);
  }

  std::map<std::string, std::string> log_;
  std::unique_ptr<GroupCore> core_;
  std::shared_ptr<const TopicView> topics_ = TopicsOf(0xFF);
  GroupNow now_{1000, 1'700'000'000'000};
};

// The records as they stand in one batch; what is left of each key.
std::map<std::string, std::string> LogOf(FuzzInput* in) {
  RecordBatchBuilder builder;
  for (std::size_t left = in->Below(20); left > 0; --left) {
    const std::string key = in->Text();
    const bool tombstone = in->Flag();
    const std::string value = in->Text();
    RecordView record;
    record.timestamp_ms = 0;
    record.key = key;
    if (!tombstone) record.value = value;
    builder.Add(record);
  }
  std::map<std::string, std::string> log;
  if (builder.empty()) return log;
  const SharedBytes bytes = builder.Build(Codec::kNone, ProducerStamp()).value();
  RecordReader reader(RecordBatchView::Parse(bytes.view()).value());
  CORDWOOD_CHECK(reader.Open().ok());
  RecordView record;
  while (reader.Next(&record).value()) {
    const StatusOr<GroupRecordKey> key = DecodeGroupRecordKey(*record.key);
    if (!key.ok() || key->group != "g") continue;
    log.erase(std::string(*record.key));
    if (record.value.has_value()) log[std::string(*record.key)] = std::string(*record.value);
  }
  return log;
}

}  // namespace
}  // namespace cordwood::testing

int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace cordwood::testing;
  FuzzInput in(bytes, size);
  Group group(LogOf(&in));
  if (!group.Load()) return 0;
  for (std::size_t steps = 0; !in.done() && steps < kStepsMax; ++steps) group.Step(&in);
  CORDWOOD_CHECK(group.Load());  // as after a restart
  return 0;
}
