// SPDX-License-Identifier: Apache-2.0
// Every way into the configuration, and every way to get it wrong.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <sstream>
#include <string>

#include "broker/metadata/topic_config.h"
#include "broker/server/command_line.h"
#include "broker/server/config/config_loader.h"
#include "broker/server/config/host_port.h"

namespace cordwood::broker {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string RefusalOf(const ConfigInputs& inputs) {
  const auto loaded = LoadConfig(inputs);
  if (loaded.ok()) return "accepted";
  EXPECT_EQ(ReasonOf(loaded.status()), Reason::kInvalidConfig);
  return MessageOf(loaded.status());
}

std::string RefusalOf(const std::string& key, const std::string& value) {
  ConfigInputs inputs;
  inputs.flags = {{key, value, "--set"}};
  return RefusalOf(inputs);
}

std::string RefusalOfText(const std::string& text) {
  const auto parsed = ParseConfigText(text, "c.conf");
  if (parsed.ok()) return "accepted";
  EXPECT_EQ(ReasonOf(parsed.status()), Reason::kInvalidConfig);
  return MessageOf(parsed.status());
}

class TextFile {
 public:
  explicit TextFile(const std::string& text) : path_(::testing::TempDir() + "config_test_" + std::to_string(getpid()) + ".conf") {
    std::ofstream(path_) << text;
  }
  ~TextFile() { std::remove(path_.c_str()); }
  const std::string& path() const { return path_; }

