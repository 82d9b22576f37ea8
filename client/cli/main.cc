// SPDX-License-Identifier: Apache-2.0
// cord: the command line of Cordwood.
#include <CLI/CLI.hpp>
#include <malloc.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <iterator>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "client/cli/bench/bench_commands.h"
#include "client/cli/commands.h"
#include "client/cli/failure.h"
#include "client/cli/group/group_commands.h"
#include "client/cli/position.h"
#include "client/cli/record_format.h"
#include "client/cli/whole_number.h"
#include "client/internal/broker_connection.h"
#include "storage/base/names.h"

namespace cordwood::client {
namespace {

// What the process as a whole needs for gRPC 1.51 as Debian builds it: no giving back and faulting in of buffers, no deadlock detector.
void TuneProcess() {
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  mallopt(M_TRIM_THRESHOLD, 64 << 20);
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TOP_PAD, 1 << 20);
}

struct CommandLine {
  GlobalOptions global;
  std::string output = "text";
  std::string timeout = "30s";
  TopicOptions topic;
  bool internal = false;
  ProduceCommandOptions produce;
  ConsumeCommandOptions consume;
  GroupOptions group;
  BenchCommandLine bench;
  std::function<ExitCode()> run;
};

CLI::Validator PartitionCount() { return Whole(1, std::numeric_limits<std::int32_t>::max()); }
CLI::Validator PartitionNumber() { return Whole(0, std::numeric_limits<std::int32_t>::max() - 1); }

// An empty text is no way to leave an option out: in a script it is a variable that was never set.
CLI::Validator NotEmpty(const std::string& right) {
  return CLI::Validator([right](const std::string& text) { return text.empty() ? "empty; write " + right : std::string(); }, "");
}

// Of a group or one of its processes.
CLI::Validator GroupName(const std::string& right) {
  return CLI::Validator(
      [right](const std::string& text) {
        if (text.empty()) return "empty; write " + right;
        if (!IsUtf8(text)) return "not UTF-8; write " + right;
        return text.size() > 255 ? std::to_string(text.size()) + " bytes; write " + right + " of at most 255" : std::string();
      },
      "");
}

CLI::Validator KeyValue() {
  return CLI::Validator(
      [](const std::string& text) {
        const std::size_t equals = text.find('=');
        return equals == 0 || equals == std::string::npos ? "\"" + text + "\": write it as KEY=VALUE" : std::string();
      },
      "");
}

CLI::Validator Utf8() {
  return CLI::Validator([](const std::string& text) { return IsUtf8(text) ? std::string() : "not UTF-8"; }, "");
}

void AddGlobals(CLI::App& app, CommandLine& line) {
  app.add_option("-b,--brokers", line.global.brokers, "brokers as HOST:PORT,…; else CORD_BROKERS, else 127.0.0.1:9600")
      ->envname("CORD_BROKERS")
      ->type_name("LIST")
      ->capture_default_str();
  app.add_option("-o,--output", line.output, "text or json")->check(CLI::IsMember({"text", "json"}))->type_name("FORM")->capture_default_str();
  app.add_option("--timeout", line.timeout, "for a request, and for a record's acknowledgement")->type_name("TIME")->capture_default_str();
  app.add_flag("-q,--quiet", line.global.quiet, "no summary, no progress");
}

CLI::App* Command(CLI::App& parent, CommandLine& line, const std::string& name, const std::string& what, const std::string& examples,
                  std::function<ExitCode()> run) {
  CLI::App* command = parent.add_subcommand(name, what);
  command->footer("Examples:\n" + examples);
  command->callback([&line, run = std::move(run)] { line.run = run; });
  return command;
}

void AddTopicCommands(CLI::App& app, CommandLine& line) {
  CLI::App* topic = app.add_subcommand("topic", "create, list, look at, change and remove topics");
  topic->alias("t")->require_subcommand(1);
  topic->footer("Examples:\n  cord topic create orders -p 4 -c durability=os -c retention.ms=60000\n  cord topic ls\n  cord topic describe orders");
  TopicOptions& o = line.topic;
  const auto named = [&o](CLI::App* command) { command->add_option("topic", o.topic, "its name")->required()->type_name("TOPIC"); };

  CLI::App* create = Command(*topic, line, "create", "create a topic",
                             "  cord topic create orders -p 4\n  cord topic create logs -c durability=os -c retention.ms=60000",
                             [&line] { return TopicCreate(line.global, line.topic); });
  named(create);
  create->add_option("-p,--partitions", o.partitions, "number of partitions; 1 unless said")->check(PartitionCount())->type_name("N");
  create->add_option("-r,--replication-factor", o.replication, "copies; min(3, brokers) unless said")->check(Whole(1, 32767))->type_name("N");
  create->add_option("-c,--config", o.configs, "a topic's config, may be repeated")->check(KeyValue())->check(Utf8())->type_name("KEY=VALUE")->allow_extra_args(false);
  create->add_flag("--dry-run", o.validate_only, "check, create nothing");

  CLI::App* list = Command(*topic, line, "ls", "list topics", "  cord topic ls\n  cord topic ls -o json",
                           [&line] { return TopicList(line.global, line.internal); });
  list->alias("list")->add_flag("--internal", line.internal, "those that begin with __, too");
  CLI::App* describe = Command(*topic, line, "describe", "partitions, offsets and configs of a topic", "  cord topic describe orders",
                               [&line] { return TopicDescribe(line.global, line.topic); });
  named(describe);
  CLI::App* remove = Command(*topic, line, "rm", "remove a topic and all its records", "  cord topic rm orders --yes",
                             [&line] { return TopicRemove(line.global, line.topic); });
  named(remove);
  remove->alias("delete")->add_flag("-y,--yes", o.yes, "do not ask");
  CLI::App* set = Command(*topic, line, "set", "change a topic's configs", "  cord topic set orders -c retention.ms=60000\n  cord topic set orders --reset retention.ms",
                          [&line] { return TopicSet(line.global, line.topic); });
  named(set);
  set->add_option("-c,--config", o.configs, "may be repeated")->check(KeyValue())->check(Utf8())->type_name("KEY=VALUE")->allow_extra_args(false);
  set->add_option("--reset", o.reset, "back to the default, may be repeated")->check(Utf8())->type_name("KEY")->allow_extra_args(false);
  CLI::App* offsets = Command(*topic, line, "offsets", "where each partition starts and ends", "  cord topic offsets orders",
                              [&line] { return TopicOffsets(line.global, line.topic); });
  named(offsets);
  CLI::App* grow = Command(*topic, line, "grow", "give a topic more partitions", "  cord topic grow orders -p 8",
                           [&line] { return TopicGrow(line.global, line.topic); });
  named(grow);
  grow->add_option("-p,--partitions", o.partitions, "the new total")->required()->check(PartitionCount())->type_name("N");
  CLI::App* trim = Command(*topic, line, "trim", "delete the records before a position", "  cord topic trim orders --before 1000 -p 0 --yes",
                           [&line] { return TopicTrim(line.global, line.topic); });
  named(trim);
  trim->add_option("--before", o.before, "start, end, an offset or -N")->required()->type_name("POSITION");
  trim->add_option("-p,--partition", o.partition, "one partition; all unless said")->check(PartitionNumber())->type_name("N");
  trim->add_flag("-y,--yes", o.yes, "do not ask");
}

void AddProduce(CLI::App& app, CommandLine& line) {
  ProduceCommandOptions& o = line.produce;
  CLI::App* produce = Command(app, line, "produce", "append records, one a line, from standard input or a file",
                              "  echo hello | cord produce orders\n  cord produce logs --file app.log --key-regex '^(\\S+)'\n"
                              "  cord produce orders --key-delim ':' -F '%p %o %v\\n' < orders.txt\n"
                              "Format: " + std::string(kFormatEscapes),
                              [&line] {
                                line.produce.has_format = !line.produce.format.empty();
                                return Produce(line.global, line.produce);
                              });
  produce->add_option("topic", o.topic, "where to")->required()->type_name("TOPIC");
  produce->add_option("--file", o.file, "read this instead of standard input")->check(NotEmpty("a file's name, or - for standard input"))->type_name("FILE");
  produce->add_option("--key-delim", o.key_delim, "the key stands before it, the value after it")->check(NotEmpty("what stands between key and value"))->type_name("TEXT");
  produce->add_option("--key-regex", o.key_regex, "the key is its first group; the value stays the whole line")->check(NotEmpty("an expression"))->type_name("RE2");
  produce->add_option("-p,--partition", o.partition, "to this partition; by key, or any, unless said")->check(PartitionNumber())->type_name("N");
  produce->add_option("-H,--header", o.headers, "on every record, may be repeated")->check(KeyValue())->type_name("KEY=VALUE")->allow_extra_args(false);
  produce->add_option("--rate", o.rate, "not faster than this, as 1000/s")->check(NotEmpty("1000/s"))->type_name("N/s");
  produce->add_option("-F,--format", o.format, "print each record so once it is acknowledged")->check(NotEmpty("a format, as '%p %o %v\\n'"))->type_name("FORMAT");
  produce->add_option("-z,--compression", o.compression, "none, gzip, snappy, lz4 or zstd")->type_name("CODEC")->capture_default_str();
  produce->add_option("--acks", o.acks, "all, leader or none")->type_name("ACKS")->capture_default_str();
  produce->add_option("--batch-size", o.batch_bytes, "a batch is closed at this size")->type_name("SIZE")->capture_default_str();
  produce->add_option("--linger", o.linger, "or at this age")->type_name("TIME")->capture_default_str();
}

void AddConsume(CLI::App& app, CommandLine& line) {
  ConsumeCommandOptions& o = line.consume;
  CLI::App* consume = Command(app, line, "consume", "print records from a position on, in log order within each partition",
                              "  cord consume orders --from start --to end -F '%v\\n'\n  cord consume orders -p 0 --from 1234 -n 10\n"
                              "  cord consume orders --from -10            the last ten of each partition\n"
                              "  cord consume orders --from @-15m -f       the last quarter of an hour, and on\n"
                              "  cord consume orders -g billing            one of several that share the work as a group\n"
                              "Positions: start, end, 123, -10, @2026-11-20T10:00[:SS][Z|+02:00], @-15m\n"
                              "Format: " + std::string(kFormatEscapes),
                              [&line] {
                                line.consume.has_format = !line.consume.format.empty();
                                return Consume(line.global, line.consume);
                              });
  const CLI::Validator position = NotEmpty("start, end, an offset, -10 or @TIME");
  consume->add_option("topic", o.topic, "where from")->required()->type_name("TOPIC");
  consume->add_option("--from", o.from, "first record; end with -f, else start, unless said")->check(position)->type_name("POSITION");
  consume->add_option("--to", o.to, "stop before this; the log end as it is now unless said")->check(position)->type_name("POSITION");
  consume->add_option("-p,--partition", o.partitions, "only this one, may be repeated")->check(PartitionNumber())->type_name("N")->allow_extra_args(false);
  consume->add_option("-n,--count", o.count, "no more than so many records, over all partitions")->check(Whole(0, std::numeric_limits<std::int64_t>::max()))->type_name("N");
  consume->add_flag("-f,--follow", o.follow, "wait for more until interrupted");
  consume->add_option("-g,--group", o.group, "as a member of this group, from its committed offsets on, until interrupted")->check(GroupName("a group's name"))->type_name("GROUP");
  consume->add_option("--instance-id", o.instance_id, "with -g: this process's own name; a restart under it moves no partition")->check(GroupName("a name"))->type_name("NAME");
  consume->add_option("--reset", o.reset, "with -g: where to begin without a committed offset; earliest unless said")->check(CLI::IsMember({"earliest", "latest", "error"}))->type_name("WHERE");
  consume->add_flag("--no-commit", o.no_commit, "with -g: commit nothing");
  consume->add_option("-F,--format", o.format, "print each record so; values on a terminal, JSON lines in a pipe, unless said")->check(NotEmpty("a format, as '%v\\n'"))->type_name("FORMAT");
}

// A global option whose value is the next word.
bool TakesValue(std::string_view word) {
  static constexpr std::string_view kWords[] = {"-b", "--brokers", "-o", "--output", "--timeout"};
  return std::find(std::begin(kWords), std::end(kWords), word) != std::end(kWords);
}

// Of a command line that does not parse: the first word that is no command here, and the nearest one that is.
struct Misunderstanding {
  std::string what;  // empty: all commands exist
  std::string hint = "see  cord --help";
};

Misunderstanding FindMisunderstanding(const CLI::App& app, int argc, char** argv) {
  const CLI::App* at = &app;
  std::string path = "cord ";
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const auto commands = at->get_subcommands([](const CLI::App*) { return true; });
    if (TakesValue(word)) ++i;
    if (word.empty() || word[0] == '-' || commands.empty()) continue;
    const auto found = std::find_if(commands.begin(), commands.end(), [&](const CLI::App* c) { return c->check_name(word); });
    if (found != commands.end()) {
      at = *found;
      path += at->get_name() + " ";
      continue;
    }
    std::vector<std::string> names;
    for (const CLI::App* command : commands) names.push_back(command->get_name());
    const auto nearest = NearestName(word, names);
    std::string all;
    for (const std::string& name : names) all += (all.empty() ? "" : ", ") + name;
    return {"there is no command \"" + path + word + "\"", nearest.has_value() ? "did you mean  " + path + *nearest + "?" : "the commands are " + all + "; see  " + path + "--help"};
  }
  return {"", "see  " + path + "--help"};
}

