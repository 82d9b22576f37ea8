// SPDX-License-Identifier: Apache-2.0
// cord consume: from a position to another, or on and on.
#include <algorithm>
#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "client/cli/commands.h"
#include "client/cli/consume/connection_notice.h"
#include "client/cli/consume/group_consume.h"
#include "client/cli/consume/record_printer.h"
#include "client/cli/interrupt.h"
#include "client/cli/position.h"
#include "client/cli/record_format.h"
#include "client/cli/session.h"
#include "client/cli/stdout_writer.h"
#include "client/failure.h"
#include "client/internal/rpc_error.h"
#include "cordwood/client.h"
#include "storage/base/clock.h"

namespace cordwood::client {
namespace {

// One partition's part of the work.
struct Range {
  TopicPartition partition;
  PartitionOffsets log;            // when we began
  std::int64_t from = 0;
  std::optional<std::int64_t> to;  // exclusive; none: on and on
};

cordwood::Position ToLibrary(const Position& position) {
  switch (position.kind) {
    case Position::Kind::kStart: return cordwood::Position::Start();
    case Position::Kind::kEnd: return cordwood::Position::End();
    case Position::Kind::kOffset: return cordwood::Position::At(position.value);
    case Position::Kind::kFromEnd: return cordwood::Position::Last(position.value);
    case Position::Kind::kTimestamp: break;
  }
  return cordwood::Position::From(Timestamp(std::chrono::milliseconds(position.value)));
}

std::vector<TopicPartition> PartitionsOf(const std::vector<Range>& ranges) {
  std::vector<TopicPartition> partitions;
  for (const Range& range : ranges) partitions.push_back(range.partition);
  return partitions;
}

// All partitions of the topic, or the ones asked for. UNKNOWN_TOPIC_OR_PARTITION.
StatusOr<std::vector<Range>> ChoosePartitions(const Consumer& consumer, const ConsumeCommandOptions& options) {
  const auto all = consumer.PartitionsOf(options.topic);
  if (!all) return ToStatus(all.error().code(), all.error().message());
  std::set<std::int32_t> wanted(options.partitions.begin(), options.partitions.end());
  std::vector<Range> ranges;
  for (const TopicPartition& partition : *all) {
    if (options.partitions.empty() || wanted.erase(partition.partition) > 0) ranges.push_back({partition, {}, 0, std::nullopt});
  }
  if (wanted.empty()) return ranges;
  return NoSuchPartition(options.topic, *wanted.begin(), static_cast<std::int32_t>(all->size()));
}

// `to` may lie above the log end where we wait for more.
Result<void> ResolveTo(const Consumer& consumer, const Position& to, bool follow, std::vector<Range>* ranges) {
  if (follow && to.kind == Position::Kind::kOffset) {
    for (Range& range : *ranges) {
      const auto offset = ResolvePosition(to, Offset(range.log.log_start), Offset(range.log.high_watermark), true);
      if (!offset.ok()) return ToFailure(Annotate(offset.status(), range.partition.topic + "-" + std::to_string(range.partition.partition)));
      range.to = offset->value();
    }
    return {};
  }
  const auto offsets = consumer.Resolve(PartitionsOf(*ranges), ToLibrary(to));
  if (!offsets) return offsets.error();
  for (std::size_t i = 0; i < ranges->size(); ++i) (*ranges)[i].to = (*offsets)[i];
  return {};
}

Result<void> PlanRanges(const Consumer& consumer, const ConsumeCommandOptions& options, const Position& from, const std::optional<Position>& to,
                        std::vector<Range>* ranges) {
  const auto logs = consumer.Offsets(PartitionsOf(*ranges));
  if (!logs) return logs.error();
  const auto begins = consumer.Resolve(PartitionsOf(*ranges), ToLibrary(from));
  if (!begins) return begins.error();
  for (std::size_t i = 0; i < ranges->size(); ++i) {
    Range& range = (*ranges)[i];
    range.log = (*logs)[i];
    range.from = (*begins)[i];
    if (!options.follow) range.to = range.log.high_watermark;
  }
  return to.has_value() ? ResolveTo(consumer, *to, options.follow, ranges) : Result<void>();
}

// Prints records until every range is done.
class Printer {
 public:
  Printer(const GlobalOptions& global, const ConsumeCommandOptions& options, std::optional<RecordFormat> format)
      : global_(global), options_(options), printer_(global, std::move(format)), left_(options.count) {}

