// SPDX-License-Identifier: Apache-2.0
// Follows sequence numbers through a write-ahead log and stops at the first hole.
#include "storage/log/sequence_gate.h"

namespace cordwood {

bool SequenceGate::Admit(std::uint64_t sequence, std::uint64_t operations) {
  if (stopped_) return false;
  const std::uint64_t next = sequence + operations;  // an empty record names the next number and uses none
  if (next < sequence) {                             // wraps: no real log has 2^64 operations
    stopped_ = true;
    return false;
  }
  if (next <= flushed_ + 1) return true;  // whole record in table files
  // From the first record beyond the table files on, each must begin exactly where the one before it ended. The first may begin
  // inside the table files.
  const bool follows = sequence == last_ + 1 || (last_ == flushed_ && sequence <= flushed_);
  if (!follows) {
    stopped_ = true;
    return false;
  }
  last_ = next - 1;
  return true;
}

}  // namespace cordwood
