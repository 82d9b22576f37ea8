// SPDX-License-Identifier: Apache-2.0
// Whether a directory holds a database.
#pragma once

#include <string>

#include "rocksdb/status.h"

namespace rocksdb {
class Env;
}  // namespace rocksdb

namespace cordwood {

// By opening CURRENT: RocksDB's FileExists takes a file that it may not look at for one that is not there. Fails where that cannot be told.
rocksdb::Status HasDatabase(rocksdb::Env& env, const std::string& directory, bool* has);

}  // namespace cordwood
