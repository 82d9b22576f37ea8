// SPDX-License-Identifier: Apache-2.0
// The end of a manifest that a power cut has torn.
#pragma once

#include <string>

#include "rocksdb/status.h"

namespace rocksdb {
class Env;
}  // namespace rocksdb

namespace cordwood {

// A record that a power cut tore at the end of the manifest that CURRENT names is cut off: RocksDB would take it for damage, but nobody was told of it
// (storage/log/manifest_tail.h). Anything else, damage too, stays as it is and is left to RocksDB to name. Whoever calls checks afterwards that what is
// left holds no less than was synced. Fails where a file cannot be read or written.
rocksdb::Status CutTornManifest(rocksdb::Env& env, const std::string& directory);

}  // namespace cordwood