ExitCode Main(int argc, char** argv) {
  CommandLine line;
  CLI::App app("cord: live with a Cordwood broker from the command line");
  app.name("cord");
  app.require_subcommand(1);
  app.fallthrough();
  app.set_version_flag("--version", kVersion);
  app.footer("Examples:\n  cord topic create orders -p 4\n  cord produce orders --file orders.txt\n  cord consume orders --from start\n"
             "Exit codes: 0 done, 1 error, 2 usage, 3 not found, 4 not allowed, 5 conflict, 6 no broker or no answer, 7 some records failed, 130 interrupted");
  AddGlobals(app, line);
  AddTopicCommands(app, line);
  AddProduce(app, line);
  AddConsume(app, line);
  AddGroupCommands(app, line.global, line.group, line.run);
  AddBenchCommands(app, line.global, line.bench, line.run);
  CLI::App* cluster = app.add_subcommand("cluster", "the brokers as a whole");
  cluster->require_subcommand(1);
  Command(*cluster, line, "status", "brokers, their state, and what they hold", "  cord cluster status\n  cord cluster status -o json",
          [&line] { return ClusterStatus(line.global); });
  CLI::App* broker = app.add_subcommand("broker", "one broker");
  broker->require_subcommand(1);
  Command(*broker, line, "describe", "shards, disk and configuration of the broker that answers", "  cord broker describe",
          [&line] { return BrokerDescribe(line.global); });
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {  // --help, --version
    app.exit(success);
    return kExitOk;
  } catch (const CLI::ParseError& error) {
    const Misunderstanding word = FindMisunderstanding(app, argc, argv);
    line.global.output = line.output == "json" ? OutputForm::kJson : OutputForm::kText;
    return ReportUsage(line.global, word.what.empty() ? error.what() : word.what, word.hint);
  }
  line.global.output = line.output == "json" ? OutputForm::kJson : OutputForm::kText;
  const auto timeout = ParseDurationMs(line.timeout);
  if (!timeout.ok() || *timeout == 0) return ReportUsage(line.global, "--timeout: a duration above zero, as 30s");
  line.global.timeout = absl::Milliseconds(*timeout);
  for (const std::string* topic : {&line.topic.topic, &line.produce.topic, &line.consume.topic, &line.group.topic, &line.bench.produce.topic, &line.bench.consume.topic, &line.bench.e2e.topic}) line.global.topic += *topic;  // one command, one topic
  if (!line.global.topic.empty()) {
    if (const Status legal = CheckTopicName(line.global.topic); !legal.ok()) return Report(line.global, legal);
  }
  line.global.group = line.group.group;
  if (const auto addresses = ParseAddresses(line.global.brokers); !addresses.ok()) return ReportUsage(line.global, MessageOf(addresses.status()));
  return line.run();
}

}  // namespace
}  // namespace cordwood::client

int main(int argc, char** argv) {
  cordwood::client::TuneProcess();
  return cordwood::client::Main(argc, argv);
}
