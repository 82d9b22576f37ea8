// SPDX-License-Identifier: Apache-2.0
// Producer over ProduceClient: options, deadlines, callbacks that may throw, an end that is bounded.
#include "cordwood/producer.h"

#include <algorithm>
#include <atomic>
#include <thread>
#include <utility>

#include "client/bounds.h"
#include "client/connection.h"
#include "client/failure.h"
#include "client/internal/produce_client.h"
#include "cordwood/client.h"
#include "storage/base/clock.h"
#include "storage/base/strings.h"

namespace cordwood {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr std::size_t kBatchBytesMax = std::size_t{8} << 20;
constexpr std::size_t kMemoryBytesMax = std::size_t{1} << 40;
constexpr milliseconds kHour = std::chrono::hours(1);
constexpr milliseconds kDay = std::chrono::hours(24);
constexpr absl::Duration kTopicAgeMax = absl::Minutes(4);       // less than ProduceClient's, which does not know our deadline
constexpr absl::Duration kMemoryPoll = absl::Milliseconds(1);   // memory comes back a batch at a time

absl::Duration Now() { return Clock::System().Monotonic(); }

Status Check(const ProducerOptions& options) {
  using client::CheckBounds;
  CORDWOOD_RETURN_IF_ERROR(CheckBounds<std::size_t>("ProducerOptions::batch_bytes", options.batch_bytes, 1, kBatchBytesMax));
  CORDWOOD_RETURN_IF_ERROR(CheckBounds("ProducerOptions::linger", options.linger, microseconds(0), microseconds(kHour)));
  CORDWOOD_RETURN_IF_ERROR(CheckBounds("ProducerOptions::memory_bytes_max", options.memory_bytes_max, options.batch_bytes, kMemoryBytesMax));
  CORDWOOD_RETURN_IF_ERROR(CheckBounds("ProducerOptions::max_block", options.max_block, milliseconds(0), kDay));
  CORDWOOD_RETURN_IF_ERROR(CheckBounds("ProducerOptions::delivery_timeout", options.delivery_timeout, milliseconds(1), kDay));
  CORDWOOD_RETURN_IF_ERROR(CheckBounds("ProducerOptions::close_timeout", options.close_timeout, milliseconds(0), kHour));
  if (options.acks < Acks::kNone || options.acks > Acks::kAll) return Error(Reason::kInvalidConfig, "ProducerOptions::acks is not one of Acks");
  if (options.compression < Compression::kNone || options.compression > Compression::kZstd) {
    return Error(Reason::kInvalidConfig, "ProducerOptions::compression is not one of Compression");
  }
  if (options.idempotence && options.acks == Acks::kNone) {
    return Error(Reason::kInvalidConfig, "ProducerOptions::idempotence needs acknowledgements: set it to false with Acks::kNone");
  }
  return absl::OkStatus();
}

Codec ToCodec(Compression compression) {
  switch (compression) {
    case Compression::kNone: return Codec::kNone;
    case Compression::kGzip: return Codec::kGzip;
    case Compression::kSnappy: return Codec::kSnappy;
    case Compression::kLz4: return Codec::kLz4;
    case Compression::kZstd: return Codec::kZstd;
  }
  return Codec::kNone;
}

client::Acks ToInternal(Acks acks) {
  switch (acks) {
    case Acks::kNone: return client::Acks::kNone;
    case Acks::kLeader: return client::Acks::kLeader;
    case Acks::kAll: return client::Acks::kAll;
  }
  return client::Acks::kAll;
}

client::ProduceOptions ToInternal(const ProducerOptions& options, absl::Duration request_timeout) {
  client::ProduceOptions out;
  out.batch_bytes = options.batch_bytes;
  out.linger = absl::FromChrono(options.linger);
  out.memory_bytes_max = options.memory_bytes_max;
  out.send_timeout = absl::ZeroDuration();  // State::Send() waits, because it knows the deadline and the thread
  out.codec = ToCodec(options.compression);
  out.core.acks = ToInternal(options.acks);
  out.core.idempotent = options.idempotence;
  out.core.delivery_timeout = absl::FromChrono(options.delivery_timeout);
  out.core.answer_timeout = request_timeout * 7 / 6;  // the broker is told request_timeout and answers first
  return out;
}

client::ProduceRecord ToInternal(const ProducerRecord& record) {
  client::ProduceRecord out;
  if (record.partition.has_value()) out.partition = PartitionIndex(*record.partition);
  out.key = record.key;
  out.value = record.value;
  out.headers.reserve(record.headers.size());
  for (const HeaderView& header : record.headers) out.headers.push_back({header.key, header.value});
  if (record.timestamp.has_value()) out.timestamp_ms = record.timestamp->time_since_epoch().count();
  return out;
}

Result<RecordMetadata> ToResult(const StatusOr<client::RecordAck>& ack) {
  if (!ack.ok()) return client::ToFailure(ack.status());
  return RecordMetadata{ack->partition.value(), ack->offset.value()};
}

}  // namespace

// Threading: any thread; functions of users run on `loop`.
struct Producer::State {
  State(std::shared_ptr<client::SharedConnection> shared, const ProducerOptions& checked)
      : connection(std::move(shared)),
        options(checked),
        client(loop, connection->broker, connection->metadata, ToInternal(checked, connection->broker.options().request_timeout)) {
    std::thread::id id;
    loop.Run([&id] { id = std::this_thread::get_id(); });
    callbacks = std::make_shared<CallbackThread>(id, connection->on_exception);
  }

