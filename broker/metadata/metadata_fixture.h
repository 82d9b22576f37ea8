// SPDX-License-Identifier: Apache-2.0
// What the tests of this room share.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/base/reason.h"
#include "tests/support/temp_dir.h"

namespace cordwood::broker {

using ::cordwood::testing::TempDir;

MATCHER_P(HasReason, reason, "") { return ReasonOf(arg) == reason; }
MATCHER_P(SaysThat, text, "") { return MessageOf(arg).find(text) != std::string::npos; }

}  // namespace cordwood::broker
