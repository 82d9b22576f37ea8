// SPDX-License-Identifier: Apache-2.0
// Small limits, so that inputs reach them.
#include "tests/fuzz/broker_under_fuzz.h"

#include <grpcpp/impl/client_unary_call.h>
#include <grpcpp/impl/rpc_method.h>
#include <grpcpp/support/byte_buffer.h>

#include <cstdio>

#include "broker/server/process_setup.h"
#include "storage/base/check.h"
#include "tests/support/raw_wire.h"

namespace cordwood::testing {

BrokerUnderFuzz& BrokerUnderFuzz::Get() {
  static BrokerUnderFuzz broker;
  return broker;
}

BrokerUnderFuzz::BrokerUnderFuzz() {
  broker::TuneProcess();
  broker::ConfigInputs inputs;
  const auto set = [&inputs](const char* key, std::string value) { inputs.flags.push_back({key, std::move(value), "fuzz"}); };
  set("data.dir", files_.Sub("data"));
  set("listeners", "127.0.0.1:0");
  set("http.listen", "127.0.0.1:0");
  set("storage.shards", "2");
  set("storage.write.buffer.bytes", "1048576");
  set("tail.ring.bytes", "4096");
  set("num.network.threads", "2");
  set("topics.max", "20");
  set("partitions.max", "40");
  set("producers.max", "3");
  set("queued.max.request.bytes", "16777216");
  set("socket.request.max.bytes", "65536");
  for (const char* step : {"disk.warn", "disk.refuse.partitions", "disk.refuse.produce"}) set((std::string(step) + ".bytes").c_str(), "0");
  const auto loaded = broker::LoadConfig(inputs);
  if (!loaded.ok()) std::fprintf(stderr, "configuration: %s\n", MessageOf(loaded.status()).c_str());
  CORDWOOD_CHECK(loaded.ok());
  auto started = broker::Broker::Start(*loaded);
  if (!started.ok()) std::fprintf(stderr, "broker: %s\n", MessageOf(started.status()).c_str());
  CORDWOOD_CHECK(started.ok());
  broker_ = *std::move(started);
  address_ = broker_->grpc_address().ToString();
  client_ = std::make_unique<LogClient>(address_);
}

void BrokerUnderFuzz::CheckReady() const {
  const HttpAnswer answer = HttpGet(http_address(), "/readyz");
  if (answer.code != 200) std::fprintf(stderr, "readyz: %d %s\n", answer.code, answer.body.c_str());
  CORDWOOD_CHECK(answer.code == 200);
}

Status BrokerUnderFuzz::CallBytes(const std::string& method, std::string_view message, absl::Duration patience) const {
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + patience));
  const grpc::internal::RpcMethod rpc(method.c_str(), grpc::internal::RpcMethod::NORMAL_RPC);
  const grpc::Slice slice(message.data(), message.size());
  grpc::ByteBuffer response;
  return Checked(grpc::internal::BlockingUnaryCall(client_->channel().get(), rpc, &context, grpc::ByteBuffer(&slice, 1), &response), patience);
}

Status BrokerUnderFuzz::Checked(const grpc::Status& status, absl::Duration patience) {
  const grpc::StatusCode code = status.error_code();
  const bool broken = code == grpc::INTERNAL || code == grpc::UNKNOWN || code == grpc::DATA_LOSS || code == grpc::UNAVAILABLE ||
                      (code == grpc::DEADLINE_EXCEEDED && patience >= kPatience);
  if (broken) std::fprintf(stderr, "answer: %d %s\n", code, status.error_message().c_str());
  CORDWOOD_CHECK(!broken);
  return FromGrpc(status);
}

void CheckEntryError(const v1::EntryError& error) {
  const bool broken = error.reason() == v1::UNKNOWN_SERVER_ERROR || error.reason() == v1::NONE || error.reason() == v1::KAFKA_STORAGE_ERROR ||
                      error.reason() == v1::POISONED || error.reason() == v1::SHARD_DAMAGED;
  if (broken) std::fprintf(stderr, "entry: %s\n", error.ShortDebugString().c_str());
  CORDWOOD_CHECK(!broken);
}

}  // namespace cordwood::testing
