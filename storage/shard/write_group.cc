// SPDX-License-Identifier: Apache-2.0
// A write group is a thin, typed layer over rocksdb::WriteBatch.
#include "storage/shard/write_group.h"

#include "rocksdb/write_batch.h"
#include "storage/base/check.h"
#include "storage/log/keys.h"
#include "storage/shard/internal/rocksdb_access.h"

namespace cordwood {
namespace {

constexpr std::size_t kKeptBytesMax = 16 * 1024 * 1024;

// A rocksdb::WriteBatch refuses only sizes that do not fit 32 bits and a maximum that we do not set.
void CheckStaged(const rocksdb::Status& status) { CORDWOOD_CHECK(status.ok()); }

}  // namespace

WriteGroup::WriteGroup() : batch_(std::make_unique<rocksdb::WriteBatch>()) {}
WriteGroup::~WriteGroup() = default;

void WriteGroup::Put(std::string_view key, std::string_view value) {
  CheckStaged(batch_->Put(ToSlice(key), ToSlice(value)));
  ++operations_;
}

void WriteGroup::Delete(std::string_view key) {
  CheckStaged(batch_->Delete(ToSlice(key)));
  ++operations_;
}

void WriteGroup::DeleteRange(std::string_view begin, std::string_view end) {
  CORDWOOD_CHECK(MayStartRangeTombstone(begin));
  CheckStaged(batch_->DeleteRange(ToSlice(begin), ToSlice(end)));
  ++operations_;
}

std::size_t WriteGroup::bytes() const { return batch_->GetDataSize(); }

void WriteGroup::Clear() {
  if (batch_->Data().capacity() > kKeptBytesMax) {
    batch_ = std::make_unique<rocksdb::WriteBatch>();
  } else {
    batch_->Clear();
  }
  operations_ = 0;
  sync_asked_ = false;
}

}  // namespace cordwood
