// SPDX-License-Identifier: Apache-2.0
// Mutant: recovery without the sequence filter. Linked before storage/log, it takes the place of sequence_gate.cc.
#include <algorithm>

#include "storage/log/sequence_gate.h"

namespace cordwood {

bool SequenceGate::Admit(std::uint64_t sequence, std::uint64_t operations) {
  last_ = std::max({flushed_, last_, sequence + operations - 1});
  return true;
}

}  // namespace cordwood
