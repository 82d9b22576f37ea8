// SPDX-License-Identifier: Apache-2.0
// Two ranges of small records, walked side by side.
#include "storage/shard/partition_catalog.h"

#include <memory>
#include <utility>

#include "rocksdb/db.h"
#include "storage/log/keys.h"
#include "storage/shard/internal/rocksdb_access.h"
#include "storage/shard/internal/shard_options.h"
#include "storage/shard/shard_store.h"

namespace cordwood {
namespace {

// All records of one kind, in order of partition id.
class RecordScan {
 public:
  RecordScan(const ShardStore& store, MetadataKind kind) : kind_(kind), first_(PartitionKey(kind, PartitionId(0))) {
    iterator_.reset(store.db().NewIterator(MetadataReadOptions()));
    iterator_->Seek(ToSlice(first_.view()));
  }
  std::optional<PartitionId> id() const {
    return iterator_->Valid() ? ParsePartitionKey(kind_, ToView(iterator_->key())) : std::nullopt;
  }
  std::string_view value() const { return ToView(iterator_->value()); }
  void Next() { iterator_->Next(); }
  Status status() const { return FromRocksDb(iterator_->status(), "partition records"); }

 private:
  const MetadataKind kind_;
  const FixedKey<10> first_;
  std::unique_ptr<rocksdb::Iterator> iterator_;
};

}  // namespace

StatusOr<std::vector<PartitionStub>> ReadPartitionStubs(const ShardStore& store) {
  std::vector<PartitionStub> stubs;
  RecordScan identities(store, MetadataKind::kIdentity);
  RecordScan checkpoints(store, MetadataKind::kCheckpoint);
  for (; identities.id().has_value(); identities.Next(), checkpoints.Next()) {
    const PartitionId id = *identities.id();
    const std::string name = "partition " + ToString(id);
    if (checkpoints.id() != id) return Error(Reason::kStorageError, name + ": identity and checkpoint do not stand together");
    auto identity = DecodePartitionIdentity(identities.value());
    if (!identity.ok()) return Annotate(identity.status(), name);
    auto checkpoint = DecodePartitionCheckpoint(checkpoints.value());
    if (!checkpoint.ok()) return Annotate(checkpoint.status(), name);
    stubs.push_back({id, *identity, *checkpoint});
  }
  CORDWOOD_RETURN_IF_ERROR(identities.status());
  CORDWOOD_RETURN_IF_ERROR(checkpoints.status());
  if (checkpoints.id().has_value()) {
    return Error(Reason::kStorageError, "partition " + ToString(*checkpoints.id()) + ": a checkpoint without identity");
  }
  return stubs;
}

}  // namespace cordwood
