// SPDX-License-Identifier: Apache-2.0
// Between our types and RocksDB's: slices, statuses. For the sources of this room alone.
#pragma once

#include <string>
#include <string_view>

#include "rocksdb/slice.h"
#include "rocksdb/status.h"
#include "storage/base/reason.h"

namespace cordwood {

inline rocksdb::Slice ToSlice(std::string_view bytes) { return {bytes.data(), bytes.size()}; }
inline std::string_view ToView(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

// What RocksDB said, for a message that begins with `place`, a path: it names files by their whole path, here those in `place` have only their names.
std::string TextWithin(const rocksdb::Status& status, std::string_view place);

// OK stays OK; anything else becomes `reason` with "context: what RocksDB said". RocksDB names the file where it knows one.
inline Status FromRocksDb(const rocksdb::Status& status, std::string_view context, Reason reason = Reason::kStorageError) {
  if (status.ok()) return absl::OkStatus();
  return Error(reason, std::string(context) + ": " + TextWithin(status, context));
}

}  // namespace cordwood
