// SPDX-License-Identifier: Apache-2.0
// From the actions of the cores to the log of the offsets topic, and from there to those who are told.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "broker/groups/coordinator/group_loop.h"
#include "broker/replication/shard_driver.h"
#include "storage/base/check.h"

namespace cordwood::broker {
namespace {

// What a thread is told in one turn.
struct PortNews final : OutboxMessage {
  void Run() override {
    listener->OnTells(tells, *topics);
    delete this;
  }
  GroupListener* listener = nullptr;
  std::vector<StreamTell> tells;
  std::shared_ptr<const TopicView> topics;
};

StreamId StreamOf(const decltype(GroupTell::what)& what) {
  return std::visit([](const auto& tell) {
    if constexpr (requires { tell.stream; }) return tell.stream;
    return StreamId(0);
  }, what);
}

std::uint64_t RequestOf(const decltype(GroupTell::what)& what) {
  return std::visit([](const auto& tell) -> std::uint64_t {
    if constexpr (requires { tell.request; }) return tell.request;
    return 0;
  }, what);
}

}  // namespace

void GroupLoop::TakeActions(LedGroup& group, GroupActions actions) {
  if (!actions.records.empty()) group.home.gathered.Add(std::move(actions.records));
  for (GroupTimer& timer : actions.timers) {
    if (timer.kind == GroupTimerKind::kSession) NoteMember(group, timer);
    timers_.Set({group.id(), static_cast<GroupDeadline>(timer.kind), std::move(timer.member), 0}, timer.deadline_ms);
  }
  for (GroupTell& tell : actions.tells) TakeTell(group, std::move(tell));
}

void GroupLoop::TakeTell(LedGroup& group, GroupTell tell) {
  StreamId stream = StreamOf(tell.what);
  if (auto* done = std::get_if<CommitDone>(&tell.what)) {
    CountCommits(*done);
    if (done->request == kCommitOnStream) {
      stream = stream_commit_.first;
      done->request = stream_commit_.second;
    }
  }
  if (stream == StreamId(0)) {
    const auto call = calls_.find(RequestOf(tell.what));
    CORDWOOD_CHECK(call != calls_.end());
    Answer answer = std::move(call->second);
    calls_.erase(call);
    return Later(group.home, [answer = std::move(answer), tell = std::make_shared<GroupTell>(std::move(tell))](const Status& logged) { answer(logged, *tell); });
  }
  if (const auto* end = std::get_if<EndStream>(&tell.what)) {
    if (!ForgetStream(stream)) return;  // it has had its end
    if (!end->status.ok()) measures_.fenced.Add();
  }
  if (tell.durable) return Later(group.home, StreamTell{stream, std::move(tell.what)});
  TellStream({stream, std::move(tell.what)});
}

void GroupLoop::CountCommits(const CommitDone& done) {
  const auto refused = static_cast<std::uint64_t>(std::count_if(done.entries.begin(), done.entries.end(), [](const Status& status) { return !status.ok(); }));
  measures_.commits_refused.Add(refused);
  measures_.commits.Add(done.entries.size() - refused);
}

// Whether it was there. Its member is without a stream from now on.
bool GroupLoop::ForgetStream(StreamId stream) {
  const auto known = streams_.find(stream);
  if (known == streams_.end()) return false;
  if (const auto facts = known->second.group->members.find(known->second.member); known->second.joined && facts != known->second.group->members.end()) {
    facts->second.attached = false;
    facts->second.address.clear();
  }
  streams_.erase(known);
  measures_.streams.Add(-1);
  return true;
}

// At once, if nothing is before it.
void GroupLoop::Later(OffsetsPartition& home, LaterTell tell) {
  if (!home.outstanding()) return Release(std::move(tell), absl::OkStatus());
  home.later.push_back(std::move(tell));
}

void GroupLoop::Release(LaterTell tell, const Status& logged) {
  if (auto* call = std::get_if<std::function<void(const Status&)>>(&tell)) return (*call)(logged);
  StreamTell& told = std::get<StreamTell>(tell);
  if (logged.ok()) return TellStream(std::move(told));
  if (std::holds_alternative<EndStream>(told.what)) TellStream({told.stream, EndStream{told.stream, logged}});
}

void GroupLoop::ReleaseAll(std::vector<LaterTell> tells, const Status& logged) {
  for (LaterTell& tell : tells) Release(std::move(tell), logged);
}

void GroupLoop::TellStream(StreamTell tell) { ports_[GroupPort::Of(tell.stream)].tells.push_back(std::move(tell)); }

void GroupLoop::StartAppends() {
  for (const auto& [index, home] : partitions_) {
    if (!home->flying && !home->gathered.empty()) StartAppend(*home);
  }
}

void GroupLoop::StartAppend(OffsetsPartition& home) {
  home.append_records = home.gathered.records();
  StatusOr<std::vector<SharedBytes>> batches = home.gathered.Take(clock_.WallMs());
  home.after_append = std::exchange(home.later, {});
  home.append_began = now_;
  home.append.Renew();
  home.append.outbox = &outbox_;
  home.append.acks = Acks::kAll;
  home.append.done = [this, &home](OffsetsAppend&) { OnAppended(home); };
  home.append.entries.clear();
  AppendEntry& entry = home.append.entries.emplace_back();
  home.flying = true;
  if (!batches.ok()) {
    entry.status = batches.status();
    return PostOwn([this, &home] { OnAppended(home); });
  }
  entry.partition = home.replica;
  entry.topic = offsets_topic_;
  entry.expected_offset = home.next;  // nobody else writes there
  for (SharedBytes& batch : *batches) entry.values.push_back(std::move(batch));
  home.replica->driver.Append(&home.append);
}

void GroupLoop::OnAppended(OffsetsPartition& home) {
  home.flying = false;
  std::vector<LaterTell> tells = std::exchange(home.after_append, {});
  AppendEntry& entry = home.append.entries.front();
  const Status status = std::move(entry.status);
  home.append.entries.clear();
  if (!status.ok()) {
    if (home.phase == Phase::kServed) Fail(home, Annotate(status, "append"), /*retry=*/true);
    const bool definite = CertaintyOf(ReasonOf(status)) == Certainty::kDefinite;
    return ReleaseAll(std::move(tells), definite ? home.why : Error(Reason::kRequestTimedOut, absl::StrCat("it may have been done or not: ", MessageOf(home.why))));
  }
  if (home.phase != Phase::kServed) return ReleaseAll(std::move(tells), absl::OkStatus());  // unloaded meanwhile
  home.next = home.next + static_cast<std::int64_t>(home.append_records);
  measures_.append.Record(clock_.Monotonic() - home.append_began);
  measures_.appends.Add();
  measures_.records.Add(home.append_records);
  ReleaseAll(std::move(tells), absl::OkStatus());
  if (home.gathered.empty()) ReleaseAll(std::exchange(home.later, {}), absl::OkStatus());
}

void GroupLoop::SendTells() {
  for (Port& port : ports_) {
    if (port.tells.empty()) continue;
    auto* news = new PortNews;
    news->listener = port.listener;
    news->tells = std::exchange(port.tells, {});
    news->topics = topics_;
    port.outbox->Push(news);
  }
}

}  // namespace cordwood::broker
