// SPDX-License-Identifier: Apache-2.0
// Nothing here may allocate while it counts: fixed tables, and the unwinder is warmed up before.
#include "tests/support/allocations.h"

#include <execinfo.h>
#include <link.h>
#include <pthread.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string_view>

namespace cordwood::testing {
namespace {

constexpr int kFramesMax = 32;
constexpr std::size_t kModulesMax = 128;
constexpr std::size_t kStacksMax = 12;

enum class Side { kOurs, kGrpc, kRocksDb, kAnybodys };

struct Module {
  std::uintptr_t begin;
  std::uintptr_t end;
  std::uintptr_t loaded_at;
  Side side;
};
std::array<Module, kModulesMax> modules;
std::size_t module_count = 0;

struct Stack {
  std::array<void*, kFramesMax> frames;
  int depth;
};
std::array<Stack, kStacksMax> stacks;
std::atomic<std::size_t> stack_count{0};

std::array<std::atomic<std::uint64_t>, 3> counts{};
const char* watched_prefix = "";
std::atomic<bool> watching{false};  // publishes the tables above
thread_local bool counting = false;

Side SideOf(std::string_view path) {
  const std::string_view name = path.substr(path.rfind('/') + 1);
  if (path.empty()) return Side::kOurs;  // the executable
  for (const std::string_view library : {"libgrpc", "libgpr", "libupb", "libaddress_sorting"}) {
    if (name.starts_with(library)) return Side::kGrpc;
  }
  return name.starts_with("librocksdb") ? Side::kRocksDb : Side::kAnybodys;
}

int AddModule(dl_phdr_info* info, std::size_t, void*) {
  for (int i = 0; i < info->dlpi_phnum && module_count < kModulesMax; ++i) {
    const auto& segment = info->dlpi_phdr[i];
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_X) == 0) continue;
    const std::uintptr_t begin = info->dlpi_addr + segment.p_vaddr;
    modules[module_count++] = Module{begin, begin + segment.p_memsz, info->dlpi_addr, SideOf(info->dlpi_name)};
  }
  return 0;
}

const Module* ModuleOf(const void* frame) {
  const auto address = reinterpret_cast<std::uintptr_t>(frame);
  for (std::size_t i = 0; i < module_count; ++i) {
    if (address >= modules[i].begin && address < modules[i].end) return &modules[i];
  }
  return nullptr;
}

bool IsWatchedThread() {
  char name[16] = "";
  pthread_getname_np(pthread_self(), name, sizeof name);
  return std::strncmp(name, watched_prefix, std::strlen(watched_prefix)) == 0;
}

void Count() {
  if (!IsWatchedThread()) return;
  Stack stack;
  stack.depth = backtrace(stack.frames.data(), kFramesMax);
  constexpr int kOfThisFile = 3;  // Count, Allocate, operator new
  for (int i = kOfThisFile; i < stack.depth; ++i) {
    const Module* module = ModuleOf(stack.frames[static_cast<std::size_t>(i)]);
    if (module == nullptr || module->side == Side::kAnybodys) continue;
    counts[static_cast<std::size_t>(module->side)].fetch_add(1, std::memory_order_relaxed);
    if (module->side != Side::kOurs) return;
    if (const std::size_t at = stack_count.fetch_add(1, std::memory_order_relaxed); at < kStacksMax) stacks[at] = stack;
    return;
  }
}

__attribute__((noinline)) void* Allocate(std::size_t size) {
  void* const memory = std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) std::abort();
  if (watching.load(std::memory_order_acquire) && !counting) {
    counting = true;
    Count();
    counting = false;
  }
  return memory;
}

}  // namespace

AllocationWatch::AllocationWatch(const char* thread_prefix) {
  module_count = 0;
  dl_iterate_phdr(AddModule, nullptr);
  std::array<void*, 4> frames;
  backtrace(frames.data(), static_cast<int>(frames.size()));
  for (auto& count : counts) count.store(0, std::memory_order_relaxed);
  stack_count.store(0, std::memory_order_relaxed);
  watched_prefix = thread_prefix;
  watching.store(true, std::memory_order_release);
}

void AllocationWatch::Stop() { watching.store(false, std::memory_order_release); }

std::uint64_t AllocationWatch::count(Owner owner) const { return counts[static_cast<std::size_t>(owner)].load(std::memory_order_relaxed); }

std::string AllocationWatch::OurStacks() const {
  std::string text;
  for (std::size_t i = 0; i < std::min(stack_count.load(), kStacksMax); ++i) {
    for (int frame = 0; frame < stacks[i].depth; ++frame) {
      const void* const address = stacks[i].frames[static_cast<std::size_t>(frame)];
      const Module* module = ModuleOf(address);
      if (module == nullptr || module->side != Side::kOurs) continue;
      char offset[24];
      std::snprintf(offset, sizeof offset, " %#zx", reinterpret_cast<std::uintptr_t>(address) - module->loaded_at - 1);
      text += offset;
    }
    text += '\n';
  }
  return text;
}

}  // namespace cordwood::testing

void* operator new(std::size_t size) { return cordwood::testing::Allocate(size); }
void* operator new[](std::size_t size) { return cordwood::testing::Allocate(size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
