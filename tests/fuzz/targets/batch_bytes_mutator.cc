// SPDX-License-Identifier: Apache-2.0
// Bytes as libFuzzer changes them, most of the time with right lengths and CRCs.
#include "tests/fuzz/mutations.h"

std::size_t LLVMFuzzerCustomMutator(std::uint8_t* bytes, std::size_t size, std::size_t size_max, unsigned int seed) {
  using namespace cordwood::testing;
  std::string input = Mutated(std::string(reinterpret_cast<const char*>(bytes), size), size_max);
  if (seed % 8 != 0) MendBatches(&input);
  return Deliver(input, bytes, size_max);
}
