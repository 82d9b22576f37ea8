// SPDX-License-Identifier: Apache-2.0
// What a Client and everything that comes from it share: the way to the brokers and what is known of topics.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "client/fork.h"
#include "client/internal/broker_connection.h"
#include "client/internal/metadata_cache.h"
#include "cordwood/callback_thread.h"

namespace cordwood::client {

// Producers and consumers each run a ClientLoop of their own, so that a slow callback of one holds no other up.
// Threading: any thread.
struct SharedConnection {
  SharedConnection(std::vector<std::string> addresses, const ConnectOptions& options, ExceptionHook hook = {})
      : on_exception(std::move(hook)), broker(std::move(addresses), options), metadata(broker) {}

  // In a forked child the connection is the parent's: it is left alone there, for the kernel to take back.
  static std::shared_ptr<SharedConnection> Make(std::vector<std::string> addresses, const ConnectOptions& options, ExceptionHook hook) {
    return {new SharedConnection(std::move(addresses), options, std::move(hook)), [](SharedConnection* connection) {
              if (!InForkedChild()) delete connection;
            }};
  }

  const ExceptionHook on_exception;
  BrokerConnection broker;
  MetadataCache metadata;
};

}  // namespace cordwood::client