  // `done(Result<RecordMetadata>)` runs once; it does not throw.
  template <class Done>
  void Submit(std::string_view topic, const ProducerRecord& record, Done done);
  Status Send(std::string_view topic, const ProducerRecord& record, const client::AckCallback& ack);
  Status LearnTopic(std::string_view topic, absl::Duration deadline);
  bool Knows(std::string_view topic);  // false also for one thread now and then, whose turn it is to look again
  Result<void> Close(milliseconds timeout);

  const std::shared_ptr<client::SharedConnection> connection;
  const ProducerOptions options;
  std::shared_ptr<CallbackThread> callbacks;
  client::ClientLoop loop{"cw-producer"};
  client::ProduceClient client;
  std::atomic<bool> closed{false};  // ends waits for metadata
  Mutex mu;
  StringMap<absl::Duration> learned ABSL_GUARDED_BY(mu);  // by topic: when
};

template <class Done>
void Producer::State::Submit(std::string_view topic, const ProducerRecord& record, Done done) {
  auto held = std::make_unique<Done>(std::move(done));
  // A bare pointer, because it fits into std::function without another allocation. Whoever runs the callback owns it; on an error nobody does.
  const Status status = Send(topic, record, [bare = held.get()](const StatusOr<client::RecordAck>& ack) {
    const std::unique_ptr<Done> owned(bare);
    (*owned)(ToResult(ack));
  });
  if (!status.ok()) return (*held)(client::ToRefusal(status));
  (void)held.release();
}

bool Producer::State::Knows(std::string_view topic) {
  MutexLock lock(mu);
  const auto found = learned.find(topic);
  if (found == learned.end()) return false;
  if (Now() - found->second < kTopicAgeMax) return true;
  found->second = Now();  // this thread asks again; the others go on with what is known
  return false;
}

// Asks until `deadline`, but only once about a topic that is known: what was true before may still be.
Status Producer::State::LearnTopic(std::string_view topic, absl::Duration deadline) {
  client::Backoff backoff;
  while (true) {
    if (closed) return Error(Reason::kShuttingDown, "the producer is closed");
    const Status status = connection->metadata.Refresh(topic, std::max(deadline - Now(), absl::Milliseconds(1)));
    const absl::Duration wait = backoff.Next();
    {
      MutexLock lock(mu);
      if (status.ok() || (client::IsTransportError(status) && learned.contains(topic))) {
        learned[std::string(topic)] = Now();
        return absl::OkStatus();
      }
      if (const auto found = learned.find(topic); found != learned.end()) learned.erase(found);
    }
    if (!client::IsRetriable(status) || loop.in_loop() || Now() + wait >= deadline) return status;
    absl::SleepFor(wait);
  }
}

Status Producer::State::Send(std::string_view topic, const ProducerRecord& record, const client::AckCallback& ack) {
  const absl::Duration deadline = Now() + absl::FromChrono(options.max_block);
  if (!Knows(topic)) CORDWOOD_RETURN_IF_ERROR(LearnTopic(topic, deadline));
  const client::ProduceRecord inner = ToInternal(record);
  while (true) {
    const Status status = client.Send(topic, inner, ack);
    // On the loop's own thread waiting would keep the memory from coming back.
    if (ReasonOf(status) != Reason::kRequestTimedOut || loop.in_loop() || Now() + kMemoryPoll >= deadline) return status;
    absl::SleepFor(kMemoryPoll);
  }
}

Result<void> Producer::State::Close(milliseconds timeout) {
  closed = true;
  const Status status = client.Close(absl::FromChrono(timeout));
  loop.Stop();
  return client::ToResult(status);
}

Producer::Producer(std::unique_ptr<State> state) : state_(std::move(state)) {}
Producer::Producer(Producer&&) noexcept = default;

Producer& Producer::operator=(Producer&& other) noexcept {
  const Producer ended(std::move(*this));
  state_ = std::move(other.state_);
  return *this;
}

Producer::~Producer() {
  if (state_ == nullptr) return;
  if (state_->loop.in_loop()) {
    // The end of a callback or coroutine that owns its producer: a thread cannot wait for itself.
    std::thread([state = std::move(state_)] { (void)state->Close(state->options.close_timeout); }).detach();
    return;
  }
  (void)state_->Close(state_->options.close_timeout);
}

Result<Producer> Client::NewProducer(const ProducerOptions& options) {
  if (const Status status = Check(options); !status.ok()) return client::ToFailure(status);
  return Producer(std::make_unique<Producer::State>(connection_, options));
}

Future<RecordMetadata> Producer::Send(std::string_view topic, const ProducerRecord& record) {
  Promise<RecordMetadata> promise(state_->callbacks);
  Future<RecordMetadata> future = promise.future();
  state_->Submit(topic, record, [promise = std::move(promise)](Result<RecordMetadata> result) mutable { promise.Set(std::move(result)); });
  return future;
}

void Producer::Send(std::string_view topic, const ProducerRecord& record, DeliveryCallback done) {
  state_->Submit(topic, record, [thread = state_->callbacks.get(), done = std::move(done)](const Result<RecordMetadata>& result) {
    if (done) thread->Run([&] { done(result); });
  });
}

Result<void> Producer::Flush(milliseconds timeout) {
  if (state_->loop.in_loop()) return Failure(Errc::kInvalidRequest, "Flush() on the producer's own thread would wait for itself");
  return client::ToResult(state_->client.Flush(absl::FromChrono(std::clamp(timeout, milliseconds(0), kDay))));
}

Result<void> Producer::Close(milliseconds timeout) {
  if (state_->loop.in_loop()) return Failure(Errc::kInvalidRequest, "Close() on the producer's own thread would wait for itself");
  return state_->Close(std::clamp(timeout, milliseconds(0), kDay));
}

std::uint64_t Producer::exceptions_caught() const { return state_->callbacks->exceptions_caught(); }

}  // namespace cordwood
