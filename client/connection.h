// SPDX-License-Identifier: Apache-2.0
// What a Client and everything that comes from it share: the way to the brokers and what is known of topics.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "client/internal/broker_connection.h"
#include "client/internal/metadata_cache.h"

namespace cordwood::client {

// Producers and consumers each run a ClientLoop of their own, so that a slow callback of one holds no other up.
// Threading: any thread.
struct SharedConnection {
  SharedConnection(std::vector<std::string> addresses, const ConnectOptions& options)
      : broker(std::move(addresses), options), metadata(broker) {}

  BrokerConnection broker;
  MetadataCache metadata;
};

}  // namespace cordwood::client
