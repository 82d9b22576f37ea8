// SPDX-License-Identifier: Apache-2.0
// Stops the process at a bug of ours. Never for bytes from disk or network, and never for what an operator can cause.
#pragma once

namespace cordwood {

// Writes "file:line: check failed: condition" to stderr and aborts. Safe before main() and in any thread.
[[noreturn]] void CheckFailed(const char* file, int line, const char* condition);

}  // namespace cordwood

// On in every build: a broken invariant must not reach the disk.
#define CORDWOOD_CHECK(condition)                                                       \
  do {                                                                                  \
    if (__builtin_expect(!(condition), 0)) ::cordwood::CheckFailed(__FILE__, __LINE__, #condition); \
  } while (false)
