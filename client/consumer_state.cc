// SPDX-License-Identifier: Apache-2.0
// Who is assigned, what Poll() gives, what becomes of failures.
#include "client/consumer_state.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "client/group/consumer_group.h"
#include "client/consumer_offsets.h"
#include "client/failure.h"
#include "client/fork.h"
#include "storage/base/clock.h"

namespace cordwood {

using client::ToFailure;
using client::ToRefusal;

namespace {

absl::Duration Now() { return Clock::System().Monotonic(); }


Failure NotAssigned(const TopicPartition& partition) {
  return ToRefusal(Error(Reason::kInvalidRequest, client::NameOf(partition) + " is not assigned to this consumer"));
}

// Brokers name the partition in some messages.
Status Named(const Status& status, const TopicPartition& partition) {
  const std::string name = client::NameOf(partition);
  return MessageOf(status).starts_with(name) ? status : Annotate(status, name);
}

}  // namespace

Consumer::State::State(std::shared_ptr<client::SharedConnection> shared, const ConsumerOptions& wanted)
    : connection(std::move(shared)), options(wanted), fetch(loop, connection->broker, {wanted.memory_bytes_max, wanted.partition_bytes_max}),
      ahead(wanted.memory_bytes_max / 2), group_offsets(*connection, wanted.group.id) {
  std::thread::id id;
  loop.Run([&] { id = std::this_thread::get_id(); });
  callback_thread = std::make_shared<CallbackThread>(id, connection->on_exception);
}

Consumer::State::~State() { Stop(); }

std::optional<Failure> Consumer::State::Ended() const {
  if (client::InForkedChild()) return client::AfterFork();
  if (closed) return ToRefusal(Error(Reason::kShuttingDown, "the consumer is closed"));
  return std::nullopt;
}

Result<void> Consumer::State::CheckCall(const char* call) const {
  if (const auto ended = Ended()) return *ended;
  if (group == nullptr || !group->in_callback()) return {};
  return ToRefusal(Error(Reason::kInvalidRequest, std::string(call) + " cannot be called in a rebalance callback"));
}

Result<void> Consumer::State::Assign(Places places) {
  if (const auto fits = CheckCall("Assign()"); !fits) return fits.error();
  if (group != nullptr) return ToRefusal(Error(Reason::kInvalidRequest, "this consumer subscribed: its group assigns the partitions; Unsubscribe() first"));
  std::sort(places.begin(), places.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  places.erase(std::unique(places.begin(), places.end(), [](const auto& a, const auto& b) { return a.first == b.first; }), places.end());
  if (places.size() > client::kFetchPartitionsMax) {
    return ToRefusal(Error(Reason::kLimitExceeded, "a consumer takes at most " + std::to_string(client::kFetchPartitionsMax) + " partitions, not " +
                                                       std::to_string(places.size())));
  }
  Assignment next;
  Places fresh;
  for (const auto& place : places) {
    const auto found = assignment.find(place.first);
    if (found != assignment.end() && !found->second.failure.has_value()) {
      next.emplace(place.first, found->second);
    } else {
      fresh.push_back(place);
    }
  }
  const auto located = client::Locate(*connection, fresh, options.offset_reset);
  if (!located.ok()) return ToFailure(located.status());
  return Replace(std::move(next), fresh, *located);
}

Result<void> Consumer::State::Replace(Assignment next, const Places& fresh, const std::vector<client::LocatedPartition>& located) {
  std::vector<std::size_t> gone;
  for (const auto& [partition, assigned] : assignment) {
    if (!next.contains(partition)) gone.push_back(assigned.slot);
  }
  fetch.Remove(gone);
  for (const std::size_t slot : gone) ahead.Stop(slot);
  std::vector<client::FetchFrom> wanted;
  for (std::size_t i = 0; i < fresh.size(); ++i) wanted.push_back({located[i].topic, PartitionIndex(fresh[i].first.partition), located[i].offset});
  const auto slots = fetch.Add(wanted);  // fits: the count was checked
  if (!slots.ok()) return ToFailure(slots.status());
  for (std::size_t i = 0; i < fresh.size(); ++i) {
    next.emplace(fresh[i].first, Assigned{(*slots)[i], std::nullopt});
    ahead.Start((*slots)[i], fresh[i].first, located[i].offset);
  }
  assignment = std::move(next);
  failed = 0;
  by_slot.clear();
  for (auto it = assignment.begin(); it != assignment.end(); ++it) {
    if (it->second.slot >= by_slot.size()) by_slot.resize(it->second.slot + 1, assignment.end());
    by_slot[it->second.slot] = it;
  }
  GiveBack();
  return {};
}

void Consumer::State::Unassign(Assignment::iterator assigned) {
  const std::size_t slot = assigned->second.slot;
  fetch.Remove({slot});
  ahead.Stop(slot);
  if (assigned->second.failure.has_value()) --failed;
  assignment.erase(assigned);
  GiveBack();
}

Result<void> Consumer::State::Seek(const Places& places) {
  if (const auto ended = Ended()) return *ended;
  std::vector<std::pair<Assignment::iterator, Offset>> offsets;
  for (const auto& [partition, position] : places) {
    const auto found = assignment.find(partition);
    if (found == assignment.end()) return NotAssigned(partition);
    offsets.emplace_back(found, Offset());
  }
  const auto located = client::Locate(*connection, places, options.offset_reset);
  if (!located.ok()) return ToFailure(located.status());
  for (std::size_t i = 0; i < offsets.size(); ++i) offsets[i].second = (*located)[i].offset;
  SeekTo(offsets);
  for (const auto& [partition, position] : places) {
    if (group != nullptr) group->Sought(partition);
  }
  return {};
}

void Consumer::State::SeekTo(const std::vector<std::pair<Assignment::iterator, Offset>>& offsets) {
  if (offsets.empty()) return;
  std::vector<client::FetchClient::Place> places;
  for (const auto& [assigned, offset] : offsets) {
    const std::size_t slot = assigned->second.slot;
    if (assigned->second.failure.has_value()) --failed;
    assigned->second.failure.reset();
    ahead.Seek(slot, offset);
    if (!ahead.paused(slot)) places.push_back({slot, offset});
  }
  fetch.Seek(places);
  GiveBack();
}

void Consumer::State::Pause(Assignment::iterator assigned) {
  const std::size_t slot = assigned->second.slot;
  if (ahead.paused(slot)) return;
  for (client::FetchedChunk& chunk : fetch.Take(absl::ZeroDuration())) ahead.Add(std::move(chunk));
  ahead.Pause(slot);
  fetch.Silence({slot});
  GiveBack();
}

void Consumer::State::Resume(Assignment::iterator assigned) {
  const std::size_t slot = assigned->second.slot;
  if (!ahead.paused(slot)) return;
  const std::optional<Offset> from = ahead.Resume(slot);
  if (from.has_value() && !assigned->second.failure.has_value()) fetch.Seek({{slot, *from}});
}

void Consumer::State::Stop() {
  if (client::InForkedChild() || std::exchange(closed, true)) return;
  group.reset();
  fetch.Shutdown();
  loop.Stop();
  for (const auto& [partition, assigned] : assignment) ahead.Stop(assigned.slot);
  assignment.clear();
}

// What was consumed becomes credit in steps: a message to the loop costs more than a few records.
void Consumer::State::GiveBack() {
  to_give_back += ahead.TakeConsumed();
  if (to_give_back < options.memory_bytes_max / 16) return;
  fetch.Consumed(std::exchange(to_give_back, 0));
}

bool Consumer::State::Reset(Assignment::iterator assigned, const client::ReadAhead::Failed& failure) {
  if (group != nullptr && ReasonOf(failure.status) == Reason::kOffsetOutOfRange) return group->Reset(assigned->first, failure);
  if (options.offset_reset == OffsetReset::kError || ReasonOf(failure.status) != Reason::kOffsetOutOfRange || failure.log_start.value() < 0) return false;
  SeekTo({{assigned, options.offset_reset == OffsetReset::kStart ? failure.log_start : failure.high_watermark}});
  return true;
}

Result<std::vector<ConsumerRecord>> Consumer::State::TakeReady() {
  std::vector<ConsumerRecord> records;
  const std::size_t most = group == nullptr ? options.records_max : group->records_max(options.records_max);
  if (group != nullptr) group->TakeEarly(most, &records);
  const std::size_t due = records.size();
  while (const auto failure = ahead.Take(most, &records)) {
    const auto assigned = by_slot[failure->slot];
    if (Reset(assigned, *failure)) continue;
    fetch.Silence({failure->slot});
    if (group != nullptr && client::IsUnknownTopic(failure->status)) continue;  // the group takes it away
    const Status why = Named(failure->status, assigned->first);
    assigned->second.failure = ToFailure(group != nullptr && ReasonOf(why) == Reason::kOffsetOutOfRange ? group->Advise(why) : why);
    ++failed;
    last_told = assigned->first;
    return *assigned->second.failure;
  }
  if (group != nullptr) group->TakeInRange(due, &records);
  return records;
}

const Failure* Consumer::State::NextOldFailure() {
  if (failed == 0) return nullptr;
  auto next = assignment.upper_bound(last_told);
  for (std::size_t i = 0; i < assignment.size(); ++i, ++next) {
    if (next == assignment.end()) next = assignment.begin();
    if (!next->second.failure.has_value() || ahead.paused(next->second.slot)) continue;
    last_told = next->first;
    return &*next->second.failure;
  }
  return nullptr;
}

Result<std::vector<ConsumerRecord>> Consumer::State::Poll(Consumer& self, std::chrono::milliseconds timeout) {
  if (const auto fits = CheckCall("Poll()"); !fits) return fits.error();
  const absl::Duration deadline = Now() + absl::FromChrono(timeout);
  if (group == nullptr) return PollUntil(self, deadline);
  group->PollBegan();
  auto records = PollUntil(self, deadline);
  group->PollEnded(records ? *records : std::vector<ConsumerRecord>());
  return records;
}

Result<std::vector<ConsumerRecord>> Consumer::State::PollUntil(Consumer& self, absl::Duration deadline) {
  while (true) {
    absl::Duration wait_until = deadline;
    if (group != nullptr) {
      if (const auto turned = group->Turn(self); !turned) return turned.error();
      if (group->TakeReplayEnd()) break;
      wait_until = std::min(wait_until, group->next_turn());
    }
    // What is left of the last chunks comes before what is new, so a partition's order is the order of arrival. Whose membership is in doubt gives nothing.
    const bool hold = group != nullptr && (group->in_doubt() || group->holds());
    bool woken = false;
    for (client::FetchedChunk& chunk : fetch.Take(ahead.empty() || hold ? wait_until - Now() : absl::ZeroDuration(), &woken)) ahead.Add(std::move(chunk));
    if (woken && wanted_awake.exchange(false)) return std::vector<ConsumerRecord>();
    const bool over = Now() >= deadline;
    if (hold || (!over && group != nullptr && group->has_news())) {
      if (over) break;
      continue;
    }
    auto taken = TakeReady();
    GiveBack();
    if (!taken.ok() || !taken->empty()) return taken;
    if (over) break;
  }
  if (const Failure* failure = NextOldFailure()) return *failure;
  if (group != nullptr && !group->failure().ok()) return ToFailure(group->failure());
  return std::vector<ConsumerRecord>();
}

}  // namespace cordwood
