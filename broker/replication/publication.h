// SPDX-License-Identifier: Apache-2.0
// What a shard tells every network thread after each group: new batches, and how far each partition may be read.
#pragma once

#include <memory>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "broker/replication/replica_handle.h"
#include "storage/base/shared_bytes.h"

namespace cordwood::broker {

struct PublishedBatch {
  SharedBytes value;  // side header and batch, as stored
  Offset base;        // inclusive
  Offset end;         // exclusive
};

// Batches are published when they are written; they may be read once the high watermark has passed them, in this or a later update.
struct PartitionUpdate {
  ReplicaHandlePtr partition;
  ReplicaSnapshot snapshot;
  absl::InlinedVector<PublishedBatch, 2> batches;  // consecutive, ascending; empty where only the snapshot moved
};

using Publication = std::vector<PartitionUpdate>;
using PublicationPtr = std::shared_ptr<const Publication>;

// A network thread's ear. Called on that thread, before the answers of the same group.
class PublicationListener {
 public:
  virtual ~PublicationListener() = default;
  virtual void OnPublication(const Publication& publication) = 0;
};

}  // namespace cordwood::broker
