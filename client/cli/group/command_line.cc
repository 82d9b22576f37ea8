// SPDX-License-Identifier: Apache-2.0
// The flags of cord group.
#include <CLI/CLI.hpp>

#include <utility>

#include "client/cli/group/group_commands.h"

namespace cordwood::client {
namespace {

// A command over one group.
CLI::App* GroupCommand(CLI::App& parent, const std::string& name, const std::string& what, const std::string& examples, GroupOptions& options,
                       std::function<ExitCode()> start, std::function<ExitCode()>& run) {
  CLI::App* command = parent.add_subcommand(name, what);
  command->footer("Examples:\n" + examples);
  command->callback([start = std::move(start), &run] { run = start; });
  command->add_option("group", options.group, "its id")->required()->type_name("GROUP");
  return command;
}

void AddSeek(CLI::App& group, const GlobalOptions& global, GroupOptions& o, std::function<ExitCode()>& run) {
  CLI::App* seek = GroupCommand(group, "seek", "put a group's committed offsets elsewhere, also while its members are alive",
                                "  cord group seek billing --topic orders --to @-1h --dry-run\n  cord group seek billing --topic orders --to start\n"
                                "  cord group seek billing --topic orders -p 0 --to 123\n  cord group seek billing --topic orders --shift -1000\n"
                                "  cord group seek billing --from-file offsets.txt       # TOPIC PARTITION POSITION on each line\n"
                                "Positions: start, end, 123, -10 (ten before the end), @2026-11-20T10:00[:SS][Z|+02:00], @-15m",
                                o, [&global, &o] { return GroupSeek(global, o); }, run);
  const CLI::Validator not_empty([](const std::string& text) { return text.empty() ? std::string("empty") : std::string(); }, "");
  const CLI::Validator partition(
      [](const std::string& text) {
        const bool whole = !text.empty() && text.size() <= 9 && text.find_first_not_of("0123456789") == std::string::npos;
        return whole ? std::string() : "\"" + text + "\": write a partition's number, from 0 on";
      },
      "");
  seek->alias("reset");
  seek->add_option("--topic", o.topic, "of this topic")->check(not_empty)->type_name("TOPIC");
  seek->add_option("-p,--partition", o.partitions, "only this one, may be repeated; all unless said")->check(partition)->type_name("N")->allow_extra_args(false);
  seek->add_option("--to", o.to, "a position")->check(not_empty)->type_name("POSITION");
  seek->add_option("--shift", o.shift, "so many records on, or back, from the committed offset")->check(not_empty)->type_name("N");
  seek->add_option("--from-file", o.file, "TOPIC PARTITION POSITION on each line; - for standard input")->check(not_empty)->type_name("FILE");
  seek->add_flag("--dry-run", o.dry_run, "say what would be, change nothing");
}

}  // namespace

void AddGroupCommands(CLI::App& app, const GlobalOptions& global, GroupOptions& o, std::function<ExitCode()>& run) {
  CLI::App* group = app.add_subcommand("group", "consumer groups: who reads what, how far behind, and why; move them, remove them");
  group->alias("g")->require_subcommand(1);
  group->footer("Examples:\n  cord group ls\n  cord group describe billing --watch\n  cord group explain billing\n"
                "  cord group seek billing --topic orders --to @-1h --dry-run");

  CLI::App* list = group->add_subcommand("ls", "list groups");
  list->alias("list")->footer("Examples:\n  cord group ls\n  cord group ls -o json");
  list->callback([&global, &run] { run = [&global] { return GroupList(global); }; });

  CLI::App* describe = GroupCommand(*group, "describe", "partitions, offsets, lag and members of a group",
                                    "  cord group describe billing\n  cord group describe billing --watch", o,
                                    [&global, &o] { return GroupDescribe(global, o); }, run);
  describe->add_flag("-w,--watch", o.watch, "again and again, until interrupted");
  describe->add_option("--interval", o.interval, "of --watch")->type_name("TIME")->capture_default_str();
  GroupCommand(*group, "members", "members of a group, and what each has", "  cord group members billing", o, [&global, &o] { return GroupMembers(global, o); }, run);
  GroupCommand(*group, "lag", "how far behind a group is, in records and in time", "  cord group lag billing\n  cord group lag billing -o json", o,
               [&global, &o] { return GroupLag(global, o); }, run);
  AddSeek(*group, global, o, run);
  CLI::App* remove = GroupCommand(*group, "rm", "remove a group without members, and its committed offsets", "  cord group rm billing --yes", o,
                                  [&global, &o] { return GroupRemove(global, o); }, run);
  remove->alias("delete")->add_flag("-y,--yes", o.yes, "do not ask");
  GroupCommand(*group, "explain", "why it does not go on, and what to try", "  cord group explain billing", o, [&global, &o] { return GroupExplain(global, o); }, run);
}

}  // namespace cordwood::client
