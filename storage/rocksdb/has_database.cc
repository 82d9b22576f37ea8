// SPDX-License-Identifier: Apache-2.0
#include "storage/rocksdb/has_database.h"

#include <memory>

#include "rocksdb/env.h"

namespace cordwood {

rocksdb::Status HasDatabase(rocksdb::Env& env, const std::string& directory, bool* has) {
  std::unique_ptr<rocksdb::SequentialFile> current;
  const rocksdb::Status opened = env.NewSequentialFile(directory + "/CURRENT", &current, rocksdb::EnvOptions());
  *has = opened.ok();
  return opened.IsPathNotFound() || opened.IsNotFound() ? rocksdb::Status::OK() : opened;
}

}  // namespace cordwood