 private:
  const std::string path_;
};

TEST(ConfigSchemaTest, EveryDefaultIsWithinItsOwnBounds) {
  BrokerConfig config;
  for (const ConfigKey& key : ConfigKeys()) EXPECT_EQ(key.Set(config, key.default_value), absl::OkStatus()) << key.name;
  EXPECT_EQ(config.listeners, "127.0.0.1:9600");
  EXPECT_EQ(config.request_bytes_max, 8 * 1024 * 1024);
}

TEST(ConfigSchemaTest, NoTwoKeysShareANameOrAnEnvironmentVariable) {
  std::set<std::string> names, variables;
  for (const ConfigKey& key : ConfigKeys()) {
    EXPECT_TRUE(names.insert(std::string(key.name)).second) << key.name;
    EXPECT_TRUE(variables.insert(key.EnvironmentName()).second) << key.name;
  }
}

TEST(ConfigSchemaTest, ValuesJustOutsideTheirBoundsAreRefused) {
  BrokerConfig config;
  for (const ConfigKey& key : ConfigKeys()) {
    if (!std::holds_alternative<ConfigKey::Integer>(key.field)) continue;
    EXPECT_EQ(key.Set(config, std::to_string(key.min)), absl::OkStatus()) << key.name;
    EXPECT_EQ(key.Set(config, std::to_string(key.max)), absl::OkStatus()) << key.name;
    EXPECT_EQ(ReasonOf(key.Set(config, std::to_string(key.min - 1))), Reason::kInvalidConfig) << key.name;
    if (key.max == INT64_MAX) continue;
    EXPECT_EQ(ReasonOf(key.Set(config, std::to_string(key.max + 1))), Reason::kInvalidConfig) << key.name;
  }
}

TEST(ConfigSchemaTest, ReferencePageHasEveryKeyOfBrokerAndTopic) {
  std::ifstream file(CORDWOOD_SOURCE_DIR "/docs/reference/configuration.md");
  std::stringstream page;
  page << file.rdbuf();
  for (const ConfigKey& key : ConfigKeys()) EXPECT_THAT(page.str(), HasSubstr("\n" + key.ReferenceRow() + "\n"));
  for (const TopicConfigKey& key : TopicConfigKeys()) {
    EXPECT_THAT(page.str(), HasSubstr("\n| `" + std::string(key.name) + "` | `" + TopicConfigValue(TopicConfig(), key.name) + "` | " +
                                      std::string(key.documentation) + " |\n"));
  }
}

TEST(HostPortTest, NamesAddressesAndBracketsAreUnderstood) {
  EXPECT_EQ(ParseHostPort("127.0.0.1:9600")->ToString(), "127.0.0.1:9600");
  EXPECT_EQ(ParseHostPort("[::1]:0")->host, "::1");
  EXPECT_EQ(ParseHostPort("[::1]:65535")->ToString(), "[::1]:65535");
  EXPECT_EQ(ParseHostPort("[fe80::1%eth0]:1")->ToString(), "[fe80::1%eth0]:1");
  EXPECT_EQ(ParseHostPort("log_1.example-2.org:1")->host, "log_1.example-2.org");
  for (const char* bad : {"", "9600", ":9600", "host:", "host:65536", "host:-1", "a:b:1", "[::1:1", "host:1x", "[]:1", "[host]:1", "[a[b]:1", "[127.0.0.1]:1", "[::1]x:1", "[fe80::1%]:1",
                          "[fe80::1%a]b]:1", "ho\tst:1", "ho/st:1", "*:1"}) {
    EXPECT_FALSE(ParseHostPort(bad).has_value()) << bad;
  }
}

TEST(HostPortTest, LoopbackIsAnAddressAndNotHowItBegins) {
  for (const char* loopback : {"127.0.0.1", "127.255.0.9", "::1", "0:0::0:1", "localhost"}) EXPECT_TRUE(IsLoopback(loopback)) << loopback;
  for (const char* other : {"0.0.0.0", "128.0.0.1", "::", "::2", "127.example.org", "127.0.0", "localhost.example.org", ""}) EXPECT_FALSE(IsLoopback(other)) << other;
}

TEST(ConfigFileTest, KeysValuesCommentsAndBlanksAreRead) {
  const auto settings = ParseConfigText("# all of it\n\n broker.id = 7  # ours\r\nbroker.rack=a#1\n", "c.conf");
  ASSERT_TRUE(settings.ok()) << settings.status();
  ASSERT_EQ(settings->size(), 2u);
  EXPECT_EQ((*settings)[0].value + " " + (*settings)[0].origin, "7 c.conf:3");
  EXPECT_EQ((*settings)[1].value + " " + (*settings)[1].origin, "a#1 c.conf:4");
}

TEST(ConfigFileTest, UnknownKeyIsRefusedWithItsLineAndASuggestion) {
  EXPECT_EQ(RefusalOfText("broker.id = 1\nstorage.shard = 2\n"), "c.conf:2: unknown key \"storage.shard\" (did you mean storage.shards?)");
  EXPECT_EQ(RefusalOfText("colour = red"), "c.conf:1: unknown key \"colour\"");
}

TEST(ConfigFileTest, LineWithoutEqualsAndRepeatedKeyAreRefused) {
  EXPECT_EQ(RefusalOfText("broker.id 1"), "c.conf:1: expected \"key = value\", found \"broker.id 1\"");
  EXPECT_EQ(RefusalOfText("broker.id = 1\n\nbroker.id = 2"), "c.conf:3: broker.id is set twice, first at c.conf:1");
}

TEST(ConfigFileTest, UnreadableAndOversizedFilesAreRefused) {
  EXPECT_EQ(MessageOf(ReadConfigFile("/nonexistent/c.conf").status()), "/nonexistent/c.conf: cannot be read: No such file or directory");
  EXPECT_THAT(MessageOf(ReadConfigFile("/").status()), HasSubstr("/: cannot be read"));
  const TextFile large(std::string(kConfigFileBytesMax + 1, '#'));
  EXPECT_THAT(MessageOf(ReadConfigFile(large.path()).status()), HasSubstr("larger than"));
}

TEST(ConfigFileTest, AnyBytesAreReadOrRefusedButNeverCrash) {
  const std::string text = "broker.id = 7 # x\nnum.io.threads=2\n";
  for (std::size_t i = 0; i < text.size(); ++i) {
    (void)ParseConfigText(text.substr(0, i), "c");
    for (int bit = 0; bit < 8; ++bit) {
      std::string flipped = text;
      flipped[i] = static_cast<char>(flipped[i] ^ (1 << bit));
      const auto parsed = ParseConfigText(flipped, "c");
      EXPECT_TRUE(parsed.ok() || ReasonOf(parsed.status()) == Reason::kInvalidConfig);
    }
  }
}

TEST(ConfigLoaderTest, FlagsWinOverEnvironmentOverFileOverDefaults) {
  const TextFile file("broker.id = 1\nnum.io.threads = 11\nnum.partitions = 21\n");
  ConfigInputs inputs;
  inputs.file = file.path();
  inputs.environment = {"PATH=/bin", "CORDWOOD_NUM_IO_THREADS=12", "CORDWOOD_NUM_PARTITIONS=22"};
  inputs.flags = {{"num.partitions", "23", "--set"}};
  const auto loaded = LoadConfig(inputs);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->config.broker_id, 1);
  EXPECT_EQ(loaded->config.io_threads, 12);
  EXPECT_EQ(loaded->config.default_partitions, 23);
  EXPECT_EQ(loaded->config.tail_ring_bytes, 64 << 20);
}

TEST(ConfigLoaderTest, VariableThatIsNoKeyIsWarnedAbout) {
  ConfigInputs inputs;
  inputs.environment = {"CORDWOOD_BROKERID=3"};
  const auto loaded = LoadConfig(inputs);
  ASSERT_TRUE(loaded.ok());
  EXPECT_THAT(loaded->warnings, ElementsAre("environment variable CORDWOOD_BROKERID is no configuration key (did you mean CORDWOOD_BROKER_ID?)"));
}

TEST(ConfigLoaderTest, WrongValueNamesOriginKeyAndBounds) {
  EXPECT_EQ(RefusalOf("storage.shards", "many"), "--set: storage.shards: must be an integer from 0 to 64, not \"many\"");
  EXPECT_EQ(RefusalOf("channelz.enable", "yes"), "--set: channelz.enable: must be true or false, not \"yes\"");
  EXPECT_EQ(RefusalOf("disk.warn.percent", "nan"), "--set: disk.warn.percent: must be a number from 0 to 100, not \"nan\"");
  EXPECT_EQ(RefusalOf("listeners", "9600"), "--set: listeners: must be HOST:PORT, not \"9600\"");
  EXPECT_EQ(RefusalOf("num.partition", "1"), "--set: unknown key \"num.partition\" (did you mean num.partitions?)");
}

