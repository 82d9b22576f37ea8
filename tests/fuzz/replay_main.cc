// SPDX-License-Identifier: Apache-2.0
// Runs a fuzz target without libFuzzer: over every file of the corpora, then over seeded changes of them. For every compiler.
// usage: TARGET_fuzz RUNS CORPUS…
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "tests/fuzz/fuzz_input.h"

namespace {

std::vector<std::string> ReadCorpora(int count, char** directories) {
  std::vector<std::string> paths, inputs;
  for (int i = 0; i < count; ++i) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(directories[i])) {
      if (entry.is_regular_file()) paths.push_back(entry.path().string());
    }
  }
  std::sort(paths.begin(), paths.end());
  for (const std::string& path : paths) {
    std::ifstream file(path, std::ios::binary);
    inputs.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  return inputs;
}

std::string current;  // what runs now; set only while no signal handler runs

// Leaves the input that did it in the working directory, under a name that libFuzzer would give, and goes on to die.
void KeepInput(int signal) {
  const int file = open("crash-replayed", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  const bool kept = file >= 0 && write(file, current.data(), current.size()) == static_cast<ssize_t>(current.size());
  constexpr std::string_view kLine = "the input is in crash-replayed\n";
  if (kept && write(STDERR_FILENO, kLine.data(), kLine.size()) < 0) _exit(1);
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

// In a block of exactly its size, where a sanitizer sees a read beyond it.
void RunOne(const std::string& input) {
  current = input;
  const std::unique_ptr<std::uint8_t[]> bytes(new std::uint8_t[input.size()]);
  std::copy(input.begin(), input.end(), bytes.get());
  LLVMFuzzerTestOneInput(bytes.get(), input.size());
}

std::string Changed(const std::vector<std::string>& inputs, std::mt19937& random) {
  const auto below = [&](std::size_t n) { return n == 0 ? 0 : random() % n; };
  std::string input = inputs[below(inputs.size())];
  for (std::size_t changes = 1 + below(4); changes > 0 && !input.empty(); --changes) {
    const std::size_t at = below(input.size());
    switch (below(5)) {
      case 0: input[at] = static_cast<char>(input[at] ^ (1 << below(8))); break;
      case 1: input[at] = static_cast<char>(random()); break;
      case 2: input.erase(at, 1 + below(8)); break;
      case 3: input.insert(at, std::string(1 + below(8), static_cast<char>(random()))); break;
      case 4: input = input.substr(0, at) + inputs[below(inputs.size())].substr(0, 512); break;
    }
  }
  return input;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: %s RUNS CORPUS...\n", argv[0]);
    return 2;
  }
  const std::vector<std::string> inputs = ReadCorpora(argc - 2, argv + 2);
  if (inputs.empty()) {
    std::fprintf(stderr, "%s: no inputs in %s\n", argv[0], argv[2]);
    return 1;
  }
  for (const int signal : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE}) std::signal(signal, KeepInput);
  for (const std::string& input : inputs) RunOne(input);
  const long runs = std::atol(argv[1]);
  std::mt19937 random(1);
  for (long run = 0; run < runs; ++run) RunOne(Changed(inputs, random));
  std::printf("%zu inputs, %ld changed ones\n", inputs.size(), runs);
  return 0;
}
