// SPDX-License-Identifier: Apache-2.0
// The loop around Next(), and the alarm that ends its waiting.
#include "broker/grpc/network_thread.h"

#include <grpcpp/alarm.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/server_builder.h>

#include <algorithm>
#include <string>
#include <utility>

#include "absl/time/clock.h"
#include "storage/base/check.h"
#include "storage/base/thread_name.h"

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define CORDWOOD_TSAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define CORDWOOD_TSAN 1
#endif
#ifdef CORDWOOD_TSAN
#include <sanitizer/tsan_interface.h>
#endif

namespace cordwood::broker {
namespace {

// gRPC's own locks are invisible to ThreadSanitizer: what was done before a hand-over to the queue happens before what Next() returns.
void HandOver([[maybe_unused]] void* queue) {
#ifdef CORDWOOD_TSAN
  __tsan_release(queue);
#endif
}
void TakeOver([[maybe_unused]] void* queue) {
#ifdef CORDWOOD_TSAN
  __tsan_acquire(queue);
#endif
}

constexpr int kTransportExtraBytes = 1024 * 1024;  // above our own limit, so that ours can name itself
constexpr int kFrameBytesMax = 1024 * 1024;

struct Task final : OutboxMessage {
  explicit Task(std::function<void()> body) : body(std::move(body)) {}
  void Run() override {
    body();
    delete this;
  }
  const std::function<void()> body;
};

gpr_timespec GprDeadline(absl::Duration wait) {
  if (wait == absl::InfiniteDuration()) return gpr_inf_future(GPR_CLOCK_MONOTONIC);
  const absl::Duration bounded = std::max(wait, absl::ZeroDuration());
  return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_micros(absl::ToInt64Microseconds(bounded), GPR_TIMESPAN));
}

}  // namespace

struct NetworkThread::Queue {
  std::unique_ptr<grpc::ServerCompletionQueue> completions;
  grpc::Alarm alarm;  // its tag is nullptr
};

struct NetworkThreads::Service {
  grpc::AsyncGenericService generic;
};

NetworkThread::NetworkThread(int index, const NetworkOptions& options, ByteBudget& budget, Clock& clock)
    : index_(index),
      clock_(clock),
      lease_(budget),
      timers_(clock.Monotonic()),
      calls_(lease_, timers_, clock, options.answer_write_timeout),
      outbox_([this] { Kick(); }),
      queue_(std::make_unique<Queue>()) {}

NetworkThread::~NetworkThread() { CORDWOOD_CHECK(!thread_.joinable()); }

void NetworkThread::Run(std::function<void()> task) { outbox_.Push(new Task(std::move(task))); }

// A turn may empty the outbox before the alarm of an earlier push has come through Next(); an alarm must not be set again until then.
void NetworkThread::Kick() {
  MutexLock lock(mu_);
  if (closed_ || kicked_) return;
  kicked_ = true;
  HandOver(queue_.get());
  queue_->alarm.Set(queue_->completions.get(), gpr_inf_past(GPR_CLOCK_MONOTONIC), nullptr);
}

void NetworkThread::Loop() {
  SetThreadName("net-" + std::to_string(index_));
  EndTurn();  // what was pushed before there was anyone to wake
  for (;;) {
    void* tag = nullptr;
    bool ok = false;
    absl::Duration wait = absl::ZeroDuration();
    const bool closing = closing_;  // before the look into the queue
    if (!more_work_ && !closing) {
      const absl::Duration due = timers_.NextWake();
      wait = due == absl::InfiniteDuration() ? due : due - clock_.Monotonic();
    }
    const auto next = queue_->completions->AsyncNext(&tag, &ok, GprDeadline(wait));
    if (next == grpc::CompletionQueue::SHUTDOWN) break;
    TakeOver(queue_.get());
    // First what was pushed before the event came: a topic just created, a record acknowledged through another thread.
    outbox_.Drain();
    if (next == grpc::CompletionQueue::GOT_EVENT) {
      if (tag != nullptr) {
        CallSet::OnEvent(tag, ok);
      } else {
        MutexLock lock(mu_);
        kicked_ = false;
      }
    }
    EndTurn();
    if (closing && closing_ && next == grpc::CompletionQueue::TIMEOUT) CloseQueue();
  }
  EndTurn();
}