  ExitCode Run(Consumer& consumer, const std::vector<Range>& ranges) {
    std::map<TopicPartition, cordwood::Position> begins;
    for (const Range& range : ranges) {
      if (range.to.has_value() && range.from >= *range.to) continue;
      begins.emplace(range.partition, cordwood::Position::At(range.from));
      unfinished_.emplace(range.partition.partition, range);
    }
    if (unfinished_.empty() || left_ == 0) return kExitOk;
    if (const auto assigned = consumer.Assign(begins); !assigned) return Fail(assigned.error());
    absl::Duration progress = Clock::System().Monotonic();
    while (!unfinished_.empty() && left_ != 0 && !out_.closed() && out_.error() == 0) {
      if (Interrupted()) {
        out_.Flush();
        return options_.follow ? kExitOk : kExitInterrupted;
      }
      auto records = consumer.Poll(std::chrono::milliseconds(0));
      if (records && records->empty()) {
        out_.Flush();  // whoever reads sees all there is while we wait
        records = consumer.Poll(std::chrono::milliseconds(100));
      }
      if (!records) return Fail(records.error());
      const absl::Duration now = Clock::System().Monotonic();
      if (!records->empty()) {
        progress = now;
        Print(consumer, *records);
      } else if (DropFinished(consumer) == 0) {
        if (options_.follow) {
          notice_.Look(consumer.connection());
        } else if (now - progress > global_.timeout) {
          const auto connection = consumer.connection();
          return Fail(connection ? Failure(Errc::kRequestTimedOut, "no record came within " + absl::FormatDuration(global_.timeout)) : connection.error());
        }
      }
    }
    out_.Flush();
    if (out_.error() != 0) return Report(global_, out_.status());
    return kExitOk;
  }

 private:
  ExitCode Fail(const Failure& failure) {
    out_.Flush();
    return Report(global_, ToStatus(failure.code(), failure.message()));
  }

  void Print(Consumer& consumer, const std::vector<ConsumerRecord>& records) {
    for (const ConsumerRecord& record : records) {
      const auto range = unfinished_.find(record.partition());
      if (range == unfinished_.end()) continue;
      const std::optional<std::int64_t> to = range->second.to;
      if (!to.has_value() || record.offset() < *to) {
        printer_.Print(record);
        if (left_ > 0) --left_;
      }
      if (left_ == 0 || out_.closed()) return;
      if (to.has_value() && record.offset() + 1 >= *to) {
        unfinished_.erase(range);
        consumer.Unassign(record.topic_partition());
      }
    }
  }

  // Ranges whose last offsets have no records end without one. How many did.
  std::size_t DropFinished(Consumer& consumer) {
    return std::erase_if(unfinished_, [&](const auto& entry) {
      const Range& range = entry.second;
      const bool finished = range.to.has_value() && consumer.position(range.partition).value_or(0) >= *range.to;
      if (finished) consumer.Unassign(range.partition);
      return finished;
    });
  }

  const GlobalOptions& global_;
  const ConsumeCommandOptions& options_;
  RecordPrinter printer_;
  StdoutWriter& out_ = printer_.out();
  std::map<std::int32_t, Range> unfinished_;  // by partition
  std::int64_t left_;  // < 0: no limit
  ConnectionNotice notice_{global_.quiet};
};

}  // namespace

ExitCode Consume(const GlobalOptions& global, const ConsumeCommandOptions& options) {
  if (const std::string wrong = GroupMisuse(options); !wrong.empty()) return ReportUsage(global, wrong);
  const std::int64_t now_ms = Clock::System().WallMs();
  const auto from = ParsePosition(!options.from.empty() ? options.from : options.follow ? "end" : "start", now_ms);
  if (!from.ok()) return ReportUsage(global, "--from: " + MessageOf(from.status()));
  std::optional<Position> to;
  if (!options.to.empty()) {
    const auto parsed = ParsePosition(options.to, now_ms);
    if (!parsed.ok()) return ReportUsage(global, "--to: " + MessageOf(parsed.status()));
    to = *parsed;
  }
  std::optional<RecordFormat> format;
  if (options.has_format) {
    auto parsed = RecordFormat::Parse(options.format);
    if (!parsed.ok()) return ReportUsage(global, "--format: " + MessageOf(parsed.status()), std::string(kFormatEscapes));
    format = *std::move(parsed);
  }
  CatchInterrupts();
  if (!options.group.empty()) return ConsumeAsGroup(global, options, std::move(format));
  const auto fail = [&](const Failure& failure) { return Report(global, ToStatus(failure.code(), failure.message())); };
  auto client = ConnectClient(global);
  if (!client.ok()) return Report(global, client.status());
  auto consumer = client->NewConsumer();
  if (!consumer) return fail(consumer.error());
  auto ranges = ChoosePartitions(*consumer, options);
  if (!ranges.ok()) return Report(global, ranges.status());
  if (const auto planned = PlanRanges(*consumer, options, *from, to, &*ranges); !planned) return fail(planned.error());
  return Printer(global, options, std::move(format)).Run(*consumer, *ranges);
}

}  // namespace cordwood::client
