// SPDX-License-Identifier: Apache-2.0
// Counts what chosen threads ask of the heap, by whose code asks. Linking this replaces the process's operator new.
#pragma once

#include <cstdint>
#include <string>

namespace cordwood::testing {

// From construction to Stop(); one at a time. Whose an allocation is, the innermost caller says that is neither the C and C++ libraries nor absl nor protobuf:
// those work for whoever calls them. What libraries ask of malloc() directly is not counted.
class AllocationWatch {
 public:
  enum class Owner { kOurs, kGrpc, kRocksDb };

  // Of threads whose name begins with `thread_prefix`, which outlives this.
  explicit AllocationWatch(const char* thread_prefix);
  ~AllocationWatch() { Stop(); }
  AllocationWatch(const AllocationWatch&) = delete;
  AllocationWatch& operator=(const AllocationWatch&) = delete;

  void Stop();
  std::uint64_t count(Owner owner) const;
  // The call stacks of the first of ours, for addr2line: a line each.
  std::string OurStacks() const;
};

}  // namespace cordwood::testing
