// SPDX-License-Identifier: Apache-2.0
// By a new file under the old name, so that a power cut leaves one or the other. RocksDB removes files of this ending when it opens.
#include "storage/rocksdb/torn_manifest.h"

#include <memory>
#include <optional>

#include "rocksdb/env.h"
#include "storage/log/manifest_tail.h"

namespace cordwood {

rocksdb::Status CutTornManifest(rocksdb::Env& env, const std::string& directory) {
  std::string name;
  if (rocksdb::Status read = rocksdb::ReadFileToString(&env, directory + "/CURRENT", &name); !read.ok()) return read;
  while (!name.empty() && name.back() == '\n') name.pop_back();
  const std::string path = directory + "/" + name;
  std::string bytes;
  if (!rocksdb::ReadFileToString(&env, path, &bytes).ok()) return rocksdb::Status::OK();  // RocksDB says it better
  const std::optional<std::size_t> end = TornManifestEnd(bytes);
  if (!end.has_value()) return rocksdb::Status::OK();
  const std::string cut = path + ".dbtmp";
  if (rocksdb::Status written = rocksdb::WriteStringToFile(&env, bytes.substr(0, *end), cut, true); !written.ok()) return written;
  if (rocksdb::Status renamed = env.RenameFile(cut, path); !renamed.ok()) return renamed;
  std::unique_ptr<rocksdb::Directory> entries;
  if (rocksdb::Status opened = env.NewDirectory(directory, &entries); !opened.ok()) return opened;
  return entries->Fsync();
}

}  // namespace cordwood
