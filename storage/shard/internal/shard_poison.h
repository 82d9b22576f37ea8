// SPDX-License-Identifier: Apache-2.0
// Why a shard takes no more writes, and the ear that hears of errors in RocksDB's background. For the sources of this room alone.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "rocksdb/listener.h"
#include "storage/base/mutex.h"
#include "storage/base/reason.h"
#include "storage/shard/shard_store.h"

namespace cordwood {

// The first cause stays. Thread-safe.
struct ShardStore::PoisonCause {
 public:
  void Set(Status status) {
    MutexLock lock(mu_);
    if (status_.ok()) status_ = std::move(status);
  }
  Status status() const {
    MutexLock lock(mu_);
    return status_;
  }

 private:
  mutable Mutex mu_;
  Status status_ ABSL_GUARDED_BY(mu_);
};

// A failed flush poisons at once, before the next write meets it; a failed write tells its listener before its caller. Called from RocksDB's threads and
// from the writer, while the store lives.
class ShardStore::PoisonListener final : public rocksdb::EventListener {
 public:
  explicit PoisonListener(ShardStore& store) : store_(store) {}
  void OnBackgroundError(rocksdb::BackgroundErrorReason reason, rocksdb::Status* error) override { (void)store_.Poison(Name(reason), *error); }
  // After a full disk RocksDB would resume by itself, whatever max_bgerror_resume_count says, and a close that meets its recovery thread
  // may never return.
  void OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason, rocksdb::Status, bool* auto_recovery) override { *auto_recovery = false; }

 private:
  static std::string_view Name(rocksdb::BackgroundErrorReason reason) {
    switch (reason) {
      case rocksdb::BackgroundErrorReason::kFlush:
      case rocksdb::BackgroundErrorReason::kFlushNoWAL: return "flush";
      case rocksdb::BackgroundErrorReason::kCompaction: return "compaction";
      case rocksdb::BackgroundErrorReason::kWriteCallback: return "write or sync";  // of the write-ahead log
      case rocksdb::BackgroundErrorReason::kMemTable: return "memtable";
      case rocksdb::BackgroundErrorReason::kManifestWrite:
      case rocksdb::BackgroundErrorReason::kManifestWriteNoWAL: return "manifest";
    }
    return "background";
  }
  ShardStore& store_;
};

}  // namespace cordwood
