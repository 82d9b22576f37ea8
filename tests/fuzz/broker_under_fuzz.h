// SPDX-License-Identifier: Apache-2.0
// The real broker inside the fuzzer's process, and calls to it as messages or as bytes.
#pragma once

#include <grpcpp/client_context.h>

#include <memory>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "broker/server/broker.h"
#include "tests/support/log_client.h"
#include "tests/support/temp_dir.h"
#include "tests/support/wait_until.h"

namespace cordwood::testing {

inline constexpr absl::Duration kImpatience = absl::Milliseconds(20);  // for calls that the caller gives up

// Started at the first use, stopped and its data removed when the process ends. One thread.
class BrokerUnderFuzz {
 public:
  static BrokerUnderFuzz& Get();

  const LogClient& client() const { return *client_; }
  const std::string& address() const { return address_; }
  std::string http_address() const { return broker_->http_address().ToString(); }
  void CheckReady() const;

  // The reply or the call's status, which is checked to be one that the broker may give. DEADLINE_EXCEEDED only below kPatience.
  template <class Stub, class Request, class Response>
  Status Call(Stub& stub, grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*), const Request& request, Response* response,
              absl::Duration patience = kPatience) const {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + patience));
    return Checked((stub.*method)(&context, request, response), patience);
  }
  // One message of any bytes to "/package.Service/Method".
  Status CallBytes(const std::string& method, std::string_view message, absl::Duration patience) const;
  static Status Checked(const grpc::Status& status, absl::Duration patience);

 private:
  BrokerUnderFuzz();

  const TempDir files_;
  std::unique_ptr<broker::Broker> broker_;
  std::string address_;
  std::unique_ptr<LogClient> client_;
};

// CHECKs that the entry was refused for a reason that may be the caller's fault or the moment's, never the broker's.
void CheckEntryError(const v1::EntryError& error);

}  // namespace cordwood::testing
