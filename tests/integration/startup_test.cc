// SPDX-License-Identifier: Apache-2.0
// Brokers that must refuse to start, each saying why; and their configuration.
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <map>

#include "tests/integration/refusal_fixture.h"
#include "tests/support/raw_wire.h"

namespace cordwood::testing {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;

class StartupTest : public ::testing::Test {
 protected:
  std::string data_dir() const { return files_.Sub("data"); }
  static std::string LastLine(std::string text) {
    while (!text.empty() && text.back() == '\n') text.pop_back();
    return text.substr(text.rfind('\n') + 1);
  }
  void ExpectRefusal(std::string_view what, const BrokerOptions& options, int code, const std::vector<std::string>& parts) {
    const Exit exit = BrokerProcess::RunToExit(options);
    ShowRefusal(what, Status(absl::StatusCode::kFailedPrecondition, "exit " + std::to_string(exit.code) + ": " + LastLine(exit.stderr_text)));
    EXPECT_EQ(exit.code, code) << exit.stderr_text;
    for (const std::string& part : parts) EXPECT_THAT(exit.stderr_text, HasSubstr(part)) << what;
  }
  void ExpectDirRefused(std::string_view what, const std::string& dir, const std::vector<std::string>& parts) {
    BrokerOptions options;
    options.data_dir = dir;
    ExpectRefusal(what, options, 1, parts);
  }
  void ExpectConfigRefused(std::string_view what, std::string_view text, const std::vector<std::string>& parts) {
    WriteFile(files_.Sub("cordwood.conf"), text);
    BrokerOptions options;
    options.data_dir = data_dir();
    options.flags = {"--config", files_.Sub("cordwood.conf")};
    ExpectRefusal(what, options, 2, parts);
  }
  // A directory in which a broker has stored a batch and ended with SIGTERM, or by kill -9.
  void MakeData(bool killed = false) {
    auto broker = StartOver(data_dir());
    ASSERT_TRUE(broker.ok()) << MessageOf(broker.status());
    const LogClient client((*broker)->address());
    ASSERT_TRUE(client.CreateTopic("t").ok());
    ASSERT_TRUE(client.ProduceBatches("t", 0, Batch({std::string(20'000, 'x')})).ok());
    if (killed) return (*broker)->Kill9();
    ASSERT_EQ((*broker)->Terminate(), 0);
  }
  static StatusOr<std::unique_ptr<BrokerProcess>> StartOver(const std::string& dir) {
    BrokerOptions options;
    options.data_dir = dir;
    return BrokerProcess::Start(options);
  }
  // The newest file whose name begins with `prefix`, or ends with it, below the data directory.
  std::string FindFile(const std::string& part) const {
    std::string found;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(data_dir())) {
      const std::string name = entry.path().filename().string();
      const bool in_shard = entry.path().string().find("shard-000") != std::string::npos;
      if (in_shard && entry.is_regular_file() && name.find(part) != std::string::npos) found = std::max(found, entry.path().string());
    }
    return found;
  }
  // Every file of the shard with its bytes, but RocksDB's own text log.
  std::map<std::string, std::string> ShardFiles() const {
    std::map<std::string, std::string> files = {{"shard-000.synced", ReadFile(data_dir() + "/shard-000.synced")}};
    for (const auto& entry : std::filesystem::directory_iterator(data_dir() + "/shard-000")) {
      const std::string name = entry.path().filename().string();
      if (!name.starts_with("LOG")) files[name] = ReadFile(entry.path().string());
    }
    return files;
  }
  TempDir files_;
};

TEST_F(StartupTest, APortInUse) {
  auto first = StartOver(data_dir());
  ASSERT_TRUE(first.ok()) << MessageOf(first.status());
  BrokerOptions second;
  second.data_dir = files_.Sub("other");
  second.listen = (*first)->address();
  ExpectRefusal("a gRPC port in use", second, 1, {(*first)->address(), "in use"});
  second.listen = "127.0.0.1:0";
  second.http_listen = (*first)->http_address();
  ExpectRefusal("an HTTP port in use", second, 1, {(*first)->http_address()});
  EXPECT_EQ(HttpGet((*first)->http_address(), "/readyz").code, 200);
}

// The configuration comes through a pipe, so that the signal is there before the broker has read it.
TEST_F(StartupTest, ATerminationDuringTheStartEndsItCleanly) {
  signal(SIGPIPE, SIG_IGN);
  const std::string program = BinaryPath("cordwoodd"), pipe = files_.Sub("cordwood.conf"), data = data_dir();
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  const pid_t broker = fork();
  if (broker == 0) {
    execl(program.c_str(), program.c_str(), "--config", pipe.c_str(), "--data-dir", data.c_str(), "--listen", "127.0.0.1:0", "--http-listen",
          "127.0.0.1:0", nullptr);
    _exit(127);
  }
  const int config = open(pipe.c_str(), O_WRONLY);  // returns once the broker has opened it
  kill(broker, SIGTERM);
  EXPECT_EQ(write(config, "\n", 1), 1);
  close(config);
  int status = 0;
  ASSERT_EQ(waitpid(broker, &status, 0), broker);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

TEST_F(StartupTest, ADataDirectoryThatIsAFile) {
  WriteFile(data_dir(), "a file");
  ExpectDirRefused("a file in place of the data directory", data_dir(), {data_dir()});
  EXPECT_EQ(ReadFile(data_dir()), "a file");
}

TEST_F(StartupTest, ADataDirectoryThatCannotBeMade) {
  ExpectDirRefused("a data directory under /proc", "/proc/cordwood", {"/proc/cordwood"});
}

// As root nothing is unreadable, so the broker is nobody then.
TEST_F(StartupTest, ADataDirectoryThatIsUnreadable) {
  namespace fs = std::filesystem;
  MakeData();
  BrokerOptions options;
  options.data_dir = data_dir();
  if (geteuid() == 0) options.user = 65534;
  fs::permissions(files_.path(), fs::perms::others_exec, fs::perm_options::add);
  fs::permissions(data_dir(), fs::perms::none);
  ExpectRefusal("an unreadable data directory", options, 1, {data_dir(), "Permission denied", "check the path, its owner and the disk"});
  fs::permissions(data_dir(), fs::perms::owner_all | fs::perms::others_read | fs::perms::others_exec);
  fs::permissions(data_dir() + "/FORMAT", fs::perms::none);
  ExpectRefusal("a data directory with an unreadable FORMAT", options, 1, {data_dir() + "/FORMAT", "Permission denied"});
}

// All else in the directory is the broker's own.
TEST_F(StartupTest, AShardThatIsUnreadableIsNotTakenForALostOne) {
  namespace fs = std::filesystem;
  MakeData();
  BrokerOptions options;
  options.data_dir = data_dir();
  if (geteuid() == 0) {
    options.user = 65534;
    for (const auto& entry : fs::recursive_directory_iterator(data_dir())) ASSERT_EQ(chown(entry.path().c_str(), 65534, 65534), 0);
    ASSERT_EQ(chown(data_dir().c_str(), 65534, 65534), 0);
  }
  fs::permissions(files_.path(), fs::perms::others_exec, fs::perm_options::add);
  for (const char* part : {"/shard-000", "/shard-000.synced", "/meta"}) {
    const std::string path = data_dir() + part;
    const fs::perms before = fs::status(path).permissions();
    fs::permissions(path, fs::perms::none);
    ExpectRefusal("an unreadable " + path.substr(path.rfind('/') + 1), options, 1, {path, "Permission denied", "check the path, its owner and the disk"});
    fs::permissions(path, before);
  }
}

TEST_F(StartupTest, ADirectoryOfSomebodyElse) {
  std::filesystem::create_directory(data_dir());
  WriteFile(data_dir() + "/thesis.tex", "precious");
  ExpectDirRefused("a directory with other files", data_dir(), {data_dir(), "thesis.tex"});
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(data_dir()), {}), 1);
}

TEST_F(StartupTest, ADirectoryLockedByALivingBroker) {
  auto first = StartOver(data_dir());
  ASSERT_TRUE(first.ok()) << MessageOf(first.status());
  ExpectDirRefused("a locked data directory", data_dir(), {data_dir(), std::to_string((*first)->pid())});
  EXPECT_EQ((*first)->Terminate(), 0);
}

TEST_F(StartupTest, ADirectoryOfANewerFormat) {
  MakeData();
  std::string format = ReadFile(data_dir() + "/FORMAT");
  ASSERT_EQ(format.find("major=1"), 0u) << format;
  format.replace(0, 7, "major=9");
  WriteFile(data_dir() + "/FORMAT", format);
  ExpectDirRefused("a data directory of format 9", data_dir(), {"FORMAT", "9.", "newer"});
}

TEST_F(StartupTest, ADamagedFormatFile) {
  MakeData();
  WriteFile(data_dir() + "/FORMAT", "\x01\x02rubbish");
  ExpectDirRefused("a damaged FORMAT", data_dir(), {data_dir() + "/FORMAT", "damaged"});
}

TEST_F(StartupTest, ADamagedManifestIsNamed) {
  MakeData();
  const std::string manifest = FindFile("MANIFEST");
  ASSERT_FALSE(manifest.empty());
  FlipByte(manifest, 20);
  ExpectDirRefused("a damaged manifest", data_dir(), {"shard-000", "MANIFEST"});
}

// After a kill its opening raises the epoch floor.
TEST_F(StartupTest, AShardIsNotTouchedWhereTheMetadataIsRefused) {
  MakeData(/*killed=*/true);
  const auto before = ShardFiles();
  FlipByte(data_dir() + "/meta.synced", 3);
  FlipByte(data_dir() + "/meta.synced", 4096 + 3);
  ExpectDirRefused("a damaged meta.synced", data_dir(), {"meta.synced", "it was left as it is"});
  EXPECT_TRUE(ShardFiles() == before);
}

TEST_F(StartupTest, ATornEndOfTheLogIsCutAndSaidWithItsPlace) {
  MakeData(/*killed=*/true);
  const std::string log = FindFile(".log");
  const auto whole = std::filesystem::file_size(log);
  WriteFile(log, ReadFile(log) + std::string("\x12\x34\x56\x78\x40\x00\x01half a record", 20));
  auto broker = StartOver(data_dir());
  ASSERT_TRUE(broker.ok()) << MessageOf(broker.status());
  EXPECT_THAT((*broker)->Log(), ContainsRegex("warn  shard-000: recovered after an unclean stop .* cut at byte " + std::to_string(whole) + " of " +
                                              std::filesystem::path(log).filename().string() + ", behind sequence [0-9]+: what follows is torn"));
}

TEST_F(StartupTest, ALostFileIsNamed) {
  MakeData();
  const std::string table = FindFile(".sst");
  ASSERT_FALSE(table.empty()) << "a clean stop flushes";
  std::filesystem::remove(table);
  ExpectDirRefused("a lost table file", data_dir(), {"shard-000", std::filesystem::path(table).filename().string()});
}

TEST_F(StartupTest, AMisspeltKeyNamesLineAndNearest) {
  ExpectConfigRefused("a misspelt key in the file", "# ours\n\nshutdown.timeout.sm = 5000\n", {"cordwood.conf:3", "shutdown.timeout.sm", "shutdown.timeout.ms"});
}

TEST_F(StartupTest, ABadValueNamesLineAndBounds) {
  ExpectConfigRefused("a bad value in the file", "shutdown.timeout.ms = soon\n", {"cordwood.conf:1", "shutdown.timeout.ms", "soon"});
  ExpectConfigRefused("a line without =", "shutdown.timeout.ms\n", {"cordwood.conf:1"});
}

TEST_F(StartupTest, ABadSettingOnTheCommandLine) {
  BrokerOptions options;
  options.data_dir = data_dir();
  options.settings = {"storage.shard=2"};
  ExpectRefusal("--set storage.shard=2", options, 2, {"storage.shard", "storage.shards"});
  options.settings = {"storage.shards=many"};
  ExpectRefusal("--set storage.shards=many", options, 2, {"storage.shards", "many"});
  options.settings = {};
  options.flags = {"--config", files_.Sub("missing.conf")};
  ExpectRefusal("--config of a missing file", options, 2, {"missing.conf"});
  options.flags = {"--no-such-flag"};
  ExpectRefusal("an unknown flag", options, 2, {"--no-such-flag"});
}

TEST_F(StartupTest, CheckConfigStartsNothing) {
  BrokerOptions options;
  options.data_dir = data_dir();
  options.flags = {"--check-config"};
  const Exit exit = BrokerProcess::RunToExit(options);
  EXPECT_EQ(exit.code, 0) << exit.stderr_text;
  EXPECT_FALSE(std::filesystem::exists(data_dir()));
}

TEST_F(StartupTest, PrintConfigShowsWhatIsInForceAndFlagsWin) {
  WriteFile(files_.Sub("cordwood.conf"), "shutdown.timeout.ms = 7000\nstorage.shards = 3\n");
  BrokerOptions options;
  options.data_dir = data_dir();
  options.settings = {"storage.shards=2"};
  options.flags = {"--config", files_.Sub("cordwood.conf"), "--print-config"};
  const Exit exit = BrokerProcess::RunToExit(options);
  EXPECT_EQ(exit.code, 0) << exit.stderr_text;
  EXPECT_THAT(exit.stdout_text, HasSubstr("shutdown.timeout.ms = 7000"));
  EXPECT_THAT(exit.stdout_text, HasSubstr("storage.shards = 2"));
}

}  // namespace
}  // namespace cordwood::testing
