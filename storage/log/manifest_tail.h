// SPDX-License-Identifier: Apache-2.0
// Where a RocksDB manifest ends that a power cut has torn; pure. Format: storage/log/log_fragments.h.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace cordwood {

// RocksDB syncs a manifest after each record, so that what a power cut tears is the last one: nobody was told of it. RocksDB takes its pieces for damage.
// Where to cut the file so that it ends with its last whole record. nullopt: nothing is torn, or there is no whole record, or one stands behind what is
// broken, which no power cut does.
std::optional<std::size_t> TornManifestEnd(std::string_view manifest);

}  // namespace cordwood
