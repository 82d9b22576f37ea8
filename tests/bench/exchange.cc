// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/exchange.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <thread>

#include "tests/bench/loopback.h"
#include "tests/bench/measure.h"

namespace cordwood::testing {
namespace {

constexpr std::size_t kReadBytes = 1 << 20;
constexpr std::uint64_t kTogetherMax = 64;

// Writes all that has come in whole messages, then answers each with one byte, until the other side is done.
void Answer(const ExchangeOptions& options, int fd, const std::string& path) {
  const int file = Checked(open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600), "open");
  std::string bytes(kReadBytes, '\0');
  std::size_t rest = 0;  // of a message that has come in part
  while (true) {
    const auto n = static_cast<std::size_t>(Checked(static_cast<int>(recv(fd, bytes.data(), bytes.size(), 0)), "recv"));
    if (n == 0) return;
    WriteAll(file, std::string_view(bytes).substr(0, n));
    const std::size_t messages = (rest + n) / options.message_bytes;
    rest = (rest + n) % options.message_bytes;
    if (messages == 0) continue;
    if (options.sync) Checked(fdatasync(file), "fdatasync");
    WriteAll(fd, std::string(messages, '.'));
  }
}

void SleepUntil(double seconds) {
  const double whole = std::floor(seconds);
  const timespec until{static_cast<time_t>(whole), static_cast<long>((seconds - whole) * 1e9)};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr) != 0) {
  }
}

}  // namespace

std::vector<double> Exchange(const ExchangeOptions& options) {
  const std::string path = options.directory + "/exchange";
  const LoopbackPair pair = ConnectOverLoopback();
  const pid_t answering = Checked(fork(), "fork");
  if (answering == 0) {
    close(pair.sender);
    Answer(options, pair.receiver, path);
    _exit(0);
  }
  close(pair.receiver);
  const auto messages = static_cast<std::uint64_t>(options.seconds * options.per_second);
  const double begin = WallSeconds() + 0.01;
  const auto due = [&](std::uint64_t message) { return begin + static_cast<double>(message) / options.per_second; };
  std::thread sender([&] {
    const std::string bytes(kTogetherMax * options.message_bytes, 'x');
    for (std::uint64_t sent = 0; sent < messages;) {
      SleepUntil(due(sent));
      std::uint64_t together = 1;  // whoever is late sends what is due in one go
      while (together < kTogetherMax && sent + together < messages && due(sent + together) <= WallSeconds()) ++together;
      WriteAll(pair.sender, std::string_view(bytes).substr(0, together * options.message_bytes));
      sent += together;
    }
  });
  std::vector<double> latencies;
  latencies.reserve(messages);
  char answers[4096];
  for (std::uint64_t answered = 0; answered < messages;) {
    const int n = Checked(static_cast<int>(recv(pair.sender, answers, sizeof answers, 0)), "recv");
    if (n == 0) break;  // the other side has died, and said why
    const double now = WallSeconds();
    for (int i = 0; i < n; ++i, ++answered) {
      if (answered >= messages / 10) latencies.push_back((now - due(answered)) * 1000);
    }
  }
  sender.join();
  shutdown(pair.sender, SHUT_WR);
  int status = 0;
  Checked(waitpid(answering, &status, 0), "waitpid");
  close(pair.sender);
  std::filesystem::remove(path);
  if (status != 0 || latencies.empty()) std::exit(1);
  return latencies;
}

}  // namespace cordwood::testing
