// SPDX-License-Identifier: Apache-2.0
// Transactions, watches and leases over one RocksDB whose every write is synced.
#include "broker/metadata/local_metadata_store.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>

#include "broker/metadata/local_metadata_store_open.h"
#include "rocksdb/db.h"
#include "rocksdb/env.h"
#include "rocksdb/options.h"
#include "rocksdb/write_batch.h"
#include "storage/base/coding.h"
#include "storage/base/thread_name.h"

namespace cordwood::broker {
namespace {

constexpr char kEntryPrefix = 'k';
constexpr char kLeasePrefix = 'l';
constexpr std::string_view kRevisionKey = "r";

Status FromRocksDb(const rocksdb::Status& status, std::string_view what) {
  if (status.ok()) return absl::OkStatus();
  return Error(Reason::kStorageError, "metadata store: " + std::string(what) + ": " + status.ToString());
}

std::string EntryKey(const std::string& key) { return kEntryPrefix + key; }

std::string LeaseKey(LeaseId lease) {
  std::string key(1, kLeasePrefix);
  AppendBigEndian(&key, lease);
  return key;
}

std::string EncodeEntry(const MetadataEntry& entry) {
  std::string bytes;
  bytes.reserve(24 + entry.value.size());
  AppendBigEndian(&bytes, entry.create_revision);
  AppendBigEndian(&bytes, entry.mod_revision);
  AppendBigEndian(&bytes, entry.lease);
  return bytes += entry.value;
}

std::string EncodeInt(std::int64_t value) {
  std::string bytes;
  AppendBigEndian(&bytes, value);
  return bytes;
}

bool InRange(const std::string& key, const std::string& begin, const std::string& end) {
  return end.empty() ? key == begin : begin <= key && key < end;
}

Status Damaged(std::string_view what) {
  return Error(Reason::kStorageError, "metadata store: damaged " + std::string(what));
}

}  // namespace

class LocalMetadataStore::WatchHandle final : public MetadataWatch {
 public:
  WatchHandle(LocalMetadataStore& store, std::int64_t id) : store_(store), id_(id) {}
  ~WatchHandle() override {
    MutexLock lock(store_.mu_);
    store_.watchers_.erase(id_);
  }

 private:
  LocalMetadataStore& store_;
  const std::int64_t id_;
};

StatusOr<std::unique_ptr<LocalMetadataStore>> LocalMetadataStore::Open(const std::string& directory, const LocalMetadataOptions& options) {
  rocksdb::Env& env = options.env != nullptr ? *options.env : *rocksdb::Env::Default();
  CORDWOOD_ASSIGN_OR_RETURN(OpenedMetadata opened, OpenMetadata(env, directory, options.must_exist));
  std::unique_ptr<LocalMetadataStore> store(new LocalMetadataStore(std::move(opened.db), std::move(opened.synced_file), options));
  CORDWOOD_RETURN_IF_ERROR(Annotate(store->Load(), directory));
  store->lease_thread_ = std::thread([raw = store.get()] { raw->RunLeaseThread(); });
  return store;
}

LocalMetadataStore::LocalMetadataStore(std::unique_ptr<rocksdb::DB> db, std::unique_ptr<MetadataSyncedFile> synced_file,
                                       const LocalMetadataOptions& options)
    : options_(options), db_(std::move(db)), synced_file_(std::move(synced_file)) {}

LocalMetadataStore::~LocalMetadataStore() {
  {
    MutexLock lock(mu_);
    stopping_ = true;
    leases_changed_.SignalAll();
  }
  if (lease_thread_.joinable()) lease_thread_.join();
}

Status LocalMetadataStore::Load() {
  MutexLock lock(mu_);
  const std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(rocksdb::ReadOptions()));
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    CORDWOOD_RETURN_IF_ERROR(LoadEntry(it->key().ToString(), it->value().ToString()));
  }
  CORDWOOD_RETURN_IF_ERROR(FromRocksDb(it->status(), "read"));
  for (const auto& [key, entry] : entries_) {
    if (entry.mod_revision > revision_) return Damaged("revision of " + key);
  }
  compacted_ = revision_;
  return absl::OkStatus();
}

