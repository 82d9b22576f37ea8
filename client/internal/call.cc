// SPDX-License-Identifier: Apache-2.0
// The client's completion queue: no other file of the client includes gRPC's asynchronous headers.
#include "client/internal/call.h"

#include <grpcpp/alarm.h>
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/support/byte_buffer.h>

#include <chrono>
#include <cstring>
#include <optional>

#include "client/internal/rpc_error.h"
#include "storage/base/check.h"
#include "storage/base/clock.h"
#include "storage/base/thread_name.h"

namespace cordwood::client {
namespace {

grpc::Slice ToSlice(const std::variant<std::string, SharedBytes>& piece) {
  if (const auto* text = std::get_if<std::string>(&piece)) return grpc::Slice(text->data(), text->size());
  SharedBytes bytes = std::get<SharedBytes>(piece);
  if (bytes.empty()) return grpc::Slice();
  const std::string_view view = bytes.view();
  return grpc::Slice(const_cast<char*>(view.data()), view.size(), &SharedBytes::UnrefReleased, std::move(bytes).Release());
}

grpc::ByteBuffer ToByteBuffer(const OutgoingMessage& message) {
  std::vector<grpc::Slice> slices;
  slices.reserve(message.size());
  for (const auto& piece : message) slices.push_back(ToSlice(piece));
  if (slices.empty()) slices.emplace_back();
  return grpc::ByteBuffer(slices.data(), slices.size());
}

// One copy makes the message contiguous: batches straddle the 64 KiB slices that the socket was read into.
SharedBytes ToSharedBytes(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  if (!buffer.Valid() || !buffer.Dump(&slices).ok()) return {};
  SharedBytes bytes = SharedBytes::Allocate(buffer.Length());
  char* to = bytes.mutable_data();
  for (const grpc::Slice& slice : slices) {
    std::memcpy(to, slice.begin(), slice.size());
    to += slice.size();
  }
  return bytes;
}

}  // namespace

// What Next() hands back. A null call is the wake-up alarm.
struct Call::Tag {
  enum class What { kWakeup, kStart, kRead, kWrite, kWritesDone, kFinish };
  What what;
  State* call;
};

struct Call::State {
  explicit State(ClientLoop* owner) : loop(owner) {}

  void Ref() { ++refs; }
  void Unref() {
    if (--refs == 0) delete this;
  }
  void StartRead() {
    Ref();
    stream->Read(&incoming, &read_tag);
  }
  void StartWrite() {
    Ref();
    write_outstanding = true;
    stream->Write(*outgoing, &write_tag);
    outgoing.reset();
  }
  void StartWritesDone() {
    Ref();
    write_outstanding = true;
    stream->WritesDone(&writes_done_tag);
  }
  void StartFinish() {
    if (finishing) return;
    finishing = true;
    Ref();
    stream->Finish(&status, &finish_tag);
  }
  void Arrived(Tag::What what, bool ok);
  void Started(bool ok);
  void ReadReturned(bool ok);
  void WriteReturned(bool ok, bool was_message);
  void Ended();

  ClientLoop* const loop;
  grpc::ClientContext context;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> stream;
  std::shared_ptr<CallEvents> events;  // shared, because an event may drop the handle and with it the events
  int refs = 0;

  bool started = false;
  bool write_outstanding = false;
  bool writes_done_wanted = false;
  bool finishing = false;
  bool broken = false;  // no further writes make sense
  std::optional<grpc::ByteBuffer> outgoing;  // waits for the start
  grpc::ByteBuffer incoming;
  grpc::Status status;

