// SPDX-License-Identifier: Apache-2.0
// A record is committed when it has been written to stdout.
#include "client/cli/consume/group_consume.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <utility>
#include <vector>

#include "client/cli/commands.h"
#include "client/cli/consume/connection_notice.h"
#include "client/cli/consume/record_printer.h"
#include "client/cli/interrupt.h"
#include "client/cli/one_call.h"
#include "client/cli/session.h"
#include "client/cli/table.h"
#include "client/failure.h"
#include "client/internal/rpc_error.h"
#include "cordwood/client.h"

namespace cordwood::client {
namespace {

constexpr std::chrono::milliseconds kPollTimeout(100);
constexpr std::chrono::milliseconds kLeaveTimeout(5'000);
constexpr std::chrono::milliseconds kCommitInterval(200);  // what comes again after kill -9
constexpr char kNotCommittedHint[] = "what was printed last may come again, from whoever reads next";

class GroupReader {
 public:
  GroupReader(const GlobalOptions& global, const ConsumeCommandOptions& options, std::optional<RecordFormat> format)
      : global_(global), options_(options), printer_(global, std::move(format)), left_(options.count) {}

  ExitCode Run() {
    auto client = ConnectClient(global_);
    if (!client.ok()) return Report(global_, client.status());
    auto consumer = client->NewConsumer(Options());
    if (!consumer) return Fail(consumer.error());
    // A group waits for topics that are not there yet; on a command line that is a slip of the pen.
    if (const auto partitions = consumer->PartitionsOf(options_.topic); !partitions) return Fail(partitions.error());
    if (const auto subscribed = consumer->Subscribe({options_.topic}); !subscribed) return Fail(subscribed.error());
    const ExitCode code = Follow(*consumer);
    const auto closed = consumer->Close(std::min(kLeaveTimeout, LibraryTimeout(global_)));
    return code == kExitOk && !closed ? Report(global_, ToStatus(closed.error().code(), closed.error().message()), kNotCommittedHint) : code;
  }

 private:
  ConsumerOptions Options() const {
    ConsumerOptions options;
    options.group.id = options_.group;
    options.group.instance_id = options_.instance_id;
    options.group.client = kVersion;
    options.group.reset = options_.reset == "latest" ? GroupReset::Latest() : options_.reset == "error" ? GroupReset::Error() : GroupReset::Earliest();
    options.group.auto_commit = !options_.no_commit;
    options.group.auto_commit_interval = kCommitInterval;
    if (global_.quiet) return options;
    options.group.on_lost = [](Consumer& consumer, const auto& partitions) {
      const std::string reason = consumer.membership().reason;
      Tell("lost", partitions, reason.empty() ? "" : " (" + reason + ")");
    };
    if (isatty(STDERR_FILENO) == 0) return options;
    options.group.on_assigned = [](Consumer&, const auto& partitions) { Tell("assigned", partitions); };
    options.group.on_revoked = [](Consumer&, const auto& partitions) { Tell("given up", partitions); };
    return options;
  }

  static void Tell(const char* what, const std::vector<TopicPartition>& partitions, const std::string& why = "") {
    std::string names;
    for (const TopicPartition& partition : partitions) names += " " + partition.topic + "-" + std::to_string(partition.partition);
    std::fprintf(stderr, "%s:%s%s\n", what, names.c_str(), why.c_str());
  }

  ExitCode Follow(Consumer& consumer) {
    while (left_ != 0 && !Interrupted()) {
      if (consumer.replay() == ReplayState::kDone) {
        Note(global_, "replay job " + Printable(options_.group) + " is done");
        return kExitOk;
      }
      if (consumer.replay() == ReplayState::kCancelled) return Report(global_, Error(Reason::kConflict, "replay job " + options_.group + " was cancelled"));
      const auto records = consumer.Poll(kPollTimeout);
      if (!records) return Fail(records.error());
      if (records->empty()) notice_.Look(consumer.connection());
      const std::size_t count = left_ < 0 ? records->size() : std::min(records->size(), static_cast<std::size_t>(left_));
      for (std::size_t i = 0; i < count; ++i) printer_.Print((*records)[i]);
      if (left_ > 0) left_ -= static_cast<std::int64_t>(count);
      printer_.out().Flush();  // the next poll says that they are handled
      if (printer_.out().error() != 0) return Report(global_, printer_.out().status());
      if (printer_.out().closed()) return kExitOk;
      // In case there is no next poll.
      for (std::size_t i = 0; i < count; ++i) {
        if (i + 1 == count || (*records)[i].partition() != (*records)[i + 1].partition()) consumer.Mark((*records)[i]);
      }
    }
    return kExitOk;
  }

  ExitCode Fail(const Failure& failure) {
    printer_.out().Flush();
    Status status = ToStatus(failure.code(), failure.message());
    if (failure.code() != Errc::kOffsetOutOfRange) return Report(global_, status);
    const std::string message = MessageOf(status);
    status = Error(Reason::kOffsetOutOfRange, message.substr(0, message.find("; choose ")));
    return Report(global_, status, "choose where to begin: --reset earliest or --reset latest");
  }

  const GlobalOptions& global_;
  const ConsumeCommandOptions& options_;
  RecordPrinter printer_;
  std::int64_t left_;  // < 0: no limit
  ConnectionNotice notice_{global_.quiet};
};

}  // namespace

std::string GroupMisuse(const ConsumeCommandOptions& options) {
  if (options.group.empty()) {
    if (!options.instance_id.empty()) return "--instance-id: only with -g";
    if (!options.reset.empty()) return "--reset: only with -g; without it --from says where to begin";
    return options.no_commit ? "--no-commit: only with -g" : "";
  }
  if (!options.from.empty()) return "--from: not with -g: a group goes on where it was; --reset is for its beginning, cord group seek moves it";
  if (!options.to.empty()) return "--to: not with -g: a group follows until it is stopped, or -n";
  return options.partitions.empty() ? "" : "-p: not with -g: the group gives each member its partitions";
}

ExitCode ConsumeAsGroup(const GlobalOptions& global, const ConsumeCommandOptions& options, std::optional<RecordFormat> format) {
  return GroupReader(global, options, std::move(format)).Run();
}

}  // namespace cordwood::client