Status LocalMetadataStore::LoadEntry(const std::string& key, const std::string& value) {
  ByteReader reader(value);
  if (key == kRevisionKey) {
    revision_ = reader.Read<std::int64_t>();
    next_lease_ = reader.Read<std::int64_t>();
    return reader.done() && revision_ >= 0 ? absl::OkStatus() : Damaged("revision");
  }
  if (key[0] == kLeasePrefix) {
    ByteReader key_reader(std::string_view(key).substr(1));
    const LeaseId id = key_reader.Read<std::int64_t>();
    const absl::Duration ttl = absl::Milliseconds(reader.Read<std::int64_t>());
    if (!key_reader.done() || !reader.done()) return Damaged("lease");
    leases_[id] = Lease{ttl, options_.clock->Monotonic() + ttl};
    return absl::OkStatus();
  }
  MetadataEntry entry;
  entry.key = key.substr(1);
  entry.create_revision = reader.Read<std::int64_t>();
  entry.mod_revision = reader.Read<std::int64_t>();
  entry.lease = reader.Read<std::int64_t>();
  entry.value = std::string(reader.rest());
  if (key[0] != kEntryPrefix || !reader.ok()) return Damaged("entry " + entry.key);
  entries_[entry.key] = std::move(entry);
  return absl::OkStatus();
}

StatusOr<RangeResult> LocalMetadataStore::Range(const std::string& begin, const std::string& end) {
  MutexLock lock(mu_);
  TickLocked();
  RangeResult result;
  result.revision = revision_;
  for (auto it = entries_.lower_bound(begin); it != entries_.end() && InRange(it->first, begin, end); ++it) {
    result.entries.push_back(it->second);
  }
  return result;
}

StatusOr<TransactionResult> LocalMetadataStore::Transact(const std::vector<MetadataCompare>& compares,
                                                         const std::vector<MetadataWrite>& writes) {
  MutexLock lock(mu_);
  TickLocked();
  if (!failed_.ok()) return failed_;
  for (const MetadataCompare& compare : compares) {
    const auto it = entries_.find(compare.key);
    if ((it == entries_.end() ? 0 : it->second.mod_revision) != compare.mod_revision) return TransactionResult{false, revision_};
  }
  for (const MetadataWrite& write : writes) {
    if (write.lease != 0 && !leases_.contains(write.lease)) return Error(Reason::kConflict, "metadata store: the lease has ended");
  }
  CORDWOOD_ASSIGN_OR_RETURN(const Revision revision, Write(writes, {}));
  return TransactionResult{true, revision};
}

// Every write sees the store as it was before the transaction, which names each key at most once.
void LocalMetadataStore::StageWrite(const MetadataWrite& write, Revision revision, rocksdb::WriteBatch& batch,
                                    std::vector<WatchEvent>& events) {
  auto remove = [&](const std::string& key) {
    batch.Delete(EntryKey(key));
    WatchEvent event{true, {}};
    event.entry.key = key;
    event.entry.mod_revision = revision;
    events.push_back(std::move(event));
  };
  if (write.kind == MetadataWrite::Kind::kPut) {
    const auto it = entries_.find(write.key);
    MetadataEntry entry{write.key, write.value, it == entries_.end() ? revision : it->second.create_revision, revision, write.lease};
    batch.Put(EntryKey(write.key), EncodeEntry(entry));
    events.push_back(WatchEvent{false, std::move(entry)});
    return;
  }
  if (write.kind == MetadataWrite::Kind::kDelete) {
    if (entries_.contains(write.key)) remove(write.key);
    return;
  }
  for (auto it = entries_.lower_bound(write.key); it != entries_.end() && it->first < write.value; ++it) remove(it->first);
}

StatusOr<Revision> LocalMetadataStore::Write(const std::vector<MetadataWrite>& writes, const std::vector<LeaseId>& ended) {
  rocksdb::WriteBatch batch;
  std::vector<WatchEvent> events;
  const Revision revision = revision_ + 1;
  for (const MetadataWrite& write : writes) StageWrite(write, revision, batch, events);
  for (const LeaseId lease : ended) batch.Delete(LeaseKey(lease));
  if (events.empty()) {
    if (batch.Count() > 0) CORDWOOD_RETURN_IF_ERROR(Commit(batch, revision_));
    return revision_;
  }
  CORDWOOD_RETURN_IF_ERROR(Commit(batch, revision));
  Apply(events, revision);
  return revision;
}

Status LocalMetadataStore::Commit(rocksdb::WriteBatch& batch, Revision revision) {
  if (!failed_.ok()) return failed_;
  batch.Put(rocksdb::Slice(kRevisionKey.data(), kRevisionKey.size()), EncodeInt(revision) + EncodeInt(next_lease_));
  rocksdb::WriteOptions options;
  options.sync = true;
  const rocksdb::Status written = db_->Write(options, &batch);
  const Status why = written.ok() ? synced_file_->Write(db_->GetLatestSequenceNumber()) : FromRocksDb(written, "write");
  if (why.ok()) return why;
  const char* const first_step = written.IsNoSpace() ? "free space on its disk" : "see to its disk";
  failed_ = Error(ReasonOf(why), "metadata: takes no more changes; " + std::string(first_step) + ", then restart the broker: " + MessageOf(why));
  options_.on_failure(failed_);
  return failed_;
}

