// SPDX-License-Identifier: Apache-2.0
// Counts only: malloc says no cheap word about what it holds.
#include "broker/server/memory_trim.h"

#include <algorithm>
#include <utility>

namespace cordwood::broker {
namespace {

constexpr std::uint64_t kCallBytes = 16 * 1024;
constexpr std::uint64_t kWorthTrimming = 16 * 1024 * 1024;
constexpr std::uint64_t kQuiet = 1024 * 1024;

}  // namespace

bool MemoryTrim::IsDue(std::uint64_t freed) {
  const std::uint64_t lately = freed - std::exchange(at_last_look_, freed);
  burst_ = std::max(burst_, lately);
  if (freed - at_last_trim_ < kWorthTrimming || lately > std::max(kQuiet, burst_ / 8)) return false;
  at_last_trim_ = freed;
  burst_ = 0;
  return true;
}

std::uint64_t FreedByCalls(NetworkThreads& network, const ControlCalls& control) {
  std::uint64_t freed = 0;
  for (int i = 0; i < network.size(); ++i) freed += network.at(i).calls().ended_calls() * kCallBytes;
  for (const ControlCalls::ThreadMeasures* thread : control.threads()) freed += thread->freed_bytes.value();
  return freed;
}

}  // namespace cordwood::broker
