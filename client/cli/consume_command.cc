// SPDX-License-Identifier: Apache-2.0
// cord consume: from a position to another, or on and on.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include "client/cli/commands.h"
#include "client/cli/interrupt.h"
#include "client/cli/position.h"
#include "client/cli/record_format.h"
#include "client/cli/record_json.h"
#include "client/cli/session.h"
#include "client/cli/stdout_writer.h"
#include "client/internal/fetch_client.h"
#include "client/internal/metadata_cache.h"
#include "cordwood/v1/log.grpc.pb.h"
#include "storage/base/clock.h"

namespace cordwood::client {
namespace {

// One partition's part of the work.
struct Range {
  PartitionIndex partition;
  Offset start;               // the log's
  Offset end;                 // the log's, when we began
  Offset from;
  std::optional<Offset> to;   // exclusive; none: on and on
};

std::string Where(const std::string& topic, PartitionIndex partition) { return topic + "/" + ToString(partition); }

StatusOr<v1::ListOffsetsResponse> ListOffsets(BrokerConnection& connection, const TopicImage& topic, const std::vector<Range>& ranges,
                                              std::optional<std::int64_t> timestamp_ms) {
  v1::ListOffsetsRequest request;
  for (const Range& range : ranges) {
    auto* query = request.add_queries();
    query->mutable_partition()->set_topic_id(std::string(topic.id.raw()));
    query->mutable_partition()->set_partition(range.partition.value());
    if (timestamp_ms.has_value()) {
      query->set_timestamp_ms(*timestamp_ms);
    } else {
      query->set_end(true);
    }
  }
  v1::ListOffsetsResponse response;
  CORDWOOD_RETURN_IF_ERROR(CallUnary<v1::Log>(connection, &v1::Log::Stub::ListOffsets, request, &response));
  if (response.answers_size() != request.queries_size()) return Error(Reason::kUnknownServerError, "ListOffsets answered another number of queries");
  for (int i = 0; i < response.answers_size(); ++i) {
    CORDWOOD_RETURN_IF_ERROR(Annotate(FromEntryError(response.answers(i).error()), Where(topic.name, ranges[static_cast<std::size_t>(i)].partition)));
  }
  return response;
}

// The offset of `position` in each range; `set` puts it there.
template <class Set>
Status Resolve(BrokerConnection& connection, const TopicImage& topic, const Position& position, bool above_end_ok, std::vector<Range>* ranges, Set set) {
  if (position.kind == Position::Kind::kTimestamp) {
    CORDWOOD_ASSIGN_OR_RETURN(const v1::ListOffsetsResponse response, ListOffsets(connection, topic, *ranges, position.value));
    for (std::size_t i = 0; i < ranges->size(); ++i) {
      const Offset found(response.answers(static_cast<int>(i)).offset());
      set((*ranges)[i], std::clamp(found, (*ranges)[i].start, std::max((*ranges)[i].start, (*ranges)[i].end)));
    }
    return absl::OkStatus();
  }
  for (Range& range : *ranges) {
    const StatusOr<Offset> offset = ResolvePosition(position, range.start, range.end, above_end_ok);
    if (!offset.ok()) return Annotate(offset.status(), Where(topic.name, range.partition));
    set(range, *offset);
  }
  return absl::OkStatus();
}

StatusOr<std::vector<Range>> PlanRanges(BrokerConnection& connection, const TopicImage& topic, const ConsumeCommandOptions& options, const Position& from,
                                        const std::optional<Position>& to) {
  std::vector<Range> ranges;
  std::vector<std::int32_t> wanted = options.partitions;
  if (wanted.empty()) {
    for (std::int32_t i = 0; i < topic.partitions(); ++i) wanted.push_back(i);
  }
  std::sort(wanted.begin(), wanted.end());
  wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
  for (const std::int32_t index : wanted) {
    if (index < 0 || index >= topic.partitions()) return NoSuchPartition(topic.name, index, topic.partitions());
    ranges.push_back(Range{PartitionIndex(index), {}, {}, {}, std::nullopt});
  }
  CORDWOOD_ASSIGN_OR_RETURN(const v1::ListOffsetsResponse ends, ListOffsets(connection, topic, ranges, std::nullopt));
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    ranges[i].start = Offset(ends.answers(static_cast<int>(i)).log_start());
    ranges[i].end = Offset(ends.answers(static_cast<int>(i)).high_watermark());
    if (!options.follow) ranges[i].to = ranges[i].end;
  }
  CORDWOOD_RETURN_IF_ERROR(Resolve(connection, topic, from, false, &ranges, [](Range& range, Offset offset) { range.from = offset; }));
  if (to.has_value()) {
    CORDWOOD_RETURN_IF_ERROR(Resolve(connection, topic, *to, options.follow, &ranges, [](Range& range, Offset offset) { range.to = offset; }));
  }
  return ranges;
}

// Prints records until every range is done.
class Printer {
 public:
  Printer(const GlobalOptions& global, const ConsumeCommandOptions& options, const TopicImage& topic, std::vector<Range> ranges,
          std::optional<RecordFormat> format)
      : global_(global), options_(options), topic_(topic), ranges_(std::move(ranges)), format_(std::move(format)), left_(options.count) {
    json_ = global.output == OutputForm::kJson || (!format_.has_value() && isatty(STDOUT_FILENO) == 0);
  }

