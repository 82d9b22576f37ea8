// SPDX-License-Identifier: Apache-2.0
// The metadata store of a broker that runs alone: RocksDB in the process, latest values in memory.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "broker/metadata/metadata_store.h"
#include "storage/base/clock.h"
#include "storage/base/mutex.h"

namespace rocksdb {
class DB;
class Env;
class WriteBatch;
}  // namespace rocksdb

namespace cordwood::broker {

class MetadataSyncedFile;

struct LocalMetadataOptions {
  std::size_t history_events_max = 10'000;  // a watch may start this far back, but never before the process did
  bool must_exist = false;                  // it was whole once: what is not there was lost, and is not created again
  Clock* clock = &Clock::System();          // of leases
  // With the error of the first write that failed, inside that write; it must only hand over. Of any thread.
  std::function<void(const Status&)> on_failure = [](const Status&) {};
  rocksdb::Env* env = nullptr;              // nullptr: the system's. Tests inject power loss here
};

// One synced WriteBatch per transaction: its keys and the store's revision; then `directory`.synced says so, durably, and only then anybody
// is told. A lease outlives the process: after a restart it begins anew with its whole time
// to live. On disk (RocksDB keys):
//   'k' key    create_revision i64, mod_revision i64, lease i64, value
//   'l' lease  i64 big-endian as key; ttl_ms i64
//   'r'        revision i64, next lease i64
// Threading: safe from any thread. One transaction at a time holds the lock across its sync, so that nobody reads what is not durable yet; watch
// callbacks run inside it. Nobody but the metadata strand waits there.
// Errors: STORAGE_ERROR; of Open also SHARD_DAMAGED, where less is there than anybody was told of; nothing is changed then. After a failed write the store takes no further ones until the process restarts, and says so.
class LocalMetadataStore final : public MetadataStore {
 public:
  static StatusOr<std::unique_ptr<LocalMetadataStore>> Open(const std::string& directory, const LocalMetadataOptions& options = {});
  ~LocalMetadataStore() override;  // every watch must be gone

  StatusOr<RangeResult> Range(const std::string& begin, const std::string& end) override;
  StatusOr<TransactionResult> Transact(const std::vector<MetadataCompare>& compares, const std::vector<MetadataWrite>& writes) override;
  StatusOr<std::unique_ptr<MetadataWatch>> Watch(const std::string& begin, const std::string& end, Revision from,
                                                 WatchCallback callback) override;
  StatusOr<LeaseId> GrantLease(absl::Duration ttl) override;
  Status RenewLease(LeaseId lease) override;
  Status RevokeLease(LeaseId lease) override;

  // Ends the leases whose time has passed. A thread of the store does it while there are leases; tests that move the clock call it.
  void Tick();

 private:
  struct Lease {
    absl::Duration ttl;
    absl::Duration deadline;  // by clock.Monotonic()
  };
  struct Watcher {
    std::string begin;
    std::string end;
    Revision from;
    WatchCallback callback;
  };
  class WatchHandle;

  LocalMetadataStore(std::unique_ptr<rocksdb::DB> db, std::unique_ptr<MetadataSyncedFile> synced_file, const LocalMetadataOptions& options);
  Status Load() ABSL_LOCKS_EXCLUDED(mu_);
  Status LoadEntry(const std::string& key, const std::string& value) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void StageWrite(const MetadataWrite& write, Revision revision, rocksdb::WriteBatch& batch, std::vector<WatchEvent>& events)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Status Commit(rocksdb::WriteBatch& batch, Revision revision) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Apply(const std::vector<WatchEvent>& events, Revision revision) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  StatusOr<Revision> Write(const std::vector<MetadataWrite>& writes, const std::vector<LeaseId>& ended) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Status EndLeases(const std::vector<LeaseId>& leases) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void TickLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void RunLeaseThread();

  const LocalMetadataOptions options_;
  const std::unique_ptr<rocksdb::DB> db_;
  const std::unique_ptr<MetadataSyncedFile> synced_file_;  // by whoever holds the lock

  Mutex mu_;
  CondVar leases_changed_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  Status failed_ ABSL_GUARDED_BY(mu_);  // of the first write that failed
  Revision revision_ ABSL_GUARDED_BY(mu_) = 0;
  LeaseId next_lease_ ABSL_GUARDED_BY(mu_) = 1;
  std::map<std::string, MetadataEntry> entries_ ABSL_GUARDED_BY(mu_);
  std::map<LeaseId, Lease> leases_ ABSL_GUARDED_BY(mu_);
  std::map<std::int64_t, Watcher> watchers_ ABSL_GUARDED_BY(mu_);
  std::int64_t next_watcher_ ABSL_GUARDED_BY(mu_) = 1;
  std::deque<WatchEvent> history_ ABSL_GUARDED_BY(mu_);  // every event after compacted_
  Revision compacted_ ABSL_GUARDED_BY(mu_) = 0;          // watches may start above it
  std::thread lease_thread_;
};

}  // namespace cordwood::broker
