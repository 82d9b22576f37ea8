// SPDX-License-Identifier: Apache-2.0
// RocksDB's texts, made fit to stand behind a path of ours.
#include "storage/shard/internal/rocksdb_access.h"

namespace cordwood {

std::string TextWithin(const rocksdb::Status& status, std::string_view place) {
  std::string text = status.ToString();
  std::size_t at = 0;
  while ((at = text.find(place, at)) != std::string::npos) {
    const std::string_view behind = std::string_view(text).substr(at + place.size());
    const std::size_t follows = behind.starts_with('/') ? 1 : behind.starts_with(": ") ? 2 : 0;
    if (follows == 0) {  // another path that begins alike
      at += place.size();
      continue;
    }
    const bool glued = at > 0 && text[at - 1] != ' ';  // "to be an sstable/path"
    text.replace(at, place.size() + follows, glued ? " " : "");
  }
  return text;
}

}  // namespace cordwood
