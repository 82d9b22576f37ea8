// SPDX-License-Identifier: Apache-2.0
// The last words of a process with a broken invariant.
#include "storage/base/check.h"

#include <cstdio>
#include <cstdlib>

namespace cordwood {

void CheckFailed(const char* file, int line, const char* condition) {
  std::fprintf(stderr, "%s:%d: check failed: %s\n", file, line, condition);
  std::abort();
}

}  // namespace cordwood
