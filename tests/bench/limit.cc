// SPDX-License-Identifier: Apache-2.0
// What this machine allows: the baselines beside the serving figures. usage: limit copy DIRECTORY MEGABYTES RECORD_BYTES BATCH_BYTES os|fsync
//        limit exchange DIRECTORY SECONDS MESSAGES_PER_SECOND os|fsync | limit read DIRECTORY | limit drop DIRECTORY
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "storage/base/clock.h"
#include "storage/record/record_batch_builder.h"
#include "tests/bench/exchange.h"
#include "tests/bench/loopback.h"
#include "tests/bench/measure.h"

namespace cordwood::testing {
namespace {

constexpr std::size_t kGroupBytes = 4 << 20;  // about what a broker gathers while it syncs
constexpr std::size_t kReadBytes = 1 << 20;

[[noreturn]] void Die(const char* what) {
  std::perror(what);
  std::exit(1);
}

struct CopyOptions {
  std::string directory;
  std::uint64_t bytes = 0;  // of values
  std::size_t record_bytes = 0;
  std::size_t batch_bytes = 0;
  bool sync = false;
};

// Batches of records, each encoded and its CRC computed anew (fair), or the same bytes again and again (bare).
void SendBatches(const CopyOptions& options, bool fair, int fd) {
  std::mt19937_64 random(1);
  std::string value(options.record_bytes, '\0');
  for (char& c : value) c = static_cast<char>(random());
  const std::size_t per_batch = std::max<std::size_t>(options.batch_bytes / options.record_bytes, 1);
  RecordView record;
  record.value = value;
  RecordBatchBuilder builder;
  SharedBytes batch;
  for (std::uint64_t done = 0; done < options.bytes; done += per_batch * options.record_bytes) {
    if (fair || batch.empty()) {
      for (std::size_t i = 0; i < per_batch; ++i) {
        record.timestamp_ms = Clock::System().WallMs();
        builder.Add(record);
      }
      auto built = builder.Build(Codec::kNone, {});
      if (!built.ok()) Die("build");
      batch = *std::move(built);
    }
    WriteAll(fd, batch.view());
  }
  shutdown(fd, SHUT_WR);
}

// In groups into one file, synced if asked; fair: and into a second one that is not synced, as a log beside its write-ahead log.
void ReceiveGroups(const CopyOptions& options, bool fair, int fd) {
  const std::string paths[] = {options.directory + "/first", options.directory + "/second"};
  int files[2];
  for (int i = 0; i < 2; ++i) files[i] = Checked(open(paths[i].c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600), "open");
  std::string group(kGroupBytes, '\0');
  for (bool more = true; more;) {
    std::size_t size = 0;
    while (size < group.size()) {
      const ssize_t n = recv(fd, group.data() + size, group.size() - size, 0);
      if (n < 0) Die("recv");
      if (n == 0) {
        more = false;
        break;
      }
      size += static_cast<std::size_t>(n);
    }
    WriteAll(files[0], std::string_view(group).substr(0, size));
    if (options.sync) Checked(fdatasync(files[0]), "fdatasync");
    if (fair) WriteAll(files[1], std::string_view(group).substr(0, size));
  }
  for (int i = 0; i < 2; ++i) {
    close(files[i]);
    std::filesystem::remove(paths[i]);
  }
}

void Copy(const CopyOptions& options, bool fair, const std::string& name, JsonLine* line) {
  const LoopbackPair pair = ConnectOverLoopback();
  const Span span;
  std::thread sender([&] { SendBatches(options, fair, pair.sender); });
  ReceiveGroups(options, fair, pair.receiver);
  sender.join();
  const double gigabytes = static_cast<double>(options.bytes) / 1e9;
  line->Add(name + "_mb_per_s", gigabytes * 1000 / span.seconds()).Add(name + "_cpu_s_per_gb", span.cpu_seconds() / gigabytes);
  close(pair.sender);
  close(pair.receiver);
}

// The segments, one after another, the page cache dropped before: what a cold catch-up read could be at best.
void ReadPlainly(const std::string& directory) {
  DropPageCache(directory);
  std::string buffer(kReadBytes, '\0');
  std::uint64_t bytes = 0;
  const Span span;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    if (entry.path().extension() != ".blob" && entry.path().extension() != ".sst") continue;
    const int fd = Checked(open(entry.path().c_str(), O_RDONLY | O_CLOEXEC), "open");
    for (ssize_t n = 0; (n = read(fd, buffer.data(), buffer.size())) > 0;) bytes += static_cast<std::uint64_t>(n);
    close(fd);
  }
  JsonLine("read").Add("bytes", static_cast<double>(bytes)).Add("mb_per_s", static_cast<double>(bytes) / 1e6 / span.seconds()).Print();
}

int Main(int argc, char** argv) {
  const std::string_view command = argc > 1 ? argv[1] : "";
  if (command == "copy" && argc == 7) {
    const CopyOptions options{argv[2], std::strtoull(argv[3], nullptr, 10) * 1'000'000, std::strtoull(argv[4], nullptr, 10), std::strtoull(argv[5], nullptr, 10),
                              argv[6] == std::string_view("fsync")};
    if (options.bytes == 0 || options.record_bytes == 0) return 2;
    JsonLine uncounted("");
    Copy(options, true, "uncounted", &uncounted);  // the first touch of memory and files is slow
    JsonLine line("copy");
    Copy(options, false, "bare", &line);
    Copy(options, true, "fair", &line);
    line.Print();
    return 0;
  }
  if (command == "exchange" && argc == 6) {
    ExchangeOptions options{argv[2], std::strtod(argv[3], nullptr), std::strtod(argv[4], nullptr)};
    options.sync = argv[5] == std::string_view("fsync");
    if (options.seconds * options.per_second < 10) return 2;
    std::vector<double> latencies = Exchange(options);
    JsonLine("exchange").Add("p50_ms", Percentile(latencies, 0.5)).Add("p99_ms", Percentile(latencies, 0.99)).Add("p99_9_ms", Percentile(latencies, 0.999)).Print();
    return 0;
  }
  if (command == "read" && argc == 3) return ReadPlainly(argv[2]), 0;
  if (command == "drop" && argc == 3) return DropPageCache(argv[2]), 0;
  std::fprintf(stderr, "usage: limit copy DIRECTORY MEGABYTES RECORD_BYTES BATCH_BYTES os|fsync | limit exchange DIRECTORY SECONDS MESSAGES_PER_SECOND os|fsync | "
               "limit read DIRECTORY | limit drop DIRECTORY\n");
  return 2;
}

}  // namespace
}  // namespace cordwood::testing

int main(int argc, char** argv) { return cordwood::testing::Main(argc, argv); }
