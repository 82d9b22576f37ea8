// SPDX-License-Identifier: Apache-2.0
// Every state of a server call. Beside network_thread.cc the only file of the broker that includes gRPC's asynchronous headers.
#include "broker/grpc/call.h"

#include <grpc/grpc.h>
#include <grpc/support/time.h>
#include <grpcpp/generic/async_generic_service.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "broker/grpc/rpc_status.h"
#include "storage/base/check.h"
#include "storage/base/reuse/ring_queue.h"

namespace cordwood::broker {
namespace {

constexpr int kAcceptsPosted = 64;  // calls that may arrive between two turns without waiting
constexpr absl::Duration kLeaseRetry = absl::Milliseconds(5);

// A deadline may lie 11 000 years ahead (99999999H), which no time_point of the system's clock can say.
absl::Duration TimeLeft(gpr_timespec deadline) {
  if (gpr_time_cmp(deadline, gpr_inf_future(deadline.clock_type)) == 0) return absl::InfiniteDuration();
  const gpr_timespec left = gpr_time_sub(deadline, gpr_now(deadline.clock_type));
  return absl::Seconds(left.tv_sec) + absl::Nanoseconds(left.tv_nsec);
}

// What Next() hands back.
struct Tag {
  enum class What { kAccept, kRead, kWrite, kFinish, kDone };
  What what;
  Call* call;
};

}  // namespace

struct Call::Wire {
  explicit Wire(Call* call)
      : stream(&context),
        write_timeout([call] { call->OnWriteTimeout(); }),
        accept_tag{Tag::What::kAccept, call},
        read_tag{Tag::What::kRead, call},
        write_tag{Tag::What::kWrite, call},
        finish_tag{Tag::What::kFinish, call},
        done_tag{Tag::What::kDone, call} {}

  grpc::GenericServerContext context;
  grpc::GenericServerAsyncReaderWriter stream;
  Timer write_timeout;  // while the transport has something to take
  Tag accept_tag;
  Tag read_tag;
  Tag write_tag;
  Tag finish_tag;
  Tag done_tag;  // arrives once the call is over for the transport; only if it was accepted

