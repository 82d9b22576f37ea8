// SPDX-License-Identifier: Apache-2.0
// Requests in, turns, answers out.
#include "broker/handlers/fetch_session.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "absl/container/flat_hash_set.h"

namespace cordwood::broker {
namespace {

constexpr std::size_t kBytesMaxDefault = 1024 * 1024;
constexpr std::size_t kRefusedBytesMax = 256 * 1024;  // some hundred refused partitions, while the client does not read
constexpr std::size_t kUnaryBytesMax = 64 * 1024 * 1024;  // whatever max_bytes says

std::size_t OrDefault(std::int32_t bytes_max) { return bytes_max == 0 ? kBytesMaxDefault : static_cast<std::size_t>(bytes_max); }

}  // namespace

// The slots whose topics are gone from the image, so that what a request says of them no longer resolves. Gathered once a request, when first asked for.
class FetchSession::DeletedSlots {
 public:
  explicit DeletedSlots(const FetchSession& session) : session_(session) {}

  std::optional<PartitionId> Find(const PartitionRef& ref) {
    if (!std::exchange(gathered_, true)) Gather();
    const PartitionRef named = session_.bindings_.WithoutHandle(ref);
    const auto found = by_name_.find({named.topic_id.empty() ? named.topic : kIdMark + named.topic_id, named.partition.value_or(-1)});
    return found == by_name_.end() ? std::nullopt : std::optional(found->second);
  }

 private:
  static inline const std::string kIdMark = "#";  // no topic's name has one

  void Gather() {
    for (const auto& [id, slot] : session_.slots_) {
      const TopicImage& topic = *slot->bound.topic;
      if (session_.handler_.image_->FindTopic(topic.id) != nullptr) continue;
      by_name_[{topic.name, slot->bound.index.value()}] = id;
      by_name_[{kIdMark + std::string(topic.id.raw()), slot->bound.index.value()}] = id;
    }
  }

