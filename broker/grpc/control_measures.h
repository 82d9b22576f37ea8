// SPDX-License-Identifier: Apache-2.0
// How often each synchronous method was called, and what it answered.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "storage/base/measures.h"

namespace cordwood::broker {

// A fixed set of methods, so that no client makes more of them. Threading: safe from any thread.
class ControlMeasures {
 public:
  struct Method {
    std::string name;  // "CreateTopic"
    SharedCounter requests;
    ReasonCounts errors;
  };
  ControlMeasures();

  // `path` is "/package.Service/Method"; what is not known counts together, as "Other".
  Method& Of(std::string_view path) const;
  const std::vector<std::unique_ptr<Method>>& methods() const { return methods_; }

 private:
  std::vector<std::unique_ptr<Method>> methods_;
};

}  // namespace cordwood::broker