  ExitCode Run(ClientLoop& loop, BrokerConnection& connection) {
    std::vector<FetchFrom> parts;
    for (Range& range : ranges_) {
      if (range.to.has_value() && range.from >= *range.to) continue;
      parts.push_back({topic_.id, range.partition, range.from});
      by_slot_.push_back(&range);
    }
    unfinished_ = parts.size();
    if (parts.empty() || left_ == 0) return kExitOk;
    FetchClient fetch(loop, connection);
    if (const auto slots = fetch.Add(parts); !slots.ok()) return Fail(slots.status());  // 0, 1, 2, …
    absl::Duration progress = Clock::System().Monotonic();
    while (unfinished_ > 0 && left_ != 0 && !out_.closed() && out_.error() == 0) {
      if (Interrupted()) {
        out_.Flush();
        return options_.follow ? kExitOk : kExitInterrupted;
      }
      std::vector<FetchedChunk> chunks = fetch.Take(absl::ZeroDuration());
      if (chunks.empty()) {
        out_.Flush();  // whoever reads sees all there is while we wait
        chunks = fetch.Take(absl::Milliseconds(100));
      }
      const absl::Duration now = Clock::System().Monotonic();
      if (!chunks.empty()) {
        progress = now;
        for (FetchedChunk& chunk : chunks) {
          if (const Status status = Print(chunk, fetch); !status.ok()) return Fail(status);
          fetch.Consumed(chunk.memory_bytes);
          chunk = {};
        }
      } else if (options_.follow) {
        TellConnection(fetch.connection_status());
      } else if (now - progress > global_.timeout) {
        const Status why = fetch.connection_status();
        return Fail(why.ok() ? Error(Reason::kRequestTimedOut, "no record came within " + absl::FormatDuration(global_.timeout)) : why);
      }
    }
    out_.Flush();
    if (out_.error() != 0) return Fail(out_.status());
    return kExitOk;
  }

 private:
  void TellConnection(const Status& status) {
    if (global_.quiet || status.ok() == connected_) return;
    connected_ = status.ok();
    std::fprintf(stderr, connected_ ? "connected again%s\n" : "connection lost (%s); trying again\n", connected_ ? "" : InShort(status).c_str());
  }

  ExitCode Fail(const Status& status) {
    out_.Flush();
    return Report(global_, status);
  }

  Status Print(const FetchedChunk& chunk, FetchClient& fetch) {
    Range& range = *by_slot_[chunk.slot];
    if (range.to.has_value() && chunk.wanted >= *range.to) return absl::OkStatus();  // came with the one that ended the range
    CORDWOOD_RETURN_IF_ERROR(Annotate(chunk.status, Where(topic_.name, range.partition)));
    CORDWOOD_RETURN_IF_ERROR(Annotate(ForEachRecord(chunk,
                                                    [&](const RecordView& record, LeaderEpoch epoch) {
                                                      if (left_ == 0 || (range.to.has_value() && record.offset >= *range.to)) return false;
                                                      PrintRecord(PlacedRecord{topic_.name, range.partition, epoch, &record});
                                                      return !out_.closed();
                                                    }),
                                      Where(topic_.name, range.partition)));
    if (range.to.has_value() && chunk.next >= *range.to) {
      --unfinished_;
      fetch.Remove({chunk.slot});
    }
    return absl::OkStatus();
  }

  void PrintRecord(const PlacedRecord& placed) {
    if (left_ > 0) --left_;
    if (format_.has_value()) {
      format_->Append(placed, out_.buffer());
    } else if (json_) {
      AppendJsonLine(placed, out_.buffer());
    } else {
      out_.buffer()->append(placed.record->value.value_or("")).push_back('\n');
    }
    out_.Wrote();
  }

  const GlobalOptions& global_;
  const ConsumeCommandOptions& options_;
  const TopicImage& topic_;
  std::vector<Range> ranges_;
  const std::optional<RecordFormat> format_;
  std::vector<Range*> by_slot_;
  std::size_t unfinished_ = 0;
  std::int64_t left_;  // < 0: no limit
  bool json_ = false;
  bool connected_ = true;  // as the user was told
  StdoutWriter out_;
};

}  // namespace

ExitCode Consume(const GlobalOptions& global, const ConsumeCommandOptions& options) {
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
  auto connection = ConnectToBroker(global);
  if (!connection.ok()) return Report(global, connection.status());
  MetadataCache metadata(**connection);
  const auto topic = metadata.Get(options.topic);
  if (!topic.ok()) return Report(global, topic.status());
  auto ranges = PlanRanges(**connection, *topic, options, *from, to);
  if (!ranges.ok()) return Report(global, ranges.status());
  ClientLoop loop("cord");
  return Printer(global, options, *topic, *std::move(ranges), std::move(format)).Run(loop, **connection);
}

}  // namespace cordwood::client
