// SPDX-License-Identifier: Apache-2.0
// How the server is built; what each setting is for stands beside it.
#include "broker/grpc/grpc_server.h"

#include <grpc/support/log.h>
#include <google/protobuf/stubs/logging.h>
#include <grpcpp/ext/channelz_service_plugin.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <chrono>
#include <cstdlib>
#include <mutex>
#include <utility>

#include "storage/base/check.h"

namespace cordwood::broker {
namespace {

// Clients that look after their connections ping every 10 s at most.
constexpr int kClientPingIntervalMs = 5'000;

void RegisterPlugins(bool channelz) {
  static std::once_flag reflection;
  std::call_once(reflection, grpc::reflection::InitProtoReflectionServerBuilderPlugin);
  static std::once_flag channelz_once;
  if (channelz) std::call_once(channelz_once, grpc::channelz::experimental::InitChannelzService);
}

}  // namespace

GrpcServer::GrpcServer(std::vector<std::unique_ptr<grpc::Service>> services) : services_(std::move(services)) {}

GrpcServer::~GrpcServer() = default;

Status GrpcServer::Start(const GrpcServerOptions& options, NetworkThreads& threads) {
  RegisterPlugins(options.channelz);
  CORDWOOD_ASSIGN_OR_RETURN(TcpListeners listeners, TcpListeners::Open(options.host, options.port));
  grpc::ServerBuilder builder;
  // We accept, gRPC serves: it has no limit of connections.
  std::shared_ptr<grpc::experimental::ExternalConnectionAcceptor> accepted = builder.experimental().AddExternalConnectionAcceptor(
      grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD, grpc::InsecureServerCredentials());
  builder.AddChannelArgument(GRPC_ARG_ENABLE_CHANNELZ, options.channelz ? 1 : 0);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, options.connection_calls_max);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, kClientPingIntervalMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, static_cast<int>(absl::ToInt64Milliseconds(options.keepalive)));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, static_cast<int>(absl::ToInt64Milliseconds(options.keepalive_timeout)));
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);  // also while a fetch waits for hours
  // Each waiting synchronous queue is one more thread that the one epoll set may wake for an event of the data plane's.
  builder.SetSyncServerOption(grpc::ServerBuilder::NUM_CQS, 1);
  builder.SetSyncServerOption(grpc::ServerBuilder::MIN_POLLERS, 1);
  builder.SetSyncServerOption(grpc::ServerBuilder::MAX_POLLERS, 1);
  grpc::ResourceQuota quota("broker");
  quota.SetMaxThreads(options.sync_threads_max);
  // gRPC gathers a message before anyone sees it: without this as much as clients care to begin. No read of ours can stop it, so it resets streams.
  quota.Resize(options.receive_bytes_max);
  builder.SetResourceQuota(quota);
  for (const auto& service : services_) builder.RegisterService(service.get());
  threads.AddTo(builder);
  server_ = builder.BuildAndStart();
  CORDWOOD_CHECK(server_ != nullptr);
  const auto let_in = [accepted](int listener, int fd) {
    grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters connection;
    connection.listener_fd = listener;
    connection.fd = fd;
    accepted->HandleNewConnection(&connection);
  };
  acceptor_ = std::make_unique<ConnectionAcceptor>(std::move(listeners), options.connections, let_in, threads.at(0).clock());
  acceptor_->Start();
  return absl::OkStatus();
}

void GrpcServer::StopListening() {
  if (acceptor_ != nullptr) acceptor_->Stop();
}

void GrpcServer::Shutdown(absl::Duration timeout) {
  StopListening();
  if (server_ != nullptr) server_->Shutdown(std::chrono::system_clock::now() + absl::ToChronoMicroseconds(timeout));
}

void QuietGrpcLog() {
  if (std::getenv("GRPC_VERBOSITY") == nullptr) gpr_set_log_function([](gpr_log_func_args*) {});
  google::protobuf::SetLogHandler(nullptr);  // it would print a line for every string of a client that is not UTF-8
}

}  // namespace cordwood::broker
