// SPDX-License-Identifier: Apache-2.0
// The thread and its turns.
#include "broker/groups/coordinator/group_loop.h"

#include <algorithm>
#include <utility>

#include "storage/base/check.h"
#include "storage/base/thread_name.h"

namespace cordwood::broker {
namespace {

constexpr absl::Duration kTargetPauseMax = absl::Milliseconds(100);
constexpr int kTargetPauseFactor = 2;  // a group's targets take at most a third of the thread

struct LoopTask final : OutboxMessage {
  void Run() override {
    task();
    delete this;
  }
  std::function<void()> task;
};

}  // namespace

GroupLoop::GroupLoop(const GroupDriverOptions& options, const PartitionTable& table, OffsetsTopicMaker make_offsets_topic, Clock& clock)
    : options_(options), table_(table), make_offsets_topic_(std::move(make_offsets_topic)), clock_(clock), patterns_(clock), outbox_([this] {
        MutexLock lock(mu_);
        woken_ = true;
        wake_.Signal();
      }) {}

GroupLoop::~GroupLoop() { Stop(); }

std::size_t GroupLoop::AddListener(Outbox* outbox, GroupListener* listener) {
  CORDWOOD_CHECK(ports_.size() + 1 < GroupPort::kPortsMax && !thread_.joinable());  // the last number is the driver's own
  ports_.push_back({outbox, listener, {}});
  return ports_.size() - 1;
}

void GroupLoop::Start() {
  thread_ = std::thread([this] { Loop(); });
}

void GroupLoop::Stop() {
  if (gate_.closed()) return;
  gate_.Close();
  if (thread_.joinable()) {
    {
      MutexLock lock(mu_);
      woken_ = true;
      wake_.Signal();
    }
    thread_.join();
  } else {
    now_ = clock_.Monotonic();
    outbox_.Drain();
    Finish();
  }
}

Status GroupLoop::Admit(std::size_t bytes) {
  const std::int64_t inputs = waiting_inputs_.fetch_add(1, std::memory_order_relaxed) + 1;
  const std::int64_t waiting = waiting_bytes_.fetch_add(static_cast<std::int64_t>(bytes), std::memory_order_relaxed) + static_cast<std::int64_t>(bytes);
  if (inputs <= static_cast<std::int64_t>(options_.inputs_max) && waiting <= static_cast<std::int64_t>(options_.input_bytes_max)) return absl::OkStatus();
  Discharge(bytes);
  return Error(Reason::kThrottled, "the coordinator of groups is busy; try again");
}

void GroupLoop::Discharge(std::size_t bytes) {
  waiting_inputs_.fetch_sub(1, std::memory_order_relaxed);
  waiting_bytes_.fetch_sub(static_cast<std::int64_t>(bytes), std::memory_order_relaxed);
}

Status GroupLoop::Push(std::unique_ptr<GroupInput>& input) {
  if (!gate_.Enter()) return Error(Reason::kShuttingDown, "the broker is stopping");
  // The loss of a stream is never refused: there is one for each.
  const bool forced = std::holds_alternative<LoseStream>(input->event);
  if (forced) input->bytes = 0;
  Status admitted = Admit(input->bytes);
  if (!admitted.ok() && forced) {
    waiting_inputs_.fetch_add(1, std::memory_order_relaxed);
    admitted = absl::OkStatus();
  }
  if (admitted.ok()) {
    input->loop = this;
    outbox_.Push(input.release());
  }
  gate_.Leave();
  return admitted;
}

Status GroupLoop::Post(std::function<void()>& task) {
  if (!gate_.Enter()) return Error(Reason::kShuttingDown, "the broker is stopping");
  Status admitted = Admit(0);
  if (admitted.ok()) {
    auto* message = new LoopTask;
    message->task = [this, task = std::move(task)] {
      Discharge(0);
      task();
    };
    outbox_.Push(message);
  }
  gate_.Leave();
  return admitted;
}

void GroupLoop::PostOwn(std::function<void()> task) {
  auto* message = new LoopTask;
  message->task = std::move(task);
  outbox_.Push(message);
}

void GroupLoop::PostImage(ClusterImagePtr image) {
  if (!gate_.Enter()) return;
  PostOwn([this, image = std::move(image)] { OnImage(image); });
  gate_.Leave();
}

void GroupInput::Run() { loop->Take(std::unique_ptr<GroupInput>(this)); }

void GroupLoop::Loop() {
  SetThreadName("groups");
  bool more = false;
  while (true) {
    if (!more) Wait();
    now_ = clock_.Monotonic();
    const bool stopping = gate_.closed();  // asked first: then all that was ever pushed is drained
    outbox_.Drain();
    if (stopping) break;
    more = Turn();
  }
  Finish();
}

// Until something comes or is due.
void GroupLoop::Wait() {
  std::optional<std::int64_t> due_ms = timers_.first_ms();
  auto earlier = [&](absl::Duration at) {
    const std::int64_t at_ms = absl::ToInt64Milliseconds(absl::Ceil(at, absl::Milliseconds(1)));
    due_ms = std::min(due_ms.value_or(at_ms), at_ms);
  };
  if (TopicsWait()) earlier(topics_from_);
  if (patterns_.unfinished()) earlier(patterns_.next_slice());
  for (const auto& [index, home] : partitions_) {
    if (home->phase == Phase::kLoading || (home->phase == Phase::kFailed && home->retry)) earlier(home->retry_at);
  }
  AwaitInput(due_ms);
}

void GroupLoop::AwaitInput(std::optional<std::int64_t> due_ms) {
  const std::int64_t now_ms = absl::ToInt64Milliseconds(clock_.Monotonic());
  MutexLock lock(mu_);
  while (!woken_) {
    if (!due_ms.has_value()) {
      wake_.Wait(mu_);
    } else if (*due_ms <= now_ms || !wake_.WaitFor(mu_, std::chrono::milliseconds(*due_ms - now_ms))) {
      break;
    }
  }
  woken_ = false;
}

// True: there is more to do at once.
bool GroupLoop::Turn() {
  RetryFailed();
  const bool loading = LoadSlice();
  RunParkedIfMade();
  if (patterns_.Work()) groups_behind_ = true;
  TakeTopics();
  FireTimers();
  ComputeTargets();
  for (LedGroup* group : touched_) {
    group->touched = false;
    SettleResets(*group);
  }
  touched_.clear();
  DropGoneGroups();
  StartAppends();
  SendTells();
  return loading;
}

void GroupLoop::FireTimers() {
  while (const std::optional<GroupTimerKey> key = timers_.TakeDue(NowMs())) FireTimer(*key);
}

void GroupLoop::FireTimer(const GroupTimerKey& key) {
  OffsetsPartition* home = HomeOf(key.group);
  LedGroup* group = home == nullptr ? nullptr : Find(*home, key.group);
  if (group == nullptr || !group->activated) return;
  switch (key.kind) {
    case GroupDeadline::kSession: return Step(*group, GroupTimerFired{GroupTimerKind::kSession, key.member});
    case GroupDeadline::kRevocation: return Step(*group, GroupTimerFired{GroupTimerKind::kRevocation, key.member});
    case GroupDeadline::kExpiry: return Step(*group, GroupTimerFired{GroupTimerKind::kExpiry, {}});
    case GroupDeadline::kTarget: return Touch(*group);
    case GroupDeadline::kReset: break;
  }
  const auto late = std::find_if(group->resets.begin(), group->resets.end(), [&](const PendingReset& reset) { return reset.request == key.request; });
  if (late != group->resets.end()) FinishReset(*group, late);
}

// Those of the turn, and at most one a group until it has had its pause.
void GroupLoop::ComputeTargets() {
  for (std::size_t i = 0; i < touched_.size(); ++i) {
    LedGroup& group = *touched_[i];
    if (!group.core.wants_target()) continue;
    if (now_ < group.target_from) {
      timers_.Set({group.id(), GroupDeadline::kTarget, {}, 0}, absl::ToInt64Milliseconds(absl::Ceil(group.target_from, absl::Milliseconds(1))));
      continue;
    }
    const absl::Duration began = clock_.Monotonic();
    Step(group, ComputeTarget{});
    const absl::Duration ended = clock_.Monotonic();
    group.target_from = ended + std::min(kTargetPauseFactor * (ended - began), kTargetPauseMax);
    measures_.rebalances.Add();
  }
}

void GroupLoop::DropGoneGroups() {
  std::erase_if(leaving_, [&](LedGroup* group) {
    if (group->core.gone() && group->home.outstanding()) return false;
    group->leaving = false;
    if (!group->core.gone() || !group->resets.empty()) return true;
    timers_.ForgetGroup(group->id());
    measures_.groups.Add(-1);
    group->home.groups.erase(group->id());
    return true;
  });
}

// The thread's last: what is under way comes back, what waits is told. Timers fire no more.
void GroupLoop::Finish() {
  const Status stopping = Error(Reason::kShuttingDown, "the broker is stopping");
  RunParked(stopping);
  for (const auto& [index, home] : partitions_) {
    while (home->flying) {
      if (!outbox_.Drain()) AwaitInput(std::nullopt);
    }
    Unload(*home, stopping);
  }
  while (abroad_ > 0) {
    if (!outbox_.Drain()) AwaitInput(std::nullopt);
  }
  SendTells();
}

GroupNow GroupLoop::Now() const { return {NowMs(), clock_.WallMs()}; }

void GroupLoop::Touch(LedGroup& group) {
  if (!std::exchange(group.touched, true)) touched_.push_back(&group);
  if (group.core.gone() && !std::exchange(group.leaving, true)) leaving_.push_back(&group);
}

void GroupLoop::Step(LedGroup& group, const GroupEvent& event) {
  const std::size_t members = group.core.state().members().size();
  const std::size_t offsets = group.core.state().offsets().size();
  GroupActions actions = group.core.Step(event, Now());
  measures_.members.Add(static_cast<std::int64_t>(group.core.state().members().size()) - static_cast<std::int64_t>(members));
  measures_.offsets.Add(static_cast<std::int64_t>(group.core.state().offsets().size()) - static_cast<std::int64_t>(offsets));
  TakeActions(group, std::move(actions));
  Touch(group);
}

// Facts of members that are, and of no others: who is one has a session, and with it a timer. What an earlier incarnation said is forgotten.
void GroupLoop::NoteMember(LedGroup& group, const GroupTimer& session) {
  if (!session.deadline_ms.has_value()) {
    group.members.erase(session.member);
  } else if (const auto [facts, added] = group.members.try_emplace(session.member); added) {
    facts->second.last_heard = now_;
  }
}

}  // namespace cordwood::broker
