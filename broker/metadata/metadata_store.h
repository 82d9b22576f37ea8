// SPDX-License-Identifier: Apache-2.0
// Where the cluster's truth is kept: a small ordered map with etcd's semantics (revisions, ranges, compare-and-swap, watches, leases).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "storage/base/reason.h"

namespace cordwood::broker {

using Revision = std::int64_t;  // of the whole store: +1 per transaction that changed something; 0: before the first
using LeaseId = std::int64_t;   // 0: none

struct MetadataEntry {
  std::string key;
  std::string value;
  Revision create_revision = 0;
  Revision mod_revision = 0;
  LeaseId lease = 0;
};

struct RangeResult {
  Revision revision = 0;  // of the store when it was read
  std::vector<MetadataEntry> entries;  // in order of key
};

struct MetadataCompare {
  std::string key;
  Revision mod_revision = 0;  // must be the key's; 0: the key must not exist
};

struct MetadataWrite {
  enum class Kind { kPut, kDelete, kDeleteRange };
  Kind kind = Kind::kPut;
  std::string key;
  std::string value;      // kPut; for kDeleteRange the end of the range, exclusive
  LeaseId lease = 0;      // kPut: the key goes when the lease does
};

struct TransactionResult {
  bool succeeded = false;  // every compare held, and the writes are durable
  Revision revision = 0;   // of the store afterwards
};

struct WatchEvent {
  bool deleted = false;
  MetadataEntry entry;  // deleted: key and mod_revision only
};

// All events of one or more whole transactions, in order of revision. An error (CONFLICT with "compacted" in the message when the start is no longer
// known) ends the watch: range again and watch from there.
using WatchCallback = std::function<void(StatusOr<std::vector<WatchEvent>> events, Revision revision)>;

class MetadataWatch {  // destroying it ends the watch; no callback runs after that
 public:
  virtual ~MetadataWatch() = default;
};

// Threading: all calls from any thread; they may block on the disk or the network, so only the metadata strand makes them. Watch callbacks
// run on a thread of the store, or inside the transaction that caused them, and must only hand over.
class MetadataStore {
 public:
  virtual ~MetadataStore() = default;
  // Keys in [begin, end); an empty `end` means the one key `begin`.
  virtual StatusOr<RangeResult> Range(const std::string& begin, const std::string& end) = 0;
  // All compares, then all writes, atomically and durably; otherwise nothing. An error is INDEFINITE only if its reason is.
  virtual StatusOr<TransactionResult> Transact(const std::vector<MetadataCompare>& compares, const std::vector<MetadataWrite>& writes) = 0;
  // Events of keys in [begin, end) with mod_revision >= from.
  virtual StatusOr<std::unique_ptr<MetadataWatch>> Watch(const std::string& begin, const std::string& end, Revision from, WatchCallback callback) = 0;
  // A lease lives `ttl` after its last renewal; its keys are deleted in one transaction when it ends.
  virtual StatusOr<LeaseId> GrantLease(absl::Duration ttl) = 0;
  virtual Status RenewLease(LeaseId lease) = 0;
  virtual Status RevokeLease(LeaseId lease) = 0;
};

}  // namespace cordwood::broker