// Only once nothing is left in the queue: an event of a call that comes out of a queue already shut down could only answer by operations that gRPC takes
// for misuse, and aborts.
void NetworkThread::CloseQueue() {
  closing_ = false;
  MutexLock lock(mu_);
  closed_ = true;
  queue_->completions->Shutdown();
}

void NetworkThread::EndTurn() {
  outbox_.Drain();
  timers_.Advance(clock_.Monotonic());
  more_work_ = false;
  for (const auto& work : turn_end_) more_work_ |= work();
  open_calls_.store(calls_.open_calls(), std::memory_order_relaxed);
}

NetworkThreads::NetworkThreads(const NetworkOptions& options, ByteBudget& budget, Clock& clock)
    : options_(options), service_(std::make_unique<Service>()) {
  for (int i = 0; i < options.threads; ++i) threads_.push_back(std::make_unique<NetworkThread>(i, options, budget, clock));
}

NetworkThreads::~NetworkThreads() = default;

void NetworkThreads::AddTo(grpc::ServerBuilder& builder) {
  builder.RegisterAsyncGenericService(&service_->generic);
  for (auto& thread : threads_) thread->queue_->completions = builder.AddCompletionQueue();
  builder.SetMaxReceiveMessageSize(static_cast<int>(options_.request_bytes_max) + kTransportExtraBytes);
  builder.SetMaxSendMessageSize(-1);
  // gRPC decompresses a message whole, whatever it becomes: 8 MB may be 8 GB. Batches have codecs of their own, which are bounded.
  builder.AddChannelArgument(GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0);
  for (const grpc_compression_algorithm algorithm : {GRPC_COMPRESS_DEFLATE, GRPC_COMPRESS_GZIP}) builder.SetCompressionAlgorithmSupportStatus(algorithm, false);
  // Without this a stalled stream's window grows to 33 MB.
  builder.AddChannelArgument("grpc.http2.bdp_probe", 0);
  builder.AddChannelArgument("grpc.http2.lookahead_bytes", static_cast<int>(kTransportWindowBytes));
  builder.AddChannelArgument("grpc.http2.max_frame_size", kFrameBytesMax);
}

void NetworkThreads::Start() {
  for (auto& thread : threads_) {
    NetworkThread* t = thread.get();
    t->Run([this, t] { t->calls_.Start(service_->generic, *t->queue_->completions); });
    {
      MutexLock lock(t->mu_);
      t->closed_ = false;
    }
    t->thread_ = std::thread([t] { t->Loop(); });
  }
}

bool NetworkThreads::Drain(absl::Duration timeout) {
  for (auto& thread : threads_) {
    NetworkThread* t = thread.get();
    t->Run([t] { t->calls_.Stop(); });
  }
  const auto open = [this] {
    std::size_t count = 0;
    for (auto& thread : threads_) count += thread->open_calls_.load(std::memory_order_relaxed);
    return count;
  };
  // A look every 2 ms, once in the life of a broker.
  const absl::Duration slice = absl::Milliseconds(2);
  bool asked = false;
  for (absl::Duration waited; waited < timeout; waited += slice) {
    if (asked && open() == 0) return true;
    asked = true;
    absl::SleepFor(slice);
  }
  return open() == 0;
}

void NetworkThreads::Stop() {
  for (auto& thread : threads_) {
    if (thread->queue_->completions == nullptr) continue;
    if (thread->thread_.joinable()) {
      NetworkThread* t = thread.get();
      t->Run([t] { t->closing_ = true; });
      t->thread_.join();
    } else {
      thread->CloseQueue();
      void* tag = nullptr;
      bool ok = false;
      while (thread->queue_->completions->Next(&tag, &ok)) {
      }
    }
    thread->queue_->completions.reset();
  }
}

}  // namespace cordwood::broker
