// SPDX-License-Identifier: Apache-2.0
// The shards of this broker, as everybody sees them who looks after all of them.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "storage/base/mutex.h"

namespace cordwood::broker {

class ShardDriver;

// In order of id. One of kind compact may join while the broker runs; none leaves. A handle: copies share the list.
// Threading: safe from any thread.
class ShardList {
 public:
  ShardList(std::vector<ShardDriver*> shards) : shared_(std::make_shared<Shared>()) {  // NOLINT: a vector of shards is a list of shards
    MutexLock lock(shared_->mu);
    shared_->shards = std::move(shards);
  }
  std::vector<ShardDriver*> All() const {
    MutexLock lock(shared_->mu);
    return shared_->shards;
  }
  // Its id is above all others; it is running.
  void Add(ShardDriver* shard) {
    MutexLock lock(shared_->mu);
    shared_->shards.push_back(shard);
  }

 private:
  struct Shared {
    Mutex mu;
    std::vector<ShardDriver*> shards ABSL_GUARDED_BY(mu);
  };
  std::shared_ptr<Shared> shared_;
};

}  // namespace cordwood::broker
