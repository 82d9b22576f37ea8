// SPDX-License-Identifier: Apache-2.0
// What is left of the library in a child process: nothing. Its threads are not there, and gRPC's epoll descriptor is still the parent's.
#pragma once

#include <cstdint>

#include "cordwood/result.h"

namespace cordwood::client {

// From now on forks are counted. Idempotent.
void CountForks();
// Forks between the process that first called CountForks() and this one. Threading: any; in one process it does not change.
std::uint32_t ForksSeen();
// Nothing may be touched that was made by threads or gRPC: calls give AfterFork(), ends leak.
inline bool InForkedChild() { return ForksSeen() != 0; }
Failure AfterFork();  // definite

}  // namespace cordwood::client
