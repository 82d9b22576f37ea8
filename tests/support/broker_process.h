// SPDX-License-Identifier: Apache-2.0
// The real cordwoodd as a child process, on free ports.
#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "storage/base/reason.h"
#include "tests/support/temp_dir.h"

namespace cordwood::testing {

struct BrokerOptions {
  std::string data_dir;
  std::vector<std::string> settings;    // key=value, each given with --set
  std::vector<std::string> flags;       // further arguments as they are
  std::string listen = "127.0.0.1:0";   // "" leaves the flag out
  std::string http_listen = "127.0.0.1:0";
  std::optional<uid_t> user;            // runs with this user and group id and no other groups; of a test that is root
};

// How a process that ended by itself did so.
struct Exit {
  int code = -1;                        // 128 + signal if a signal ended it
  std::string stdout_text;
  std::string stderr_text;
};

// What build tree the binaries under test come from: $CORDWOOD_BIN_DIR, else where this program was built.
std::string BinaryPath(const std::string& name);

// Owns the process: killed and reaped when destroyed, and by the kernel should the test itself die.
// Threading: one thread, the one that started it (the kernel ties the child to that thread).
class BrokerProcess {
 public:
  // Ready to serve. Fails with what it wrote to stderr if it ends first, or is not ready within 30 s.
  static StatusOr<std::unique_ptr<BrokerProcess>> Start(const BrokerOptions& options);
  // For brokers that are expected to end by themselves; killed after `patience` (code 137).
  static Exit RunToExit(const BrokerOptions& options, absl::Duration patience = absl::Seconds(30));

  ~BrokerProcess();
  BrokerProcess(const BrokerProcess&) = delete;
  BrokerProcess& operator=(const BrokerProcess&) = delete;

  const std::string& address() const { return address_; }            // HOST:PORT of gRPC
  const std::string& http_address() const { return http_address_; }  // HOST:PORT
  pid_t pid() const { return pid_; }
  std::string Log() const;              // stderr so far

  void Kill9();                         // and waits until it is gone
  void Interrupt(int signal);           // only sends
  // SIGTERM, then the exit code; 137 if it had to be killed after `patience`.
  int Terminate(absl::Duration patience = absl::Seconds(30));
  // The exit code once it ends; 137 if it had to be killed.
  int Await(absl::Duration patience);
  void Pause();                         // SIGSTOP; stands still when this returns
  void Continue();

 private:
  explicit BrokerProcess(const BrokerOptions& options);
  void Spawn(const BrokerOptions& options);
  bool ReadPorts();
  bool Reap();                          // true once the process has ended

  TempDir files_;                       // port file, stdout, stderr
  pid_t pid_ = -1;
  int exit_code_ = -1;
  std::string address_;
  std::string http_address_;
};

}  // namespace cordwood::testing
