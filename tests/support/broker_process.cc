// SPDX-License-Identifier: Apache-2.0
// fork and exec; the port file says when the broker is ready.
#include "tests/support/broker_process.h"

#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <string_view>

#include "storage/base/check.h"
#include "tests/support/wait_until.h"

namespace cordwood::testing {
namespace {

std::vector<std::string> ArgumentsOf(const BrokerOptions& options, const std::string& port_file) {
  std::vector<std::string> arguments = {BinaryPath("cordwoodd"), "--port-file", port_file};
  if (!options.data_dir.empty()) arguments.insert(arguments.end(), {"--data-dir", options.data_dir});
  if (!options.listen.empty()) arguments.insert(arguments.end(), {"--listen", options.listen});
  if (!options.http_listen.empty()) arguments.insert(arguments.end(), {"--http-listen", options.http_listen});
  for (const std::string& setting : options.settings) arguments.insert(arguments.end(), {"--set", setting});
  arguments.insert(arguments.end(), options.flags.begin(), options.flags.end());
  return arguments;
}

// Ours without CORDWOOD_*: the keys of a broker are what its test says.
std::vector<char*> Environment() {
  std::vector<char*> variables;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    if (!std::string_view(*variable).starts_with("CORDWOOD_")) variables.push_back(*variable);
  }
  variables.push_back(nullptr);
  return variables;
}

bool Become(uid_t user) {
  return setgroups(0, nullptr) == 0 && setresgid(user, user, user) == 0 && setresuid(user, user, user) == 0;
}

// Only what is safe between fork and exec.
[[noreturn]] void RunChild(char* const* argv, char* const* environment, const char* out, const char* err, const std::optional<uid_t>& user, pid_t parent) {
  dup2(open("/dev/null", O_RDONLY), 0);
  dup2(open(out, O_WRONLY | O_CREAT | O_APPEND, 0644), 1);
  dup2(open(err, O_WRONLY | O_CREAT | O_APPEND, 0644), 2);
  close_range(3, ~0U, 0);
  const int binary = open(argv[0], O_RDONLY | O_CLOEXEC);  // `user` may have no way to it
  if (user.has_value() && !Become(*user)) _exit(126);
  prctl(PR_SET_PDEATHSIG, SIGKILL);  // a change of user forgets it
  if (getppid() != parent) _exit(126);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  if (user.has_value()) fexecve(binary, argv, environment);
  execve(argv[0], argv, environment);
  _exit(127);
}

std::string LineAfter(const std::string& text, const std::string& key) {
  const std::size_t at = text.find(key);
  if (at == std::string::npos) return "";
  const std::size_t begin = at + key.size();
  return text.substr(begin, text.find('\n', begin) - begin);
}

}  // namespace

std::string BinaryPath(const std::string& name) {
  const char* dir = std::getenv("CORDWOOD_BIN_DIR");
  return std::string(dir != nullptr && *dir != '\0' ? dir : CORDWOOD_DEFAULT_BIN_DIR) + "/" + name;
}

BrokerProcess::BrokerProcess(const BrokerOptions& options) { Spawn(options); }

void BrokerProcess::Spawn(const BrokerOptions& options) {
  const std::vector<std::string> arguments = ArgumentsOf(options, files_.Sub("ports"));
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  const std::string out = files_.Sub("stdout"), err = files_.Sub("stderr");
  const std::vector<char*> environment = Environment();
  const pid_t parent = getpid();
  pid_ = fork();
  CORDWOOD_CHECK(pid_ >= 0);
  if (pid_ == 0) RunChild(argv.data(), environment.data(), out.c_str(), err.c_str(), options.user, parent);
}

StatusOr<std::unique_ptr<BrokerProcess>> BrokerProcess::Start(const BrokerOptions& options) {
  std::unique_ptr<BrokerProcess> broker(new BrokerProcess(options));
  const bool decided = WaitUntil([&] { return broker->ReadPorts() || broker->Reap(); });
  if (decided && broker->pid_ > 0) return broker;
  const std::string how = decided ? "ended with " + std::to_string(broker->exit_code_) : "not ready after 30 s";
  return Error(Reason::kUnknownServerError, "cordwoodd: " + how + ":\n" + broker->Log());
}

Exit BrokerProcess::RunToExit(const BrokerOptions& options, absl::Duration patience) {
  BrokerProcess broker(options);
  Exit exit;
  exit.code = broker.Await(patience);
  exit.stdout_text = ReadFile(broker.files_.Sub("stdout"));
  exit.stderr_text = broker.Log();
  return exit;
}

BrokerProcess::~BrokerProcess() { Kill9(); }

std::string BrokerProcess::Log() const { return ReadFile(files_.Sub("stderr")); }

// The file is written whole, by rename, once both doors are open.
bool BrokerProcess::ReadPorts() {
  const std::string text = ReadFile(files_.Sub("ports"));
  address_ = LineAfter(text, "grpc=");
  http_address_ = LineAfter(text, "http=");
  return !address_.empty();
}

bool BrokerProcess::Reap() {
  if (pid_ <= 0) return true;
  int status = 0;
  if (waitpid(pid_, &status, WNOHANG) != pid_) return false;
  exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  pid_ = -1;
  return true;
}

void BrokerProcess::Interrupt(int signal) {
  if (pid_ > 0) kill(pid_, signal);
}

void BrokerProcess::Kill9() {
  Interrupt(SIGKILL);
  WaitUntil([this] { return Reap(); });
}

int BrokerProcess::Terminate(absl::Duration patience) {
  Interrupt(SIGTERM);
  return Await(patience);
}

int BrokerProcess::Await(absl::Duration patience) {
  if (!WaitUntil([this] { return Reap(); }, patience)) Kill9();
  return exit_code_;
}

// A signal to stop is on its way for a while; waitpid() tells when every thread stands still.
void BrokerProcess::Pause() {
  Interrupt(SIGSTOP);
  int status = 0;
  if (pid_ <= 0 || waitpid(pid_, &status, WUNTRACED) != pid_ || WIFSTOPPED(status)) return;
  exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  pid_ = -1;
}
void BrokerProcess::Continue() { Interrupt(SIGCONT); }

}  // namespace cordwood::testing
