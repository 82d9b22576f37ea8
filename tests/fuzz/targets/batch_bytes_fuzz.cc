// SPDX-License-Identifier: Apache-2.0
// Arbitrary bytes as record batches.
#include "tests/fuzz/batch_checks.h"
#include "tests/fuzz/fuzz_input.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  cordwood::testing::CheckBatches({reinterpret_cast<const char*>(bytes), size});
  return 0;
}
