// SPDX-License-Identifier: Apache-2.0
// The two states of a partition that come from disk and live on: epochs and producers.
#pragma once

#include "tests/fuzz/fuzz_input.h"

namespace cordwood::testing {

// Decode what the input says, then go on with it as a running partition does; CHECKs the invariants after every step.
void CheckEpochs(FuzzInput* in);
void CheckProducers(FuzzInput* in);

}  // namespace cordwood::testing
