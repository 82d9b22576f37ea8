// SPDX-License-Identifier: Apache-2.0
// How RocksDB gives the files it no longer needs back to the disk: bit by bit, so that the syncs of the log need not wait for a file system that frees
// 64 MiB or more at once. For the sources of this room alone.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "rocksdb/listener.h"
#include "rocksdb/options.h"
#include "rocksdb/sst_file_manager.h"

namespace cordwood {

inline constexpr std::uint64_t kDeletionStepBytes = 4 * 1024 * 1024;            // what is freed at once
inline constexpr std::int64_t kDeletionRate = std::int64_t{128} * 1024 * 1024;  // bytes per second
inline constexpr std::uint64_t kTrashBytesMax = std::uint64_t{1} << 30;         // while more is waiting, what comes is freed at once

// RocksDB renames a table, a blob file or a log to NAME.trash, a name that recovery does not see, and a thread of its own cuts it from its end, each step
// synced, until it can be removed. What is left when the database goes is removed when it is opened again.
// RocksDB knows a bound only as a share of the database, so the share follows the database's size.
// Threading: RocksDB calls from its own threads.
class DeletionPace final : public rocksdb::EventListener {
 public:
  // Makes `options`, of one database, obey. Their log gets what goes wrong, nothing else.
  static void AddTo(rocksdb::Options& options);

  void OnFlushCompleted(rocksdb::DB* db, const rocksdb::FlushJobInfo& info) override;
  void OnCompactionCompleted(rocksdb::DB* db, const rocksdb::CompactionJobInfo& info) override;

 private:
  explicit DeletionPace(std::shared_ptr<rocksdb::SstFileManager> files) : files_(std::move(files)) { Bound(); }
  void Bound();

  const std::shared_ptr<rocksdb::SstFileManager> files_;
};

// Whether a file of this name is only waiting to be freed.
inline bool IsTrash(std::string_view name) { return name.ends_with(".trash"); }

}  // namespace cordwood