  const FetchSession& session_;
  bool gathered_ = false;
  absl::flat_hash_map<std::pair<std::string, std::int32_t>, PartitionId> by_name_;  // topic's name or marked id, partition
};

FetchSession::FetchSession(FetchHandler& handler, bool is_stream, FetchListener* listener)
    : handler_(handler), is_stream_(is_stream), ear_(listener), listener_(listener), bindings_(is_stream), deadline_([this] { AnswerNow(); }) {
  handler_.measures_.sessions.Add(1);
}

FetchSession::~FetchSession() = default;

Status FetchSession::Apply(const FetchRequest& request) {
  const Status taken = Take(request);
  if (!taken.ok()) Stop();
  return taken;
}

Status FetchSession::Take(const FetchRequest& request) {
  handler_.measures_.requests.Add();
  if (handler_.image_ == nullptr) return Error(Reason::kLeaderNotAvailable, "the broker is starting");
  if (is_stream_) {
    credit_ = std::min(credit_ + static_cast<std::int64_t>(std::min<std::uint64_t>(request.add_credit_bytes, kFetchCreditMax)), kFetchCreditMax);
  } else {
    if (applied_) return Error(Reason::kInvalidRequest, "a unary fetch takes one request");
    if (request.partitions.empty()) return Error(Reason::kInvalidRequest, "a fetch request without partitions");
    applied_ = true;
    began_ = handler_.clock_.Monotonic();
    credit_ = static_cast<std::int64_t>(std::min(OrDefault(request.max_bytes), kUnaryBytesMax));
    min_bytes_ = static_cast<std::size_t>(request.min_bytes);
    if (request.max_wait_ms == 0 || request.min_bytes == 0) answer_now_ = true;
    if (!answer_now_) handler_.timers_.Arm(deadline_, handler_.clock_.Monotonic() + absl::Milliseconds(request.max_wait_ms));
  }
  DeletedSlots deleted(*this);
  for (const FetchPartition& partition : request.partitions) CORDWOOD_RETURN_IF_ERROR(ApplyPartition(request, partition, deleted));
  answer_.seq = request.seq;
  MakeRunnable();
  return absl::OkStatus();
}

Status FetchSession::ApplyPartition(const FetchRequest& request, const FetchPartition& partition, DeletedSlots& deleted) {
  const auto choose = [](const TopicImage&) -> StatusOr<PartitionIndex> { return Error(Reason::kInvalidRequest, "a fetch needs a partition"); };
  const ReplicaHandlePtr before = partition.ref.handle == 0 ? nullptr : bindings_.Bound(partition.ref.handle, handler_.table_);
  StatusOr<BoundPartition> bound = bindings_.Resolve(partition.ref, *handler_.image_, handler_.table_, choose);
  if (partition.action != FetchPartition::Action::kSet) return PauseOrRemove(partition, bound, deleted);
  if (!bound.ok()) return RefuseUnresolved(partition, bound.status());
  const PartitionId id = bound->replica->id;
  if (before != nullptr && before->id != id) EndFetchOf(before->id, partition.ref.handle);
  if (slots_.size() >= handler_.options_.partitions_max && !slots_.contains(id)) {
    return Error(Reason::kLimitExceeded, "fetch.partitions.max = " + std::to_string(slots_.size()) + " partitions are in this call");
  }
  std::unique_ptr<Slot>& slot = slots_[id];
  if (slot == nullptr) slot = std::make_unique<Slot>(*this);
  handler_.measures_.partitions_most.Set(std::max(handler_.measures_.partitions_most.value(), static_cast<std::int64_t>(slots_.size())));
  slot->bound = *std::move(bound);
  Set(*slot, request, partition);
  Shorten(ready_);
  return absl::OkStatus();
}

// `handle` stands for another partition now: an answer that names this one by it could not be told from the other's.
void FetchSession::EndFetchOf(PartitionId id, std::uint32_t handle) {
  const auto found = slots_.find(id);
  if (found == slots_.end() || found->second->ref->handle != handle) return;
  Announced(*found->second);
  slots_.erase(found);
}

// What is left of a deleted topic can be paused and removed like anything else.
Status FetchSession::PauseOrRemove(const FetchPartition& partition, const StatusOr<BoundPartition>& bound, DeletedSlots& deleted) {
  const bool remove = partition.action == FetchPartition::Action::kRemove;
  auto found = bound.ok() ? slots_.find(bound->replica->id) : slots_.end();
  if (found == slots_.end()) {
    if (const std::optional<PartitionId> id = deleted.Find(partition.ref); id.has_value()) found = slots_.find(*id);
  }
  if (found == slots_.end()) {
    if (!bound.ok()) return RefuseUnresolved(partition, bound.status());
    return remove ? absl::OkStatus() : RefuseUnresolved(partition, Error(Reason::kInvalidRequest, "the partition is not being fetched"));
  }
  Slot& slot = *found->second;
  Announced(slot);
  if (remove) {
    slots_.erase(found);
    return absl::OkStatus();
  }
  slot.Leave();
  slot.DropRead();
  slot.generation = ++generation_;
  slot.state = State::kPaused;
  return absl::OkStatus();
}

void FetchSession::Set(Slot& slot, const FetchRequest& request, const FetchPartition& partition) {
  slot.Leave();
  slot.DropRead();
  slot.ref = std::make_shared<const PartitionRef>(partition.ref);
  slot.next = partition.fetch_offset;
  slot.current_leader_epoch = partition.current_leader_epoch;
  slot.last_fetched_epoch = partition.last_fetched_epoch;
  slot.bytes_max = OrDefault(partition.max_bytes);
  slot.position = partition.position;
  slot.as_records = request.as_records;
  slot.generation = ++generation_;
  slot.result_serial = 0;  // an answer under way says what the old position gave
  if (slot.announced) ++unannounced_;
  slot.announced = false;
  if (!is_stream_) ResultFor(slot, slot.bound.replica->snapshot());  // in the order of the request
  Ready(slot);
}

// Refusals leave like anything else; a client that leaves no room for them and goes on asking ends its stream.
Status FetchSession::RefuseUnresolved(const FetchPartition& partition, Status status) {
  const std::size_t said_bytes = partition.ref.topic.size() + status.message().size();
  FetchResult& result = AddResult(said_bytes);
  result.ref = std::make_shared<const PartitionRef>(partition.ref);
  result.position = partition.position;
  result.high_watermark = result.log_start = Offset(-1);
  result.leader_epoch = kNoLeaderEpoch;
  handler_.measures_.errors.Count(ReasonOf(status));
  result.failure.emplace();
  result.failure->status = std::move(status);
  answer_now_ = true;
  if (!is_stream_) return absl::OkStatus();
  refused_bytes_ += FetchAnswer::kResultBytes + said_bytes;
  if (answer_.held_bytes() >= answer_bytes_max()) Flush();
  if (refused_bytes_ <= kRefusedBytesMax || CanSend()) return absl::OkStatus();
  return Error(Reason::kLimitExceeded, "the client sends requests and does not read what they are answered");
}

void FetchSession::Ready(Slot& slot) {
  Requeue(slot);
  MakeRunnable();
}

void FetchSession::Requeue(Slot& slot) {
  slot.state = State::kReady;
  if (!slot.queued) ready_.push_back(slot.bound.replica->id);
  slot.queued = true;
}

// Not while the queue is being visited.
void FetchSession::Shorten(RingQueue<PartitionId>& queue) {
  if (queue.size() <= 2 * slots_.size() + kQueueSlack) return;
  absl::flat_hash_set<PartitionId> kept;  // whoever was removed and came back stands where he first stood
  queue.KeepIf([&](PartitionId id) { return slots_.contains(id) && kept.insert(id).second; });
}

void FetchSession::MakeRunnable() {
  if (runnable_ || listener_ == nullptr) return;
  runnable_ = true;
  handler_.runnable_.push_back(shared_from_this());
}

void FetchSession::Run() {
  runnable_ = false;
  if (listener_ == nullptr || answered_) return;
  if (began_ == absl::InfiniteDuration()) began_ = handler_.clock_.Monotonic();
  if (!is_stream_ && handler_.lean()) credit_ = std::min(credit_, static_cast<std::int64_t>(handler_.options_.lean_answer_bytes));
  VisitReady();
  VisitBehind();
  Flush();
  const bool nothing_ready = ready_.empty() && behind_.empty();
  if (is_stream_ && jobs_ == 0 && answer_.results.empty() && (nothing_ready || credit_ <= 0)) began_ = absl::InfiniteDuration();
  if (listener_ == nullptr || answered_) return;
  if (turn_ == Turn::kStarved && !starving_) {
    starving_ = true;
    handler_.starved_.push_back(shared_from_this());
  }
  if (credit_ > 0 && CanSend() && (!ready_.empty() || (!behind_.empty() && turn_ != Turn::kStarved && CanRead()))) MakeRunnable();
}

// Each is visited once; who has more to send queues up behind the others. No more than some before other sessions have their turn, but where all that can be said is
// how partitions stand. To a client that does not read nothing is said.
void FetchSession::VisitReady() {
  turn_ = Turn::kMemory;
  const bool only_announces = unannounced_ > 0 && credit_ <= 0;
  for (std::size_t left = only_announces ? ready_.size() : std::min(ready_.size(), handler_.options_.partitions_per_session_turn); left > 0; --left) {
    if (listener_ == nullptr || !CanSend() || (unannounced_ == 0 && credit_ <= 0)) return;
    if (Slot* const slot = Next(ready_); slot != nullptr) Visit(*slot);
    if (is_stream_ && answer_.held_bytes() >= answer_bytes_max()) Flush();
  }
}

// The first in line stays there until it can be read.
void FetchSession::VisitBehind() {
  if (turn_ == Turn::kMemory) turn_ = starving_ ? Turn::kStarved : Turn::kReaders;
  for (std::size_t left = std::min(behind_.size(), handler_.options_.partitions_per_session_turn); left > 0; --left) {
    if (listener_ == nullptr || turn_ != Turn::kReaders || credit_ <= 0 || !CanSend() || !CanRead()) return;
    if (Slot* const slot = Next(behind_); slot != nullptr) Visit(*slot);
    if (is_stream_ && answer_.held_bytes() >= answer_bytes_max()) Flush();
  }
}

// A lean stream has one read on its way, and only to begin an answer with. A unary one has all its results from the beginning.
bool FetchSession::CanRead() const {
  if (!handler_.lean()) return reading_cost_ < handler_.options_.session_read_bytes_max;
  return reading_cost_ == 0 && (!is_stream_ || answer_.results.empty());
}

void FetchSession::EndStarving() {
  starving_ = false;
  handler_.measures_.catchup_waiting_bytes.Add(-static_cast<std::int64_t>(std::exchange(held_bytes_, 0)));
  MakeRunnable();
}

bool FetchSession::CanSend() const { return !is_stream_ || (listener_->CanTake() && (unwritten_.empty() || !handler_.lean())); }

std::size_t FetchSession::answer_bytes_max() const {
  const FetchOptions& options = handler_.options_;
  return handler_.lean() ? std::min(options.answer_bytes, options.lean_answer_bytes) : options.answer_bytes;
}

void FetchSession::OnWritten() {
  if (!unwritten_.empty()) handler_.unwritten_bytes_ -= unwritten_.pop_front();
  if (unwritten_.empty()) {
    handler_.unread_.Remove(*this);
  } else {
    handler_.unread_.Add(*this, handler_.clock_.Monotonic());
  }
  MakeRunnable();
}

bool FetchSession::UnaryIsDone() const {
  if (jobs_ > 0) return false;
  const bool full = credit_ <= 0;
  if (!full && !(ready_.empty() && behind_.empty())) return false;
  return full || answer_now_ || answer_.payload_bytes >= std::max<std::size_t>(min_bytes_, 1);
}

void FetchSession::Flush() {
  if (listener_ == nullptr) return;
  if (is_stream_ ? answer_.results.empty() || !CanSend() : !UnaryIsDone()) return;
  ++answer_serial_;
  if (!is_stream_) {
    answered_ = true;
    deadline_.Cancel();
  }
  const absl::Duration now = handler_.clock_.Monotonic();
  handler_.measures_.whole.Record(now - std::min(began_, now));
  began_ = now;
  CountHeld();
  if (unwritten_.empty()) handler_.unread_.Add(*this, now);
  unwritten_.push_back(std::exchange(counted_, 0));
  refused_bytes_ = 0;
  // Out of answer_, so that the listener that asks finds this session spent().
  FetchAnswer& answer = handler_.outgoing_;
  std::swap(answer, answer_);
  answer_.seq = answer.seq;
  listener_->OnAnswer(answer);
  answer.Clear();
}

void FetchSession::AnswerNow() {
  answer_now_ = true;
  MakeRunnable();
}

void FetchSession::Stop() {
  if (listener_ == nullptr) return;
  handler_.measures_.sessions.Add(-1);
  listener_ = nullptr;
  deadline_.Cancel();
  slots_.clear();
  ready_.clear();
  behind_.clear();
  answer_ = FetchAnswer();
  CountHeld();
}

void FetchSession::Close() {
  Stop();
  handler_.unread_.Remove(*this);
  while (!unwritten_.empty()) handler_.unwritten_bytes_ -= unwritten_.pop_front();
}

void FetchSession::EndUnread() {
  Close();
  ear_->OnUnread();
}

// What is gathered counts as unread already. Of a unary answer the results count once it is sent: a fetch that waits is not unread.
void FetchSession::CountHeld() {
  const std::size_t bytes = is_stream_ || answered_ ? answer_.held_bytes() : answer_.payload_bytes;
  handler_.unwritten_bytes_ += bytes;
  handler_.unwritten_bytes_ -= std::exchange(counted_, bytes);
}

FetchResult& FetchSession::AddResult(std::size_t more_bytes) {
  answer_.result_bytes += FetchAnswer::kResultBytes + more_bytes;
  CountHeld();
  return answer_.results.emplace_back();
}

FetchResult& FetchSession::ResultFor(Slot& slot, const ReplicaSnapshot& snapshot) {
  if (slot.result_serial != answer_serial_) {
    slot.result_serial = answer_serial_;
    slot.result = answer_.results.size();
    FetchResult& fresh = AddResult(0);
    fresh.ref = slot.ref;
    fresh.position = slot.position;
    fresh.as_records = slot.as_records;
  }
  FetchResult& result = answer_.results[slot.result];
  result.high_watermark = snapshot.high_watermark;
  result.log_start = snapshot.log_start;
  result.leader_epoch = snapshot.leader_epoch;
  Announced(slot);
  return result;
}

void FetchSession::Announced(Slot& slot) {
  if (!slot.announced) --unannounced_;
  slot.announced = true;
}

}  // namespace cordwood::broker
