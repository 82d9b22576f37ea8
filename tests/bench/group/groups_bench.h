// SPDX-License-Identifier: Apache-2.0
// What the benches of consumer groups share. Each prints one line of JSON.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "storage/base/reason.h"

namespace cordwood::testing {

// A bench that cannot go on measures nothing.
[[noreturn]] inline void Fail(const std::string& why) {
  std::fprintf(stderr, "%s\n", why.c_str());
  std::_Exit(1);
}

inline void Require(const Status& status) {
  if (!status.ok()) Fail(MessageOf(status));
}
template <class T>
T Value(StatusOr<T> value) {
  Require(value.status());
  return *std::move(value);
}
struct GroupArguments {
  std::string address;
  std::string topic;
  std::vector<int> numbers;  // of the bench; its usage names them
};

void BenchKill(const GroupArguments& arguments);
void RunMember(const GroupArguments& arguments);  // until it is killed: one of BenchKill's members
void BenchJoin(const GroupArguments& arguments);
void BenchStreams(const GroupArguments& arguments);
void BenchCommits(const GroupArguments& arguments);
void FillOffsets(const GroupArguments& arguments);
void AwaitOffsets(const GroupArguments& arguments);
void BenchRewind(const GroupArguments& arguments);

}  // namespace cordwood::testing
