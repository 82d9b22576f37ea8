// SPDX-License-Identifier: Apache-2.0
// One RocksDB WriteBatch under construction: everything that one turn of a shard's writer makes durable or not, together.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>

#include "storage/base/reason.h"

namespace rocksdb {
class WriteBatch;
}

namespace cordwood {

// Staging never fails; ShardStore::Commit() writes all of it at once. What was staged, with the offsets it promises, stays here until
// a commit succeeds or the shard is poisoned. Not thread-safe: owned by the shard's writer.
class WriteGroup {
 public:
  WriteGroup();
  ~WriteGroup();
  WriteGroup(const WriteGroup&) = delete;
  WriteGroup& operator=(const WriteGroup&) = delete;

  void Put(std::string_view key, std::string_view value);
  void Delete(std::string_view key);
  // [begin, end). CHECKs MayStartRangeTombstone(begin).
  void DeleteRange(std::string_view begin, std::string_view end);

  // Some part of the group was promised as durable: the writer calls ShardStore::Sync() after the commit.
  void AskSync() { sync_asked_ = true; }
  bool sync_asked() const { return sync_asked_; }

  bool empty() const { return operations_ == 0; }
  int operations() const { return operations_; }
  std::size_t bytes() const;  // of the WriteBatch as it would be written
  void Clear();               // keeps the capacity up to a bound

 private:
  friend class ShardStore;
  std::unique_ptr<rocksdb::WriteBatch> batch_;
  int operations_ = 0;
  bool sync_asked_ = false;
};

}  // namespace cordwood