  CallSet::Method* method = nullptr;  // nullptr while not accepted, or for an unknown method
  grpc::ByteBuffer incoming;
  RingQueue<grpc::ByteBuffer> answers;  // the first is being written if `writing`
  std::optional<Status> finish_wanted;
  std::size_t unanswered = 0;  // bytes
  int refs = 1;                // of the completion queue; the first is the accept's
  bool open = false;
  bool reading = false;
  bool read_all = false;  // half-closed, or the one message of a unary call is here
  bool waiting_for_lease = false;
  bool writing = false;
  bool finishing = false;
  bool ended = false;
  Call* next_open = nullptr;
  Call* previous_open = nullptr;
  Call* next_waiting = nullptr;
  Call* previous_waiting = nullptr;
};

Call::Call(CallSet& set) : set_(set), wire_(std::make_unique<Wire>(this)) {}

Call::~Call() {
  if (!wire_->open) return;
  (wire_->previous_open == nullptr ? set_.first_open_ : wire_->previous_open->wire_->next_open) = wire_->next_open;
  if (wire_->next_open != nullptr) wire_->next_open->wire_->previous_open = wire_->previous_open;
  --set_.open_calls_;
  set_.ended_calls_.Add();
  if (wire_->method != nullptr) wire_->method->open.Add(-1);
}

void Call::Accept() {
  wire_->context.AsyncNotifyWhenDone(&wire_->done_tag);
  set_.service_->RequestCall(&wire_->context, &wire_->stream, set_.queue_, set_.queue_, &wire_->accept_tag);
}

void Call::Unref() {
  if (--wire_->refs == 0) delete this;
}

void Call::OnAccepted(bool ok) {
  if (!ok) return Unref();  // the queue is shutting down
  (new Call(set_))->Accept();
  ++wire_->refs;  // the done tag
  wire_->open = true;
  wire_->next_open = set_.first_open_;
  if (set_.first_open_ != nullptr) set_.first_open_->wire_->previous_open = this;
  set_.first_open_ = this;
  ++set_.open_calls_;
  Open();
  Unref();
}

// Runs under the accept's reference.
void Call::Open() {
  const auto found = set_.methods_.find(std::string_view(wire_->context.method()));
  if (found == set_.methods_.end()) return Finish(absl::UnimplementedError("no such method: " + wire_->context.method()));
  CallSet::Method& method = *found->second;
  wire_->method = &method;
  method.open.Add(1);
  if (set_.stopping_) return Finish(Error(Reason::kShuttingDown, "the broker is stopping"));
  if (method.open.value() > method.open_max) {
    const std::string& name = method.options.calls_limit_name;
    return Finish(Error(Reason::kThrottled, (name.empty() ? "" : name + " = ") + std::to_string(method.open_max) + " calls of this method are open"));
  }
  context_.peer = wire_->context.peer();
  context_.deadline = set_.clock_.Monotonic() + TimeLeft(wire_->context.raw_deadline());
  door_ = method.make_door(*this);
  MaybeRead();
}

void Call::MaybeRead() {
  Wire& w = *wire_;
  if (w.reading || w.read_all || w.ended || w.finish_wanted.has_value() || w.waiting_for_lease || door_ == nullptr) return;
  if (!w.method->options.always_reads) {
    if (set_.stopping_) return;
    if (w.unanswered > 0 && w.unanswered >= w.method->options.window_bytes) return;
    if (w.answers.size() >= kUnwrittenMax) return;
    if (!set_.lease_.HasRoom()) {
      w.waiting_for_lease = true;
      ++w.refs;
      w.previous_waiting = set_.last_waiting_;
      (set_.last_waiting_ == nullptr ? set_.first_waiting_ : set_.last_waiting_->wire_->next_waiting) = this;
      set_.last_waiting_ = this;
      if (!set_.lease_retry_.armed()) set_.timers_.Arm(set_.lease_retry_, set_.clock_.Monotonic() + kLeaseRetry);
      return;
    }
  }
  w.reading = true;
  ++w.refs;
  w.stream.Read(&w.incoming, &w.read_tag);
}

// The caller holds a reference of its own.
void Call::StopWaiting() {
  Wire& w = *wire_;
  if (!w.waiting_for_lease) return;
  (w.previous_waiting == nullptr ? set_.first_waiting_ : w.previous_waiting->wire_->next_waiting) = w.next_waiting;
  (w.next_waiting == nullptr ? set_.last_waiting_ : w.next_waiting->wire_->previous_waiting) = w.previous_waiting;
  w.next_waiting = w.previous_waiting = nullptr;
  w.waiting_for_lease = false;
  Unref();
}

void Call::OnRead(bool ok) {
  Wire& w = *wire_;
  w.reading = false;
  grpc::ByteBuffer message;
  message.Swap(&w.incoming);
  if (w.ended || w.finish_wanted.has_value()) return;
  if (!ok) {
    // Half-closed, or over: then the done tag follows and Finish() is harmless.
    w.read_all = true;
    return door_->OnHalfClose();
  }
  const MethodOptions& options = w.method->options;
  if (options.unary) w.read_all = true;
  if (message.Length() > options.message_bytes_max) {
    w.read_all = true;
    return door_->OnRefused(Error(Reason::kMessageTooLarge, "a request of " + std::to_string(message.Length()) + " bytes; " +
                                                                options.message_limit_name + " is " + std::to_string(options.message_bytes_max)));
  }
  const std::size_t bytes = std::max(message.Length(), kMessageCostMin);
  w.unanswered += bytes;
  door_->OnMessage(std::move(message), options.always_reads ? ByteCharge() : ByteCharge(set_.lease_, bytes));
  MaybeRead();
}

void Call::Answered(std::size_t bytes) {
  wire_->unanswered -= std::min(bytes, wire_->unanswered);
  MaybeRead();
}

void Call::Owe(std::size_t bytes) { wire_->unanswered += bytes; }

void Call::Write(grpc::ByteBuffer answer) {
  if (wire_->ended || wire_->finish_wanted.has_value()) return;
  wire_->answers.push_back(std::move(answer));
  // The only answer of a unary call waits for its Finish(), to leave together with the status.
  if (!wire_->method->options.unary) WriteNext();
}

void Call::Finish(const Status& status) {
  if (wire_->ended || wire_->finish_wanted.has_value()) return;
  wire_->finish_wanted = status;
  if (!status.ok() && wire_->method != nullptr) wire_->method->errors.Count(ReasonOf(status));
  if (!status.ok() && wire_->method != nullptr && wire_->method->options.unary) wire_->answers.clear();
  WriteNext();
}

void Call::WriteNext() {
  Wire& w = *wire_;
  if (w.writing || w.finishing || w.ended) return;
  if (w.answers.empty()) {
    if (!w.finish_wanted.has_value()) return;
    w.finishing = true;
    BeginWrite();
    w.stream.Finish(ToGrpcStatus(*w.finish_wanted), &w.finish_tag);
    return;
  }
  if (w.answers.size() == 1 && w.finish_wanted.has_value() && w.finish_wanted->ok()) {
    w.finishing = true;
    BeginWrite();
    w.stream.WriteAndFinish(w.answers.front(), grpc::WriteOptions(), grpc::Status::OK, &w.finish_tag);
    w.answers.clear();
    return;
  }
  w.writing = true;
  BeginWrite();
  w.stream.Write(w.answers.front(), &w.write_tag);
}

void Call::BeginWrite() {
  ++wire_->refs;
  set_.timers_.Arm(wire_->write_timeout, set_.clock_.Monotonic() + set_.answer_write_timeout_);
}

// The status passes the answer that is stuck, which comes back as not written.
void Call::Cut(const std::string& why) {
  if (!wire_->ended) grpc_call_cancel_with_status(wire_->context.c_call(), GRPC_STATUS_UNAVAILABLE, why.c_str(), nullptr);
}

void Call::OnWriteTimeout() { Cut("no answer was read for " + absl::FormatDuration(set_.answer_write_timeout_) + " (answer.write.timeout.ms)"); }

void Call::OnWrite(bool ok) {
  Wire& w = *wire_;
  w.writing = false;
  w.write_timeout.Cancel();
  if (!w.answers.empty()) w.answers.pop_front();
  if (!ok) return End();
  if (w.ended) return;
  WriteNext();
  if (!w.finish_wanted.has_value()) door_->OnWritten();
  MaybeRead();
}

void Call::OnFinished() { End(); }

void Call::OnDone() { End(); }

void Call::End() {
  if (wire_->ended) return;
  wire_->ended = true;
  StopWaiting();  // at its deadline, or when its client has gone, whatever the budget says
  wire_->write_timeout.Cancel();
  wire_->answers.clear();
  if (door_ != nullptr) door_->OnEnd();
}

std::size_t Call::unwritten() const { return wire_->answers.size(); }

bool Call::ended() const { return wire_->ended; }

CallSet::CallSet(ByteLease& lease, TimerWheel& timers, Clock& clock, absl::Duration answer_write_timeout)
    : lease_(lease), timers_(timers), clock_(clock), answer_write_timeout_(answer_write_timeout), lease_retry_([this] { ResumeReads(); }) {
  lease_.OnRoom([this] {
    if (first_waiting_ != nullptr) ResumeReads();
  });
}

CallSet::~CallSet() {
  lease_.OnRoom(nullptr);
  CORDWOOD_CHECK(open_calls_ == 0);
}

void CallSet::AddMethod(const std::string& path, const MethodOptions& options, Call::DoorFactory make_door) {
  auto method = std::make_unique<Method>();
  method->options = options;
  method->make_door = std::move(make_door);
  method->open_max = options.calls_max;
  methods_[path] = std::move(method);
}

std::vector<CallSet::MethodMeasures> CallSet::measures() const {
  std::vector<MethodMeasures> all;
  for (const auto& [path, method] : methods_) all.push_back({path, method->open.value(), method->open_max, method->options.calls_limit_name, &method->errors});
  return all;
}

void CallSet::Start(grpc::AsyncGenericService& service, grpc::ServerCompletionQueue& queue) {
  service_ = &service;
  queue_ = &queue;
  for (int i = 0; i < kAcceptsPosted; ++i) (new Call(*this))->Accept();
}

void CallSet::Stop() {
  stopping_ = true;
  while (first_waiting_ != nullptr) first_waiting_->StopWaiting();
  for (Call* call = first_open_; call != nullptr;) {
    Call* next = call->wire_->next_open;
    if (call->door_ != nullptr && !call->ended()) call->door_->OnStop();
    call = next;
  }
}

void CallSet::ResumeReads() {
  // Each call is asked once: one that still finds no room queues up again.
  for (Call* last = last_waiting_; first_waiting_ != nullptr && lease_.HasRoom();) {
    Call* call = first_waiting_;
    const bool was_last = call == last;
    ++call->wire_->refs;
    call->StopWaiting();
    call->MaybeRead();
    call->Unref();
    if (was_last) break;
  }
  if (first_waiting_ != nullptr && !lease_retry_.armed()) timers_.Arm(lease_retry_, clock_.Monotonic() + kLeaseRetry);
}

void CallSet::OnEvent(void* tag, bool ok) {
  Call* call = static_cast<Tag*>(tag)->call;
  switch (static_cast<Tag*>(tag)->what) {
    case Tag::What::kAccept:
      return call->OnAccepted(ok);
    case Tag::What::kRead:
      call->OnRead(ok);
      break;
    case Tag::What::kWrite:
      call->OnWrite(ok);
      break;
    case Tag::What::kFinish:
      call->OnFinished();
      break;
    case Tag::What::kDone:
      call->OnDone();
      break;
  }
  call->Unref();
}

}  // namespace cordwood::broker
