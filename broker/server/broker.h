// SPDX-License-Identifier: Apache-2.0
// The whole broker: builds every part with explicit references, in order, and takes them down in reverse.
#pragma once

#include <atomic>
#include <memory>

#include "absl/time/time.h"
#include "broker/server/config/config_loader.h"
#include "broker/server/config/config_schema.h"
#include "broker/server/config/host_port.h"
#include "storage/base/reason.h"

namespace cordwood::broker {

class ShardDriver;

// Threading: of the main thread.
class Broker {
 public:
  // Serves when it returns. Errors name what and where: the address, the data directory, the shard or file.
  static StatusOr<std::unique_ptr<Broker>> Start(const LoadedConfig& loaded);
  ~Broker();  // stops at once if Stop() was not called
  Broker(const Broker&) = delete;
  Broker& operator=(const Broker&) = delete;

  const HostPort& grpc_address() const { return grpc_address_; }
  const HostPort& http_address() const { return http_address_; }

  // Closes the doors, lets open calls finish for half of `timeout`, flushes, closes. The first shard that could not be closed cleanly.
  Status Stop(absl::Duration timeout);

  // To be called now and then: writes to the log what has changed since the last call (disk level, poisoned shards, limits that come near).
  void LogChanges();

 private:
  struct Parts;
  explicit Broker(const LoadedConfig& loaded);
  Status ReserveAddresses();
  Status OpenStorage();
  void Introduce(ShardDriver& shard);
  StatusOr<ShardDriver*> AddCompactShard();
  Status StartMetadata();
  Status StartServing();
  void AddHealthChecks();
  Status CheckNetwork() const;

  const LoadedConfig loaded_;
  const BrokerConfig& config_;
  HostPort grpc_address_;
  HostPort http_address_;
  std::atomic<bool> serving_{false};   // for probes on other threads
  std::atomic<bool> draining_{false};  // the same
  bool stopped_ = false;
  const std::unique_ptr<Parts> parts_;
};

}  // namespace cordwood::broker
