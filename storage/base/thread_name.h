// SPDX-License-Identifier: Apache-2.0
// Names for threads, as top, gdb and perf show them.
#pragma once

#include <string_view>

namespace cordwood {

// Names the calling thread. Linux keeps the first 15 bytes.
void SetThreadName(std::string_view name);

}  // namespace cordwood
