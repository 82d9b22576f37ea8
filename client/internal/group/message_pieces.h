// SPDX-License-Identifier: Apache-2.0
// How much of a list goes into one message of the Groups service.
#pragma once

#include <cstddef>

namespace cordwood::client {

inline constexpr std::size_t kGroupEntryBytes = 128;              // without names and metadata; really less
inline constexpr std::size_t kGroupMessageBytesMax = 768 * 1024;  // a message of Groups has at most 1 MiB and 10 000 entries

// One message goes from `first` to here; it has at least one entry unless there is none. `bytes_of` an entry: its names and metadata.
template <class Iterator, class BytesOf>
Iterator EndOfMessage(Iterator first, Iterator end, BytesOf bytes_of) {
  std::size_t bytes = 0;
  for (auto at = first; at != end; ++at) {
    bytes += kGroupEntryBytes + bytes_of(*at);
    if (at != first && bytes > kGroupMessageBytesMax) return at;
  }
  return end;
}

}  // namespace cordwood::client
