// SPDX-License-Identifier: Apache-2.0
// The door of a control call, and what one network thread holds for clients that do not read.
#include "broker/grpc/control/control_calls.h"

#include <grpcpp/support/proto_buffer_writer.h>

#include <climits>
#include <utility>

#include "broker/grpc/call.h"
#include "broker/handlers/limits/unread_answers.h"
#include "storage/base/check.h"

namespace cordwood::broker {

// What the calls of one network thread share.
class ControlThread {
 public:
  ControlThread(NetworkThread& network, ControlPool& pool, const ControlOptions& options)
      : network_(network), pool_(pool), unread_(options.unread_bytes_max, absl::ZeroDuration()) {}

  NetworkThread& network() { return network_; }
  ControlPool& pool() { return pool_; }
  ControlCalls::ThreadMeasures& measures() { return measures_; }

  // An answer that the transport has not taken whole. Who reads is done soon; so it is the oldest that go, until the newest has room.
  void Add(UnreadCall& call, std::size_t bytes) {
    const absl::Duration now = network_.clock().Monotonic();
    Count(unread_bytes_ + bytes);
    measures_.cut.Add(static_cast<std::uint64_t>(unread_.Shed(unread_bytes_, now)));
    unread_.Add(call, now);
  }
  void Remove(UnreadCall& call, std::size_t bytes) {
    if (unread_.Remove(call)) GiveBack(bytes);
  }
  void GiveBack(std::size_t bytes) { Count(unread_bytes_ - bytes); }

 private:
  void Count(std::size_t bytes) {
    unread_bytes_ = bytes;
    measures_.unread_bytes.Set(static_cast<std::int64_t>(bytes));
  }

  NetworkThread& network_;
  ControlPool& pool_;
  UnreadAnswers unread_;
  std::size_t unread_bytes_ = 0;
  ControlCalls::ThreadMeasures measures_;
};

namespace {

class ControlDoor final : public CallDoor, public ControlListener, private UnreadCall {
 public:
  ControlDoor(Call& call, ControlThread& thread, const ControlHandler& handler, ControlCalls::MethodMeasures& measures)
      : call_(call), thread_(thread), handler_(handler), measures_(measures) {}

  void OnMessage(grpc::ByteBuffer message, ByteCharge charge) override {
    measures_.requests.Add();
    began_ = thread_.network().clock().Monotonic();
    bytes_ = charge.bytes();
    job_ = new ControlJob;
    job_->listener = this;
    job_->handler = &handler_;
    job_->outbox = &thread_.network().outbox();
    job_->context = call_.context();
    job_->request.Swap(&message);
    job_->charge = std::move(charge);
    thread_.pool().Submit(job_);
  }
  void OnRefused(const Status& status) override {
    measures_.requests.Add();
    call_.Finish(status);
  }
  void OnHalfClose() override { call_.Finish(Error(Reason::kMalformedRequest, "a unary call without a message")); }
  void OnStop() override {
    if (job_ == nullptr) call_.Finish(Error(Reason::kShuttingDown, "the broker is stopping"));  // else its answer is coming
  }
  void OnOutcome(ControlJob& job) override {
    job_ = nullptr;
    thread_.measures().whole.Record(thread_.network().clock().Monotonic() - began_);
    call_.Answered(job.charge.bytes());
    if (!job.outcome.ok()) return call_.Finish(job.outcome.status());
    answer_bytes_ = job.outcome->Length();
    bytes_ += answer_bytes_;
    call_.Write(*std::move(job.outcome));
    call_.Finish(absl::OkStatus());
    thread_.Add(*this, answer_bytes_);
  }
  void OnEnd() override {
    if (job_ != nullptr) {
      job_->listener = nullptr;
      if (thread_.pool().Withdraw(*job_)) delete job_;
      job_ = nullptr;
    }
    thread_.Remove(*this, answer_bytes_);
    thread_.measures().freed_bytes.Add(bytes_);
  }

 private:
  void EndUnread() override {
    thread_.GiveBack(answer_bytes_);
    call_.Cut("newer answers needed the room of one that was not read");
  }

  Call& call_;
  ControlThread& thread_;
  const ControlHandler& handler_;
  ControlCalls::MethodMeasures& measures_;
  absl::Duration began_;
  std::size_t bytes_ = 0;      // of request and answer
  ControlJob* job_ = nullptr;  // with the pool
  std::size_t answer_bytes_ = 0;
};

}  // namespace

ControlCalls::ControlCalls(NetworkThreads& threads, const ControlOptions& options)
    : options_(options), pool_(options.pool, threads.at(0).clock()) {
  for (int i = 0; i < threads.size(); ++i) threads_.push_back(std::make_unique<ControlThread>(threads.at(i), pool_, options_));
}

ControlCalls::~ControlCalls() = default;

StatusOr<grpc::ByteBuffer> ControlCalls::Serialize(const google::protobuf::MessageLite& response) {
  grpc::ByteBuffer bytes;
  const std::size_t size = response.ByteSizeLong();
  if (size > INT_MAX) return Error(Reason::kMessageTooLarge, "an answer of " + std::to_string(size) + " bytes");
  grpc::ProtoBufferWriter writer(&bytes, grpc::kProtoBufferWriterMaxBufferLength, static_cast<int>(size));
  CORDWOOD_CHECK(response.SerializeToZeroCopyStream(&writer));
  return bytes;
}

void ControlCalls::AddMethod(const std::string& path, ControlHandler handler) {
  handlers_.push_back(std::make_unique<ControlHandler>(std::move(handler)));
  methods_.push_back(std::make_unique<MethodMeasures>());
  methods_.back()->name = path.substr(path.rfind('/') + 1);
  MethodOptions method;
  method.unary = true;
  method.message_bytes_max = options_.request_bytes_max;
  method.calls_max = static_cast<int>(options_.pool.queued_max);
  method.calls_limit_name = "queued.max.requests";
  for (const auto& thread : threads_) {
    thread->network().calls().AddMethod(path, method, [thread = thread.get(), handler = handlers_.back().get(), measures = methods_.back().get()](Call& call) {
      return std::make_unique<ControlDoor>(call, *thread, *handler, *measures);
    });
  }
}

std::vector<const ControlCalls::ThreadMeasures*> ControlCalls::threads() const {
  std::vector<const ThreadMeasures*> all;
  for (const auto& thread : threads_) all.push_back(&thread->measures());
  return all;
}

}  // namespace cordwood::broker