TEST(ConfigLoaderTest, TextThatNoFileCouldHoldIsRefusedWhereverItComesFrom) {
  for (const char* value : {"r1 # of two", "#r1", " r1", "r1\t", "r1\nstorage.shards = 2", "r1\r"}) {
    EXPECT_THAT(RefusalOf("broker.rack", value), HasSubstr("broker.rack: must be what a line of a configuration file can hold")) << value;
  }
  EXPECT_THAT(RefusalOf("listeners", "[ #]:1"), HasSubstr("must be HOST:PORT"));
  for (const char* value : {"", "r#1", "row 1"}) EXPECT_EQ(RefusalOf("broker.rack", value), "accepted") << value;
}

TEST(ConfigLoaderTest, PublicListenerNeedsInsecure) {
  EXPECT_EQ(RefusalOf("listeners", "0.0.0.0:9600"),
            "listeners 0.0.0.0:9600 is reachable from other machines and there is no TLS: listen on 127.0.0.1, or give --insecure");
  EXPECT_THAT(RefusalOf("http.listen", "10.1.2.3:80"), HasSubstr("http.listen 10.1.2.3:80 is reachable"));
  ConfigInputs inputs;
  inputs.flags = {{"listeners", "0.0.0.0:9600", "--listen"}, {"insecure", "true", "--insecure"}};
  EXPECT_EQ(RefusalOf(inputs), "accepted");
  for (const char* loopback : {"localhost:1", "[::1]:1", "127.1.2.3:1"}) EXPECT_EQ(RefusalOf("listeners", loopback), "accepted");
}

TEST(ConfigLoaderTest, KeysThatContradictEachOtherAreRefused) {
  EXPECT_THAT(RefusalOf("disk.warn.percent", "6"), HasSubstr("must not rise"));
  EXPECT_THAT(RefusalOf("disk.refuse.produce.bytes", "99999999999"), HasSubstr("must not rise"));
  EXPECT_THAT(RefusalOf("socket.request.max.bytes", "268435456"), HasSubstr("queued.max.request.bytes must be at least"));
}

TEST(ConfigLoaderTest, PrintedConfigurationIsAFileThatSaysTheSame) {
  ConfigInputs inputs;
  inputs.flags = {{"broker.rack", "r1", "--set"}};
  const auto loaded = LoadConfig(inputs);
  ASSERT_TRUE(loaded.ok());
  const std::string text = PrintConfig(*loaded);
  EXPECT_THAT(text, HasSubstr("broker.rack = r1"));
  const auto again = ParseConfigText(text, "printed");
  ASSERT_TRUE(again.ok()) << again.status();
  ASSERT_EQ(again->size(), ConfigKeys().size());
  for (std::size_t i = 0; i < again->size(); ++i) EXPECT_EQ((*again)[i].value, loaded->effective[i].value);
}

std::variant<CommandLine, ExitNow> Parse(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "cordwoodd");
  return ParseCommandLine(static_cast<int>(arguments.size()), arguments.data());
}

TEST(CommandLineTest, FlagsBecomeSettingsAndSetComesLast) {
  const auto parsed = Parse({"--set", "data.dir=B", "--data-dir", "A", "--listen", "h:1", "--insecure", "--set", "broker.rack=a=b"});
  const auto* line = std::get_if<CommandLine>(&parsed);
  ASSERT_NE(line, nullptr);
  std::vector<std::string> said;
  for (const ConfigSetting& setting : line->settings) said.push_back(setting.key + "=" + setting.value);
  EXPECT_THAT(said, ElementsAre("data.dir=A", "listeners=h:1", "insecure=true", "data.dir=B", "broker.rack=a=b"));
}

TEST(CommandLineTest, UnknownFlagsAndWordsEndWithCode2) {
  for (const char* bad : {"--colour", "word", "--data-dir"}) {
    const auto parsed = Parse({bad});
    const auto* exit = std::get_if<ExitNow>(&parsed);
    ASSERT_NE(exit, nullptr) << bad;
    EXPECT_EQ(exit->code, 2);
    EXPECT_THAT(exit->error, HasSubstr("see cordwoodd --help"));
  }
  const auto parsed = Parse({"--set", "broker.id"});
  EXPECT_EQ(std::get<ExitNow>(parsed).error, "--set: expected key=value, found \"broker.id\"");
}

TEST(CommandLineTest, HelpAndVersionGoToStdoutWithCode0) {
  const auto help = Parse({"--help"});
  EXPECT_EQ(std::get<ExitNow>(help).code, 0);
  EXPECT_THAT(std::get<ExitNow>(help).out, HasSubstr("--port-file"));
  const auto version = Parse({"--version"});
  EXPECT_THAT(std::get<ExitNow>(version).out, HasSubstr("cordwoodd 0."));
}

}  // namespace
}  // namespace cordwood::broker
