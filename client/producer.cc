// SPDX-License-Identifier: Apache-2.0
// Producer over ProduceClient: options, deadlines, callbacks that may throw, an end that is bounded.
#include "cordwood/producer.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "client/bounds.h"
#include "client/connection.h"
#include "client/failure.h"
#include "client/fork.h"
#include "client/internal/produce_client.h"
#include "cordwood/client.h"

namespace cordwood {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr std::size_t kBatchBytesMax = std::size_t{8} << 20;
constexpr std::size_t kMemoryBytesMax = std::size_t{1} << 40;
constexpr milliseconds kHour = std::chrono::hours(1);
constexpr milliseconds kDay = std::chrono::hours(24);

Status Check(const ProducerOptions& options) {
  using client::CheckBounds;
  CORDWOOD_RETURN_IF_ERROR(CheckBounds<std::size_t>("ProducerOptions::batch_bytes", options.batch_bytes, 1, kBatchBytesMax));
  CORDWOOD_RETURN_IF_ERROR(CheckBounds("ProducerOptions::linger", options.linger, microseconds(0), microseconds(kHour)));
  CORDWOOD_RETURN_IF_ERROR(CheckBounds("ProducerOptions::memory_bytes_max", options.memory_bytes_max, options.batch_bytes, kMemoryBytesMax));
  CORDWOOD_RETURN_IF_ERROR(CheckBounds("ProducerOptions::max_block", options.max_block, milliseconds(0), kDay));
  CORDWOOD_RETURN_IF_ERROR(CheckBounds("ProducerOptions::delivery_timeout", options.delivery_timeout, milliseconds(1), kDay));
  if (options.linger >= options.delivery_timeout) {
    return Error(Reason::kInvalidConfig, "ProducerOptions::linger is " + client::WithUnit(options.linger) + ": it must be less than ProducerOptions::delivery_timeout, " +
                                             client::WithUnit(options.delivery_timeout));
  }
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
  out.record_bytes_max = kRecordBytesMax;
  out.send_timeout = absl::FromChrono(options.max_block);
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
    if (!options.on_connection) return;
    client.OnConnectionChange([this](const Status& status) { callbacks->Run([&] { options.on_connection(client::ToResult(status)); }); });
  }

  // `done(Result<RecordMetadata>)` runs once; it does not throw.
  template <class Done>
  void Submit(std::string_view topic, const ProducerRecord& record, Done done);
  Result<void> Close(milliseconds timeout);

  const std::shared_ptr<client::SharedConnection> connection;
  const ProducerOptions options;
  std::shared_ptr<CallbackThread> callbacks;
  client::ClientLoop loop{"cw-producer"};
  client::ProduceClient client;
};

template <class Done>
void Producer::State::Submit(std::string_view topic, const ProducerRecord& record, Done done) {
  if (client::InForkedChild()) return done(client::AfterFork());
  auto held = std::make_unique<Done>(std::move(done));
  // A bare pointer, because it fits into std::function without another allocation. Whoever runs the callback owns it; on an error nobody does.
  const Status status = client.Send(topic, ToInternal(record), [bare = held.get()](const StatusOr<client::RecordAck>& ack) {
    const std::unique_ptr<Done> owned(bare);
    (*owned)(ToResult(ack));
  });
  if (!status.ok()) return (*held)(client::ToRefusal(status));
  (void)held.release();
}

Result<void> Producer::State::Close(milliseconds timeout) {
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
  if (client::InForkedChild()) {
    (void)state_.release();  // the thread to be joined and the calls to be ended are the parent's
    return;
  }
  if (state_->loop.in_loop()) {
    // The end of a callback or coroutine that owns its producer: a thread cannot wait for itself.
    std::thread([state = std::move(state_)] { (void)state->Close(state->options.close_timeout); }).detach();
    return;
  }
  (void)state_->Close(state_->options.close_timeout);
}

Result<Producer> Client::NewProducer(const ProducerOptions& options) {
  if (client::InForkedChild()) return client::AfterFork();
  if (const Status status = Check(options); !status.ok()) return client::ToFailure(status);
  return Producer(std::make_unique<Producer::State>(connection_, options));
}

Future<RecordMetadata> Producer::Send(std::string_view topic, const ProducerRecord& record) {
  Promise<RecordMetadata> promise(client::InForkedChild() ? std::make_shared<CallbackThread>() : state_->callbacks);
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
  if (client::InForkedChild()) return client::AfterFork();
  if (state_->loop.in_loop()) return Failure(Errc::kInvalidRequest, "Flush() on the producer's own thread would wait for itself");
  return client::ToResult(state_->client.Flush(absl::FromChrono(std::clamp(timeout, milliseconds(0), kDay))));
}

Result<void> Producer::Close(milliseconds timeout) {
  if (client::InForkedChild()) return client::AfterFork();
  if (state_->loop.in_loop()) return Failure(Errc::kInvalidRequest, "Close() on the producer's own thread would wait for itself");
  return state_->Close(std::clamp(timeout, milliseconds(0), kDay));
}

std::uint64_t Producer::exceptions_caught() const { return state_->callbacks->exceptions_caught(); }

}  // namespace cordwood
