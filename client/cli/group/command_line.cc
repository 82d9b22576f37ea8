// SPDX-License-Identifier: Apache-2.0
// The flags of cord group.
#include <CLI/CLI.hpp>

#include <utility>

#include "client/cli/group/group_commands.h"
#include "storage/base/names.h"

namespace cordwood::client {
namespace {

// A command over one group.
CLI::App* GroupCommand(CLI::App& parent, const std::string& name, const std::string& what, const std::string& examples, GroupOptions& options,
                       std::function<ExitCode()> start, std::function<ExitCode()>& run) {
  CLI::App* command = parent.add_subcommand(name, what);
  command->footer("Examples:\n" + examples);
  command->callback([start = std::move(start), &run] { run = start; });
  const CLI::Validator text([](const std::string& id) { return IsUtf8(id) ? std::string() : std::string("not UTF-8"); }, "");
  command->add_option("group", options.group, "its id")->required()->check(text)->type_name("GROUP");
  return command;
}

CLI::Validator NotEmpty() {
  return CLI::Validator([](const std::string& text) { return text.empty() ? std::string("empty") : std::string(); }, "");
}

void AddPlaces(CLI::App* command, GroupOptions& o) {
  const CLI::Validator partition(
      [](const std::string& text) {
        const bool whole = !text.empty() && text.size() <= 9 && text.find_first_not_of("0123456789") == std::string::npos;
        return whole ? std::string() : "\"" + text + "\": write a partition's number, from 0 on";
      },
      "");
  command->add_option("--topic", o.topic, "of this topic")->check(NotEmpty())->type_name("TOPIC");
  command->add_option("-p,--partition", o.partitions, "only this one, may be repeated; all unless said")->check(partition)->type_name("N")->allow_extra_args(false);
}

void AddSeek(CLI::App& group, const GlobalOptions& global, GroupOptions& o, std::function<ExitCode()>& run) {
  CLI::App* seek = GroupCommand(group, "seek", "put a group's committed offsets elsewhere, also while its members are alive",
                                "  cord group seek billing --topic orders --to @-1h --dry-run\n  cord group seek billing --topic orders --to start\n"
                                "  cord group seek billing --topic orders -p 0 --to 123\n  cord group seek billing --topic orders --shift -1000\n"
                                "  cord group seek billing --from-file offsets.txt       # TOPIC PARTITION POSITION on each line\n"
                                "Positions: start, end, 123, -10 (ten before the end), @2026-11-20T10:00[:SS][Z|+02:00], @-15m",
                                o, [&global, &o] { return GroupSeek(global, o); }, run);
  const CLI::Validator not_empty = NotEmpty();
  seek->alias("reset");
  AddPlaces(seek, o);
  seek->add_option("--to", o.to, "a position")->check(not_empty)->type_name("POSITION");
  seek->add_option("--shift", o.shift, "so many records on, or back, from the committed offset")->check(not_empty)->type_name("N");
  seek->add_option("--from-file", o.file, "TOPIC PARTITION POSITION on each line; - for standard input")->check(not_empty)->type_name("FILE");
  seek->add_flag("--dry-run", o.dry_run, "say what would be, change nothing");
}

void AddReplay(CLI::App& group, const GlobalOptions& global, GroupOptions& o, std::function<ExitCode()>& run) {
  CLI::App* replay = group.add_subcommand("replay", "read a range again beside a living group, at a limited rate or at the original pace");
  replay->footer("Examples:\n  cord group replay billing --topic orders --from @-1h --to @-30m --rate 5MB/s --as billing.replay\n"
                 "  cord group replay billing --topic orders --from start --pace original\n  cord consume orders -g billing.replay      # in one or more processes\n"
                 "  cord group replay ls\n  cord group replay show billing.replay\n  cord group replay pause billing.replay\n"
                 "Positions: start, end, 123, -10 (ten before the end), @2026-11-20T10:00[:SS][Z|+02:00], @-15m");
  const CLI::Validator not_empty = NotEmpty();
  replay->add_option("group", o.group, "the group beside which the job runs; it notices nothing")->type_name("GROUP");
  AddPlaces(replay, o);
  replay->add_option("--from", o.from, "a position")->check(not_empty)->type_name("POSITION");
  replay->add_option("--to", o.to, "a position, exclusive; the end as it is now unless said")->check(not_empty)->type_name("POSITION");
  replay->add_option("--rate", o.rate, "of all members together, as 5MB/s; unlimited unless said")->check(not_empty)->type_name("RATE");
  replay->add_option("--pace", o.pace, "original: by the timestamps of the records")->check(not_empty)->type_name("PACE");
  replay->add_option("--as", o.as, "the job's own id; GROUP.replay unless said")->check(not_empty)->type_name("JOB");
  // Of a command of replay's own this runs as well, and last.
  replay->callback([replay, &global, &o, &run] {
    if (replay->get_subcommands().empty()) run = [&global, &o] { return GroupReplay(global, o); };
  });
  CLI::App* list = replay->add_subcommand("ls", "list replay jobs");
  list->alias("list")->footer("Examples:\n  cord group replay ls\n  cord group replay ls -o json");
  list->callback([&global, &run] { run = [&global] { return ReplayList(global); }; });
  const auto add = [&](const char* name, const char* what, ExitCode (*command)(const GlobalOptions&, const GroupOptions&)) {
    GroupCommand(*replay, name, what, "  cord group replay " + std::string(name) + " billing.replay", o, [command, &global, &o] { return command(global, o); }, run);
  };
  add("show", "how far a replay job is", ReplayShow);
  add("pause", "let its members wait", ReplayPause);
  add("resume", "let it go on", ReplayResume);
  add("cancel", "end it for good; its members stop", ReplayCancel);
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
  AddReplay(*group, global, o, run);
  CLI::App* remove = GroupCommand(*group, "rm", "remove a group without members, and its committed offsets", "  cord group rm billing --yes", o,
                                  [&global, &o] { return GroupRemove(global, o); }, run);
  remove->alias("delete")->add_flag("-y,--yes", o.yes, "do not ask");
  GroupCommand(*group, "explain", "why it does not go on, and what to try", "  cord group explain billing", o, [&global, &o] { return GroupExplain(global, o); }, run);
}

}  // namespace cordwood::client
