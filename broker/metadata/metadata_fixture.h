// SPDX-License-Identifier: Apache-2.0
// What the tests of this room share.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "storage/base/reason.h"

namespace cordwood::broker {

MATCHER_P(HasReason, reason, "") { return ReasonOf(arg) == reason; }
MATCHER_P(SaysThat, text, "") { return MessageOf(arg).find(text) != std::string::npos; }

// Removed with everything in it at the end.
class ScratchDirectory {
 public:
  ScratchDirectory() {
    std::string name = "/tmp/cordwood-meta-XXXXXX";
    if (mkdtemp(name.data()) == nullptr) std::abort();
    path_ = name;
  }
  ~ScratchDirectory() { std::filesystem::remove_all(path_); }
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace cordwood::broker