void LocalMetadataStore::Apply(const std::vector<WatchEvent>& events, Revision revision) {
  revision_ = revision;
  for (const WatchEvent& event : events) {
    if (event.deleted) {
      entries_.erase(event.entry.key);
    } else {
      entries_[event.entry.key] = event.entry;
    }
    history_.push_back(event);
  }
  // Whole transactions go, so that a watch never starts inside one.
  while (history_.size() > options_.history_events_max) {
    compacted_ = history_.front().entry.mod_revision;
    while (!history_.empty() && history_.front().entry.mod_revision == compacted_) history_.pop_front();
  }
  for (auto& [id, watcher] : watchers_) {
    std::vector<WatchEvent> seen;
    for (const WatchEvent& event : events) {
      if (revision >= watcher.from && InRange(event.entry.key, watcher.begin, watcher.end)) seen.push_back(event);
    }
    if (!seen.empty()) watcher.callback(std::move(seen), revision);
  }
}

StatusOr<std::unique_ptr<MetadataWatch>> LocalMetadataStore::Watch(const std::string& begin, const std::string& end, Revision from,
                                                                   WatchCallback callback) {
  MutexLock lock(mu_);
  const std::int64_t id = next_watcher_++;
  if (from <= compacted_) {
    callback(Error(Reason::kConflict, "metadata store: revision " + std::to_string(from) + " is compacted, the oldest is " +
                                          std::to_string(compacted_ + 1)),
             revision_);
    return std::unique_ptr<MetadataWatch>(new WatchHandle(*this, id));
  }
  std::vector<WatchEvent> missed;
  for (const WatchEvent& event : history_) {
    if (event.entry.mod_revision >= from && InRange(event.entry.key, begin, end)) missed.push_back(event);
  }
  if (!missed.empty()) callback(std::move(missed), revision_);
  watchers_.emplace(id, Watcher{begin, end, from, std::move(callback)});
  return std::unique_ptr<MetadataWatch>(new WatchHandle(*this, id));
}

StatusOr<LeaseId> LocalMetadataStore::GrantLease(absl::Duration ttl) {
  MutexLock lock(mu_);
  const LeaseId id = next_lease_++;
  rocksdb::WriteBatch batch;
  batch.Put(LeaseKey(id), EncodeInt(absl::ToInt64Milliseconds(ttl)));
  CORDWOOD_RETURN_IF_ERROR(Commit(batch, revision_));
  leases_[id] = Lease{ttl, options_.clock->Monotonic() + ttl};
  leases_changed_.SignalAll();
  return id;
}

Status LocalMetadataStore::RenewLease(LeaseId lease) {
  MutexLock lock(mu_);
  TickLocked();
  const auto it = leases_.find(lease);
  if (it == leases_.end()) return Error(Reason::kConflict, "metadata store: the lease has ended");
  it->second.deadline = options_.clock->Monotonic() + it->second.ttl;
  return absl::OkStatus();
}

Status LocalMetadataStore::RevokeLease(LeaseId lease) {
  MutexLock lock(mu_);
  if (!leases_.contains(lease)) return Error(Reason::kConflict, "metadata store: the lease has ended");
  return EndLeases({lease});
}

Status LocalMetadataStore::EndLeases(const std::vector<LeaseId>& leases) {
  std::vector<MetadataWrite> writes;
  for (const auto& [key, entry] : entries_) {
    if (entry.lease == 0 || std::find(leases.begin(), leases.end(), entry.lease) == leases.end()) continue;
    MetadataWrite write;
    write.kind = MetadataWrite::Kind::kDelete;
    write.key = key;
    writes.push_back(std::move(write));
  }
  CORDWOOD_RETURN_IF_ERROR(Write(writes, leases).status());
  for (const LeaseId lease : leases) leases_.erase(lease);
  return absl::OkStatus();
}

void LocalMetadataStore::Tick() {
  MutexLock lock(mu_);
  TickLocked();
}

void LocalMetadataStore::TickLocked() {
  if (leases_.empty() || !failed_.ok()) return;
  const absl::Duration now = options_.clock->Monotonic();
  std::vector<LeaseId> ended;
  for (const auto& [id, lease] : leases_) {
    if (lease.deadline <= now) ended.push_back(id);
  }
  if (!ended.empty()) (void)EndLeases(ended);  // a failure stays in failed_, and whoever writes next is told
}

void LocalMetadataStore::RunLeaseThread() {
  SetThreadName("meta-leases");
  constexpr std::chrono::milliseconds kCheckEvery(250);
  MutexLock lock(mu_);
  while (!stopping_) {
    if (leases_.empty()) {
      leases_changed_.Wait(mu_);
    } else {
      leases_changed_.WaitFor(mu_, kCheckEvery);
    }
    TickLocked();
  }
}

}  // namespace cordwood::broker
