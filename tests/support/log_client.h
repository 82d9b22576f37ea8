// SPDX-License-Identifier: Apache-2.0
// The generated stubs with statuses that carry our reasons: what any client sees of the wire.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cordwood/v1/admin.grpc.pb.h"
#include "cordwood/v1/log.grpc.pb.h"
#include "storage/base/reason.h"

namespace cordwood::testing {

// With the reason of the ErrorDetail where there is one and gRPC's code is that reason's; else gRPC's code alone.
Status FromGrpc(const grpc::Status& status);
// OK for reason NONE.
Status FromEntryError(const v1::EntryError& error);

inline constexpr std::chrono::seconds kCallSeconds{60};

// One connection of its own. Safe from any thread.
class LogClient {
 public:
  explicit LogClient(const std::string& address);

  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }
  v1::Log::Stub& log() const { return *log_; }
  v1::Admin::Stub& admin() const { return *admin_; }

  // client.Call(&v1::Log::Stub::ListOffsets, request)
  template <class Request, class Response>
  StatusOr<Response> Call(grpc::Status (v1::Log::Stub::*method)(grpc::ClientContext*, const Request&, Response*), const Request& request) const {
    return Run<Request, Response>(*log_, method, request);
  }
  template <class Request, class Response>
  StatusOr<Response> Call(grpc::Status (v1::Admin::Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                          const Request& request) const {
    return Run<Request, Response>(*admin_, method, request);
  }

  StatusOr<v1::TopicDescription> CreateTopic(const std::string& name, int partitions = 1,
                                             const std::map<std::string, std::string>& configs = {}) const;
  Status DeleteTopic(const std::string& name) const;

  // The first base offset of a request of one entry, or that entry's error.
  StatusOr<std::int64_t> Produce(const v1::ProduceRequest& request) const;
  StatusOr<std::int64_t> ProduceRecords(const std::string& topic, int partition, const std::vector<std::string>& values) const;
  StatusOr<std::int64_t> ProduceBatches(const std::string& topic, int partition, const std::string& batches) const;

  // The one result of a request of one partition, or its error.
  StatusOr<v1::FetchResult> Fetch(const v1::FetchRequest& request) const;
  // Every record from `from` to the high watermark seen at the start, in batches decoded here.
  StatusOr<std::vector<v1::Record>> FetchAll(const std::string& topic, int partition, std::int64_t from = 0) const;
  // Their values with a blank between, or the error's text.
  std::string Values(const std::string& topic, int partition = 0, std::int64_t from = 0) const;

  StatusOr<std::int64_t> LogStart(const std::string& topic, int partition = 0) const;
  StatusOr<std::int64_t> LogEnd(const std::string& topic, int partition = 0) const;
  StatusOr<std::int64_t> InitProducer() const;
  // Moves the log start to `before` (-1: the high watermark) and says where it is.
  StatusOr<std::int64_t> DeleteRecords(const std::string& topic, int partition, std::int64_t before) const;

 private:
  template <class Request, class Response, class Stub>
  StatusOr<Response> Run(Stub& stub, grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*), const Request& request) const {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + kCallSeconds);
    Response response;
    const grpc::Status status = (stub.*method)(&context, request, &response);
    if (!status.ok()) return FromGrpc(status);
    return response;
  }
  StatusOr<std::int64_t> ListOne(const std::string& topic, int partition, bool end) const;

  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::Log::Stub> log_;
  std::unique_ptr<v1::Admin::Stub> admin_;
};

// Requests of one entry or partition, for tests to change and send.
v1::ProduceRequest RecordsRequest(const std::string& topic, int partition, const std::vector<std::string>& values);
v1::ProduceRequest BatchesRequest(const std::string& topic, int partition, const std::string& batches);
v1::FetchRequest FetchFrom(const std::string& topic, int partition, std::int64_t offset);

// A bidirectional stream whose every wait ends after 60 s.
template <class Request, class Response>
class Stream {
 public:
  Stream() { context_.set_deadline(std::chrono::system_clock::now() + kCallSeconds); }
  ~Stream() {
    context_.TryCancel();
    if (stream_ != nullptr && !finished_) stream_->Finish();
  }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  bool Send(const Request& request) { return stream_->Write(request); }
  bool Read(Response* response) { return stream_->Read(response); }  // false: the stream has ended
  void CloseSending() { stream_->WritesDone(); }
  void Cancel() { context_.TryCancel(); }
  Status Finish() {
    finished_ = true;
    return FromGrpc(stream_->Finish());
  }

 protected:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<Request, Response>> stream_;
  bool finished_ = false;
};

class ProduceStream : public Stream<v1::ProduceRequest, v1::ProduceResponse> {
 public:
  explicit ProduceStream(const LogClient& client) { stream_ = client.log().ProduceStream(&context_); }
};

class FetchStream : public Stream<v1::FetchRequest, v1::FetchResponse> {
 public:
  explicit FetchStream(const LogClient& client) { stream_ = client.log().FetchStream(&context_); }
};

}  // namespace cordwood::testing
