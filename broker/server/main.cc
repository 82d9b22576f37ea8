// SPDX-License-Identifier: Apache-2.0
// cordwoodd. Exit codes: 0 after SIGTERM or SIGINT, 2 configuration, 1 otherwise.
#include <unistd.h>

#include <cstdio>
#include <string>
#include <utility>
#include <variant>

#include "broker/server/broker.h"
#include "broker/server/command_line.h"
#include "broker/server/config/config_loader.h"
#include "broker/server/event_log.h"
#include "broker/server/port_file.h"
#include "broker/server/process_setup.h"
#include "broker/server/version.h"
#include "storage/base/crc32c.h"

namespace cordwood::broker {
namespace {

constexpr int kExitFailure = 1;
constexpr int kExitConfiguration = 2;

int Fail(int code, const std::string& message) {
  std::string line = message;
  for (char& c : line) c = c == '\n' ? ' ' : c;
  std::fprintf(stderr, "cordwoodd: error: %s\n", line.c_str());
  return code;
}

// What to try, where the message does not say.
std::string HintOf(const Status& status) {
  switch (ReasonOf(status)) {
    case Reason::kDirectoryLocked: return "; stop that process, or give another --data-dir";
    case Reason::kFormatTooNew: return "; start the release that wrote it, or a later one";
    case Reason::kShardDamaged: return "; it was left as it is: restore the data directory from a copy, or move it away and start empty";
    case Reason::kStorageError: return "; check the path, its owner and the disk";
    default: return "";
  }
}

int Serve(const CommandLine& line, const LoadedConfig& loaded) {
  RaiseFileLimit();
  LogEvent(EventLevel::kNote, std::string("cordwoodd ") + kVersion + " starts, process " + std::to_string(getpid()) + ", data in " + loaded.config.data_dir);
  for (const std::string& warning : loaded.warnings) LogEvent(EventLevel::kWarning, warning);
  auto broker = Broker::Start(loaded);
  if (!broker.ok()) return Fail(kExitFailure, MessageOf(broker.status()) + HintOf(broker.status()));
  if (!RocksDbUsesOurCrc32c()) LogEvent(EventLevel::kWarning, "RocksDB computes checksums in software: storage will be slow");
  const std::string grpc = (*broker)->grpc_address().ToString(), http = (*broker)->http_address().ToString();
  if (line.port_file.has_value()) {
    const Status written = WritePortFile(*line.port_file, (*broker)->grpc_address(), (*broker)->http_address());
    if (!written.ok()) return Fail(kExitFailure, MessageOf(written));
  }
  LogEvent(EventLevel::kNote, "ready: gRPC on " + grpc + ", HTTP on " + http);
  do {
    (*broker)->LogChanges();
  } while (!AwaitStopSignal(absl::Seconds(1)));
  LogEvent(EventLevel::kNote, "stopping");
  const absl::Duration timeout = absl::Milliseconds(loaded.config.shutdown_timeout_ms);
  const ShutdownDeadline deadline(timeout);
  const Status stopped = (*broker)->Stop(timeout);
  broker->reset();
  if (!stopped.ok()) return Fail(kExitFailure, "not stopped cleanly: " + MessageOf(stopped));
  LogEvent(EventLevel::kNote, "stopped");
  return 0;
}

int Main(int argc, char** argv, char** environment) {
  BlockStopSignals();  // first: whoever starts us may change his mind at once
  TuneProcess();
  const auto parsed = ParseCommandLine(argc, argv);
  if (const auto* exit = std::get_if<ExitNow>(&parsed)) {
    std::fputs(exit->out.c_str(), stdout);
    return exit->code == 0 ? 0 : Fail(exit->code, exit->error);
  }
  const CommandLine& line = std::get<CommandLine>(parsed);
  ConfigInputs inputs;
  inputs.flags = line.settings;
  inputs.file = line.config_file;
  for (char** variable = environment; *variable != nullptr; ++variable) inputs.environment.emplace_back(*variable);
  const auto loaded = LoadConfig(inputs);
  if (!loaded.ok()) return Fail(kExitConfiguration, MessageOf(loaded.status()));
  if (line.action == CommandLine::Action::kPrintConfig) {
    std::fputs(PrintConfig(*loaded).c_str(), stdout);
    return 0;
  }
  if (line.action == CommandLine::Action::kCheckConfig) {
    for (const std::string& warning : loaded->warnings) std::fprintf(stderr, "cordwoodd: warning: %s\n", warning.c_str());
    std::puts("the configuration is good");
    return 0;
  }
  if (loaded->config.data_dir.empty()) return Fail(kExitConfiguration, "data.dir is not set; give --data-dir D");
  return Serve(line, *loaded);
}

}  // namespace
}  // namespace cordwood::broker

int main(int argc, char** argv) { return cordwood::broker::Main(argc, argv, environ); }
