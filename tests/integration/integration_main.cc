// SPDX-License-Identifier: Apache-2.0
// GoogleTest's main, and --print: the table of refusals as users read them.
#include <gtest/gtest.h>

#include <cstdio>
#include <string_view>

#include "tests/integration/refusal_fixture.h"

namespace cordwood::testing {
namespace {
bool print_refusals = false;
}  // namespace

void ShowRefusal(std::string_view what, const Status& status) {
  if (!print_refusals) return;
  const std::string_view reason = ReasonName(ReasonOf(status));
  std::printf("| %.*s | %.*s | %s |\n", static_cast<int>(what.size()), what.data(), static_cast<int>(reason.size()), reason.data(),
              MessageOf(status).c_str());
}

}  // namespace cordwood::testing

int main(int argc, char** argv) {
  ::testing::InitGoogleMock(&argc, argv);
  for (int i = 1; i < argc; ++i) {
    if (std::string_view(argv[i]) == "--print") cordwood::testing::print_refusals = true;
  }
  return RUN_ALL_TESTS();
}