  Tag start_tag{Tag::What::kStart, this};
  Tag read_tag{Tag::What::kRead, this};
  Tag write_tag{Tag::What::kWrite, this};
  Tag writes_done_tag{Tag::What::kWritesDone, this};
  Tag finish_tag{Tag::What::kFinish, this};
};

void Call::State::Started(bool ok) {
  started = true;
  if (!ok) {
    broken = true;
    return StartFinish();
  }
  StartRead();
  if (outgoing.has_value()) {
    StartWrite();
  } else if (writes_done_wanted) {
    StartWritesDone();
  }
  const std::shared_ptr<CallEvents> held = events;
  if (held != nullptr && held->on_started) held->on_started();
}

void Call::State::WriteReturned(bool ok, bool was_message) {
  write_outstanding = false;
  if (!ok) {
    broken = true;  // the outstanding read returns and ends the call
    return;
  }
  if (!was_message) return;
  const std::shared_ptr<CallEvents> held = events;
  if (held != nullptr && held->on_written) held->on_written();
  if (writes_done_wanted && !write_outstanding && !broken) StartWritesDone();
}

void Call::State::ReadReturned(bool ok) {
  if (!ok) {
    broken = true;
    return StartFinish();
  }
  const std::shared_ptr<CallEvents> held = events;
  if (held != nullptr && held->on_message) held->on_message(ToSharedBytes(incoming));
  incoming.Clear();
  if (!finishing) StartRead();
}

void Call::State::Ended() {
  loop->calls_.erase(this);
  const std::shared_ptr<CallEvents> last = std::exchange(events, nullptr);
  if (last != nullptr && last->on_end) last->on_end(FromGrpc(status));
}

// The caller holds a reference for the operation that has arrived.
void Call::State::Arrived(Tag::What what, bool ok) {
  switch (what) {
    case Tag::What::kWakeup: break;
    case Tag::What::kStart: Started(ok); break;
    case Tag::What::kRead: ReadReturned(ok); break;
    case Tag::What::kWrite: WriteReturned(ok, true); break;
    case Tag::What::kWritesDone: WriteReturned(ok, false); break;
    case Tag::What::kFinish: Ended(); break;
  }
  Unref();
}

bool Call::Handle::Write(const OutgoingMessage& message) {
  if (state_ == nullptr || state_->broken || state_->write_outstanding || state_->outgoing.has_value()) return false;
  if (state_->writes_done_wanted) return false;
  state_->outgoing.emplace(ToByteBuffer(message));
  if (state_->started) state_->StartWrite();
  return true;
}

void Call::Handle::FinishWriting() {
  if (state_ == nullptr || state_->broken || state_->writes_done_wanted) return;
  state_->writes_done_wanted = true;
  if (state_->started && !state_->write_outstanding) state_->StartWritesDone();
}

void Call::Handle::Cancel() {
  if (state_ != nullptr) state_->context.TryCancel();
}

void Call::Handle::Reset() {
  State* state = std::exchange(state_, nullptr);
  if (state == nullptr) return;
  state->events = nullptr;
  state->context.TryCancel();
  state->Unref();
}

struct ClientLoop::Wakeup {
  grpc::Alarm alarm;
  Call::Tag tag{Call::Tag::What::kWakeup, nullptr};
};

ClientLoop::ClientLoop(std::string thread_name)
    : thread_name_(std::move(thread_name)), queue_(std::make_unique<grpc::CompletionQueue>()), wakeup_(std::make_unique<Wakeup>()) {
  Mutex mu;
  CondVar started;
  bool running = false;
  thread_ = std::thread([&] {
    {
      MutexLock lock(mu);
      thread_id_ = std::this_thread::get_id();
      running = true;
      started.Signal();
    }
    Loop();
  });
  MutexLock lock(mu);
  while (!running) started.Wait(mu);
}

ClientLoop::~ClientLoop() { Stop(); }

bool ClientLoop::Post(std::function<void()> task) {
  MutexLock lock(mu_);
  if (stopped_) return false;
  auto* node = new Task;
  node->run = std::move(task);
  // Only a push onto an empty list sets the alarm, and the list is taken only when it rings: one is outstanding at most. A time in the past
  // rings at once; "now" is rounded up to the next millisecond and waits for a timer thread.
  if (tasks_.Push(node)) wakeup_->alarm.Set(queue_.get(), gpr_inf_past(GPR_CLOCK_MONOTONIC), &wakeup_->tag);
  return true;
}

bool ClientLoop::Run(const std::function<void()>& task) {
  if (in_loop()) {
    task();
    return true;
  }
  Mutex mu;
  CondVar changed;
  bool done = false;
  const bool posted = Post([&] {
    task();
    MutexLock lock(mu);
    done = true;
    changed.Signal();
  });
  if (!posted) return false;
  MutexLock lock(mu);
  while (!done) changed.Wait(mu);
  return true;
}

ClientLoop::TimerId ClientLoop::After(absl::Duration delay, std::function<void()> task) {
  const absl::Duration due = Clock::System().Monotonic() + delay;
  const TimerId id = ++last_timer_;
  timers_.emplace(std::make_pair(due, id), std::move(task));
  timer_due_.emplace(id, due);
  return id;
}

void ClientLoop::CancelTimer(TimerId id) {
  const auto found = timer_due_.find(id);
  if (found == timer_due_.end()) return;
  timers_.erase({found->second, id});
  timer_due_.erase(found);
}

Call::Handle ClientLoop::Open(const std::shared_ptr<grpc::Channel>& channel, const std::string& method, CallEvents events,
                              absl::Duration timeout) {
  CORDWOOD_CHECK(in_loop());
  auto* call = new Call::State(this);
  calls_.insert(call);
  call->events = std::make_shared<CallEvents>(std::move(events));
  if (timeout != absl::InfiniteDuration()) {
    call->context.set_deadline(std::chrono::system_clock::now() + absl::ToChronoNanoseconds(timeout));
  }
  call->stream = grpc::TemplatedGenericStub<grpc::ByteBuffer, grpc::ByteBuffer>(channel).PrepareCall(&call->context, method, queue_.get());
  call->Ref();  // the handle
  call->Ref();  // the start
  call->stream->StartCall(&call->start_tag);
  if (stopping_) call->context.TryCancel();
  return Call::Handle(call);
}

bool ClientLoop::RunTasks() {
  bool go_on = true;
  Task* next = nullptr;
  for (Task* task = tasks_.TakeAll(); task != nullptr; task = next) {
    next = Mailbox<Task>::Next(task);
    if (!task->run) {
      go_on = false;  // the stop task is the last
    } else {
      task->run();
    }
    delete task;
  }
  return go_on;
}

absl::Duration ClientLoop::RunTimers() {
  while (!timers_.empty()) {
    const auto first = timers_.begin();
    const absl::Duration wait = first->first.first - Clock::System().Monotonic();
    if (wait > absl::ZeroDuration()) return wait;
    const std::function<void()> task = std::move(first->second);
    timer_due_.erase(first->first.second);
    timers_.erase(first);
    task();
  }
  return absl::Minutes(1);
}

void ClientLoop::Loop() {
  SetThreadName(thread_name_);
  while (!stopping_ || !calls_.empty()) {
    const absl::Duration wait = stopping_ ? absl::Minutes(1) : RunTimers();
    void* arrived = nullptr;
    bool ok = false;
    const auto deadline = std::chrono::system_clock::now() + absl::ToChronoMicroseconds(absl::Ceil(wait, absl::Microseconds(1)));
    const auto outcome = queue_->AsyncNext(&arrived, &ok, deadline);
    if (outcome != grpc::CompletionQueue::GOT_EVENT) continue;
    auto* tag = static_cast<Call::Tag*>(arrived);
    if (tag->call != nullptr) {
      tag->call->Arrived(tag->what, ok);
    } else if (!RunTasks()) {
      stopping_ = true;
      for (Call::State* call : calls_) call->context.TryCancel();
    }
  }
  queue_->Shutdown();
  void* arrived = nullptr;
  bool ok = false;
  // What calls that have ended still had outstanding.
  while (queue_->Next(&arrived, &ok)) {
    auto* tag = static_cast<Call::Tag*>(arrived);
    if (tag->call != nullptr) tag->call->Arrived(tag->what, ok);
  }
}

void ClientLoop::Stop() {
  CORDWOOD_CHECK(!in_loop());
  MutexLock join_lock(join_mu_);
  if (joined_) return;
  {
    MutexLock lock(mu_);
    stopped_ = true;
    // A task without a function is the stop task; nothing comes after it.
    if (tasks_.Push(new Task)) wakeup_->alarm.Set(queue_.get(), gpr_inf_past(GPR_CLOCK_MONOTONIC), &wakeup_->tag);
  }
  thread_.join();
  joined_ = true;
}

}  // namespace cordwood::client
